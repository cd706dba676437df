// Products of bf16, and of u8 and s8, by AMX: eight tiles of 16 rows of 64 bytes, one instruction for the product of two. Sources are read where they are: a tile's rows are 16
// words of 16 pixels, which lie equally far apart. What lies behind a pixel's last channel meets weights of 0.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <sys/syscall.h>
#include <unistd.h>

#define REGNET_LANES 16
namespace regnet::kernels::amx {

namespace {

#include "plan/kernels/vectors.inl"

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

// What is left to do for sums that are complete: bias, what is added, ReLU, rounding, for up to 32 channels of each pixel. Done bit by bit while the next sums are made, since the
// unit that multiplies tiles works beside the others.
struct Finish {
  const float* sums = nullptr;
  const std::int64_t *place = nullptr, *end = nullptr;
  const float *bias = nullptr, *scales = nullptr, *residual = nullptr;
  float* dst = nullptr;
  std::int64_t dst_pixel = 0, residual_pixel = 0;
  __mmask32 channels = 0;
  float residual_scale = 1;
  Element residual_element = Element::bf16, dst_element = Element::bf16;
  bool relu = false;

  template <Element source>
  REGNET_INLINE void some(int count) {
    const std::int64_t* const until = place + count < end ? place + count : end;
    if (channels != ~__mmask32{0}) run<source, true>(until);
    else run<source, false>(until);
  }

 private:
  template <Element source, bool masked>
  REGNET_INLINE void run(const std::int64_t* until) {
    for (; place < until; ++place, sums += 32) {
      const std::int64_t at = *place;
      if (at < 0) continue;
      __m512 a = value<source, masked>(0), b = value<source, masked>(16);
      if (residual) add<masked>(residual + residual_place(at, dst_pixel, residual_pixel), a, b);
      if (relu) {
        a = _mm512_max_ps(a, _mm512_setzero_ps());
        b = _mm512_max_ps(b, _mm512_setzero_ps());
      }
      write<masked>(dst + at, a, b);
    }
  }

  template <Element source, bool masked>
  REGNET_INLINE __m512 value(int from) const {
    const auto mask = static_cast<__mmask16>(channels >> from);
    const __m512 add = masked ? _mm512_maskz_loadu_ps(mask, bias + from) : _mm512_loadu_ps(bias + from);
    if constexpr (source == Element::bf16) return _mm512_load_ps(sums + from) + add;
    const __m512 scale = masked ? _mm512_maskz_loadu_ps(mask, scales + from) : _mm512_loadu_ps(scales + from);
    return _mm512_cvtepi32_ps(_mm512_load_si512(sums + from)) * scale + add;
  }

  template <bool masked>
  REGNET_INLINE void add(const float* at, __m512& a, __m512& b) const {
    if (residual_element == Element::bf16) {
      const __m512i two = masked ? _mm512_maskz_loadu_epi16(channels, at) : _mm512_loadu_si512(at);
      a += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(two)), 16)) * residual_scale;
      b += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(two, 1)), 16)) * residual_scale;
      return;
    }
    const __m256i four = masked ? _mm256_maskz_loadu_epi8(channels, at) : _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m128i low = _mm256_castsi256_si128(four), high = _mm256_extracti128_si256(four, 1);
    const bool is_signed = residual_element == Element::s8;
    a += _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(low) : _mm512_cvtepu8_epi32(low)) * residual_scale;
    b += _mm512_cvtepi32_ps(is_signed ? _mm512_cvtepi8_epi32(high) : _mm512_cvtepu8_epi32(high)) * residual_scale;
  }

  template <bool masked>
  REGNET_INLINE void write(float* at, __m512 a, __m512 b) const {
    if (dst_element == Element::bf16) {
      const auto two = (__m512i)_mm512_cvtne2ps_pbh(b, a);
      if constexpr (masked) _mm512_mask_storeu_epi16(at, channels, two);
      else _mm512_storeu_si512(at, two);
      return;
    }
    const bool is_signed = dst_element == Element::s8;
    const __m512 least = _mm512_set1_ps(is_signed ? -127.0f : 0.0f), most = _mm512_set1_ps(is_signed ? 127.0f : 255.0f);
    const auto bytes = [&](__m512 x) { return _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(x, least), most))); };
    const __m256i four = _mm256_set_m128i(bytes(b), bytes(a));
    if constexpr (masked) _mm256_mask_storeu_epi8(at, channels, four);
    else _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), four);
  }
};

// The numbers of tiles are part of the instructions.
#define REGNET_PRODUCT(to, pixels, weights)                                     \
  do {                                                                          \
    if constexpr (source == Element::bf16) _tile_dpbf16ps(to, pixels, weights); \
    else _tile_dpbusd(to, pixels, weights);                                     \
  } while (false)

// One or two tiles of pixels by one or two of channels. sums: by pixel, 32 each.
template <Element source, int tiles, int vectors>
void multiply(const Convolution& layer, int pixels, const float* const* src, const float* weights, float* sums, const Finish& complete) {
  constexpr int width = vectors * 16;
  const std::int64_t step = layer.src_pixel * 4;
  const int parts = (layer.tap_length + tile_words - 1) / tile_words, steps = layer.tap_count * parts,
            share = (static_cast<int>(complete.end - complete.place) + steps - 1) / steps;
  Finish before = complete;  // in registers
  _tile_zero(0);
  if constexpr (vectors == 2) _tile_zero(1);
  if constexpr (tiles == 2) _tile_zero(2);
  if constexpr (tiles == 2 && vectors == 2) _tile_zero(3);
  for (int t = 0; t < layer.tap_count; ++t) {
    const std::int64_t tap = layer.taps[t];
    for (int k = 0; k < parts; ++k) {
      const std::int64_t at = tap + k * tile_words;
      _tile_loadd(4, src[0] + at, step);
      _tile_loadd(6, weights, width * 4);
      REGNET_PRODUCT(0, 4, 6);
      if constexpr (vectors == 2) {
        _tile_loadd(7, weights + 16, width * 4);
        REGNET_PRODUCT(1, 4, 7);
      }
      if constexpr (tiles == 2) {
        _tile_loadd(5, src[1] + at, step);
        REGNET_PRODUCT(2, 5, 6);
        if constexpr (vectors == 2) REGNET_PRODUCT(3, 5, 7);
      }
      weights += tile_words * width;
      before.some<source>(share);
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

// Some panels of one group.
template <Element source>
void convolve_group(const Convolution& layer, int rows, const Tiling& tiling, int first, int count, int group, const float* src, const float* weights,
                    float* dst, const float* residual, std::int64_t depth) {
  alignas(64) float sums[2][32 * 32];
  std::int64_t places[2][32];
  Finish finish;
  int turn = 0;
  for (int tile = 0; tile < tiling.tiles; tile += 2) {
    const int tiles = smaller(2, tiling.tiles - tile);
    const float* at[2];
    std::int64_t* const places_here = places[tile / 2 % 2];
    for (int i = 0; i < tiles; ++i) at[i] = src + tiling.place(layer, rows, tile + i, places_here + i * tiling.pixels);
    for (int panel = first; panel < first + count; ++panel, ++turn) {
      const int begin = panel * widest, channel = group * layer.channels + begin;
      const int channels = smaller(smaller(widest, layer.channels - begin), layer.out_channels - channel);
      if (channels <= 0) break;  // the last group may be smaller
      const float* of_panel = weights + begin * depth;
      const bool wide = layer.channels - begin > 16;
      (tiles == 2 ? wide ? multiply<source, 2, 2> : multiply<source, 2, 1>
       : wide ? multiply<source, 1, 2>
                  : multiply<source, 1, 1>)(layer, tiling.pixels, at, of_panel, sums[turn % 2], finish);
      finish = {.sums = sums[turn % 2],
                .place = places_here,
                .end = places_here + tiles * tiling.pixels,
                .bias = layer.bias + channel,
                .scales = layer.scales + channel,
                .residual = residual ? residual + words(layer.residual_element, channel) : nullptr,
                .dst = dst + words(layer.dst_element, channel),
                .dst_pixel = layer.dst_pixel,
                .residual_pixel = layer.residual_pixel,
                .channels = static_cast<__mmask32>(channels == 32 ? ~0u : (1u << channels) - 1),
                .residual_scale = layer.residual_scale,
                .residual_element = layer.residual_element,
                .dst_element = layer.dst_element,
                .relu = layer.relu};
    }
  }
  finish.some<source>(32);
}

template <Element source>
void convolve(const Convolution& layer, Range rows, Range range) {
  constexpr std::int64_t cached = 64 * 1024 / 4;  // words of weights: so many panels share what a tile reads
  if (rows.begin == rows.end) return;
  const int per_group = panels(layer.channels, nullptr);
  const std::int64_t depth = std::int64_t{layer.tap_count} * ((layer.tap_length + tile_words - 1) / tile_words * tile_words);
  const Tiling tiling(layer, rows.end - rows.begin);
  configure(tiling.pixels);
  for (int panel = range.begin; panel < range.end;) {
    const int group = panel / per_group, first = panel % per_group;
    int count = smaller(range.end - panel, per_group - first);
    while (count > 1 && count * widest * depth > cached) count = (count + 1) / 2;
    const float* weights = layer.weights + group * depth * ((layer.channels + 15) / 16 * 16);
    convolve_group<source>(
        layer, rows.end - rows.begin, tiling, first, count, group, layer.src + rows.begin * layer.src_row + group * layer.src_group, weights,
        layer.dst + rows.begin * layer.dst_row,
        layer.residual ? layer.residual + residual_place(rows.begin * layer.dst_row, layer.dst_pixel, layer.residual_pixel) : nullptr, depth);
    panel += count;
  }
  _tile_release();  // or the system would save the tiles on each switch to another thread
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
                       .widest_panel = widest,
                       .depth_multiple = tile_words,
                       .width_multiple = 16,
                       .panels = panels,
                       .convolve = convolve<Element::bf16>,
                       .average = average<Element::bf16>,
                       .weave = weave,
                       .multiply_add = multiply_add<Element::bf16>};
constexpr Kernels int8{.name = "amx_int8",
                       .source = Element::u8,
                       .widest_panel = widest,
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
