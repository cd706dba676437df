// decimal: what a float was written as.
#pragma once

#include <array>
#include <charconv>
#include <cmath>

namespace regnet {

// The double of the float's shortest decimal: 0.485, and not 0.48500001430511475. What is not finite stays as it is.
inline double as_written(float value) {
  if (!std::isfinite(value)) return value;
  std::array<char, 32> digits;
  const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), value);
  double decimal = 0;
  std::from_chars(digits.data(), written.ptr, decimal);
  return decimal;
}

}  // namespace regnet
