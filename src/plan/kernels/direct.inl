// Direct convolution as templates over the width of a vector (vectors.inl) and over what the words of activations are:
//   struct Format {
//     static int words(const Convolution& layer, int channels);            // of so many channels of the destination
//     static int residual_words(const Convolution& layer, int channels);   // and of what is added
//     static Vec<N> begin(const float* bias);                              // a sum, for N output channels
//     static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word);  // of a word of input channels
//     // For each pixel; `place` is from the tile's first, to which residual and dst point.
//     static void end(const Convolution& layer, Vec<N> sum, int channel, const float* bias, const float* residual, std::int64_t place, float* dst);
//     static std::int64_t residual_place(const Convolution& layer, std::int64_t place);  // where that lies that is added to what is written at `place`
//   };
// A Format may have more: what rows.inl asks for; add_products of two words, for tiles without half a vector; and an `end` for all sums of a tile,
//   end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst).

// Memory that is fetched into the second cache on the way of other work: for each word of input channels of each tile the line at `at`, which then moves on by `step` floats.
struct Ahead {
  const float *at, *end;
  std::int64_t step;
};

// Panels of one width that follow each other in a group, and what belongs to them.
struct Panels {
  const float *weights, *bias, *residual;
  float* dst;
  int count;
};

// Where a tile begins, in the source and in the destination, and how many pixels of its row are left.
struct Start {
  const float* src;
  std::int64_t place;
  int left;
};

// A part of a group: tiles that follow each other. All this stays in memory while they are made, since a tile takes but some hundred instructions: what the compiler took into registers it
// would have to store anew in each, and on Zen 4 the outputs of one tile fill the queue of stores.
struct Part {
  const Convolution* layer;
  std::int64_t depth;  // words of weights for each output channel
  Panels panels;
  Start start;
  Ahead ahead;
  std::int64_t src_gap, dst_gap;     // between rows
  std::int64_t places[most_pixels];  // of a tile's pixels in the destination, from its first
  int straight;                      // so many of them are those within a row
};

// Of tiles of so many pixels, the next of which may go on in the next row.
REGNET_INLINE void set_places(Part& part, int pixels) {
  const bool wraps = part.start.left < pixels && part.dst_gap != 0;
  if (!wraps && part.straight >= pixels) return;
  part.straight = wraps ? 0 : pixels;
  std::int64_t place = 0;
  int left = part.start.left;
  for (int p = 0; p < pixels; ++p, place += part.layer->dst_pixel) {
    if (left-- == 0) {
      place += part.dst_gap;
      left = part.layer->columns - 1;
    }
    part.places[p] = place;
  }
}

REGNET_INLINE void advance(Part& part, int pixels) {
  Start& start = part.start;
  start.src += pixels * part.layer->src_pixel;
  start.place += pixels * part.layer->dst_pixel;
  for (start.left -= pixels; start.left <= 0; start.left += part.layer->columns) {
    start.src += part.src_gap;
    start.place += part.dst_gap;
  }
}

#include "plan/kernels/rows.inl"

// So many sums that the next product of each would wait for its last.
constexpr bool are_few(int sums) { return lanes == 8 && sums <= 6; }

#if REGNET_LANES == 8
// The products of all taps; in two parts, those of every second word in sums of their own.
template <class Format, int parts, int pixels, int vectors>
REGNET_INLINE void add_in_parts(const Convolution& layer, const float* src, const float*& weights, Ahead ahead, Vec<8> (&sums)[pixels][vectors]) {
  Vec<8> second_sums[pixels][vectors]{};
  for (int t = 0; t < layer.tap_count; ++t) {
    const float* at = src + layer.taps[t];
    const auto word = REGNET_BODY(k) {
      unroll<pixels>(REGNET_BODY(p) {
        const float x = at[p * layer.src_pixel];
        unroll<vectors>(REGNET_BODY(v) {
          Vec<8>& sum = (k % parts == 0 ? sums : second_sums)[p][v];
          sum = Format::template add_products<8>(sum, load<8>(weights + v * 8), x);
        });
      });
      __builtin_prefetch(ahead.at, 0, 2);
      ++at;
      weights += vectors * 8;
      ahead.at += ahead.step;
    };
    int k = 0;
    for (; k + 1 < layer.tap_length; k += 2) {
      word(std::integral_constant<int, 0>());
      word(std::integral_constant<int, 1>());
    }
    if (k < layer.tap_length) word(std::integral_constant<int, 0>());
  }
  if constexpr (parts == 2)
    unroll<pixels>(REGNET_BODY(p) { unroll<vectors>(REGNET_BODY(v) { sums[p][v] = Format::join(sums[p][v], second_sums[p][v]); }); });
}

// An answer must not depend on how threads divide a layer. So sums have two parts only where each pixel has the same tile in any division: rows end with a border, and one panel is all.
template <class Format, int pixels, int vectors>
REGNET_INLINE void add_few(const Part& part, const float*& weights, Ahead ahead, Vec<8> (&sums)[pixels][vectors]) {
  if (part.src_gap != 0 && part.layer->channels == vectors * 8) add_in_parts<Format, 2>(*part.layer, part.start.src, weights, ahead, sums);
  else add_in_parts<Format, 1>(*part.layer, part.start.src, weights, ahead, sums);
}
#endif

// `count` tiles of `pixels` output pixels, each with all of the part's panels of `vectors` vectors and, with `half`, one of half the width.
template <class Format, int row_stride, int pixels, int vectors, bool half>
void make_tiles(Part& part, int count) {
  constexpr int H = lanes / 2;
  constexpr int width = vectors * lanes + (half ? H : 0);
  constexpr int bases = (pixels + 2) / 3;  // a base for three pixels each: x86 adds once or twice a register for free
  const Convolution& layer = *part.layer;
  for (; count > 0; --count, advance(part, pixels)) {
    set_places(part, pixels);
    const float* weights = part.panels.weights;
    for (int panel = 0; panel < part.panels.count; ++panel) {
      const float* const first_bias = part.panels.bias + panel * width;
      Ahead ahead = part.ahead.at < part.ahead.end ? part.ahead : Ahead{weights, weights, 0};
      part.ahead.at += part.depth * part.ahead.step;
      Vec<lanes> sums[pixels][vectors > 0 ? vectors : 1];
      Vec<H> half_sums[pixels];
      unroll<pixels>(REGNET_BODY(p) {
        unroll<vectors>(REGNET_BODY(v) { sums[p][v] = Format::template begin<lanes>(first_bias + v * lanes); });
        if constexpr (half) half_sums[p] = Format::template begin<H>(first_bias + vectors * lanes);
      });
      if (layer.shared) {
        const float* const dst = part.panels.dst + part.start.place + Format::words(layer, panel * width);
        for (int p = 0; p < pixels; ++p)
          for (int at = 0; at < width; at += 16) __builtin_prefetch(dst + part.places[p] + Format::words(layer, at), 1, 3);
      }
      if constexpr (row_stride > 0)
        add_narrow<Format, row_taps, row_stride, pixels, vectors, half>(layer, part.start.src, weights, ahead, sums, half_sums);
      else if constexpr (half) add_narrow<Format, 1, 1, pixels, vectors, half>(layer, part.start.src, weights, ahead, sums, half_sums);
      else if constexpr (are_few(pixels * vectors) && requires(Vec<lanes> any) { Format::join(any, any); })
        add_few<Format>(part, weights, ahead, sums);
      else {
        const std::int64_t step = layer.src_pixel;
        const int length = layer.tap_length;
        for (int t = 0; t < layer.tap_count; ++t) {
          const float* base[bases];
          unroll<bases>(REGNET_BODY(i) { base[i] = part.start.src + layer.taps[t] + 3 * i * step; });
          // One word of input channels, `offset` beyond the bases.
          const auto word = REGNET_BODY(offset) {
            Vec<lanes> w[vectors];
            unroll<vectors>(REGNET_BODY(v) { w[v] = load<lanes>(weights + offset * width + v * lanes); });
            __builtin_prefetch(ahead.at + offset * ahead.step, 0, 2);
            unroll<pixels>(REGNET_BODY(p) {
              const float x = base[p / 3][(p % 3) * step + offset];
              unroll<vectors>(REGNET_BODY(v) { sums[p][v] = Format::template add_products<lanes>(sums[p][v], w[v], x); });
            });
          };
          const auto advance_by = [&](int by) __attribute__((always_inline)) {
            weights += by * width;
            ahead.at += by * ahead.step;
            unroll<bases>(REGNET_BODY(i) {
              base[i] += by;
              asm("" : "+r"(base[i]));  // or the compiler keeps a pointer for each pixel, more than there are registers
            });
          };
          int k = 0;
          for (; k + 1 < length; k += 2) {
            if constexpr (requires(Vec<lanes> any) { Format::template add_products<lanes>(any, any, any, 0.0f, 0.0f); }) {
              __builtin_prefetch(ahead.at, 0, 2);
              __builtin_prefetch(ahead.at + ahead.step, 0, 2);
              unroll<pixels>(REGNET_BODY(p) {
                const float* const x = base[p / 3] + (p % 3) * step;
                unroll<vectors>(REGNET_BODY(v) {
                  sums[p][v] = Format::template add_products<lanes>(sums[p][v], load<lanes>(weights + v * lanes),
                                                                    load<lanes>(weights + width + v * lanes), x[0], x[1]);
                });
              });
            } else {
              word(std::integral_constant<int, 0>());
              word(std::integral_constant<int, 1>());
            }
            advance_by(2);
          }
          if (k < length) {
            word(std::integral_constant<int, 0>());
            advance_by(1);
          }
        }
      }
      asm volatile("" : : : "memory");  // or the compiler makes all addresses of the outputs before the products, and stores them
      const std::int64_t* const places = part.places;
      const float* const bias = part.panels.bias + panel * width;
      const float* residual = part.panels.residual;
      if (residual) residual += Format::residual_place(layer, part.start.place) + Format::residual_words(layer, panel * width);
      float* const dst = part.panels.dst + part.start.place + Format::words(layer, panel * width);
      if constexpr (requires { Format::template end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst); }) {
        Format::template end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst);
      } else {
        unroll<pixels>(REGNET_BODY(p) {
          unroll<vectors>(REGNET_BODY(v) { Format::template end<lanes>(layer, sums[p][v], v * lanes, bias, residual, places[p], dst); });
          if constexpr (half) Format::template end<H>(layer, half_sums[p], vectors * lanes, bias, residual, places[p], dst);
        });
      }
    }
  }
}

using MakeTiles = void (*)(Part&, int count);

// Tiles of each number of pixels for a panel of so many half vectors.
template <class Format, int row_stride, int halves, int... pixels>
constexpr MakeTiles pick(int count) {
  constexpr int stride = is_narrow(8 * halves) ? row_stride : 0;
  constexpr MakeTiles table[] = {make_tiles<Format, stride, pixels + 1, halves / 2, (halves & 1) != 0>...};
  return table[count - 1];
}

template <class Format, int row_stride, int halves>
constexpr MakeTiles pick_tiles(int pixels) {
  if constexpr (most_pixels == 14) return pick<Format, row_stride, halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>(pixels);
  else if constexpr (most_pixels_for(4 * halves) == 12) return pick<Format, row_stride, halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>(pixels);
  else if constexpr (most_pixels_for(4 * halves) == 6) return pick<Format, row_stride, halves, 0, 1, 2, 3, 4, 5>(pixels);
  else return pick<Format, row_stride, halves, 0, 1, 2, 3>(pixels);
}

// For vectors of 16, panels are a multiple of 8 wide; for narrower ones a multiple of a vector, which 8 is.
template <class Format, int row_stride>
MakeTiles tiles_for(int pixels, int width) {
  if constexpr (lanes == 16) {
    switch (width / 8) {
      case 1: return pick_tiles<Format, row_stride, 1>(pixels);
      case 2: return pick_tiles<Format, row_stride, 2>(pixels);
      case 3: return pick_tiles<Format, row_stride, 3>(pixels);
      default: return pick_tiles<Format, row_stride, 4>(pixels);
    }
  } else if constexpr (lanes == 8) {
    if constexpr (most_vectors == 3)
      if (width == 24) return pick_tiles<Format, row_stride, 6>(pixels);
    return width == 8 ? pick_tiles<Format, row_stride, 2>(pixels) : pick_tiles<Format, row_stride, 4>(pixels);
  } else {
    return pick_tiles<Format, row_stride, 4>(pixels);
  }
}

constexpr int tiles_in(int pixels, int most) { return (pixels + most - 1) / most; }

// Some rows of one group, and so many channels from the part's panels on, of panels of `width` but for the last. The part comes with its layer, depth, what is fetched, panels without
// their count, and the source of row 0 as its start.
template <class Format, int row_stride>
REGNET_INLINE void convolve_group(Part& part, Range rows, int channels, int width) {
  const Convolution& layer = *part.layer;
  part.src_gap = layer.src_row - layer.columns * layer.src_pixel;
  part.dst_gap = layer.dst_row - layer.columns * layer.dst_pixel;
  part.straight = 0;
  part.start = {part.start.src + rows.begin * layer.src_row, rows.begin * layer.dst_row, layer.columns};
  const int rest = channels % width;
  Panels full = part.panels, last = full;
  full.count = channels / width;
  last.count = 1;
  last.weights += full.count * width * part.depth;
  last.bias += full.count * width;
  if (last.residual) last.residual += Format::residual_words(layer, full.count * width);
  last.dst += Format::words(layer, full.count * width);
  const auto run = [&](int pixels, int count) {
    if (full.count == 0 || rest == 0) {  // of one width; a narrow panel may take more pixels than there are tiles for of a full one
      part.panels = rest == 0 ? full : last;
      return tiles_for<Format, row_stride>(pixels, rest == 0 ? width : rest)(part, count);
    }
    const MakeTiles of_full = tiles_for<Format, row_stride>(pixels, width), of_last = tiles_for<Format, row_stride>(pixels, rest);
    for (; count > 0; --count) {
      const Start start = part.start;
      part.panels = full;
      of_full(part, 1);
      part.start = start;
      part.panels = last;
      of_last(part, 1);
    }
  };
  // Tiles of a row, as equal as can be, the longer ones first. A source without a border is one row.
  const int count = rows.end - rows.begin, lines = part.src_gap == 0 ? 1 : count, length = layer.columns * (part.src_gap == 0 ? count : 1);
  const int parts = tiles_in(length, most_pixels_for(smaller(width, channels))), longer = parts == 0 ? 0 : length % parts;
  if (parts == 0) return;
  if (longer == 0) return run(length / parts, parts * lines);
  for (int line = 0; line < lines; ++line) {
    run(length / parts + 1, longer);
    run(length / parts, parts - longer);
  }
}

// So that the tiles of one panel fetch the next panel evenly.
std::int64_t fetch_step(const Convolution& layer, Range rows) {
  const int most = most_pixels_for(smaller(panel_width(layer.channels), layer.channels)), count = rows.end - rows.begin;
  const int tiles = layer.src_row == layer.columns * layer.src_pixel ? tiles_in(count * layer.columns, most) : count * tiles_in(layer.columns, most);
  return tiles == 0 ? 0 : smaller(16, (panel_width(layer.channels) + tiles - 1) / tiles);
}

template <class Format>
void convolve(const Convolution& layer, Range rows, Range range) {
  constexpr std::int64_t cached = 64 * 1024 / 4;  // floats of weights: so many panels share what a tile reads
  const int per_group = panels(layer.channels, nullptr), width = panel_width(layer.channels);
  const std::int64_t depth = std::int64_t{layer.tap_count} * layer.tap_length;
  const int row_stride = stride_in_rows(layer);
  for (int panel = range.begin; panel < range.end;) {
    const int group = panel / per_group, first = panel % per_group;
    // As many panels at once as stay in the cache.
    int count = smaller(range.end - panel, per_group - first);
    while (count > 1 && count * width * depth > cached) count = (count + 1) / 2;
    const float* weights = layer.weights + std::int64_t{group} * layer.channels * depth;
    const std::int64_t next = std::int64_t{smaller(layer.channels, (first + count) * width)} * depth;
    const int channel = group * layer.channels + first * width;
    Part part;
    part.layer = &layer;
    part.depth = depth;
    part.panels = {weights + first * width * depth, layer.bias + channel,
                   layer.residual ? layer.residual + Format::residual_words(layer, channel) : nullptr, layer.dst + Format::words(layer, channel), 0};
    part.start.src = layer.src + group * layer.src_group;
    // Behind the last panel come the weights of the next layer, or nothing, which a fetch does not mind.
    part.ahead = {weights + next, weights + next + count * width * depth, fetch_step(layer, rows)};
    const int channels = smaller(count * width, layer.channels - first * width);
    switch (row_stride) {
      case 1: convolve_group<Format, is_narrow(1) ? 1 : 0>(part, rows, channels, width); break;
      case 2: convolve_group<Format, is_narrow(1) ? 2 : 0>(part, rows, channels, width); break;
      default: convolve_group<Format, 0>(part, rows, channels, width);
    }
    panel += count;
  }
}
