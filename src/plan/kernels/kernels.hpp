// kernels: the loops that own plans are made of, compiled once for each instruction set. Activations are NHWC. A kernel does a part of a layer: ranges of rows and of
// panels, which are blocks of output channels whose weights lie together. No kernel allocates, throws or knows of threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

namespace regnet::kernels {

struct Range {
  int begin = 0, end = 0;
};

// What activations are. Those of less than 32 bits lie several to a word of 4 bytes. u8 and s8 are steps of a scale that is their tensor's.
enum class Element { f32, bf16, u8, s8 };

constexpr int per_word(Element element) { return element == Element::f32 ? 1 : element == Element::bf16 ? 2 : 4; }
constexpr int words_of(Element element, int channels) { return (channels + per_word(element) - 1) / per_word(element); }

// A convolution of any kernel and stride, grouped or not, with what is fused into it: bias, + residual, ReLU. The source has a border of zeros wide enough, so that no tap leaves it.
// Distances are in words of 4 bytes: one float, two bf16, or four u8 or s8 that follow each other; pointers to activations and weights are to such words.
struct Convolution {
  const float* src = nullptr;          // what the first tap of the first output pixel reads
  std::int64_t src_pixel = 0;          // from one output pixel to the next
  std::int64_t src_row = 0;            // from one output row to the next
  std::int64_t src_group = 0;          // from one group to the next
  const std::int64_t* taps = nullptr;  // where runs of consecutive words begin, from the first
  int tap_count = 0, tap_length = 0;
  const float* weights = nullptr;   // by group, panel, tap, word of the run, channel of the panel
  const float* bias = nullptr;      // by output channel
  const float* residual = nullptr;  // of the shape of dst; may be dst itself
  float* dst = nullptr;
  std::int64_t dst_pixel = 0, dst_row = 0;
  int columns = 0;               // of the output
  int groups = 1, channels = 0;  // output channels of a group, a multiple of 8
  int out_channels = 0;          // of all groups; the last group may have fewer than the others
  bool relu = false;
  bool shared = false;  // by several cores: the destination's lines may be another's, and are fetched before there is what to write
  // Only of kernels for less than 32 bits. Sums of u8 are multiplied with `scales`, by output channel; then the bias is added, and what is `residual_scale` times the residual.
  Element dst_element = Element::f32, residual_element = Element::f32;
  std::int64_t residual_pixel = 0;  // from one pixel to the next; there is nothing between rows, here and in dst, where something is added
  const float* scales = nullptr;
  float residual_scale = 1;
};

// Where a residual lies that belongs to what is written at `place`.
constexpr std::int64_t residual_place(std::int64_t place, std::int64_t dst_pixel, std::int64_t residual_pixel) {
  return dst_pixel == residual_pixel ? place : place / dst_pixel * residual_pixel;
}

// A grouped 3x3 convolution by Winograd: tiles of 4x4 outputs through 36 products of matrices for each group. Of stride 1 by F(4x4, 3x3), from tiles of 6x6 inputs.
// Source: Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks"; the points are 0, 1, -1, 1/2, -2 and infinity, which round a third as much as the usual ones.
// Of stride 2 from tiles of 9x9, whose odd rows and columns meet two taps, which F(4, 2) multiplies, and whose even ones meet one: 81 products for 16 outputs instead of 144.
// In bf16 the 36 matrices are bf16, all sums floats.
struct Winograd {
  const float* src = nullptr;               // the upper left corner of the border
  std::int64_t src_pixel = 0, src_row = 0;  // from one input to the next
  int stride = 1;                           // or 2
  // By group, panel, input channel, tap, channel of the panel; transformed: by group, panel, point, word of input channels, channel of the panel.
  const float* weights = nullptr;
  bool transformed = false;  // else that happens on the way, for each block anew; kernels for less than 32 bits want it
  const float* bias = nullptr;
  float* dst = nullptr;
  std::int64_t dst_pixel = 0, dst_row = 0;
  int rows = 0, columns = 0;     // of the output
  int groups = 1, channels = 0;  // of a group, in and out alike; a multiple of 8
  int tiles_at_once = 0;         // how many tiles share the scratch memory
  bool relu = false;
};

inline constexpr int winograd_points = 36;
constexpr int winograd_values(int stride) { return stride == 1 ? 36 : 81; }  // of a tile, in all matrices
constexpr int winograd_tiles(int extent) { return (extent + 3) / 4; }

struct Kernels {
  const char*
      name;  // "avx512", "avx2", "portable", "avx512_bf16", "amx_bf16", "avx512_vnni", "avx512_vnni_f32", "amx_int8", "avx2_int8", "avx2_int8_reduced"
  Element source = Element::f32;    // what is multiplied with weights: as bf16 the weights are bf16, as u8 they are s8
  int together = 1;                 // of u8: how many products are added in 16 bits; weights must leave room (packing.hpp)
  const Kernels* floats = nullptr;  // of u8: those for sources of f32 with outputs of any element; nullptr where those that int8 leaves wide are bf16
  int (*panel_width)(int channels);            // how many of so many output channels a panel has, but for the last, which may have less
  int depth_multiple = 1, width_multiple = 8;  // a tap's words and a panel's channels, filled up with weights of 0
  // Panels of `channels` output channels, panel_width wide but for the last; returns their number and, unless nullptr, where each begins and, at last, `channels`.
  int (*panels)(int channels, int* begins);
  void (*convolve)(const Convolution& layer, Range rows, Range panels);  // panels of all groups are counted through
  // Blocks of tiles_at_once tiles, all blocks of group 0 first. This and the next two are nullptr where there is no Winograd. Only those for floats know stride 2.
  void (*winograd)(const Winograd& layer, Range blocks, float* scratch) = nullptr;
  // How many words of scratch memory that takes.
  std::int64_t (*winograd_scratch)(int channels, int stride, int tiles_at_once, bool transformed) = nullptr;
  // All weights of a layer transformed, four times as many floats. Also nullptr where the source is no floats: there those transformed as floats are packed (packing.hpp).
  void (*winograd_weights)(const float* weights, int groups, int channels, int stride, float* dst) = nullptr;
  // Means over all pixels, which are `pixel` words apart, of some channels, as floats.
  void (*average)(const float* src, std::int64_t pixels, std::int64_t pixel, Range channels, float* dst);
  // Three planes, `plane` floats apart, to pixels of three, or of four of which the last is 0 where words hold two.
  void (*weave)(const float* planes, std::int64_t plane, int pixels, float* dst) = nullptr;
  // Does nothing but multiply and add; returns the operations of one loop. nullptr for `floats`.
  std::int64_t (*multiply_add)(std::int64_t loops) = nullptr;
  // Does nothing but read; `floats` is a multiple of 64. nullptr where words are no floats.
  float (*read)(const float* src, std::int64_t floats) = nullptr;
};

// How many rows to do before the next panel, so that what a panel reads of them stays in the second cache.
inline int rows_at_once(const Convolution& layer) {
  constexpr std::int64_t bytes = 384 * 1024;
  return static_cast<int>(std::max<std::int64_t>(1, bytes / static_cast<std::int64_t>(sizeof(float)) / (layer.src_row / layer.groups)));
}

// A good tiles_at_once: transformed inputs of one group, so many words for each tile, that stay in the second cache, in blocks as equal as can be.
inline int winograd_block(int words, int stride, int tiles) {
  constexpr int bytes = 400 * 1024;
  const int most = std::max(16, bytes / (winograd_values(stride) * static_cast<int>(sizeof(float))) / words), blocks = (tiles + most - 1) / most;
  return (tiles + blocks - 1) / blocks;
}

// The best of those for floats that this CPU can run, and that the environment's REGNET_MAX_ISA allows: amx, avx512, avx512_vnni (which is
// AVX-512 without BF16), avx2 or portable.
const Kernels& best_kernels();
// The best of those for a source; nullptr where there are none. `reduced_range`: of u8, with weights of which four leave room in 16 bits, and not just two.
const Kernels* best_kernels(Element source, bool reduced_range = false);
// Whether those of bf16 are known to be faster than those of floats: by AMX, and by AVX512-BF16 on AMD's CPUs; on Intel's that instruction is half as fast as floats'.
bool bf16_is_faster();
// The same for int8: by AMX and VNNI, and by AVX2 where floats have no wider vectors.
bool int8_is_faster();
// All that this CPU can run, the portable ones first.
std::vector<const Kernels*> runnable_kernels();

const Kernels* amx_int8_kernels();  // this and the following: nullptr where the compiler cannot make them or the system does not allow them
const Kernels* amx_bf16_kernels();
const Kernels* avx512_vnni_kernels();
const Kernels* avx512_vnni_f32_kernels();
const Kernels* avx512_bf16_kernels();
const Kernels* avx512_kernels();
const Kernels* avx2_int8_reduced_kernels();
const Kernels* avx2_int8_kernels();
const Kernels* avx2_kernels();
const Kernels* portable_kernels();

}  // namespace regnet::kernels
