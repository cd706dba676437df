// widths: the quantised linear rule, from Params to one width per block. Everything is in double and rounds
// half to even, as numpy does in pycls: std::round, or float, gives other networks.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <regnet/design/params.hpp>

namespace regnet {

// The widths of all blocks, in channels, before they are fitted to the group width.
struct BlockWidths {
  std::vector<double> linear;  // u_j = w_0 + w_a j
  std::vector<int> quantised;  // multiples of 8, non-decreasing
  int levels = 0;              // highest power of w_m plus one; above the number of distinct widths when a power is skipped
};

// Returns the widths of all d blocks before they are fitted to the group width. Throws as validate does, and invalid_argument when a width exceeds `widest`.
inline BlockWidths block_widths(const Params& params) {
  validate(params);
  BlockWidths widths;
  widths.linear.reserve(static_cast<std::size_t>(params.d));
  widths.quantised.reserve(static_cast<std::size_t>(params.d));
  const double log_ratio = std::log(params.w_m);
  double level = -1, w = 0;
  for (int j = 0; j < params.d; ++j) {
    const double u = j * params.w_a + params.w_0;
    const double s = std::nearbyint(std::log(u / params.w_0) / log_ratio);
    if (s != level) w = std::nearbyint(params.w_0 * std::pow(params.w_m, s) / width_quantum) * width_quantum;
    level = s;
    if (!(s < 1 << 20)) fail(Code::invalid_argument, "design ", to_string(params), ": wm is too close to 1, block ", j, " is level ", s);
    if (!(w <= widest)) fail(Code::invalid_argument, "design ", to_string(params), ": block ", j, " is ", w, " wide, expected at most ", widest);
    widths.linear.push_back(u);
    widths.quantised.push_back(static_cast<int>(w));
    widths.levels = std::max(widths.levels, static_cast<int>(s) + 1);
  }
  return widths;
}

// Widths, in channels, whose groups are whole.
struct FittedWidth {
  int width = 0;             // of the block
  int bottleneck_width = 0;  // of the 3x3 convolution; a multiple of group_width
  int group_width = 0;       // never wider than the bottleneck
};

// Fits one stage width to its group width (appendix D of the paper; pycls's adjust_block_compatibility, torchvision's _make_divisible).
// Throws invalid_argument when no width near by can be divided into whole groups.
inline FittedWidth fit_width(int width, double bottleneck, int group_width, WidthRule rule = WidthRule::pycls) {
  const int v = static_cast<int>(std::max(1.0, width * bottleneck));
  const int g = std::min(group_width, v);
  const int whole = static_cast<int>(bottleneck);
  const int multiple = bottleneck > 1 && rule == WidthRule::pycls ? std::lcm(g, whole) : g;
  int fitted = 0;
  if (rule == WidthRule::pycls) {
    fitted = std::max(multiple, static_cast<int>(std::nearbyint(double(v) / multiple)) * multiple);
  } else {
    fitted = std::max(g, static_cast<int>(v + g / 2.0) / g * g);
    if (fitted < 0.9 * v) fitted += g;
  }
  const int out = static_cast<int>(fitted / bottleneck);
  if (std::fmod(out * bottleneck, g) != 0)
    fail(Code::invalid_argument, "width ", width, " becomes ", out, " with bottleneck ", bottleneck, ": ", out * bottleneck,
         " channels cannot be divided into groups of ", g);
  return {out, static_cast<int>(out * bottleneck), g};
}

}  // namespace regnet
