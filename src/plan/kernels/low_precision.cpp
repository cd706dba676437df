// What the CPU's instructions for int8 reach when they do nothing else. The network's kernels do not use them.
#include "plan/kernels/low_precision.hpp"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace regnet::kernels {

#if defined(__x86_64__)

namespace {

constexpr int chains = 12;  // more than the latency of one hides

}  // namespace

bool has_int8() { return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vnni"); }

__attribute__((target("avx512f,avx512vnni"))) std::int64_t multiply_add_int8(std::int64_t loops) {
  __m512i sums[chains];
  for (__m512i& sum : sums) {
    sum = _mm512_setzero_si512();
    asm volatile("" : "+v"(sum));
  }
  __m512i factors = _mm512_set1_epi8(1);
  asm volatile("" : "+v"(factors));
  for (std::int64_t loop = 0; loop < loops; ++loop) {
#pragma GCC unroll 12
    for (__m512i& sum : sums) sum = _mm512_dpbusd_epi32(sum, factors, factors);
  }
  for (__m512i& sum : sums) asm volatile("" : : "v"(sum));
  return std::int64_t{2} * chains * 64;
}

#else

bool has_int8() { return false; }
std::int64_t multiply_add_int8(std::int64_t) { return 0; }

#endif

}  // namespace regnet::kernels
