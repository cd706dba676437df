// Winograd as templates over what the words of activations are, and those of the inputs' 36 matrices:
//   struct Values {
//     static constexpr int in_word;                        // channels
//     template <int N> static Vec<N> read(const float*);   // N channels as floats
//     template <int N> static void write(float*, Vec<N>);
//     using Sums;                                          // the Format of direct.inl that multiplies those words with weights; its outputs are floats
//     // One panel's weights of one group into the 36 matrices, `plane` apart. Only where words are floats; others have weights that were transformed before.
//     static void transform_panel(const float* weights, int channels, int width, float* dst, std::int64_t plane);
//   };

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
REGNET_INLINE void transform_output(const Vec<N> (&m)[6], Vec<N> (&y)[4]) {
  const Vec<N> sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = m[0] + sum + m[3] + m[4];
  y[1] = difference + 0.5f * m[3] - 2.0f * m[4];
  y[2] = sum + 0.25f * m[3] + 4.0f * m[4];
  y[3] = difference + 0.125f * m[3] - 8.0f * m[4] + m[5];
}

// N channels of one tile into its place in each of the 36 matrices, `plane` words apart.
template <class Values, int N>
REGNET_INLINE void scatter(const Winograd& layer, const float* src, float* dst, std::int64_t plane) {
  Vec<N> columns[6][6];
  REGNET_UNROLL for (int x = 0; x < 6; ++x) {
    Vec<N> d[6];
    REGNET_UNROLL for (int y = 0; y < 6; ++y) d[y] = Values::template read<N>(src + y * layer.src_row + x * layer.src_pixel);
    transform_input<N>(d, columns[x]);
  }
  REGNET_UNROLL for (int y = 0; y < 6; ++y) {
    Vec<N> d[6], t[6];
    REGNET_UNROLL for (int x = 0; x < 6; ++x) d[x] = columns[x][y];
    transform_input<N>(d, t);
    REGNET_UNROLL for (int x = 0; x < 6; ++x) Values::template write<N>(dst + (y * 6 + x) * plane, t[x]);
  }
}

template <class Values, int N>
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
      Values::template write<N>(dst + y * layer.dst_row + x * layer.dst_pixel, value);
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

// From one of the 36 matrices to the next, in floats: an odd number of cache lines, or what lies at the same place in each would share a few sets of the first cache.
constexpr std::int64_t plane_of(std::int64_t floats) { return ((floats + 15) / 16 | 1) * 16; }

template <class Values>
void winograd(const Winograd& layer, Range blocks, float* scratch) {
  const int across = winograd_tiles(layer.columns), tiles = across * winograd_tiles(layer.rows);
  const int per_group = (tiles + layer.tiles_at_once - 1) / layer.tiles_at_once;
  const std::int64_t channels = layer.channels, words = channels / Values::in_word, input_plane = plane_of(layer.tiles_at_once * words),
                     product_plane = plane_of(layer.tiles_at_once * widest);
  float *inputs = scratch, *products = inputs + winograd_points * input_plane, *transformed = products + winograd_points * product_plane;
  static constexpr std::int64_t no_offset[1] = {0};
  static constexpr float no_bias[widest] = {};
  Convolution gemm;
  gemm.taps = no_offset;
  gemm.tap_count = 1;
  gemm.tap_length = static_cast<int>(words);
  gemm.src_pixel = words;
  Part part;
  part.layer = &gemm;
  part.depth = words;
  for (int block = blocks.begin; block < blocks.end; ++block) {
    const int group = block / per_group, first = block % per_group * layer.tiles_at_once;
    const int count = smaller(layer.tiles_at_once, tiles - first);
    const float* src = layer.src + group * words;
    for (int i = 0; i < count; ++i) {
      const int ty = (first + i) / across, tx = (first + i) % across;
      const float* corner = src + 4 * ty * layer.src_row + 4 * tx * layer.src_pixel;
      for_channels(layer.channels, [&]<int N>(int c) {
        scatter<Values, N>(layer, corner + c / Values::in_word, inputs + i * words + c / Values::in_word, input_plane);
      });
    }
    gemm.columns = count;
    gemm.src_row = count * words;
    for (int begin = 0; begin < layer.channels; begin += widest) {
      const int width = smaller(widest, layer.channels - begin), channel = group * layer.channels + begin;
      const std::int64_t before = (std::int64_t{group} * channels + begin) * words;
      const float* weights = layer.weights + before * winograd_points;
      std::int64_t weights_plane = words * width;
      if constexpr (Values::in_word == 1)
        if (!layer.transformed) {
          weights_plane = plane_of(channels * widest);
          Values::transform_panel(layer.weights + before * 9, layer.channels, width, transformed, weights_plane);
          weights = transformed;
        }
      gemm.dst_pixel = width;
      for (int point = 0; point < winograd_points; ++point) {
        const float* of_point = weights + point * weights_plane;
        part.panels = {of_point, no_bias, nullptr, products + point * product_plane, 0};
        part.start.src = inputs + point * input_plane;
        // Weights that are kept come from far: those of the next point are fetched while this one's are used.
        part.ahead = {of_point + weights_plane, layer.transformed ? of_point + 2 * weights_plane : nullptr, 16};
        convolve_group<typename Values::Sums>(part, {0, 1}, width, width);
      }
      for (int i = 0; i < count; ++i) {
        const int ty = (first + i) / across, tx = (first + i) % across;
        float* dst = layer.dst + channel / Values::in_word + 4 * ty * layer.dst_row + 4 * tx * layer.dst_pixel;
        const int rows = smaller(4, layer.rows - 4 * ty), columns = smaller(4, layer.columns - 4 * tx);
        for_channels(width, [&]<int N>(int c) {
          gather<Values, N>(layer, products + i * width + c, product_plane, layer.bias + channel + c, dst + c / Values::in_word, rows, columns);
        });
      }
    }
  }
}

template <class Values>
std::int64_t winograd_scratch(int channels, int tiles_at_once, bool transformed) {
  const std::int64_t weights = transformed ? 0 : plane_of(std::int64_t{channels} * widest);
  return winograd_points *
         (plane_of(std::int64_t{tiles_at_once} * channels / Values::in_word) + plane_of(std::int64_t{tiles_at_once} * widest) + weights);
}
