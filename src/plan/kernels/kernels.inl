// The kernels as templates over the width of a vector. Each instruction set's file defines REGNET_LANES and REGNET_ISA and includes this; nothing here may come from
// elsewhere, or the linker could give one instruction set's copy of a shared function to another.
namespace regnet::kernels::REGNET_ISA {

namespace {

constexpr int lanes = REGNET_LANES;
// Registers: pixels x vectors accumulators, the vectors of weights, one input.
constexpr int most_vectors = 2;
constexpr int widest = most_vectors * lanes;
constexpr int most_pixels = lanes == 16 ? 14 : lanes == 8 ? 12 : 4;
// With two vectors of 8 lanes there are registers for half as many pixels as with one.
constexpr int most_pixels_for(int width) { return lanes == 8 && width > lanes ? 6 : most_pixels; }

#define REGNET_INLINE inline __attribute__((always_inline))
#define REGNET_UNROLL _Pragma("GCC unroll 36")

template <int N>
struct Vector {
  typedef float type __attribute__((vector_size(4 * N)));
  typedef float unaligned __attribute__((vector_size(4 * N), aligned(4), may_alias));
};
template <int N>
using Vec = typename Vector<N>::type;

template <int N>
REGNET_INLINE Vec<N> load(const float* at) {
  return *reinterpret_cast<const typename Vector<N>::unaligned*>(at);
}
template <int N>
REGNET_INLINE void store(float* at, Vec<N> value) {
  *reinterpret_cast<typename Vector<N>::unaligned*>(at) = value;
}
template <int N>
REGNET_INLINE Vec<N> relu(Vec<N> value) {
  return value > 0 ? value : Vec<N>{};
}

constexpr int smaller(int a, int b) { return a < b ? a : b; }

// Memory that is fetched into the second cache on the way of other work: for each input channel of each tile the line at `at`, which then moves on by `step` floats.
struct Ahead {
  const float *at, *end;
  std::int64_t step;
};

// `pixels` output pixels x one panel of `vectors` vectors and, with `half`, one of half the width.
template <int pixels, int vectors, bool half>
void tile(const Convolution& layer, const float* src, const float* weights, const float* bias, const float* residual, float* dst, Ahead ahead,
          const std::int64_t* places) {
  constexpr int H = lanes / 2;
  constexpr int width = vectors * lanes + (half ? H : 0);
  constexpr int bases = (pixels + 2) / 3;  // a base for three pixels each: x86 adds once or twice a register for free
  Vec<lanes> sums[pixels][vectors > 0 ? vectors : 1];
  Vec<H> half_sums[pixels];
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    REGNET_UNROLL for (int v = 0; v < vectors; ++v) sums[p][v] = load<lanes>(bias + v * lanes);
    if constexpr (half) half_sums[p] = load<H>(bias + vectors * lanes);
  }
  // What is stored at the end is fetched now, to be written: another core or none has those lines.
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    REGNET_UNROLL for (int at = 0; at < width; at += 16) __builtin_prefetch(dst + places[p] + at, 1, 3);
  }
  const std::int64_t step = layer.src_pixel;
  const int length = layer.tap_length;
  for (int t = 0; t < layer.tap_count; ++t) {
    const float* base[bases];
    REGNET_UNROLL for (int i = 0; i < bases; ++i) base[i] = src + layer.taps[t] + 3 * i * step;
    // One input channel, `offset` beyond the bases.
    const auto channel = [&](int offset) __attribute__((always_inline)) {
      Vec<lanes> w[vectors > 0 ? vectors : 1];
      Vec<H> half_w{};
      REGNET_UNROLL for (int v = 0; v < vectors; ++v) w[v] = load<lanes>(weights + offset * width + v * lanes);
      if constexpr (half) half_w = load<H>(weights + offset * width + vectors * lanes);
      __builtin_prefetch(ahead.at + offset * ahead.step, 0, 2);
      REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
        const float x = base[p / 3][(p % 3) * step + offset];
        REGNET_UNROLL for (int v = 0; v < vectors; ++v) sums[p][v] += w[v] * x;
        if constexpr (half) half_sums[p] += half_w * x;
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
      channel(0);
      channel(1);
      advance(2);
    }
    if (k < length) {
      channel(0);
      advance(1);
    }
  }
  REGNET_UNROLL for (int p = 0; p < pixels; ++p) {
    float* out = dst + places[p];
    const float* add = residual + places[p];
    REGNET_UNROLL for (int v = 0; v < vectors; ++v) {
      Vec<lanes> y = sums[p][v];
      if (residual) y += load<lanes>(add + v * lanes);
      if (layer.relu) y = relu<lanes>(y);
      store<lanes>(out + v * lanes, y);
    }
    if constexpr (half) {
      Vec<H> y = half_sums[p];
      if (residual) y += load<H>(add + vectors * lanes);
      if (layer.relu) y = relu<H>(y);
      store<H>(out + vectors * lanes, y);
    }
  }
}

using Tile = void (*)(const Convolution&, const float*, const float*, const float*, const float*, float*, Ahead, const std::int64_t*);

// Tiles of each number of pixels for a panel of so many half vectors.
template <int halves, int... pixels>
constexpr Tile pick(int count, const int* = nullptr) {
  constexpr Tile table[] = {tile<pixels + 1, halves / 2, (halves & 1) != 0>...};
  return table[count - 1];
}

template <int halves>
constexpr Tile pick_tile(int pixels) {
  if constexpr (most_pixels == 14) return pick<halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13>(pixels);
  else if constexpr (most_pixels_for(4 * halves) == 12) return pick<halves, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11>(pixels);
  else if constexpr (lanes == 8) return pick<halves, 0, 1, 2, 3, 4, 5>(pixels);
  else return pick<halves, 0, 1, 2, 3>(pixels);
}

// For vectors of 16, panels are a multiple of 8 wide; for narrower ones a multiple of a vector, which 8 is.
Tile tile_for(int pixels, int width) {
  if constexpr (lanes == 16) {
    switch (width / 8) {
      case 1: return pick_tile<1>(pixels);
      case 2: return pick_tile<2>(pixels);
      case 3: return pick_tile<3>(pixels);
      default: return pick_tile<4>(pixels);
    }
  } else if constexpr (lanes == 8) {
    return width == 8 ? pick_tile<2>(pixels) : pick_tile<4>(pixels);
  } else {
    return pick_tile<4>(pixels);
  }
}

int panels(int channels, int* begins) {
  int count = 0;
  for (int at = 0; at < channels; ++count) {
    if (begins) begins[count] = at;
    at += smaller(widest, channels - at);
  }
  if (begins) begins[count] = channels;
  return count;
}

// Pixels begin to end of a row, in tiles as equal as can be, for each of the panels. What each tile reads of the source stays in the first cache from panel to panel.
struct Panels {
  int first, count, channels;  // the first channel, and of how many channels there are: all panels but the last are of the widest kind
};

// `pixels` output pixels that follow each other in the source; `places` are theirs in the destination.
REGNET_INLINE void convolve_tile(const Convolution& layer, int pixels, Panels panels, const float* src, const float* weights, const float* bias,
                                 const float* residual, float* dst, const std::int64_t* places, std::int64_t depth, Ahead& ahead) {
  for (int begin = panels.first; begin < panels.channels && begin < panels.first + panels.count * widest; begin += widest) {
    const int width = smaller(widest, panels.channels - begin);
    const float* of_panel = weights + begin * depth;
    const bool wanted = ahead.at < ahead.end;
    tile_for(pixels, width)(layer, src, of_panel, bias + begin, residual ? residual + begin : nullptr, dst + begin,
                            wanted ? ahead : Ahead{of_panel, of_panel, 0}, places);
    ahead.at += depth * ahead.step;
  }
}

// The part of one group.
REGNET_INLINE void convolve_group(const Convolution& layer, Range rows, Panels panels, const float* src, const float* weights, const float* bias,
                                  const float* residual, float* dst, std::int64_t depth, Ahead& ahead) {
  std::int64_t places[most_pixels];
  const int most = most_pixels_for(panels.channels - panels.first);
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
      convolve_tile(layer, pixels, panels, src + pixel * layer.src_pixel, weights, bias, residual, dst, places, depth, ahead);
      pixel += pixels;
    }
    return;
  }
  const int parts = (layer.columns + most - 1) / most;
  for (int y = rows.begin; y < rows.end; ++y)
    for (int part = 0, x = 0; part < parts; ++part) {
      const int pixels = (layer.columns - x + parts - part - 1) / (parts - part);
      for (int p = 0; p < pixels; ++p) places[p] = y * layer.dst_row + (x + p) * layer.dst_pixel;
      convolve_tile(layer, pixels, panels, src + y * layer.src_row + x * layer.src_pixel, weights, bias, residual, dst, places, depth, ahead);
      x += pixels;
    }
}

constexpr int tiles_in(int pixels, int most) { return (pixels + most - 1) / most; }

// So that the tiles of one panel fetch the next panel evenly.
std::int64_t fetch_step(const Convolution& layer, Range rows) {
  const int most = most_pixels_for(layer.channels), count = rows.end - rows.begin;
  const int tiles = layer.src_row == layer.columns * layer.src_pixel ? tiles_in(count * layer.columns, most) : count * tiles_in(layer.columns, most);
  return tiles == 0 ? 0 : smaller(16, (widest + tiles - 1) / tiles);
}

void convolve(const Convolution& layer, Range rows, Range range) {
  constexpr std::int64_t cached = 64 * 1024 / 4;  // floats of weights: so many panels share what a tile reads
  const int per_group = panels(layer.channels, nullptr);
  const std::int64_t depth = std::int64_t{layer.tap_count} * layer.tap_length;
  for (int panel = range.begin; panel < range.end;) {
    const int group = panel / per_group, first = panel % per_group;
    // As many panels at once as stay in the cache.
    int count = smaller(range.end - panel, per_group - first);
    while (count > 1 && count * widest * depth > cached) count = (count + 1) / 2;
    const float* weights = layer.weights + std::int64_t{group} * layer.channels * depth;
    const std::int64_t next = std::int64_t{smaller(layer.channels, (first + count) * widest)} * depth;
    // Behind the last panel come the weights of the next layer, or nothing, which a fetch does not mind.
    Ahead ahead{weights + next, weights + next + count * widest * depth, fetch_step(layer, rows)};
    const int channel = group * layer.channels;
    convolve_group(layer, rows, {first * widest, count, layer.channels}, layer.src + group * layer.src_group, weights, layer.bias + channel,
                   layer.residual ? layer.residual + channel : nullptr, layer.dst + channel, depth, ahead);
    panel += count;
  }
}

// Winograd

// One dimension of each transform. The denominators that belong to the weights' transform are in the input's, where constants cost nothing.
template <int N>
REGNET_INLINE void transform_input(const Vec<N> (&d)[6], Vec<N> (&t)[6]) {
  const Vec<N> fall = d[4] - d[2], rise = d[3] - d[1];
  t[0] = d[0] + d[4] + 1.5f * rise - 2.0f * d[2];
  t[1] = (d[4] - d[1]) * (1 / 3.0f) + d[3] * (2.5f / 3) + d[2] * (0.5f / 3);
  t[2] = (d[4] + d[1]) * (-1 / 3.0f) - d[3] * (0.5f / 3) + d[2] * (2.5f / 3);
  t[3] = fall * (-4 / 15.0f) - rise * (8 / 15.0f);
  t[4] = fall * (1 / 15.0f) - rise * (0.5f / 15);
  t[5] = d[5] + d[1] + 1.5f * fall - 2.0f * d[3];
}

template <int N>
REGNET_INLINE void transform_weights(const Vec<N> (&g)[3], Vec<N> (&t)[6]) {
  const Vec<N> outer = g[0] + g[2];
  t[0] = g[0];
  t[1] = outer + g[1];
  t[2] = outer - g[1];
  t[3] = g[2] + 2.0f * g[1] + 4.0f * g[0];
  t[4] = g[0] - 2.0f * g[1] + 4.0f * g[2];
  t[5] = g[2];
}

template <int N>
REGNET_INLINE void transform_output(const Vec<N> (&m)[6], Vec<N> (&y)[4]) {
  const Vec<N> sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = m[0] + sum + m[3] + m[4];
  y[1] = difference + 0.5f * m[3] - 2.0f * m[4];
  y[2] = sum + 0.25f * m[3] + 4.0f * m[4];
  y[3] = difference + 0.125f * m[3] - 8.0f * m[4] + m[5];
}

// N channels of one tile into its place in each of the 36 matrices, `plane` floats apart.
template <int N>
REGNET_INLINE void scatter(const Winograd& layer, const float* src, float* dst, std::int64_t plane) {
  Vec<N> columns[6][6];
  REGNET_UNROLL for (int x = 0; x < 6; ++x) {
    Vec<N> d[6];
    REGNET_UNROLL for (int y = 0; y < 6; ++y) d[y] = load<N>(src + y * layer.src_row + x * layer.src_pixel);
    transform_input<N>(d, columns[x]);
  }
  REGNET_UNROLL for (int y = 0; y < 6; ++y) {
    Vec<N> d[6], t[6];
    REGNET_UNROLL for (int x = 0; x < 6; ++x) d[x] = columns[x][y];
    transform_input<N>(d, t);
    REGNET_UNROLL for (int x = 0; x < 6; ++x) store<N>(dst + (y * 6 + x) * plane, t[x]);
  }
}

template <int N>
REGNET_INLINE void gather(const Winograd& layer, const float* src, std::int64_t plane, const float* bias, float* dst, int rows, int columns) {
  Vec<N> half[6][4];
  REGNET_UNROLL for (int x = 0; x < 6; ++x) {
    Vec<N> m[6];
    REGNET_UNROLL for (int y = 0; y < 6; ++y) m[y] = load<N>(src + (y * 6 + x) * plane);
    transform_output<N>(m, half[x]);
  }
  const Vec<N> add = load<N>(bias);
  REGNET_UNROLL for (int y = 0; y < 4; ++y) {
    if (y >= rows) break;
    Vec<N> m[6], out[4];
    REGNET_UNROLL for (int x = 0; x < 6; ++x) m[x] = half[x][y];
    transform_output<N>(m, out);
    REGNET_UNROLL for (int x = 0; x < 4; ++x) {
      if (x >= columns) break;
      Vec<N> value = out[x] + add;
      if (layer.relu) value = relu<N>(value);
      store<N>(dst + y * layer.dst_row + x * layer.dst_pixel, value);
    }
  }
}

// Calls body.template operator()<N>(channel) for channels in vectors, the last of them half as wide.
template <class Body>
REGNET_INLINE void for_channels(int channels, Body body) {
  constexpr int N = lanes;
  int c = 0;
  for (; c + N <= channels; c += N) body.template operator()<N>(c);
  if constexpr (N > 8)
    if (c < channels) body.template operator()<8>(c);
}

// N output channels of one input channel: nine weights into the 36 matrices.
template <int N>
REGNET_INLINE void spread_weights(const float* src, int width, float* dst, std::int64_t plane) {
  Vec<N> columns[3][6];
  REGNET_UNROLL for (int x = 0; x < 3; ++x) {
    Vec<N> g[3];
    REGNET_UNROLL for (int y = 0; y < 3; ++y) g[y] = load<N>(src + (y * 3 + x) * width);
    transform_weights<N>(g, columns[x]);
  }
  REGNET_UNROLL for (int y = 0; y < 6; ++y) {
    Vec<N> g[3], t[6];
    REGNET_UNROLL for (int x = 0; x < 3; ++x) g[x] = columns[x][y];
    transform_weights<N>(g, t);
    REGNET_UNROLL for (int x = 0; x < 6; ++x) store<N>(dst + (y * 6 + x) * plane, t[x]);
  }
}

// From one of the 36 matrices to the next, in floats: an odd number of cache lines, or what lies at the same place in each would share a few sets of the first cache.
constexpr std::int64_t plane_of(std::int64_t floats) { return ((floats + 15) / 16 | 1) * 16; }

// One panel's weights of one group into the 36 matrices: [channels][width], `plane` apart.
void transform_panel(const float* weights, int channels, int width, float* dst, std::int64_t plane) {
  for (int i = 0; i < channels; ++i) {
    const float* nine = weights + std::int64_t{i} * 9 * width;
    for (int line = 0; line < 9 * width; line += 16) __builtin_prefetch(nine + 16 * 9 * width + line, 0, 2);
    for_channels(width, [&]<int N>(int c) { spread_weights<N>(nine + c, width, dst + std::int64_t{i} * width + c, plane); });
  }
}

void winograd(const Winograd& layer, Range blocks, float* scratch) {
  const int across = winograd_tiles(layer.columns), tiles = across * winograd_tiles(layer.rows);
  const int per_group = (tiles + layer.tiles_at_once - 1) / layer.tiles_at_once;
  const std::int64_t channels = layer.channels, input_plane = plane_of(layer.tiles_at_once * channels),
                     product_plane = plane_of(layer.tiles_at_once * widest);
  float *inputs = scratch, *products = inputs + winograd_points * input_plane, *transformed = products + winograd_points * product_plane;
  static constexpr std::int64_t no_offset[1] = {0};
  static constexpr float no_bias[widest] = {};
  Convolution gemm;
  gemm.taps = no_offset;
  gemm.tap_count = 1;
  gemm.tap_length = layer.channels;
  gemm.src_pixel = channels;
  for (int block = blocks.begin; block < blocks.end; ++block) {
    const int group = block / per_group, first = block % per_group * layer.tiles_at_once;
    const int count = smaller(layer.tiles_at_once, tiles - first);
    const float* src = layer.src + group * channels;
    for (int i = 0; i < count; ++i) {
      const int ty = (first + i) / across, tx = (first + i) % across;
      const float* corner = src + 4 * ty * layer.src_row + 4 * tx * layer.src_pixel;
      for_channels(layer.channels, [&]<int N>(int c) { scatter<N>(layer, corner + c, inputs + i * channels + c, input_plane); });
    }
    gemm.columns = count;
    gemm.src_row = count * channels;
    for (int begin = 0; begin < layer.channels; begin += widest) {
      const int width = smaller(widest, layer.channels - begin), channel = group * layer.channels + begin;
      const std::int64_t before = (std::int64_t{group} * channels + begin) * channels;
      const float* weights = layer.weights + before * winograd_points;
      std::int64_t weights_plane = channels * width;
      if (!layer.transformed) {
        weights_plane = plane_of(channels * widest);
        transform_panel(layer.weights + before * 9, layer.channels, width, transformed, weights_plane);
        weights = transformed;
      }
      gemm.dst_pixel = width;
      for (int point = 0; point < winograd_points; ++point) {
        const float* of_point = weights + point * weights_plane;
        // Weights that are kept come from far: those of the next point are fetched while this one's are used.
        Ahead ahead{of_point + weights_plane, layer.transformed ? of_point + 2 * weights_plane : nullptr, 16};
        convolve_group(gemm, {0, 1}, {0, 1, width}, inputs + point * input_plane, of_point, no_bias, nullptr, products + point * product_plane,
                       channels, ahead);
      }
      for (int i = 0; i < count; ++i) {
        const int ty = (first + i) / across, tx = (first + i) % across;
        float* dst = layer.dst + channel + 4 * ty * layer.dst_row + 4 * tx * layer.dst_pixel;
        const int rows = smaller(4, layer.rows - 4 * ty), columns = smaller(4, layer.columns - 4 * tx);
        for_channels(width, [&]<int N>(int c) {
          gather<N>(layer, products + i * width + c, product_plane, layer.bias + channel + c, dst + c, rows, columns);
        });
      }
    }
  }
}

std::int64_t winograd_scratch(int channels, int tiles_at_once, bool transformed) {
  const std::int64_t weights = transformed ? 0 : plane_of(std::int64_t{channels} * widest);
  return winograd_points * (plane_of(std::int64_t{tiles_at_once} * channels) + plane_of(std::int64_t{tiles_at_once} * widest) + weights);
}

void winograd_weights(const float* weights, int groups, int channels, float* dst) {
  for (int group = 0; group < groups; ++group)
    for (int begin = 0; begin < channels; begin += widest) {
      const int width = smaller(widest, channels - begin);
      const std::int64_t before = (std::int64_t{group} * channels + begin) * channels;
      transform_panel(weights + before * 9, channels, width, dst + before * winograd_points, std::int64_t{channels} * width);
    }
}

void average(const float* src, std::int64_t pixels, std::int64_t pixel, Range range, float* dst) {
  const float scale = 1.0f / static_cast<float>(pixels);
  constexpr int N = smaller(lanes, 8);  // ranges are of eights
  for (int c = range.begin; c < range.end; c += N) {
    Vec<N> sum{};
    for (std::int64_t p = 0; p < pixels; ++p) sum += load<N>(src + p * pixel + c);
    store<N>(dst + c, sum * scale);
  }
}

// Vector `part` of three: element e of all is of plane e % 3, pixel e / 3.
template <int part, int... e>
REGNET_INLINE Vec<lanes> woven(Vec<lanes> a, Vec<lanes> b, Vec<lanes> c, std::integer_sequence<int, e...>) {
  constexpr auto plane = [](int i) { return (part * lanes + i) % 3; };
  constexpr auto pixel = [](int i) { return (part * lanes + i) / 3; };
  const Vec<lanes> two = __builtin_shufflevector(a, b, (plane(e) == 1 ? lanes + pixel(e) : plane(e) == 0 ? pixel(e) : 0)...);
  return __builtin_shufflevector(two, c, (plane(e) == 2 ? lanes + pixel(e) : e)...);
}

void weave(const float* planes, std::int64_t plane, int pixels, float* dst) {
  constexpr auto all = std::make_integer_sequence<int, lanes>();
  int x = 0;
  for (; x + lanes <= pixels; x += lanes, dst += 3 * lanes) {
    const Vec<lanes> a = load<lanes>(planes + x), b = load<lanes>(planes + plane + x), c = load<lanes>(planes + 2 * plane + x);
    store<lanes>(dst, woven<0>(a, b, c, all));
    store<lanes>(dst + lanes, woven<1>(a, b, c, all));
    store<lanes>(dst + 2 * lanes, woven<2>(a, b, c, all));
  }
  for (; x < pixels; ++x)
    for (int c = 0; c < 3; ++c) *dst++ = planes[c * plane + x];
}

std::int64_t multiply_add(std::int64_t loops) {
  constexpr int chains = 12;  // more than the latency of one hides
  Vec<lanes> sums[chains];
  Vec<lanes> factor = Vec<lanes>{} + 0.999f, term = Vec<lanes>{} + 0.001f;
  REGNET_UNROLL for (int i = 0; i < chains; ++i) {
    sums[i] = Vec<lanes>{} + static_cast<float>(i);
    asm volatile("" : "+x"(sums[i]));  // or the compiler sees that 1 stays 1, and leaves its chain out
  }
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_UNROLL for (int i = 0; i < chains; ++i) sums[i] = sums[i] * factor + term;
    asm volatile("" : : : "memory");
  }
  REGNET_UNROLL for (int i = 0; i < chains; ++i) asm volatile("" : : "x"(sums[i]));
  return std::int64_t{2} * chains * lanes;
}

float read(const float* src, std::int64_t floats) {
  Vec<lanes> sums[4]{};
  for (std::int64_t i = 0; i < floats; i += 4 * lanes) REGNET_UNROLL for (int k = 0; k < 4; ++k) sums[k] += load<lanes>(src + i + k * lanes);
  const Vec<lanes> sum = sums[0] + sums[1] + sums[2] + sums[3];
  asm volatile("" : : "x"(sum));
  return sum[0];
}

}  // namespace

constexpr Kernels table{REGNET_ISA_NAME, widest, panels, convolve, winograd, winograd_scratch, winograd_weights, average, weave, multiply_add, read};

}  // namespace regnet::kernels::REGNET_ISA
