// Image: decoded pixels, 8-bit RGB, rows top to bottom without padding.
#pragma once

#include <cstdint>
#include <vector>

namespace regnet {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height x width x 3
};

}  // namespace regnet
