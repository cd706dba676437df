// scale: a network made larger or smaller as a whole, by pycls's rule (models/scaler.py; "Fast and Accurate Model Scaling", arXiv 2103.06877).
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include <regnet/design/stages.hpp>

namespace regnet {

// How much of the scaling goes to what; "d1_w8_g8_r1" in pycls's words.
struct ScalingWeights {
  double depth = 1, width = 8, group_width = 8, resolution = 1;
};

// A network of another size, for another resolution.
struct ScaledNetwork {
  std::vector<Stage> stages;
  int resolution = 0;
};

// About `factor` times the MACs. Depths and widths are rounded to at least one block and to multiples of 8, group widths above 5 to multiples of 8, the resolution to a multiple of 4, halves to
// even; then widths are fitted to their groups. Throws invalid_argument for a factor or weights that are not positive, and for what makes no network.
inline ScaledNetwork scale(const std::vector<Stage>& stages, int resolution, double factor, const ScalingWeights& weights = {}) {
  double sum = weights.depth + weights.width + weights.resolution;
  if (sum == 0) sum = weights.group_width > 0 ? weights.group_width / 2 : 1;
  if (!(factor > 0) || !std::isfinite(factor)) fail(Code::invalid_argument, "scale: expected a positive factor, found ", factor);
  for (const double weight : {weights.depth, weights.width, weights.group_width, weights.resolution})
    if (!(weight >= 0) || !std::isfinite(weight)) fail(Code::invalid_argument, "scale: expected weights that are not negative, found ", weight);
  validate(stages, {.resolution = resolution});
  const double d = std::pow(factor, weights.depth / sum), w = std::pow(factor, weights.width / sum / 2),
               g = std::pow(factor, weights.group_width / sum / 2), r = std::pow(factor, weights.resolution / sum / 2);
  const auto rounded = [](double value, double multiple) { return std::min(1e6, std::nearbyint(value / multiple) * multiple); };
  ScaledNetwork scaled;
  for (const Stage& stage : stages) {
    const double group = std::nearbyint(stage.group_width * g), bottleneck = double(stage.bottleneck_width) / stage.width;
    const int group_width = static_cast<int>(group <= 2 ? std::max(1.0, group) : group <= 5 ? 4 : rounded(group, 8));
    const FittedWidth fitted = fit_width(static_cast<int>(std::max(8.0, rounded(stage.width * w, 8))), bottleneck, group_width);
    scaled.stages.push_back(
        {static_cast<int>(std::max(1.0, rounded(stage.depth * d, 1))), fitted.width, fitted.bottleneck_width, fitted.group_width, stage.stride});
  }
  scaled.resolution = static_cast<int>(rounded(resolution * r, 4));
  validate(scaled.stages, {.resolution = scaled.resolution});
  return scaled;
}

}  // namespace regnet
