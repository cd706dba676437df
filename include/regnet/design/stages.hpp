// stages: from Params to the list of stages a network is built of, and what else a network is made from.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <regnet/design/params.hpp>
#include <regnet/design/widths.hpp>

namespace regnet {

// Residual bottleneck blocks of one width that follow each other.
struct Stage {
  int depth = 0;             // blocks
  int width = 0;             // channels out of each block
  int bottleneck_width = 0;  // channels of the 3x3 convolution
  int group_width = 0;       // channels per group of the 3x3 convolution
  int stride = 2;            // of the first block

  // Of the 3x3 convolutions.
  [[nodiscard]] int groups() const { return bottleneck_width / group_width; }
  friend bool operator==(const Stage&, const Stage&) = default;
};

// Stem width of every published RegNet.
inline constexpr int default_stem_width = 32;

// The parts of a network that the design numbers do not fix.
struct NetworkOptions {
  int resolution = 224;  // side of the square input, in pixels
  int classes = 1000;
  int stem_width = default_stem_width;
};

// Throws invalid_argument for stages or options that make no network.
inline void validate(const std::vector<Stage>& stages, const NetworkOptions& options = {}) {
  const auto expect = [](bool holds, const char* what, int found) {
    if (!holds) fail(Code::invalid_argument, "network: expected ", what, ", found ", found);
  };
  expect(!stages.empty(), "at least one stage", 0);
  expect(options.classes >= 1 && options.classes <= 1'000'000, "1 to 1000000 classes", options.classes);
  expect(options.resolution >= 1 && options.resolution <= 8192, "a resolution from 1 to 8192", options.resolution);
  expect(options.stem_width >= 1 && options.stem_width <= widest, "a stem width from 1 to 65536", options.stem_width);
  for (const Stage& stage : stages) {
    const int least = std::min({stage.depth, stage.width, stage.bottleneck_width, stage.group_width, stage.stride}),
              most = std::max(stage.width, stage.bottleneck_width);
    expect(least >= 1, "stages with blocks, width, group width and stride", least);
    expect(most <= widest, "stages at most 65536 wide", most);
    expect(stage.depth <= most_blocks, "stages of at most 1024 blocks", stage.depth);
    expect(stage.bottleneck_width % stage.group_width == 0, "a bottleneck width divisible by the group width", stage.bottleneck_width);
  }
}

// Groups the blocks by their quantised width, then fits each stage to its group width. Two stages that the fitting makes equally
// wide stay two stages, each with its stride. Throws as fit_width does.
inline std::vector<Stage> to_stages(const Params& params, const std::vector<int>& quantised_widths) {
  std::vector<Stage> stages;
  for (std::size_t j = 0; j < quantised_widths.size(); ++j) {
    if (j == 0 || quantised_widths[j] != quantised_widths[j - 1]) {
      const FittedWidth fitted = fit_width(quantised_widths[j], params.bottleneck, params.group_width, params.rule);
      stages.push_back({0, fitted.width, fitted.bottleneck_width, fitted.group_width});
    }
    ++stages.back().depth;
  }
  return stages;
}

// The network of a design. Throws as block_widths and fit_width do.
inline std::vector<Stage> to_stages(const Params& params) { return to_stages(params, block_widths(params).quantised); }

// "ds=1-2-7-12,ws=32-64-160-384,gs=16-16-16-16", a network given by its stages (AnyNetX), with ",bs=" for bottlenecks that are not 1.
inline std::string to_string(const std::vector<Stage>& stages) {
  std::string ds, ws, gs, bs;
  bool plain = true;
  for (const Stage& stage : stages) {
    const char* separator = ds.empty() ? "" : "-";
    const double bottleneck = double(stage.bottleneck_width) / stage.width;
    ds += text(separator, stage.depth), ws += text(separator, stage.width), gs += text(separator, stage.group_width),
        bs += separator + detail::shortest(bottleneck);
    plain = plain && bottleneck == 1;
  }
  return text("ds=", ds, ",ws=", ws, ",gs=", gs, plain ? "" : ",bs=" + bs);
}

}  // namespace regnet
