// stages: from Params to the list of stages a network is built of.
#pragma once

#include <vector>

#include <regnet/design/params.hpp>
#include <regnet/design/widths.hpp>

namespace regnet {

struct Stage {
  int depth = 0;             // blocks
  int width = 0;             // channels out of each block
  int bottleneck_width = 0;  // channels of the 3x3 convolution
  int group_width = 0;       // channels per group of the 3x3 convolution
  int stride = 2;            // of the first block

  [[nodiscard]] int groups() const { return bottleneck_width / group_width; }
  friend bool operator==(const Stage&, const Stage&) = default;
};

// Stem width of every published RegNet.
inline constexpr int default_stem_width = 32;

// Groups the blocks by their quantised width, then fits each stage to its group width. Two stages that the fitting makes equally
// wide stay two stages, each with its stride. Throws as block_widths does.
inline std::vector<Stage> to_stages(const Params& params) {
  const std::vector<int> widths = block_widths(params).quantised;
  std::vector<Stage> stages;
  for (std::size_t j = 0; j < widths.size(); ++j) {
    if (j == 0 || widths[j] != widths[j - 1]) {
      const FittedWidth fitted = fit_width(widths[j], params.bottleneck, params.group_width, params.rule);
      stages.push_back({0, fitted.width, fitted.bottleneck_width, fitted.group_width});
    }
    ++stages.back().depth;
  }
  return stages;
}

}  // namespace regnet
