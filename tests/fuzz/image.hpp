// image: what the targets of both image formats do.
#pragma once

#include <algorithm>

#include <regnet/image/decode.hpp>

#include "fuzz/target.hpp"

namespace regnet::fuzz {

inline void use_image(std::span<const std::byte> bytes) {
  const Image plain = decode_image(bytes, Exif::ignore);
  promise(plain.width > 0 && plain.height > 0, "an image has pixels");
  promise(plain.rgb.size() == std::size_t{3} * static_cast<std::size_t>(plain.width) * static_cast<std::size_t>(plain.height),
          "all of them are there");
  const Image upright = decode_image(bytes, Exif::apply);
  promise(std::minmax(plain.width, plain.height) == std::minmax(upright.width, upright.height) && plain.rgb.size() == upright.rgb.size(),
          "orientation turns and mirrors, no more");
}

}  // namespace regnet::fuzz
