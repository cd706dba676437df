// Shape: the extents of a tensor, outermost first. Sizes from files are checked here, once, so that
// later arithmetic on them cannot overflow.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <regnet/base/error.hpp>

namespace regnet {

// Extents, outermost first; empty for a scalar. May hold anything until element_count has looked at it.
using Shape = std::vector<std::int64_t>;

// "[32, 3, 3, 3]"; a scalar is "[]".
inline std::string to_string(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + std::to_string(shape[i]);
  return out + "]";
}

// Number of elements. Throws bad_format for a negative extent or a product above 2^62.
inline std::int64_t element_count(const Shape& shape) {
  constexpr std::int64_t limit = std::int64_t{1} << 62;
  std::int64_t count = 1;
  bool empty = false;
  for (const std::int64_t extent : shape) {
    if (extent < 0) fail(Code::bad_format, "shape ", to_string(shape), ": negative extent");
    if (extent == 0) empty = true;
    else if (count > limit / extent) fail(Code::bad_format, "shape ", to_string(shape), ": too many elements");
    else count *= extent;
  }
  return empty ? 0 : count;
}

// Row-major strides in elements.
inline std::vector<std::int64_t> contiguous_strides(const Shape& shape) {
  std::vector<std::int64_t> strides(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = strides[i] * (shape[i] > 0 ? shape[i] : 1);
  return strides;
}

// Extents of one image or activation, without the batch.
struct Dims {
  int channels = 0;
  int height = 0;
  int width = 0;

  // Number of elements.
  [[nodiscard]] std::int64_t count() const { return std::int64_t{channels} * height * width; }
  friend bool operator==(const Dims&, const Dims&) = default;
};

// "3 x 224 x 224".
inline std::string to_string(const Dims& dims) { return text(dims.channels, " x ", dims.height, " x ", dims.width); }

}  // namespace regnet
