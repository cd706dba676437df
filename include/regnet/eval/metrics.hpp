// metrics: counts in, accuracies and their uncertainty out.
#pragma once

#include <cmath>
#include <utility>

namespace regnet {

// Wilson's score interval for a proportion, 95%. Returns {lower, upper} in 0..1; {0, 1} for no trials.
inline std::pair<double, double> wilson_interval(int hits, int trials) {
  if (trials == 0) return {0, 1};
  constexpr double z = 1.959963984540054;  // 97.5% quantile of the normal distribution
  const double n = trials, p = hits / n;
  const double centre = p + z * z / (2 * n), spread = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  return {(centre - spread) / scale, (centre + spread) / scale};
}

}  // namespace regnet
