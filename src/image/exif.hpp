// exif: the orientation a camera noted. In: a TIFF block as EXIF stores it; out: 1 to 8, and an Image turned upright.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include <regnet/image/image.hpp>

namespace regnet::detail {

using Bytes = std::span<const std::uint8_t>;

// Numbers of a TIFF block, which says itself in which byte order; nothing beyond its end.
class TiffReader {
 public:
  explicit TiffReader(Bytes bytes) : x_bytes(bytes), x_big_endian(!bytes.empty() && bytes[0] == 'M') {}

  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t at, std::size_t width) const {
    if (at > x_bytes.size() || width > x_bytes.size() - at) return {};
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < width; ++i) value = value << 8 | x_bytes[at + (x_big_endian ? i : width - 1 - i)];
    return value;
  }

 private:
  Bytes x_bytes;
  bool x_big_endian;
};

// 1, which is upright, when the block is damaged, has no orientation, or one that does not exist.
inline int orientation_of(Bytes tiff) {
  constexpr std::uint32_t orientation_tag = 0x0112, short_type = 3;
  constexpr std::size_t entry_bytes = 12;
  if (tiff.size() < 2 || tiff[0] != tiff[1] || (tiff[0] != 'I' && tiff[0] != 'M')) return 1;
  const TiffReader reader(tiff);
  if (reader.number(2, 2) != 42u) return 1;
  const std::optional<std::uint32_t> directory = reader.number(4, 4);
  if (!directory) return 1;
  const std::uint32_t count = reader.number(*directory, 2).value_or(0);
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t entry = *directory + std::size_t{2} + i * entry_bytes;
    if (reader.number(entry, 2) != orientation_tag) continue;
    if (reader.number(entry + 2, 2) != short_type) return 1;
    const std::uint32_t value = reader.number(entry + 8, 2).value_or(1);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

// The image as the camera saw it.
inline Image upright(Image src, int orientation) {
  if (orientation <= 1 || orientation > 8) return src;
  const bool swapped = orientation >= 5;
  const bool mirrored = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;  // along x of the source
  const bool flipped = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;   // along its y
  Image dst{swapped ? src.height : src.width, swapped ? src.width : src.height, {}};
  dst.rgb.resize(src.rgb.size());
  std::uint8_t* pixel = dst.rgb.data();
  for (int y = 0; y < dst.height; ++y) {
    for (int x = 0; x < dst.width; ++x, pixel += 3) {
      const int along = swapped ? y : x, down = swapped ? x : y;
      const auto src_x = static_cast<std::size_t>(mirrored ? src.width - 1 - along : along);
      const auto src_y = static_cast<std::size_t>(flipped ? src.height - 1 - down : down);
      const std::uint8_t* from = src.rgb.data() + (src_y * static_cast<std::size_t>(src.width) + src_x) * 3;
      pixel[0] = from[0];
      pixel[1] = from[1];
      pixel[2] = from[2];
    }
  }
  return dst;
}

}  // namespace regnet::detail
