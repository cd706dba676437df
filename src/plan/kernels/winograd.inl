// Winograd as templates over what the words of activations are, and those of the inputs' 36 matrices:
//   struct Values {
//     static constexpr int in_word;                        // channels
//     template <int N> static Vec<N> read(const float*);   // N channels as floats
//     template <int N> static void write(float*, Vec<N>);
//     using Sums;                                          // the Format of direct.inl that multiplies those words with weights; its outputs are floats
//     // One panel's weights of one group into the 36 matrices, `plane` apart. Only where words are floats; others have weights that were transformed before.
//     static void transform_panel(const float* weights, int channels, int width, int stride, float* dst, std::int64_t plane);
//   };
// In each dimension V values are read, transformed and multiplied for 4 outputs: 6 for stride 1, and 9 for stride 2.

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

// Values before and behind an output go by F(4, 2), with the points 0, 1, -1, 1/2 and infinity; the values between them, of which each output has one, stay as they are.
template <int N>
REGNET_INLINE void transform_input(const Vec<N> (&d)[9], Vec<N> (&t)[9]) {
  const Vec<N> fall = d[2] - d[6], rise = d[4] - d[2];
  t[0] = d[0] - d[4] - 2.0f * fall;
  t[1] = d[6] + 0.5f * rise;
  t[2] = (1 / 3.0f) * fall + 0.5f * rise;
  t[3] = (8 / 3.0f) * fall;
  t[4] = d[8] - d[4] + 0.5f * fall;
  t[5] = d[1];
  t[6] = d[3];
  t[7] = d[5];
  t[8] = d[7];
}

template <int N>
REGNET_INLINE void transform_output(const Vec<N> (&m)[6], Vec<N> (&y)[4]) {
  const Vec<N> sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = m[0] + sum + m[3] + m[4];
  y[1] = difference + 0.5f * m[3] - 2.0f * m[4];
  y[2] = sum + 0.25f * m[3] + 4.0f * m[4];
  y[3] = difference + 0.125f * m[3] - 8.0f * m[4] + m[5];
}

template <int N>
REGNET_INLINE void transform_output(const Vec<N> (&m)[9], Vec<N> (&y)[4]) {
  const Vec<N> sum = m[1] + m[2], difference = m[1] - m[2];
  y[0] = m[0] + sum + m[3] + m[5];
  y[1] = difference + 0.5f * m[3] + m[6];
  y[2] = sum + 0.25f * m[3] + m[7];
  y[3] = difference + 0.125f * m[3] + m[4] + m[8];
}

// Where the value (y, x) of each tile lies in the 36 matrices. Values from the sixth on are rows of the sixth matrix, since they meet the same weight.
template <int V>
struct Cell {
  int point, rows;  // how many rows of its matrix a tile has
  int start;        // of the matrix, in planes: as many as the matrices before have rows for a tile
  int row;          // of the tile's
  constexpr Cell(int y, int x) {
    const int down = smaller(y, 5), across = smaller(x, 5), rows_down = down < 5 ? 1 : V - 5, rows_across = across < 5 ? 1 : V - 5;
    point = 6 * down + across;
    rows = rows_down * rows_across;
    start = V * down + across * rows_down;
    row = (y - down) * rows_across + x - across;
  }
};

// N channels of the tile `index` into its place in each of the 36 matrices: `pixel` words for each row, and rows for all tiles make a plane. The next tile is `ahead` of this one's `src`.
template <class Values, int N, int V>
REGNET_INLINE void scatter(const Winograd& layer, const float* src, std::int64_t ahead, float* dst, int index, std::int64_t pixel,
                           std::int64_t plane) {
  Vec<N> columns[V][V];
  REGNET_UNROLL for (int x = 0; x < V; ++x) {
    Vec<N> d[V];
    REGNET_UNROLL for (int y = 0; y < V; ++y) {
      const float* const at = src + y * layer.src_row + x * layer.src_pixel;
      d[y] = Values::template read<N>(at);
      // Maps that a stride halves are large, and the lines that they come in too far from each other to be foreseen. One column is this tile's too.
      if (V == 9 && x > 0) __builtin_prefetch(at + ahead, 0, 3);
    }
    transform_input<N>(d, columns[x]);
  }
  REGNET_UNROLL for (int y = 0; y < V; ++y) {
    Vec<N> d[V], t[V];
    REGNET_UNROLL for (int x = 0; x < V; ++x) d[x] = columns[x][y];
    transform_input<N>(d, t);
    REGNET_UNROLL for (int x = 0; x < V; ++x) {
      const Cell<V> cell(y, x);
      Values::template write<N>(dst + cell.start * plane + (index * cell.rows + cell.row) * pixel, t[x]);
    }
  }
}

template <class Values, int N, int V>
REGNET_INLINE void gather(const Winograd& layer, const float* src, int index, std::int64_t pixel, std::int64_t plane, const float* bias, float* dst,
                          int rows, int columns) {
  Vec<N> half[V][4];
  REGNET_UNROLL for (int x = 0; x < V; ++x) {
    Vec<N> m[V];
    REGNET_UNROLL for (int y = 0; y < V; ++y) {
      const Cell<V> cell(y, x);
      m[y] = load<N>(src + cell.start * plane + (index * cell.rows + cell.row) * pixel);
    }
    transform_output<N>(m, half[x]);
  }
  const Vec<N> add = load<N>(bias);
  REGNET_UNROLL for (int y = 0; y < 4; ++y) {
    if (y >= rows) break;
    Vec<N> m[V], out[4];
    REGNET_UNROLL for (int x = 0; x < V; ++x) m[x] = half[x][y];
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

template <class Values, int V>
void winograd_tiled(const Winograd& layer, Range blocks, float* scratch) {
  const int across = winograd_tiles(layer.columns), tiles = across * winograd_tiles(layer.rows), most = panel_width(layer.channels);
  const int per_group = (tiles + layer.tiles_at_once - 1) / layer.tiles_at_once;
  const std::int64_t channels = layer.channels, words = channels / Values::in_word, input_plane = plane_of(layer.tiles_at_once * words),
                     product_plane = plane_of(layer.tiles_at_once * widest);
  float *inputs = scratch, *products = inputs + V * V * input_plane, *transformed = products + V * V * product_plane;
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
    const auto corner = [&](int tile) {
      return layer.src + group * words + 4 * layer.stride * (tile / across * layer.src_row + tile % across * layer.src_pixel);
    };
    for (int i = 0; i < count; ++i) {
      const float *const src = corner(first + i), *const next = first + i + 1 < tiles ? corner(first + i + 1) : corner(0) + words;
      for_channels(layer.channels, [&]<int N>(int c) {
        scatter<Values, N, V>(layer, src + c / Values::in_word, next - src, inputs + c / Values::in_word, i, words, input_plane);
      });
    }
    for (int begin = 0; begin < layer.channels; begin += most) {
      const int width = smaller(most, layer.channels - begin), channel = group * layer.channels + begin;
      const std::int64_t before = (std::int64_t{group} * channels + begin) * words;
      const float* weights = layer.weights + before * winograd_points;
      std::int64_t weights_plane = words * width;
      if constexpr (Values::in_word == 1)
        if (!layer.transformed) {
          weights_plane = plane_of(channels * widest);
          Values::transform_panel(layer.weights + before * 9, layer.channels, width, layer.stride, transformed, weights_plane);
          weights = transformed;
        }
      gemm.dst_pixel = width;
      for (int point = 0; point < winograd_points; ++point) {
        const Cell<V> cell(point / 6, point % 6);
        const float* of_point = weights + point * weights_plane;
        gemm.columns = count * cell.rows;
        gemm.src_row = gemm.columns * words;
        part.panels = {of_point, no_bias, nullptr, products + cell.start * product_plane, 0};
        part.start.src = inputs + cell.start * input_plane;
        // Weights that are kept come from far: those of the next point are fetched while this one's are used.
        part.ahead = {of_point + weights_plane, layer.transformed ? of_point + 2 * weights_plane : nullptr, 16};
        convolve_group<typename Values::Sums, 0>(part, {0, 1}, width, width);
      }
      for (int i = 0; i < count; ++i) {
        const int ty = (first + i) / across, tx = (first + i) % across;
        float* dst = layer.dst + channel / Values::in_word + 4 * ty * layer.dst_row + 4 * tx * layer.dst_pixel;
        const int rows = smaller(4, layer.rows - 4 * ty), columns = smaller(4, layer.columns - 4 * tx);
        for_channels(width, [&]<int N>(int c) {
          gather<Values, N, V>(layer, products + c, i, width, product_plane, layer.bias + channel + c, dst + c / Values::in_word, rows, columns);
        });
      }
    }
  }
}

template <class Values>
void winograd(const Winograd& layer, Range blocks, float* scratch) {
  if (layer.stride == 1) return winograd_tiled<Values, 6>(layer, blocks, scratch);
  if constexpr (Values::in_word == 1) winograd_tiled<Values, 9>(layer, blocks, scratch);
}

template <class Values>
std::int64_t winograd_scratch(int channels, int stride, int tiles_at_once, bool transformed) {
  const std::int64_t weights = transformed ? 0 : winograd_points * plane_of(std::int64_t{channels} * widest);
  return weights + winograd_values(stride) *
                       (plane_of(std::int64_t{tiles_at_once} * channels / Values::in_word) + plane_of(std::int64_t{tiles_at_once} * widest));
}
