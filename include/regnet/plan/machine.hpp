// machine: what this CPU can do at most, measured: the bounds that a network's speed is held against.
#pragma once

#include <string>

#include <regnet/base/export.hpp>

namespace regnet {

// Upper bounds, in 10^9 operations or bytes a second.
struct MachineLimits {
  double gflops = 0;         // fused multiply-adds of float, two operations each, from registers, on all threads together
  double bf16_gflops = 0;    // the same of bf16; 0 where this library has no kernels for the CPU, here and below
  double int8_gops = 0;      // and of int8; with AVX2 alone for weights of reduced range, others have 0.8 of it
  double read_gbs = 0;       // GB/s read from memory larger than the caches, on all threads together
  std::string instructions;  // "avx512", "avx2", "portable": what they were measured with
};

// As the system names it; "unknown" where it does not.
REGNET_API std::string cpu_name();

// How long a cache line takes from one core to another and is answered, in ns: half of a round trip between two threads. On virtual machines it may change within minutes, and with it
// the speed of everything that threads do together. 0 where there is one thread only.
REGNET_API double measure_handover(double seconds = 0.02);

// Takes about `seconds` for each of them. The best of several rounds, since others may use the machine too.
REGNET_API MachineLimits measure_machine(int threads, double seconds = 0.2);

}  // namespace regnet
