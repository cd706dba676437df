// For direct.inl, with vectors of 16 lanes: panels of one vector or half a vector, or of both. A word that is spread over a vector would serve but one product there, and reading it takes as
// long as that: so where taps lie in rows of three, as those of a 3x3 convolution, each word of a row is read once for all outputs that it meets.
// Half vectors of two neighbours are one sum, for which their words share a vector: where products are 16 lanes wide, half of one takes as long as a whole.
// A Format has for this add_products with a vector of words; spread(word), which makes that; and join(sum, sum).

constexpr int row_taps = 3;

constexpr bool is_narrow(int width) { return lanes == 16 && width < 2 * lanes; }

// The stride where all taps lie in such rows, 0 elsewhere.
inline int stride_in_rows(const Convolution& layer) {
  if (layer.tap_count % row_taps != 0) return 0;
  const std::int64_t pixel = layer.taps[1] - layer.taps[0];
  for (int t = 0; t < layer.tap_count; ++t)
    if (t % row_taps != 0 && layer.taps[t] - layer.taps[t - 1] != pixel) return 0;
  return layer.src_pixel == pixel ? 1 : layer.src_pixel == 2 * pixel ? 2 : 0;
}

#if REGNET_LANES == 16
// The lower half of one, the upper of the other.
REGNET_INLINE Vec<16> halves_of(Vec<16> low, Vec<16> high) { return _mm512_mask_blend_ps(0xff00, low, high); }
REGNET_INLINE Vec<16> halves_of(Vec<8> low, Vec<8> high) { return _mm512_insertf32x8(_mm512_castps256_ps512(low), high, 1); }

// The products of all taps, `together` of which share what they read.
template <class Format, int together, int stride, int pixels, int vectors, bool half>
REGNET_INLINE void add_narrow(const Convolution& layer, const float* src, const float*& weights, Ahead& ahead,
                              Vec<16> (&sums)[pixels][vectors > 0 ? vectors : 1], Vec<8> (&half_sums)[pixels]) {
  static_assert(vectors < 2);
  constexpr int width = vectors * lanes + (half ? lanes / 2 : 0), inputs = (pixels - 1) * stride + together, bases = (inputs + 4) / 5;
  constexpr int pairs = half ? (pixels + 1) / 2 : 0;
  // With few sums the next product of one would wait for its last: they have two parts then.
  constexpr int parts = together > 1 && pixels <= 8 ? 2 : 1;
  Vec<16> of_pixels[pixels][parts]{}, of_pairs[pairs + 1][parts]{};
  unroll<vectors * pixels>(REGNET_BODY(p) { of_pixels[p][0] = sums[p][0]; });
  unroll<pairs>(REGNET_BODY(pair) { of_pairs[pair][0] = halves_of(half_sums[2 * pair], half_sums[smaller(2 * pair + 1, pixels - 1)]); });
  const std::int64_t step = layer.src_pixel / stride, span = std::int64_t{layer.tap_length} * width;
  for (int t = 0; t < layer.tap_count; t += together) {
    const float* base[bases];  // one for five inputs each
    unroll<bases>(REGNET_BODY(i) { base[i] = src + layer.taps[t] + 5 * i * step; });
    const auto word = REGNET_BODY(offset) {
      Vec<16> w[together], pair_w[together], x[inputs + stride];
      unroll<together>(REGNET_BODY(tap) {
        const float* const at = weights + tap * span + offset * width;
        if constexpr (vectors > 0) w[tap] = load<16>(at);
        if constexpr (half) pair_w[tap] = _mm512_broadcast_f32x8(load<8>(at + vectors * lanes));
        __builtin_prefetch(ahead.at, 0, 2);
        ahead.at += ahead.step;
      });
      unroll<inputs + (half ? stride : 0)>(REGNET_BODY(i) {
        if constexpr (i < inputs) x[i] = Format::spread(base[i / 5][(i % 5) * step + offset]);
        else x[i] = x[i - stride];  // nobody reads the sum of a pixel that there is not
        unroll<together>(REGNET_BODY(tap) {
          constexpr int at = i - tap, first = at - stride;  // where the output would begin, and that a stride before
          if constexpr (vectors > 0 && i < inputs && at >= 0 && at % stride == 0 && at / stride < pixels) {
            Vec<16>& sum = of_pixels[at / stride][tap % parts];
            sum = Format::template add_products<16>(sum, w[tap], x[i]);
          }
          if constexpr (half && first >= 0 && first % (2 * stride) == 0 && first / stride < pixels) {
            Vec<16>& sum = of_pairs[first / stride / 2][tap % parts];
            sum = Format::template add_products<16>(sum, pair_w[tap], halves_of(x[i - stride], x[i]));
          }
        });
      });
    };
    const auto advance_by = [&](int by) __attribute__((always_inline)) {
      weights += by * width;
      unroll<bases>(REGNET_BODY(i) {
        base[i] += by;
        asm("" : "+r"(base[i]));
      });
    };
    int k = 0;
    for (; k + 1 < layer.tap_length; k += 2) {
      word(std::integral_constant<int, 0>());
      word(std::integral_constant<int, 1>());
      advance_by(2);
    }
    if (k < layer.tap_length) {
      word(std::integral_constant<int, 0>());
      advance_by(1);
    }
    weights += (together - 1) * span;
  }
  const auto whole = [](const Vec<16>(&of)[parts]) __attribute__((always_inline)) {
    if constexpr (parts == 2) return Format::join(of[0], of[1]);
    else return of[0];
  };
  unroll<vectors * pixels>(REGNET_BODY(p) { sums[p][0] = whole(of_pixels[p]); });
  unroll<half ? pixels : 0>(REGNET_BODY(p) {
    const Vec<16> pair = whole(of_pairs[p / 2]);
    half_sums[p] = p % 2 == 0 ? _mm512_castps512_ps256(pair) : _mm512_extractf32x8_ps(pair, 1);
  });
}
#endif
