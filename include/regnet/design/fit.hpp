// fit: the three numbers of the quantised linear rule that come nearest to given stages. Source: arXiv 2003.13678, section 3.3 (e_fit, figure 8).
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/design/stages.hpp>

namespace regnet {

// What fit found.
struct Fit {
  Params params;      // of the depth, group width and bottleneck of the stages
  double e_fit = 0;   // mean over the blocks of |log(fitted width / width)|; 0 when all are equal
  bool same = false;  // whether the fitted numbers make exactly these stages
};

namespace detail {

inline std::vector<int> widths_of_blocks(const std::vector<Stage>& stages) {
  std::vector<int> widths;
  for (const Stage& stage : stages) widths.insert(widths.end(), static_cast<std::size_t>(stage.depth), stage.width);
  return widths;
}

}  // namespace detail

// e_fit of some numbers: after fitting to group widths, or before (the paper's, whose AnyNetX widths are free). Infinite for numbers that make no network.
inline double fit_error(const std::vector<Stage>& stages, const Params& params, bool fitted_to_groups = true) {
  const std::vector<int> expected = detail::widths_of_blocks(stages);
  try {
    const BlockWidths widths = block_widths(params);
    const std::vector<int> found = fitted_to_groups ? detail::widths_of_blocks(to_stages(params, widths.quantised)) : widths.quantised;
    double sum = 0;
    for (std::size_t j = 0; j < expected.size(); ++j) sum += std::abs(std::log(double(found[j]) / expected[j]));
    return sum / static_cast<double>(expected.size());
  } catch (const Error&) {
    return std::numeric_limits<double>::infinity();
  }
}

// Searches w_0 in steps of 8, w_a and w_m on a grid that becomes finer around the best places, down to 0.01 and 0.001, at the depth of the stages. Group width and bottleneck are the largest of the
// stages'; different ones cannot be one RegNet's. Of equally near ones those that make the same stages come first, then the smallest. Throws invalid_argument as validate(stages) does, and for more than 128 blocks.
REGNET_API Fit fit(const std::vector<Stage>& stages, bool fitted_to_groups = true);

}  // namespace regnet
