// timing: what measuring in this folder has in common.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <vector>

namespace regnet::detail {

using Clock = std::chrono::steady_clock;

inline double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }
inline double ms_since(Clock::time_point start) { return 1000 * seconds_since(start); }

// What the part `q` (below 1) of the values stays below.
inline double quantile(std::vector<double> values, double q) {
  const auto at = values.begin() + static_cast<std::ptrdiff_t>(q * static_cast<double>(values.size()));
  std::nth_element(values.begin(), at, values.end());
  return *at;
}

inline double median(std::vector<double> values) { return quantile(std::move(values), 0.5); }

}  // namespace regnet::detail
