// Products of bf16 by AVX512-BF16, and of u8 and s8 by AVX512-VNNI.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <utility>

#define REGNET_ISA avx512_narrow
#define REGNET_LANES 16
namespace regnet::kernels::avx512_narrow {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

#include "plan/kernels/words_avx512.inl"

#include "plan/kernels/narrow.inl"

#include "plan/kernels/winograd.inl"

#include "plan/kernels/vnni_avx512.inl"

// Products of bf16 are exact, their sums floats.
struct Bf16Products {
  REGNET_INLINE static Vec<16> add(Vec<16> sum, Vec<16> weights, Vec<16> words) {
    return _mm512_dpbf16_ps(sum, (__m512bh)(__m512)weights, (__m512bh)(__m512)words);
  }
  REGNET_INLINE static Vec<16> spread(float word) { return spread_integer(word); }
  REGNET_INLINE static Vec<16> join(Vec<16> a, Vec<16> b) { return a + b; }
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    return add(sum, weights, spread(word));
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution&, Vec<N> sum, const float* bias, int channel) {
    return sum + load<N>(bias + channel);
  }
};

// Winograd's matrices of bf16, and their products as floats.
struct Bf16Values {
  static constexpr int in_word = 2;
  template <int N>
  REGNET_INLINE static Vec<N> read(const float* at) {
    return widen<N>(Element::bf16, at);
  }
  template <int N>
  REGNET_INLINE static void write(float* at, Vec<N> value) {
    narrow<N>(Element::bf16, value, at);
  }
  struct Sums : Narrow<Bf16Products> {
    static constexpr int words(const Convolution&, int channels) { return channels; }
    template <int N>
    REGNET_INLINE static void end(const Convolution&, Vec<N> sum, int channel, const float*, const float*, std::int64_t place, float* dst) {
      store<N>(dst + place + channel, sum);
    }
  };
};

std::int64_t multiply_add_bf16(std::int64_t loops) { return 2 * multiply_add<Bf16Products>(loops); }

}  // namespace

constexpr Kernels bf16{.name = "avx512_bf16",
                       .source = Element::bf16,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Ending<Bf16Products, Element::bf16>>,
                       .winograd = winograd<Bf16Values>,
                       .winograd_scratch = winograd_scratch<Bf16Values>,
                       .average = average<Element::bf16>,
                       .weave = weave,
                       .multiply_add = multiply_add_bf16};
constexpr Kernels int8{.name = "avx512_vnni",
                       .source = Element::u8,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Ending<Int8Products, Element::u8>>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add_int8};

}  // namespace regnet::kernels::avx512_narrow

namespace regnet::kernels {

const Kernels* avx512_bf16_kernels() { return &avx512_narrow::bf16; }
const Kernels* avx512_vnni_kernels() { return &avx512_narrow::int8; }

}  // namespace regnet::kernels
#endif
