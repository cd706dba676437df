// Products of bf16 by AVX512-BF16, and of u8 and s8 by AVX512-VNNI.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#define REGNET_ISA avx512_narrow
#define REGNET_LANES 16
namespace regnet::kernels::avx512_narrow {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

#include "plan/kernels/words_avx512.inl"

#include "plan/kernels/narrow.inl"

// Products of bf16 are exact, their sums floats.
struct Bf16Products {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    if constexpr (N == 16) return _mm512_dpbf16_ps(sum, (__m512bh)(__m512)weights, (__m512bh)_mm512_set1_ps(word));
    else return _mm256_dpbf16_ps(sum, (__m256bh)(__m256)weights, (__m256bh)_mm256_set1_ps(word));
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution&, Vec<N> sum, const float* bias, int channel) {
    return sum + load<N>(bias + channel);
  }
};

// Products of u8 and s8 and their sums are exact.
struct Int8Products {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    if constexpr (N == 16)
      return _mm512_castsi512_ps(
          _mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(_mm512_set1_ps(word)), _mm512_castps_si512(weights)));
    else
      return _mm256_castsi256_ps(
          _mm256_dpbusd_epi32(_mm256_castps_si256(sum), _mm256_castps_si256(_mm256_set1_ps(word)), _mm256_castps_si256(weights)));
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution& layer, Vec<N> sum, const float* bias, int channel) {
    const Vec<N> scales = load<N>(layer.scales + (bias - layer.bias) + channel);
    if constexpr (N == 16) return _mm512_cvtepi32_ps(_mm512_castps_si512(sum)) * scales + load<N>(bias + channel);
    else return _mm256_cvtepi32_ps(_mm256_castps_si256(sum)) * scales + load<N>(bias + channel);
  }
};

template <class Products>
std::int64_t multiply_add(std::int64_t loops) {
  constexpr int chains = 12;  // more than the latency of one hides
  Vec<16> sums[chains]{}, factors = _mm512_castsi512_ps(_mm512_set1_epi32(0x01010101));
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : "+v"(sums[i]));
  asm volatile("" : "+v"(factors));
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_UNROLL for (int i = 0; i < chains; ++i) sums[i] = Products::template add<16>(sums[i], factors, factors[0]);
    asm volatile("" : : : "memory");
  }
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : : "v"(sums[i]));
  return std::int64_t{2} * chains * 16;
}

std::int64_t multiply_add_bf16(std::int64_t loops) { return 2 * multiply_add<Bf16Products>(loops); }
std::int64_t multiply_add_int8(std::int64_t loops) { return 4 * multiply_add<Int8Products>(loops); }

}  // namespace

constexpr Kernels bf16{.name = "avx512_bf16",
                       .source = Element::bf16,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Narrow<Bf16Products>>,
                       .average = average<Element::bf16>,
                       .weave = weave,
                       .multiply_add = multiply_add_bf16};
constexpr Kernels int8{.name = "avx512_vnni",
                       .source = Element::u8,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Narrow<Int8Products>>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add_int8};

}  // namespace regnet::kernels::avx512_narrow

namespace regnet::kernels {

const Kernels* avx512_bf16_kernels() { return &avx512_narrow::bf16; }
const Kernels* avx512_vnni_kernels() { return &avx512_narrow::int8; }

}  // namespace regnet::kernels
#endif
