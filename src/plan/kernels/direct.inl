// Direct convolution as templates over the width of a vector (vectors.inl) and over what the words of activations are:
//   struct Format {
//     static int words(const Convolution& layer, int channels);            // of so many channels of the destination
//     static int residual_words(const Convolution& layer, int channels);   // and of what is added
//     static Vec<N> begin(const float* bias);                              // a sum, for N output channels
//     static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word);  // of a word of input channels
//     static void end(const Convolution& layer, Vec<N> sum, int channel, const float* bias, const float* residual, std::int64_t place, float* dst);
//   };
// A Format may have more: add_products of two words, for tiles without half a vector; and an `end` for all sums of a tile,
//   end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst).

// Memory that is fetched into the second cache on the way of other work: for each word of input channels of each tile the line at `at`, which then moves on by `step` floats.
struct Ahead {
  const float *at, *end;
  std::int64_t step;
};

// `pixels` output pixels x one panel of `vectors` vectors and, with `half`, one of half the width.
template <class Format, int pixels, int vectors, bool half>
void tile(const Convolution& layer, const float* src, const float* weights, const float* bias, const float* residual, float* dst, Ahead ahead,
          const std::int64_t* places) {
  constexpr int H = lanes / 2;
  constexpr int width = vectors * lanes + (half ? H : 0);
  constexpr int bases = (pixels + 2) / 3;  // a base for three pixels each: x86 adds once or twice a register for free
  Vec<lanes> sums[pixels][vectors > 0 ? vectors : 1];
  Vec<H> half_sums[pixels];
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    REGNET_UNROLL for (int v = 0; v < vectors; ++v) sums[p][v] = Format::template begin<lanes>(bias + v * lanes);
    if constexpr (half) half_sums[p] = Format::template begin<H>(bias + vectors * lanes);
  }
  // What is stored at the end is fetched now, to be written: another core or none has those lines.
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    REGNET_UNROLL for (int at = 0; at < width; at += 16) __builtin_prefetch(dst + places[p] + Format::words(layer, at), 1, 3);
  }
  const std::int64_t step = layer.src_pixel;
  const int length = layer.tap_length;
  for (int t = 0; t < layer.tap_count; ++t) {
    const float* base[bases];
    REGNET_UNROLL for (int i = 0; i < bases; ++i) base[i] = src + layer.taps[t] + 3 * i * step;
    // One word of input channels, `offset` beyond the bases.
    const auto word = [&](int offset) __attribute__((always_inline)) {
      Vec<lanes> w[vectors > 0 ? vectors : 1];
      Vec<H> half_w{};
      REGNET_UNROLL for (int v = 0; v < vectors; ++v) w[v] = load<lanes>(weights + offset * width + v * lanes);
      if constexpr (half) half_w = load<H>(weights + offset * width + vectors * lanes);
      __builtin_prefetch(ahead.at + offset * ahead.step, 0, 2);
      REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
        const float x = base[p / 3][(p % 3) * step + offset];
        REGNET_UNROLL for (int v = 0; v < vectors; ++v) sums[p][v] = Format::template add_products<lanes>(sums[p][v], w[v], x);
        if constexpr (half) half_sums[p] = Format::template add_products<H>(half_sums[p], half_w, x);
      }
    };
    const auto advance = [&](int by) __attribute__((always_inline)) {
      weights += by * width;
      ahead.at += by * ahead.step;
      REGNET_UNROLL for (int i = 0; i < bases; ++i) {
        base[i] += by;
        asm("" : "+r"(base[i]));  // or the compiler keeps a pointer for each pixel, more than there are registers
      }
    };
    int k = 0;
    for (; k + 1 < length; k += 2) {
      if constexpr (requires(Vec<lanes> any) { Format::template add_products<lanes>(any, any, any, 0.0f, 0.0f); }) {
        __builtin_prefetch(ahead.at, 0, 2);
        __builtin_prefetch(ahead.at + ahead.step, 0, 2);
        REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
          const float* const x = base[p / 3] + (p % 3) * step;
          REGNET_UNROLL for (int v = 0; v < vectors; ++v) sums[p][v] = Format::template add_products<lanes>(
              sums[p][v], load<lanes>(weights + v * lanes), load<lanes>(weights + width + v * lanes), x[0], x[1]);
        }
      } else {
        word(0);
        word(1);
      }
      advance(2);
    }
    if (k < length) {
      word(0);
      advance(1);
    }
  }
  if constexpr (requires { Format::template end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst); })
    return Format::template end_tile<pixels, vectors, half>(layer, sums, half_sums, bias, residual, places, dst);
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    REGNET_UNROLL for (int v = 0; v < vectors; ++v) Format::template end<lanes>(layer, sums[p][v], v * lanes, bias, residual, places[p], dst);
    if constexpr (half) Format::template end<H>(layer, half_sums[p], vectors * lanes, bias, residual, places[p], dst);
  }
}

using Tile = void (*)(const Convolution&, const float*, const float*, const float*, const float*, float*, Ahead, const std::int64_t*);

// Tiles of each number of pixels for a panel of so many half vectors.
template <class Format, int halves, int... pixels>
constexpr Tile pick(int count) {
  constexpr Tile table[] = {tile<Format, pixels + 1, halves / 2, (halves & 1) != 0>...};
  return table[count - 1];
}

template <class Format, int halves>
constexpr Tile pick_tile(int pixels) {
  if constexpr (most_pixels == 14) return pick<Format, halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>(pixels);
  else if constexpr (most_pixels_for(4 * halves) == 12) return pick<Format, halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>(pixels);
  else if constexpr (most_pixels_for(4 * halves) == 6) return pick<Format, halves, 0, 1, 2, 3, 4, 5>(pixels);
  else return pick<Format, halves, 0, 1, 2, 3>(pixels);
}

// For vectors of 16, panels are a multiple of 8 wide; for narrower ones a multiple of a vector, which 8 is.
template <class Format>
Tile tile_for(int pixels, int width) {
  if constexpr (lanes == 16) {
    switch (width / 8) {
      case 1: return pick_tile<Format, 1>(pixels);
      case 2: return pick_tile<Format, 2>(pixels);
      case 3: return pick_tile<Format, 3>(pixels);
      default: return pick_tile<Format, 4>(pixels);
    }
  } else if constexpr (lanes == 8) {
    if constexpr (most_vectors == 3)
      if (width == 24) return pick_tile<Format, 6>(pixels);
    return width == 8 ? pick_tile<Format, 2>(pixels) : pick_tile<Format, 4>(pixels);
  } else {
    return pick_tile<Format, 4>(pixels);
  }
}

// Pixels begin to end of a row, in tiles as equal as can be, for each of the panels. What each tile reads of the source stays in the first cache from panel to panel.
struct Panels {
  int first, count, channels;  // the first channel, and of how many channels there are
  int width;                   // of all but the last
};

// `pixels` output pixels that follow each other in the source; `places` are theirs in the destination.
template <class Format>
REGNET_INLINE void convolve_tile(const Convolution& layer, int pixels, Panels panels, const float* src, const float* weights, const float* bias,
                                 const float* residual, float* dst, const std::int64_t* places, std::int64_t depth, Ahead& ahead) {
  for (int begin = panels.first; begin < panels.channels && begin < panels.first + panels.count * panels.width; begin += panels.width) {
    const int width = smaller(panels.width, panels.channels - begin);
    const float* of_panel = weights + begin * depth;
    const bool wanted = ahead.at < ahead.end;
    tile_for<Format>(pixels, width)(layer, src, of_panel, bias + begin, residual ? residual + Format::residual_words(layer, begin) : nullptr,
                                    dst + Format::words(layer, begin), wanted ? ahead : Ahead{of_panel, of_panel, 0}, places);
    ahead.at += depth * ahead.step;
  }
}

// The part of one group.
template <class Format>
REGNET_INLINE void convolve_group(const Convolution& layer, Range rows, Panels panels, const float* src, const float* weights, const float* bias,
                                  const float* residual, float* dst, std::int64_t depth, Ahead& ahead) {
  std::int64_t places[most_pixels];
  const int most = most_pixels_for(smaller(panels.width, panels.channels - panels.first));
  if (layer.src_row == layer.columns * layer.src_pixel) {  // the source has no border: its rows are one
    const int end = rows.end * layer.columns, parts = (end - rows.begin * layer.columns + most - 1) / most;
    int y = rows.begin, x = 0;
    for (int part = 0, pixel = rows.begin * layer.columns; part < parts; ++part) {
      const int pixels = (end - pixel + parts - part - 1) / (parts - part);
      for (int p = 0; p < pixels; ++p) {
        places[p] = y * layer.dst_row + x * layer.dst_pixel;
        if (++x == layer.columns) {
          x = 0;
          ++y;
        }
      }
      convolve_tile<Format>(layer, pixels, panels, src + pixel * layer.src_pixel, weights, bias, residual, dst, places, depth, ahead);
      pixel += pixels;
    }
    return;
  }
  const int parts = (layer.columns + most - 1) / most;
  for (int y = rows.begin; y < rows.end; ++y)
    for (int part = 0, x = 0; part < parts; ++part) {
      const int pixels = (layer.columns - x + parts - part - 1) / (parts - part);
      for (int p = 0; p < pixels; ++p) places[p] = y * layer.dst_row + (x + p) * layer.dst_pixel;
      convolve_tile<Format>(layer, pixels, panels, src + y * layer.src_row + x * layer.src_pixel, weights, bias, residual, dst, places, depth, ahead);
      x += pixels;
    }
}

constexpr int tiles_in(int pixels, int most) { return (pixels + most - 1) / most; }

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
  for (int panel = range.begin; panel < range.end;) {
    const int group = panel / per_group, first = panel % per_group;
    // As many panels at once as stay in the cache.
    int count = smaller(range.end - panel, per_group - first);
    while (count > 1 && count * width * depth > cached) count = (count + 1) / 2;
    const float* weights = layer.weights + std::int64_t{group} * layer.channels * depth;
    const std::int64_t next = std::int64_t{smaller(layer.channels, (first + count) * width)} * depth;
    // Behind the last panel come the weights of the next layer, or nothing, which a fetch does not mind.
    Ahead ahead{weights + next, weights + next + count * width * depth, fetch_step(layer, rows)};
    const int channel = group * layer.channels;
    convolve_group<Format>(layer, rows, {first * width, count, layer.channels, width}, layer.src + group * layer.src_group, weights,
                           layer.bias + channel, layer.residual ? layer.residual + Format::residual_words(layer, channel) : nullptr,
                           layer.dst + Format::words(layer, channel), depth, ahead);
    panel += count;
  }
}
