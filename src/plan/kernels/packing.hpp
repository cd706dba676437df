// packing: weights as frameworks store them in, weights as the kernels read them out. Done once, when a plan is made.
#pragma once

#include <cstdint>
#include <vector>

#include "plan/kernels/kernels.hpp"

namespace regnet::kernels {

// Where the runs of channels begin that a kernel x kernel convolution reads, in floats from its first.
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
