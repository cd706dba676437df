// Products of u8 and s8 by AVX2, which has none of four bytes at once: those of pairs, which end at 16 bits, and their sums. Exact for weights of reduced range, as all are that
// int8_codes makes. Pairs of 16 bits would do for any weights at 0.7 times the speed, since bytes must be taken apart first.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#define REGNET_ISA avx2_int8
#define REGNET_LANES 8
namespace regnet::kernels::avx2_int8 {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

// N channels as floats. There is no bf16 here.
template <int N>
REGNET_INLINE Vec<N> widen(Element element, const float* at) {
  if (element == Element::f32) return load<N>(at);
  const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(at));
  return _mm256_cvtepi32_ps(element == Element::u8 ? _mm256_cvtepu8_epi32(eight) : _mm256_cvtepi8_epi32(eight));
}

// Integers are the nearest that there are.
template <int N>
REGNET_INLINE void narrow(Element element, Vec<N> value, float* at) {
  if (element == Element::f32) return store<N>(at, value);
  const bool is_signed = element == Element::s8;
  value = _mm256_min_ps(_mm256_max_ps(value, _mm256_set1_ps(is_signed ? -127.0f : 0.0f)), _mm256_set1_ps(is_signed ? 127.0f : 255.0f));
  const __m256i wide = _mm256_cvtps_epi32(value);
  const __m128i sixteen = _mm_packs_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(at), is_signed ? _mm_packs_epi16(sixteen, sixteen) : _mm_packus_epi16(sixteen, sixteen));
}

#include "plan/kernels/narrow.inl"

// The integers that words hold.
REGNET_INLINE __m256i integers(Vec<8> words) { return _mm256_castps_si256(words); }
REGNET_INLINE __m256i integers(float word) { return _mm256_castps_si256(_mm256_set1_ps(word)); }

struct Int8Products {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    const __m256i pairs = _mm256_maddubs_epi16(integers(word), integers(weights));
    __m256i added = _mm256_add_epi32(integers(sum), _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    asm("" : "+x"(added));  // or the compiler adds the products of two words to each other first, and keeps sums in memory
    return _mm256_castsi256_ps(added);
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution& layer, Vec<N> sum, const float* bias, int channel) {
    return _mm256_cvtepi32_ps(integers(sum)) * load<N>(layer.scales + (bias - layer.bias) + channel) + load<N>(bias + channel);
  }
};

struct FloatProducts {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    return sum + weights * word;
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution&, Vec<N> sum, const float* bias, int channel) {
    return sum + load<N>(bias + channel);
  }
};

template <class Products, int in_word>
std::int64_t multiply_add(std::int64_t loops) {
  constexpr int chains = 10;  // more than the latency of one hides
  Vec<8> sums[chains]{}, factors = _mm256_castsi256_ps(_mm256_set1_epi32(0x01010101));
  const float word = factors[0];
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : "+x"(sums[i]));
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_UNROLL for (int i = 0; i < chains; ++i) {
      asm volatile("" : "+x"(factors));  // or the compiler would multiply but once
      sums[i] = Products::template add<8>(sums[i], factors, word);
    }
  }
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : : "x"(sums[i]));
  return std::int64_t{2} * chains * 8 * in_word;
}

}  // namespace

constexpr Kernels floats{.name = "avx2",
                         .widest_panel = widest,
                         .panels = panels,
                         .convolve = convolve<Narrow<FloatProducts>>,
                         .average = average<Element::f32>,
                         .multiply_add = multiply_add<FloatProducts, 1>};
constexpr Kernels int8{.name = "avx2_int8",
                       .source = Element::u8,
                       .reduced_range = true,
                       .floats = &floats,
                       .widest_panel = widest,
                       .panels = panels,
                       .convolve = convolve<Narrow<Int8Products>>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add<Int8Products, 4>};

}  // namespace regnet::kernels::avx2_int8

namespace regnet::kernels {

const Kernels* avx2_int8_kernels() { return &avx2_int8::int8; }

}  // namespace regnet::kernels
#endif
