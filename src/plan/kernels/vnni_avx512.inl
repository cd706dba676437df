// Products of u8 and s8 by AVX512-VNNI, and what all products of less than 32 bits have in common with vectors of 16 lanes: over vectors.inl, direct.inl, words_avx512.inl and
// narrow.inl.

// A word in all lanes. As an integer: on Zen 4 the instruction that spreads a float from memory takes the place of a product, this
// one takes none.
REGNET_INLINE Vec<16> spread_integer(float word) { return _mm512_castsi512_ps(_mm512_set1_epi32(__builtin_bit_cast(int, word))); }

// Products of u8 and s8 and their sums are exact.
struct Int8Products {
  REGNET_INLINE static Vec<16> add(Vec<16> sum, Vec<16> weights, Vec<16> words) {
    return _mm512_castsi512_ps(_mm512_dpbusd_epi32(_mm512_castps_si512(sum), _mm512_castps_si512(words), _mm512_castps_si512(weights)));
  }
  REGNET_INLINE static Vec<16> spread(float word) { return spread_integer(word); }
  REGNET_INLINE static Vec<16> join(Vec<16> a, Vec<16> b) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
  }
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    return add(sum, weights, spread(word));
  }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution& layer, Vec<N> sum, const float* bias, int channel) {
    const Vec<N> scales = load<N>(layer.scales + (bias - layer.bias) + channel);
    if constexpr (N == 16) return _mm512_cvtepi32_ps(_mm512_castps_si512(sum)) * scales + load<N>(bias + channel);
    else return _mm256_cvtepi32_ps(_mm256_castps_si256(sum)) * scales + load<N>(bias + channel);
  }
};

// The end of a tile. Many take but a few hundred instructions until there, so that each counts: most outputs are u8, or `usual`, alone or with `usual` added; those of projections are s8, and
// added to what becomes u8.
template <class Products, Element usual>
struct Ending : Narrow<Products> {
  template <int pixels, int vectors, bool half>
  REGNET_INLINE static void end_tile(const Convolution& layer, const Vec<16> (&sums)[pixels][vectors > 0 ? vectors : 1],
                                     const Vec<8> (&half_sums)[pixels], const float* bias, const float* residual, const std::int64_t* places,
                                     float* dst) {
    const Element element = layer.dst_element;
    const auto end_all = [&]<Element to, Element... added>() __attribute__((always_inline)) {
      const auto finished = [&]<int N>(Vec<N> sum, int pixel, int channel) __attribute__((always_inline)) {
        Vec<N> value = Products::template finish<N>(layer, sum, bias, channel);
        ((value += widen<N>(added, residual + places[pixel] + words(added, channel)) * layer.residual_scale), ...);
        if (to != Element::u8 && layer.relu) value = relu<N>(value);
        return value;
      };
      const auto one = [&]<int N>(Vec<N> sum, int pixel, int channel) __attribute__((always_inline)) {
        narrow<N>(to, finished.template operator()<N>(sum, pixel, channel), dst + places[pixel] + words(to, channel));
      };
      if constexpr (vectors == 2 && !half && to == Element::bf16) {
        unroll<pixels>(REGNET_BODY(p) {
          store_wide(finished.template operator()<16>(sums[p][0], p, 0), finished.template operator()<16>(sums[p][1], p, 16), dst + places[p]);
        });
        return;
      }
      constexpr int in_pairs = vectors == 2 && !half && (to == Element::u8 || to == Element::s8) ? pixels / 2 : 0;
      if constexpr (in_pairs > 0) {
        const NarrowPixels<to> narrow_pixels;
        unroll<in_pairs>(REGNET_BODY(pair) {
          constexpr int p = 2 * pair, q = p + 1;
          narrow_pixels(finished.template operator()<16>(sums[p][0], p, 0), finished.template operator()<16>(sums[p][1], p, 16),
                        finished.template operator()<16>(sums[q][0], q, 0), finished.template operator()<16>(sums[q][1], q, 16), dst + places[p],
                        dst + places[q]);
        });
      }
      constexpr int in_fours = vectors == 1 && !half && (to == Element::u8 || to == Element::s8) ? pixels / 4 : 0;
      if constexpr (in_fours > 0) {
        const NarrowPixels<to> narrow_pixels;
        unroll<in_fours>(REGNET_BODY(four) {
          constexpr int p = 4 * four;
          narrow_pixels(finished.template operator()<16>(sums[p][0], p, 0), finished.template operator()<16>(sums[p + 1][0], p + 1, 0),
                        finished.template operator()<16>(sums[p + 2][0], p + 2, 0), finished.template operator()<16>(sums[p + 3][0], p + 3, 0),
                        dst + places[p], dst + places[p + 1], dst + places[p + 2], dst + places[p + 3]);
        });
      }
      unroll<pixels - 2 * in_pairs - 4 * in_fours>(REGNET_BODY(i) {
        constexpr int p = 2 * in_pairs + 4 * in_fours + i;
        unroll<vectors>(REGNET_BODY(v) { one.template operator()<16>(sums[p][v], p, 16 * v); });
        if constexpr (half) one.template operator()<8>(half_sums[p], p, 16 * vectors);
      });
    };
    const auto adds = [&](Element added) { return residual && layer.residual_element == added && layer.residual_pixel == layer.dst_pixel; };
    if (element == usual && adds(usual)) return end_all.template operator()<usual, usual>();
    if (element == Element::u8 && !residual) return end_all.template operator()<Element::u8>();
    if constexpr (usual != Element::u8) {
      if (element == usual && !residual) return end_all.template operator()<usual>();
    } else {
      if (element == Element::u8 && adds(Element::s8)) return end_all.template operator()<Element::u8, Element::s8>();
      if (element == Element::s8 && !residual) return end_all.template operator()<Element::s8>();
    }
    // The rest in a loop, and so in memory: a copy, or the sums would be there from the beginning.
    Vec<16> kept[pixels][vectors > 0 ? vectors : 1];
    Vec<8> half_kept[pixels];
    unroll<pixels>(REGNET_BODY(p) {
      unroll<vectors>(REGNET_BODY(v) { kept[p][v] = sums[p][v]; });
      if constexpr (half) half_kept[p] = half_sums[p];
    });
    for (int p = 0; p < pixels; ++p) {
      REGNET_UNROLL for (int v = 0; v < vectors; ++v) Narrow<Products>::template end<16>(layer, kept[p][v], 16 * v, bias, residual, places[p], dst);
      if constexpr (half) Narrow<Products>::template end<8>(layer, half_kept[p], 16 * vectors, bias, residual, places[p], dst);
    }
  }
};

template <class Products>
std::int64_t multiply_add(std::int64_t loops) {
  constexpr int chains = 24;  // more than the latency of one hides, which is 6 for bf16 on Zen 5
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

std::int64_t multiply_add_int8(std::int64_t loops) { return 4 * multiply_add<Int8Products>(loops); }
