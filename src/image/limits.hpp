// limits: what the decoders refuse before they allocate. In: sizes that a header claims; out: nothing, or Error.
#pragma once

#include <cstdint>

#include <regnet/base/error.hpp>

namespace regnet::detail {

constexpr std::uint64_t largest_pixel_count = std::uint64_t{1} << 28;  // 805 MB as RGB

inline void check_pixel_count(const char* format, std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0) fail(Code::bad_format, format, ": an image of ", width, " x ", height, " pixels");
  if (width > largest_pixel_count / height)
    fail(Code::unsupported, format, ": expected at most ", largest_pixel_count, " pixels, found ", width, " x ", height);
}

}  // namespace regnet::detail
