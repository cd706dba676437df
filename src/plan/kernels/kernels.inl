// The kernels for floats as templates over the width of a vector. Each instruction set's file defines REGNET_LANES and REGNET_ISA and includes this.
namespace regnet::kernels::REGNET_ISA {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

struct F32 {
  static constexpr int words(const Convolution&, int channels) { return channels; }
  static constexpr int residual_words(const Convolution&, int channels) { return channels; }
  static constexpr std::int64_t residual_place(const Convolution&, std::int64_t place) { return place; }
  template <int N>
  REGNET_INLINE static Vec<N> begin(const float* bias) {
    return load<N>(bias);
  }
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word) {
    return sum + weights * word;
  }
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, Vec<N> words) {
    return sum + weights * words;
  }
  REGNET_INLINE static Vec<lanes> spread(float word) { return in_all_lanes(word); }
  REGNET_INLINE static Vec<lanes> join(Vec<lanes> a, Vec<lanes> b) { return a + b; }
  template <int N>
  REGNET_INLINE static void end(const Convolution& layer, Vec<N> sum, int channel, const float*, const float* residual, std::int64_t place,
                                float* dst) {
    if (residual) sum += load<N>(residual + place + channel);
    if (layer.relu) sum = relu<N>(sum);
    store<N>(dst + place + channel, sum);
  }
};

#include "plan/kernels/winograd.inl"

struct F32Values {
  static constexpr int in_word = 1;
  using Sums = F32;
  template <int N>
  REGNET_INLINE static Vec<N> read(const float* at) {
    return load<N>(at);
  }
  template <int N>
  REGNET_INLINE static void write(float* at, Vec<N> value) {
    store<N>(at, value);
  }
  static void transform_panel(const float* weights, int channels, int width, int stride, float* dst, std::int64_t plane);
};

template <int N, int stride>
REGNET_INLINE void transform_weights(const Vec<N> (&g)[3], Vec<N> (&t)[6]) {
  const Vec<N> outer = g[0] + g[2];
  if constexpr (stride == 2) {
    t[0] = g[0];
    t[1] = outer;
    t[2] = g[0] - g[2];
    t[3] = g[0] + 0.5f * g[2];
    t[4] = g[2];
    t[5] = g[1];
    return;
  }
  t[0] = g[0];
  t[1] = outer + g[1];
  t[2] = outer - g[1];
  t[3] = g[2] + 2.0f * g[1] + 4.0f * g[0];
  t[4] = g[0] - 2.0f * g[1] + 4.0f * g[2];
  t[5] = g[2];
}

// N output channels of one input channel: nine weights into the 36 matrices.
template <int N, int stride>
REGNET_INLINE void spread_weights(const float* src, int width, float* dst, std::int64_t plane) {
  Vec<N> columns[3][6];
  REGNET_UNROLL for (int x = 0; x < 3; ++x) {
    Vec<N> g[3];
    REGNET_UNROLL for (int y = 0; y < 3; ++y) g[y] = load<N>(src + (y * 3 + x) * width);
    transform_weights<N, stride>(g, columns[x]);
  }
  REGNET_UNROLL for (int y = 0; y < 6; ++y) {
    Vec<N> g[3], t[6];
    REGNET_UNROLL for (int x = 0; x < 3; ++x) g[x] = columns[x][y];
    transform_weights<N, stride>(g, t);
    REGNET_UNROLL for (int x = 0; x < 6; ++x) store<N>(dst + (y * 6 + x) * plane, t[x]);
  }
}

// One panel's weights of one group into the 36 matrices: [channels][width], `plane` apart.
void F32Values::transform_panel(const float* weights, int channels, int width, int stride, float* dst, std::int64_t plane) {
  for (int i = 0; i < channels; ++i) {
    const float* nine = weights + std::int64_t{i} * 9 * width;
    for (int line = 0; line < 9 * width; line += 16) __builtin_prefetch(nine + 16 * 9 * width + line, 0, 2);
    for_channels(width, [&]<int N>(int c) {
      float* const at = dst + std::int64_t{i} * width + c;
      stride == 1 ? spread_weights<N, 1>(nine + c, width, at, plane) : spread_weights<N, 2>(nine + c, width, at, plane);
    });
  }
}

void winograd_weights(const float* weights, int groups, int channels, int stride, float* dst) {
  const int most = panel_width(channels);
  for (int group = 0; group < groups; ++group)
    for (int begin = 0; begin < channels; begin += most) {
      const int width = smaller(most, channels - begin);
      const std::int64_t before = (std::int64_t{group} * channels + begin) * channels;
      F32Values::transform_panel(weights + before * 9, channels, width, stride, dst + before * winograd_points, std::int64_t{channels} * width);
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
                        .winograd = winograd<F32Values>,
                        .winograd_scratch = winograd_scratch<F32Values>,
                        .winograd_weights = winograd_weights,
                        .average = average,
                        .weave = weave,
                        .multiply_add = multiply_add,
                        .read = read};

}  // namespace regnet::kernels::REGNET_ISA
