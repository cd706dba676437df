// packing: weights as frameworks store them in, weights as the kernels read them out. Done once, when a plan is made.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <vector>

#include "plan/kernels/kernels.hpp"

namespace regnet::kernels {

// Where the runs of channels begin that a kernel x kernel convolution reads, in words from its first.
inline std::vector<std::int64_t> direct_taps(int kernel, std::int64_t row, std::int64_t pixel) {
  std::vector<std::int64_t> taps;
  for (int y = 0; y < kernel; ++y)
    for (int x = 0; x < kernel; ++x) taps.push_back(y * row + x * pixel);
  return taps;
}

// The same for whole rows of the kernel: the order of the weights stays.
inline std::vector<std::int64_t> row_taps(int kernel, std::int64_t row) {
  std::vector<std::int64_t> taps;
  for (int y = 0; y < kernel; ++y) taps.push_back(y * row);
  return taps;
}

// Source weights: [groups * out][in][kernel][kernel]. Order: group, panel, tap, input channel, channel of the panel.
inline void pack_direct(const Kernels& kernels, const float* weights, int groups, int out, int in, int kernel, float* dst) {
  const int area = kernel * kernel;
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(out, nullptr)) + 1);
  kernels.panels(out, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel)
      for (int tap = 0; tap < area; ++tap)
        for (int i = 0; i < in; ++i)
          for (int c = begins[panel]; c < begins[panel + 1]; ++c) *dst++ = weights[(std::int64_t{group * out + c} * in + i) * area + tap];
}

inline std::vector<float> pack_direct(const Kernels& kernels, const std::vector<float>& weights, int groups, int out, int in, int kernel) {
  std::vector<float> packed(weights.size());
  pack_direct(kernels, weights.data(), groups, out, in, kernel, packed.data());
  return packed;
}

// How many groups are best given to a direct kernel as one, so that its taps are as long as it reads anyway.
inline int groups_at_once(const Kernels& kernels, int groups, int channels) {
  return std::clamp(kernels.depth_multiple * kernels.per_word() / channels, 1, groups);
}

// Of a direct convolution, with what is filled up.
inline std::size_t packed_words(const Kernels& kernels, int groups, int channels, int taps, int tap_length) {
  const auto up = [](int value, int multiple) { return static_cast<std::size_t>((value + multiple - 1) / multiple * multiple); };
  return static_cast<std::size_t>(groups) * static_cast<std::size_t>(taps) * up(tap_length, kernels.depth_multiple) *
         up(channels, kernels.width_multiple);
}

// The nearest bf16 of a finite value, to even in the middle; the largest for what lies beyond it.
inline std::uint32_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value), nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (nearest & 0x7fff) == 0x7f80 ? nearest - 1 : nearest;
}
inline float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }

struct WeightShape {
  int groups, out, in, kernel;  // channels of a group
};

// Source weights as for pack_direct. `together` of the groups are one for the kernel, of which there are `groups`; a tap is one of the kernel's pixels, or one of its rows. `dst` is
// zeroed. Order: group, panel, tap, word of the tap, channel of the panel.
//
// What rounding takes from a weight is given to the next of the same output channel: activations are positive, so that errors of one sign would add up, and shift a channel's mean.
// On a network trained on CIFAR-10 the logits' distance to those of floats (1 - cosine) is 9e-6 so, and 32e-6 when each weight is rounded to the nearest.
inline void pack_bf16(const Kernels& kernels, const float* weights, const WeightShape& shape, int groups, int taps, int tap_length, float* dst) {
  const int together = (shape.groups + groups - 1) / groups, channels = together * shape.out, area = shape.kernel * shape.kernel;
  const auto up = [](int value, int multiple) { return (value + multiple - 1) / multiple * multiple; };
  const int depth = up(tap_length, kernels.depth_multiple), pixels = area / taps, pixel = tap_length / pixels;  // words
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(channels, nullptr)) + 1);
  kernels.panels(channels, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel) {
      const int width = up(begins[panel + 1] - begins[panel], kernels.width_multiple);
      for (int c = begins[panel]; c < begins[panel + 1]; ++c) {
        const int inner = c / shape.out, channel = group * channels + c;
        if (channel >= shape.groups * shape.out) break;
        const float* of_channel = weights + std::int64_t{channel} * shape.in * area;
        float carried = 0;
        for (int i = 0; i < shape.in; ++i)
          for (int k = 0; k < area; ++k) {
            const int at = inner * shape.in + i, tap = k / pixels, word = tap * depth + k % pixels * pixel + at / 2;
            const float wanted = of_channel[i * area + k] + carried;
            const std::uint32_t rounded = to_bf16(wanted);
            carried = wanted - from_bf16(rounded);
            float& packed = dst[std::int64_t{word} * width + c - begins[panel]];
            packed = std::bit_cast<float>(std::bit_cast<std::uint32_t>(packed) | rounded << (at % 2 * 16));
          }
      }
      dst += std::int64_t{taps} * depth * width;
    }
}

// Source weights: [groups * channels][channels][3][3]. Order: group, panel, input channel, tap, channel of the panel.
inline void pack_winograd(const Kernels& kernels, const float* weights, int groups, int channels, float* dst) {
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(channels, nullptr)) + 1);
  kernels.panels(channels, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel)
      for (int i = 0; i < channels; ++i)
        for (int tap = 0; tap < 9; ++tap)
          for (int c = begins[panel]; c < begins[panel + 1]; ++c) *dst++ = weights[((std::int64_t{group} * channels + c) * channels + i) * 9 + tap];
}

inline std::vector<float> pack_winograd(const Kernels& kernels, const std::vector<float>& weights, int groups, int channels) {
  std::vector<float> packed(weights.size());
  pack_winograd(kernels, weights.data(), groups, channels, packed.data());
  return packed;
}

}  // namespace regnet::kernels
