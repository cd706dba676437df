// Activations and weights of bf16, by AVX512-BF16.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#define REGNET_LANES 16
namespace regnet::kernels::avx512_bf16 {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

#include "plan/kernels/bf16.inl"

std::int64_t multiply_add(std::int64_t loops) {
  constexpr int chains = 12;  // more than the latency of one hides
  Vec<16> sums[chains]{}, factors = _mm512_castsi512_ps(_mm512_set1_epi32(0x3f803f80));
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : "+v"(sums[i]));
  asm volatile("" : "+v"(factors));
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_UNROLL for (int i = 0; i < chains; ++i) sums[i] = _mm512_dpbf16_ps(sums[i], (__m512bh)(__m512)factors, (__m512bh)(__m512)factors);
    asm volatile("" : : : "memory");
  }
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : : "v"(sums[i]));
  return std::int64_t{2} * chains * 32;
}

}  // namespace

constexpr Kernels table{.name = "avx512_bf16",
                        .precision = Precision::bf16,
                        .widest_panel = widest,
                        .panels = panels,
                        .convolve = convolve<BF16>,
                        .average = average,
                        .weave = weave,
                        .multiply_add = multiply_add};

}  // namespace regnet::kernels::avx512_bf16

namespace regnet::kernels {

const Kernels* avx512_bf16_kernels() { return &avx512_bf16::table; }

}  // namespace regnet::kernels
#endif
