// Activations and weights of bf16, by AMX: eight tiles of 16 rows of 64 bytes, one instruction for the product of two. Sources are read where they are: a tile's rows are 16
// words of 16 pixels, which lie equally far apart. What lies behind a pixel's last channel meets weights of 0.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <sys/syscall.h>
#include <unistd.h>

#define REGNET_LANES 16
namespace regnet::kernels::amx_bf16 {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/bf16.inl"

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
  const float *bias = nullptr, *residual = nullptr;
  float* dst = nullptr;
  __mmask32 channels = 0;
  bool relu = false;

  REGNET_INLINE void some(int count) {
    const std::int64_t* const until = place + count < end ? place + count : end;
    if (channels != ~__mmask32{0}) run<true>(until);
    else run<false>(until);
  }

 private:
  template <bool masked>
  REGNET_INLINE void run(const std::int64_t* until) {
    const auto low = static_cast<__mmask16>(channels), high = static_cast<__mmask16>(channels >> 16);
    for (; place < until; ++place, sums += 32) {
      const std::int64_t at = *place;
      if (at < 0) continue;
      __m512 a = _mm512_load_ps(sums), b = _mm512_load_ps(sums + 16);
      a += masked ? _mm512_maskz_loadu_ps(low, bias) : _mm512_loadu_ps(bias);
      b += masked ? _mm512_maskz_loadu_ps(high, bias + 16) : _mm512_loadu_ps(bias + 16);
      if (residual) {
        const __m512i add = masked ? _mm512_maskz_loadu_epi16(channels, residual + at) : _mm512_loadu_si512(residual + at);
        a += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_castsi512_si256(add)), 16));
        b += _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm512_extracti64x4_epi64(add, 1)), 16));
      }
      if (relu) {
        a = _mm512_max_ps(a, _mm512_setzero_ps());
        b = _mm512_max_ps(b, _mm512_setzero_ps());
      }
      const auto both = (__m512i)_mm512_cvtne2ps_pbh(b, a);
      if constexpr (masked) _mm512_mask_storeu_epi16(dst + at, channels, both);
      else _mm512_storeu_si512(dst + at, both);
    }
  }
};

// One or two tiles of pixels by one or two of channels. sums: by pixel, 32 each.
template <int tiles, int vectors>
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
      _tile_dpbf16ps(0, 4, 6);
      if constexpr (vectors == 2) {
        _tile_loadd(7, weights + 16, width * 4);
        _tile_dpbf16ps(1, 4, 7);
      }
      if constexpr (tiles == 2) {
        _tile_loadd(5, src[1] + at, step);
        _tile_dpbf16ps(2, 5, 6);
        if constexpr (vectors == 2) _tile_dpbf16ps(3, 5, 7);
      }
      weights += tile_words * width;
      before.some(share);
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
      (tiles == 2 ? wide ? multiply<2, 2> : multiply<2, 1>
       : wide ? multiply<1, 2>
                  : multiply<1, 1>)(layer, tiling.pixels, at, of_panel, sums[turn % 2], finish);
      finish = {.sums = sums[turn % 2],
                .place = places_here,
                .end = places_here + tiles * tiling.pixels,
                .bias = layer.bias + channel,
                .residual = residual ? residual + channel / 2 : nullptr,
                .dst = dst + channel / 2,
                .channels = static_cast<__mmask32>(channels == 32 ? ~0u : (1u << channels) - 1),
                .relu = layer.relu};
    }
  }
  finish.some(32);
}

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
    convolve_group(layer, rows.end - rows.begin, tiling, first, count, group, layer.src + rows.begin * layer.src_row + group * layer.src_group,
                   weights, layer.dst + rows.begin * layer.dst_row, layer.residual ? layer.residual + rows.begin * layer.dst_row : nullptr, depth);
    panel += count;
  }
  _tile_release();  // or the system would save the tiles on each switch to another thread
}

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
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
  _tile_release();
  return std::int64_t{2} * 4 * 16 * 16 * 32;
}

}  // namespace

constexpr Kernels table{.name = "amx_bf16",
                        .precision = Precision::bf16,
                        .widest_panel = widest,
                        .depth_multiple = tile_words,
                        .width_multiple = 16,
                        .panels = panels,
                        .convolve = convolve,
                        .average = average,
                        .weave = weave,
                        .multiply_add = multiply_add};

}  // namespace regnet::kernels::amx_bf16

namespace regnet::kernels {

const Kernels* amx_bf16_kernels() {
  // Linux gives a process the registers only when asked.
  constexpr long request_permission = 0x1023, tile_data = 18;
  static const bool given = ::syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
  return given ? &amx_bf16::table : nullptr;
}

}  // namespace regnet::kernels
#endif
