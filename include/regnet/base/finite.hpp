// all_finite: whether an array holds neither NaN nor infinity, at the speed of reading it.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <span>

namespace regnet {

// Values that are not finite have all bits of the exponent set.
inline bool all_finite(std::span<const float> values) {
  std::uint32_t largest = 0;
  for (const float value : values) largest = std::max(largest, std::bit_cast<std::uint32_t>(value) & 0x7fffffffu);
  return largest < 0x7f800000u;
}

}  // namespace regnet
