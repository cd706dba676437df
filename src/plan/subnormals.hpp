// How a thread treats subnormal numbers, which cost a hundred times as much as others and never matter to a logit: while a network runs, results that are
// subnormal become 0 (FTZ) and operands count as 0 (DAZ). The caller's own setting comes back afterwards.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace regnet::detail {

#if defined(__SSE2__)
using FloatingMode = std::uint32_t;
inline FloatingMode floating_mode() { return _mm_getcsr(); }
inline void set_floating_mode(FloatingMode mode) { _mm_setcsr(mode); }
inline constexpr FloatingMode flush_bits = 0x8040;  // MXCSR: FTZ and DAZ
#elif defined(__aarch64__)
using FloatingMode = std::uint64_t;
inline FloatingMode floating_mode() {
  FloatingMode mode = 0;
  asm volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
}
inline void set_floating_mode(FloatingMode mode) { asm volatile("msr fpcr, %0" : : "r"(mode)); }
inline constexpr FloatingMode flush_bits = FloatingMode{1} << 24;  // FPCR: FZ, for operands and results
#else
using FloatingMode = std::uint32_t;
inline FloatingMode floating_mode() { return 0; }
inline void set_floating_mode(FloatingMode) {}
inline constexpr FloatingMode flush_bits = 0;
#endif

// Until the end of the scope the calling thread flushes subnormals.
class FlushesSubnormals {
 public:
  FlushesSubnormals() : x_before(floating_mode()) { set_floating_mode(x_before | flush_bits); }
  ~FlushesSubnormals() { set_floating_mode(x_before); }
  FlushesSubnormals(const FlushesSubnormals&) = delete;
  FlushesSubnormals& operator=(const FlushesSubnormals&) = delete;

 private:
  FloatingMode x_before;
};

}  // namespace regnet::detail
