// Image: decoded pixels, 8-bit RGB, rows top to bottom without padding.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <regnet/base/error.hpp>

namespace regnet {

struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;  // height x width x 3
};

// A copy of 8-bit RGB pixels whose rows are `row_bytes` apart. Throws invalid_argument when width or height is not positive or the rows overlap.
inline Image image_of(const std::uint8_t* rgb, int width, int height, std::size_t row_bytes) {
  if (width < 1 || height < 1) fail(Code::invalid_argument, "image: expected a positive width and height, found ", width, " x ", height);
  const std::size_t row = static_cast<std::size_t>(width) * 3;
  if (row_bytes < row) fail(Code::invalid_argument, "image: expected rows at least ", row, " bytes apart, found ", row_bytes);
  Image image{width, height, std::vector<std::uint8_t>(row * static_cast<std::size_t>(height))};
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) std::copy_n(rgb + y * row_bytes, row, image.rgb.data() + y * row);
  return image;
}

}  // namespace regnet
