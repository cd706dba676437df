// all_finite: whether an array holds neither NaN nor infinity, at the speed of reading it.
#pragma once

#include <bit>
#include <cstdint>
#include <span>

namespace regnet {

// Values that are not finite have all bits of the exponent set.
inline bool all_finite(std::span<const float> values) {
  constexpr std::uint32_t exponent = 0x7f800000u;
  std::uint32_t found = 0;  // equality, unlike a maximum, is one instruction for four values on every x86-64
  for (const float value : values) found |= static_cast<std::uint32_t>((std::bit_cast<std::uint32_t>(value) & exponent) == exponent);
  return found == 0;
}

}  // namespace regnet
