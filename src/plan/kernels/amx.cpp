// Products of bf16, and of u8 and s8, by AMX: eight tiles of 16 rows of 64 bytes, one instruction for the product of two. Sources are read where they are: a tile's rows are 16
// words of 16 pixels, which lie equally far apart. What lies behind a pixel's last channel meets weights of 0.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#define REGNET_ISA amx
#define REGNET_LANES 16
namespace regnet::kernels::amx {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/words_avx512.inl"

#include "plan/kernels/narrow.inl"

constexpr int tile_words = 16;

struct alignas(64) TileConfig {
  std::uint8_t palette = 1, start_row = 0, reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};

// Tiles 0 to 3 hold sums (of two tiles of pixels by two of channels), 4 and 5 pixels, 6 and 7 weights.
void configure(int pixels) {
  TileConfig config;
  for (int i = 0; i < 8; ++i) {
    config.row_bytes[i] = 64;
    config.rows[i] = static_cast<std::uint8_t>(i < 6 ? pixels : tile_words);
  }
  asm volatile("" : : "m"(config));  // the intrinsic says that it reads a part only
  _tile_loadconfig(&config);
}

// What a layer adds and writes, where the loops below are compiled for just that; other mixtures are `any`.
enum class Ending { bf16, bf16_plus_bf16, u8, u8_plus_u8, u8_plus_s8, s8, any };

Ending ending_of(const Convolution& layer) {
  const Element dst = layer.dst_element, added = layer.residual_element;
  if (layer.residual && layer.residual_pixel != layer.dst_pixel) return Ending::any;
  if (dst == Element::bf16) return !layer.residual ? Ending::bf16 : added == Element::bf16 ? Ending::bf16_plus_bf16 : Ending::any;
  if (!layer.residual) return dst == Element::u8 ? Ending::u8 : Ending::s8;
  if (dst == Element::u8 && added != Element::bf16) return added == Element::u8 ? Ending::u8_plus_u8 : Ending::u8_plus_s8;
  return Ending::any;
}

// Sums that are complete, of up to 32 pixels and 32 channels, which wait for the rest.
struct alignas(64) Sums {
  float values[32 * 32];  // of pixel p from 32 p on
  const std::int64_t* places = nullptr;
  int pixels = 0, channel = 0, channels = 0;  // none at first
};

// The rest: bias, what is added, ReLU, rounding. It is done bit by bit while the next sums are made, since the unit that multiplies tiles works beside the others.
template <Element source, Ending ending>
class Finish {
 public:
  REGNET_INLINE Finish(const Convolution& layer, const Sums& sums)
      : x_layer(layer),
        x_sums(sums.values),
        x_place(sums.places),
        x_end(sums.places + sums.pixels),
        x_mask(sums.channels == 32 ? ~__mmask32{0} : (__mmask32{1} << sums.channels) - 1) {
    const auto low = static_cast<__mmask16>(x_mask), high = static_cast<__mmask16>(x_mask >> 16);
    x_bias[0] = _mm512_maskz_loadu_ps(low, layer.bias + sums.channel);
    x_bias[1] = _mm512_maskz_loadu_ps(high, layer.bias + sums.channel + 16);
    if constexpr (source == Element::u8) {
      x_scales[0] = _mm512_maskz_loadu_ps(low, layer.scales + sums.channel);
      x_scales[1] = _mm512_maskz_loadu_ps(high, layer.scales + sums.channel + 16);
    }
    x_dst = layer.dst + words(layer.dst_element, sums.channel);
    if constexpr (adds) x_residual = layer.residual ? layer.residual + words(layer.residual_element, sums.channel) : nullptr;
    const bool is_signed = layer.dst_element == Element::s8, is_bf16 = layer.dst_element == Element::bf16;
    x_least = _mm512_set1_ps(layer.relu || layer.dst_element == Element::u8 ? 0.0f : is_bf16 ? -__builtin_inff() : -127.0f);
    x_most = _mm512_set1_ps(is_bf16 ? __builtin_inff() : is_signed ? 127.0f : 255.0f);
  }

  REGNET_INLINE void some(int count) {
    const std::int64_t* const until = x_place + count < x_end ? x_place + count : x_end;
    for (; x_place < until; ++x_place, x_sums += 32)
      if (const std::int64_t place = *x_place; place >= 0) pixel(place);
  }

 private:
  static constexpr bool adds =
      ending == Ending::any || ending == Ending::bf16_plus_bf16 || ending == Ending::u8_plus_u8 || ending == Ending::u8_plus_s8;

  REGNET_INLINE void pixel(std::int64_t place) const {
    __m512 a = _mm512_load_ps(x_sums), b = _mm512_load_ps(x_sums + 16);
    if constexpr (source == Element::u8) {
      a = _mm512_cvtepi32_ps(_mm512_castps_si512(a)) * x_scales[0];
      b = _mm512_cvtepi32_ps(_mm512_castps_si512(b)) * x_scales[1];
    }
    a += x_bias[0];
    b += x_bias[1];
    if constexpr (ending == Ending::any) {
      if (x_residual) add(x_layer.residual_element, x_residual + residual_place(place, x_layer.dst_pixel, x_layer.residual_pixel), a, b);
      write(x_layer.dst_element, x_dst + place, a, b);
    } else {
      if constexpr (ending == Ending::bf16_plus_bf16) add(Element::bf16, x_residual + place, a, b);
      if constexpr (ending == Ending::u8_plus_u8) add(Element::u8, x_residual + place, a, b);
      if constexpr (ending == Ending::u8_plus_s8) add(Element::s8, x_residual + place, a, b);
      write(ending == Ending::bf16 || ending == Ending::bf16_plus_bf16 ? Element::bf16 : Element::u8, x_dst + place, a,
            b);  // s8 differs by its bounds
    }
  }

  REGNET_INLINE void add(Element element, const float* at, __m512& a, __m512& b) const {
    const __m512 scale = _mm512_set1_ps(x_layer.residual_scale);
    if (element == Element::bf16) {
      const __m512i two = _mm512_maskz_loadu_epi16(x_mask, at);
      a += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(two)), 16)) * scale;
      b += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(two, 1)), 16)) * scale;
      return;
    }
    const __m256i four = _mm256_maskz_loadu_epi8(x_mask, at);
    const __m128i low = _mm256_castsi256_si128(four), high = _mm256_extracti128_si256(four, 1);
    a += _mm512_cvtepi32_ps(element == Element::s8 ? _mm512_cvtepi8_epi32(low) : _mm512_cvtepu8_epi32(low)) * scale;
    b += _mm512_cvtepi32_ps(element == Element::s8 ? _mm512_cvtepi8_epi32(high) : _mm512_cvtepu8_epi32(high)) * scale;
  }

  REGNET_INLINE void write(Element element, float* at, __m512 a, __m512 b) const {
    a = _mm512_max_ps(a, x_least);
    b = _mm512_max_ps(b, x_least);
    if (element == Element::bf16) return _mm512_mask_storeu_epi16(at, x_mask, (__m512i)_mm512_cvtne2ps_pbh(b, a));
    const auto bytes = [&](__m512 x) { return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(x, x_most))); };
    _mm256_mask_storeu_epi8(at, x_mask, _mm256_set_m128i(bytes(b), bytes(a)));
  }

  const Convolution& x_layer;
  const float* x_sums;
  const std::int64_t *x_place, *x_end;
  const float* x_residual = nullptr;
  float* x_dst;
  __mmask32 x_mask;
  __m512 x_bias[2], x_scales[2], x_least, x_most;
};

// The numbers of tiles are part of the instructions.
#define REGNET_PRODUCT(to, pixels, weights)                                     \
  do {                                                                          \
    if constexpr (source == Element::bf16) _tile_dpbf16ps(to, pixels, weights); \
    else _tile_dpbusd(to, pixels, weights);                                     \
  } while (false)

// Weights that are fetched into the second cache on the way, so many lines with each product.
struct Ahead {
  const float* at;
  int lines;
};

// One or two tiles of pixels by one or two of channels; meanwhile the rest of what was done before.
template <Element source, Ending ending, int tiles, int vectors>
void multiply(const Convolution& layer, int pixels, const float* const* src, const float* weights, float* sums, const Sums& before, Ahead& ahead) {
  constexpr int width = vectors * 16;
  const std::int64_t step = layer.src_pixel * 4;
  const int parts = (layer.tap_length + tile_words - 1) / tile_words, steps = layer.tap_count * parts, share = (before.pixels + steps - 1) / steps;
  Finish<source, ending> finish(layer, before);
  _tile_zero(0);
  if constexpr (vectors == 2) _tile_zero(1);
  if constexpr (tiles == 2) _tile_zero(2);
  if constexpr (tiles == 2 && vectors == 2) _tile_zero(3);
  for (int t = 0; t < layer.tap_count; ++t) {
    const float *first = src[0] + layer.taps[t], *second = tiles == 2 ? src[1] + layer.taps[t] : nullptr;
    for (int k = 0; k < parts; ++k) {
      _tile_loadd(4, first, step);
      _tile_loadd(6, weights, width * 4);
      REGNET_PRODUCT(0, 4, 6);
      if constexpr (vectors == 2) {
        _tile_loadd(7, weights + 16, width * 4);
        REGNET_PRODUCT(1, 4, 7);
      }
      if constexpr (tiles == 2) {
        _tile_loadd(5, second, step);
        REGNET_PRODUCT(2, 5, 6);
        if constexpr (vectors == 2) REGNET_PRODUCT(3, 5, 7);
        second += tile_words;
      }
      first += tile_words;
      weights += tile_words * width;
      for (int i = 0; i < ahead.lines; ++i) __builtin_prefetch(ahead.at + 16 * i, 0, 2);
      ahead.at += 16 * ahead.lines;
      finish.some(share);
    }
  }
  _tile_stored(0, sums, 128);
  if constexpr (vectors == 2) _tile_stored(1, sums + 16, 128);
  if constexpr (tiles == 2) _tile_stored(2, sums + 32 * pixels, 128);
  if constexpr (tiles == 2 && vectors == 2) _tile_stored(3, sums + 32 * pixels + 16, 128);
}

// The output pixels of some rows, in tiles: as runs of pixels that are equally far apart in the source, whatever lies between rows included, or each row for itself.
struct Tiling {
  bool through;  // from row to row
  int per_row;   // pixels from one row to the next, or tiles of a row
  int pixels;    // of a tile
  int tiles;

  Tiling(const Convolution& layer, int rows) {
    const auto tiles_of = [](int count) { return (count + 15) / 16; };
    const int row = static_cast<int>(layer.src_row / layer.src_pixel), all = (rows - 1) * row + layer.columns, each = tiles_of(layer.columns);
    through = layer.src_row % layer.src_pixel == 0 && tiles_of(all) <= rows * each;
    tiles = through ? tiles_of(all) : rows * each;
    if (through && tiles > 1) tiles += tiles % 2;  // two are done at a time; what fewer pixels need takes less time
    per_row = through ? row : each;
    pixels = through ? (all + tiles - 1) / tiles : (layer.columns + each - 1) / each;
  }

  // Where tile `index` begins in the source, from the first row, and where its pixels lie in the destination: -1 for those that are none of the output.
  std::int64_t place(const Convolution& layer, int rows, int index, std::int64_t* places) const {
    const int first = index * pixels;
    int y = through ? first / per_row : index / per_row, x = through ? first % per_row : index % per_row * pixels;
    const std::int64_t begin = y * layer.src_row + x * layer.src_pixel;
    for (int p = 0; p < pixels; ++p) {
      places[p] = x < layer.columns && y < rows ? y * layer.dst_row + x * layer.dst_pixel : -1;
      if (++x == per_row && through) {
        x = 0;
        ++y;
      }
    }
    return begin;
  }
};

// Some panels of one group. `layer` begins with the rows to do.
template <Element source, Ending ending>
void convolve_group(const Convolution& layer, int rows, const Tiling& tiling, int first, int count, int group, std::int64_t depth) {
  Sums sums[2];
  std::int64_t places[2][32];
  int turn = 0;
  const float *src = layer.src + group * layer.src_group, *weights = layer.weights + group * depth * ((layer.channels + 15) / 16 * 16);
  // The weights that follow, which are the next panels' or the next layer's, spread over the blocks of pixels that share these.
  const int blocks = (tiling.tiles + 1) / 2;
  Ahead ahead{weights + smaller(layer.channels, (first + count) * widest) * depth, (32 + blocks - 1) / blocks};
  for (int tile = 0; tile < tiling.tiles; tile += 2) {
    const int tiles = smaller(2, tiling.tiles - tile);
    const float* at[2];
    std::int64_t* const places_here = places[tile / 2 % 2];
    for (int i = 0; i < tiles; ++i) at[i] = src + tiling.place(layer, rows, tile + i, places_here + i * tiling.pixels);
    for (int panel = first; panel < first + count; ++panel) {
      const int begin = panel * widest, channel = group * layer.channels + begin;
      const int channels = smaller(smaller(widest, layer.channels - begin), layer.out_channels - channel);
      if (channels <= 0) break;  // the last group may be smaller
      const bool two_vectors = layer.channels - begin > 16;
      Sums& here = sums[turn % 2];
      (tiles == 2    ? two_vectors ? multiply<source, ending, 2, 2> : multiply<source, ending, 2, 1>
          : two_vectors ? multiply<source, ending, 1, 2>
                     : multiply<source, ending, 1, 1>)(layer, tiling.pixels, at, weights + begin * depth, here.values, sums[++turn % 2], ahead);
      here.places = places_here;
      here.pixels = tiles * tiling.pixels;
      here.channel = channel;
      here.channels = channels;
    }
  }
  Finish<source, ending>(layer, sums[(turn + 1) % 2]).some(32);
}

template <Element source, Ending ending>
void convolve_as(const Convolution& layer, int rows, Range range) {
  constexpr std::int64_t cached = 64 * 1024 / 4;  // words of weights: so many panels share what a tile reads
  const int per_group = panels(layer.channels, nullptr);
  const std::int64_t depth = std::int64_t{layer.tap_count} * ((layer.tap_length + tile_words - 1) / tile_words * tile_words);
  const Tiling tiling(layer, rows);
  configure(tiling.pixels);
  for (int panel = range.begin; panel < range.end;) {
    const int group = panel / per_group, first = panel % per_group;
    int count = smaller(range.end - panel, per_group - first);
    while (count > 1 && count * widest * depth > cached) count = (count + 1) / 2;
    convolve_group<source, ending>(layer, rows, tiling, first, count, group, depth);
    panel += count;
  }
  _tile_release();  // or the system would save the tiles on each switch to another thread
}

template <Element source>
void convolve(const Convolution& whole, Range rows, Range range) {
  if (rows.begin == rows.end) return;
  Convolution layer = whole;
  layer.src += rows.begin * layer.src_row;
  layer.dst += rows.begin * layer.dst_row;
  if (layer.residual) layer.residual += residual_place(rows.begin * layer.dst_row, layer.dst_pixel, layer.residual_pixel);
  const int count = rows.end - rows.begin;
  switch (ending_of(layer)) {
    case Ending::bf16: return convolve_as<source, Ending::bf16>(layer, count, range);
    case Ending::bf16_plus_bf16: return convolve_as<source, Ending::bf16_plus_bf16>(layer, count, range);
    case Ending::u8: return convolve_as<source, Ending::u8>(layer, count, range);
    case Ending::u8_plus_u8: return convolve_as<source, Ending::u8_plus_u8>(layer, count, range);
    case Ending::u8_plus_s8: return convolve_as<source, Ending::u8_plus_s8>(layer, count, range);
    case Ending::s8: return convolve_as<source, Ending::s8>(layer, count, range);
    case Ending::any: return convolve_as<source, Ending::any>(layer, count, range);
  }
}

template <Element source>
std::int64_t multiply_add(std::int64_t loops) {
  configure(16);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::int64_t loop = 0; loop < loops; ++loop) {
    REGNET_PRODUCT(0, 4, 6);
    REGNET_PRODUCT(1, 4, 7);
    REGNET_PRODUCT(2, 5, 6);
    REGNET_PRODUCT(3, 5, 7);
  }
  _tile_release();
  return std::int64_t{2} * 4 * 16 * 16 * tile_words * per_word(source);
}

constexpr Kernels bf16{.name = "amx_bf16",
                       .source = Element::bf16,
                       .panel_width = panel_width,
                       .depth_multiple = tile_words,
                       .width_multiple = 16,
                       .panels = panels,
                       .convolve = convolve<Element::bf16>,
                       .average = average<Element::bf16>,
                       .weave = weave,
                       .multiply_add = multiply_add<Element::bf16>};
constexpr Kernels int8{.name = "amx_int8",
                       .source = Element::u8,
                       .panel_width = panel_width,
                       .depth_multiple = tile_words,
                       .width_multiple = 16,
                       .panels = panels,
                       .convolve = convolve<Element::u8>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add<Element::u8>};

// Linux gives a process the registers only when asked.
bool has_permission() {
  constexpr long request_permission = 0x1023, tile_data = 18;
  static const bool given = ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  return given;
}

}  // namespace

}  // namespace regnet::kernels::amx

namespace regnet::kernels {

const Kernels* amx_bf16_kernels() { return amx::has_permission() ? &amx::bf16 : nullptr; }
const Kernels* amx_int8_kernels() { return amx::has_permission() ? &amx::int8 : nullptr; }

}  // namespace regnet::kernels
#endif
