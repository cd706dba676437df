// Products of u8 and s8 by AVX2, which has none of four bytes at once: those of pairs, which end at 16 bits. Exact for weights that leave room there, as all do that int8_codes makes: of
// two, or of four, whose products are added at 16 bits too, for 1.2 times the speed. Pairs of 16 bits would do for any weights at 0.7 times the speed, since bytes must be taken apart
// first.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <type_traits>
#include <utility>

#define REGNET_ISA avx2_int8
#define REGNET_LANES 8
// Of weights, which as operands in memory need no registers: fewer instructions than with two. Only where they leave no rest: two are better for 32 channels than three and one.
#define REGNET_THREE_VECTORS(channels) ((channels) % 24 == 0)
namespace regnet::kernels::avx2_int8 {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

constexpr Element wide = Element::f32;  // there is no bf16 here

// N channels as floats.
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
  const __m256i rounded = _mm256_cvtps_epi32(value);
  const __m128i sixteen = _mm_packs_epi32(_mm256_castsi256_si128(rounded), _mm256_extracti128_si256(rounded, 1));
  _mm_storel_epi64(reinterpret_cast<__m128i*>(at), is_signed ? _mm_packs_epi16(sixteen, sixteen) : _mm_packus_epi16(sixteen, sixteen));
}

#include "plan/kernels/narrow.inl"

// The integers that words hold.
REGNET_INLINE __m256i integers(Vec<8> words) { return _mm256_castps_si256(words); }
REGNET_INLINE __m256i integers(float word) { return _mm256_castps_si256(_mm256_set1_ps(word)); }

struct Int8Products {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    return add_pairs(sum, _mm256_maddubs_epi16(integers(word), integers(weights)));
  }
  REGNET_INLINE static Vec<8> add_pairs(Vec<8> sum, __m256i pairs) {
    __m256i added = _mm256_add_epi32(integers(sum), _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    asm("" : "+x"(added));  // or the compiler adds the products of several words to each other first, and keeps sums in memory
    return _mm256_castsi256_ps(added);
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution& layer, Vec<N> sum, const float* bias, int channel) {
    return _mm256_cvtepi32_ps(integers(sum)) * load<N>(layer.scales + (bias - layer.bias) + channel) + load<N>(bias + channel);
  }
};

// Most outputs are u8, of sums alone or with u8 added. Many tiles take but a few hundred instructions until here, so that each counts.
struct Int8 : Narrow<Int8Products> {
  template <int pixels, int vectors, bool>
  REGNET_INLINE static void end_tile(const Convolution& layer, const Vec<8> (&sums)[pixels][vectors], const Vec<4> (&)[pixels], const float* bias,
                                     const float* residual, const std::int64_t* places, float* dst) {
    if (layer.dst_element == Element::u8 && !residual) return end_u8<false>(layer, sums, bias, residual, places, dst);
    if (layer.dst_element == Element::u8 && layer.residual_element == Element::u8 && layer.residual_pixel == layer.dst_pixel)
      return end_u8<true>(layer, sums, bias, residual, places, dst);
    for (int p = 0; p < pixels; ++p) REGNET_UNROLL for (int v = 0; v < vectors; ++v) end<8>(layer, sums[p][v], 8 * v, bias, residual, places[p], dst);
  }

 private:
  template <bool adds, int pixels, int vectors>
  REGNET_INLINE static void end_u8(const Convolution& layer, const Vec<8> (&sums)[pixels][vectors], const float* bias, const float* residual,
                                   const std::int64_t* places, float* dst) {
    const auto steps = [&](int p, int v) {
      Vec<8> value = Int8Products::finish<8>(layer, sums[p][v], bias, 8 * v);
      if constexpr (adds) value += widen<8>(Element::u8, residual + places[p] + 2 * v) * layer.residual_scale;
      // Less than 0 becomes 0 below, as does what is no number: it is the least integer here.
      return _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(255), value));
    };
    REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
      REGNET_UNROLL for (int v = 0; v + 1 < vectors; v += 2) {
        const __m256i sixteen = _mm256_packs_epi32(steps(p, v), steps(p, v + 1)), eight = _mm256_packus_epi16(sixteen, sixteen);
        // Halves of both vectors have come to lie by turns.
        const __m256i in_order = _mm256_permutevar8x32_epi32(eight, _mm256_setr_epi32(0, 4, 1, 5, 0, 4, 1, 5));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(dst + places[p] + 2 * v), _mm256_castsi256_si128(in_order));
      }
      if constexpr (vectors % 2 == 1) {
        const __m256i last = steps(p, vectors - 1);
        const __m128i sixteen = _mm_packs_epi32(_mm256_castsi256_si128(last), _mm256_extracti128_si256(last, 1));
        _mm_storel_epi64(reinterpret_cast<__m128i*>(dst + places[p] + 2 * (vectors - 1)), _mm_packus_epi16(sixteen, sixteen));
      }
    }
  }
};

struct ReducedInt8 : Int8 {
  using Int8::add_products;
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> first_weights, Vec<N> second_weights, float first, float second) {
    return Int8Products::add_pairs(sum, _mm256_add_epi16(_mm256_maddubs_epi16(integers(first), integers(first_weights)),
                                                         _mm256_maddubs_epi16(integers(second), integers(second_weights))));
  }
};

template <class Format>
std::int64_t multiply_add_int8(std::int64_t loops) {
  constexpr int chains = 8;  // more than the latency of one hides
  Vec<8> sums[chains]{}, first = _mm256_castsi256_ps(_mm256_set1_epi32(0x01010101)), second = first;
  const float word = first[0];
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : "+x"(sums[i]));
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_UNROLL for (int i = 0; i < chains; ++i) {
      asm volatile("" : "+x"(first), "+x"(second));  // or the compiler would multiply but once
      if constexpr (std::is_same_v<Format, ReducedInt8>) sums[i] = Format::template add_products<8>(sums[i], first, second, word, word);
      else sums[i] = Format::template add_products<8>(Format::template add_products<8>(sums[i], first, word), second, word);
    }
  }
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : : "x"(sums[i]));
  return std::int64_t{2} * chains * 8 * 8;
}

}  // namespace

constexpr Kernels floats{
    .name = "avx2", .panel_width = panel_width, .panels = panels, .convolve = convolve<Narrow<FloatProducts>>, .average = average<Element::f32>};
constexpr Kernels int8{.name = "avx2_int8",
                       .source = Element::u8,
                       .together = 2,
                       .floats = &floats,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Int8>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add_int8<Int8>};
constexpr Kernels reduced_int8{.name = "avx2_int8_reduced",
                               .source = Element::u8,
                               .together = 4,
                               .floats = &floats,
                               .panel_width = panel_width,
                               .panels = panels,
                               .convolve = convolve<ReducedInt8>,
                               .average = average<Element::u8>,
                               .multiply_add = multiply_add_int8<ReducedInt8>};

}  // namespace regnet::kernels::avx2_int8

namespace regnet::kernels {

const Kernels* avx2_int8_kernels() { return &avx2_int8::int8; }
const Kernels* avx2_int8_reduced_kernels() { return &avx2_int8::reduced_int8; }

}  // namespace regnet::kernels
#endif
