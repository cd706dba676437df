// The kernels for floats as templates over the width of a vector. Each instruction set's file defines REGNET_LANES and REGNET_ISA and includes this.
namespace regnet::kernels::REGNET_ISA {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

struct F32 {
  static constexpr int words(const Convolution&, int channels) { return channels; }
  static constexpr int residual_words(const Convolution&, int channels) { return channels; }
  template <int N>
  REGNET_INLINE static Vec<N> begin(const float* bias) {
    return load<N>(bias);
  }
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word) {
    return sum + weights * word;
  }
  template <int N>
  REGNET_INLINE static void end(const Convolution& layer, Vec<N> sum, int channel, const float*, const float* residual, std::int64_t place,
                                float* dst) {
    if (residual) sum += load<N>(residual + place + channel);
    if (layer.relu) sum = relu<N>(sum);
    store<N>(dst + place + channel, sum);
  }
};

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
        convolve_group<F32>(gemm, {0, 1}, {0, 1, width, width}, inputs + point * input_plane, of_point, no_bias, nullptr,
                            products + point * product_plane, channels, ahead);
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

constexpr Kernels table{.name = REGNET_ISA_NAME,
                        .panel_width = panel_width,
                        .panels = panels,
                        .convolve = convolve<F32>,
                        .winograd = winograd,
                        .winograd_scratch = winograd_scratch,
                        .winograd_weights = winograd_weights,
                        .average = average,
                        .weave = weave,
                        .multiply_add = multiply_add,
                        .read = read};

}  // namespace regnet::kernels::REGNET_ISA
