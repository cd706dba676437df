// png: a PNG file's bytes in, an Image out, by libpng; also the EXIF orientation it carries.
#pragma once

#include <algorithm>
#include <array>
#include <csetjmp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

#include <png.h>

#include <regnet/base/error.hpp>
#include <regnet/image/image.hpp>

#include "exif.hpp"
#include "limits.hpp"

namespace regnet::detail {

inline bool is_png(Bytes bytes) { return bytes.size() >= 8 && png_sig_cmp(bytes.data(), 0, 8) == 0; }

inline int png_orientation(Bytes bytes) {
  const auto length_at = [&](std::size_t at) {
    return std::size_t{bytes[at]} << 24 | std::size_t{bytes[at + 1]} << 16 | std::size_t{bytes[at + 2]} << 8 | std::size_t{bytes[at + 3]};
  };
  for (std::size_t at = 8; at + 12 <= bytes.size();) {
    const std::size_t length = length_at(at);
    if (length > bytes.size() - at - 12) return 1;
    if (std::memcmp(bytes.data() + at + 4, "eXIf", 4) == 0) return orientation_of(bytes.subspan(at + 8, length));
    at += 12 + length;
  }
  return 1;
}

// One image. Errors come back as in JpegDecoder: libpng's callback jumps into guarded(), which throws, and no step between may own anything.
class PngDecoder {
 public:
  explicit PngDecoder(Bytes bytes) : x_left(bytes) {
    x_png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    x_info = x_png ? png_create_info_struct(x_png) : nullptr;
    if (!x_info) {
      png_destroy_read_struct(&x_png, nullptr, nullptr);
      fail(Code::unsupported, "PNG: libpng ", PNG_LIBPNG_VER_STRING, " cannot be used: ", x_message.data());
    }
  }
  ~PngDecoder() { png_destroy_read_struct(&x_png, &x_info, nullptr); }
  PngDecoder(const PngDecoder&) = delete;
  PngDecoder& operator=(const PngDecoder&) = delete;

  Image decode() {
    guarded([&] { read_header(); });
    check_header();
    guarded([&] { choose_layout(); });
    const std::size_t pixels = std::size_t{x_width} * x_height;
    std::vector<std::uint8_t> raw(x_row_bytes * x_height);
    std::vector<png_bytep> rows(x_height);
    for (std::size_t y = 0; y < rows.size(); ++y) rows[y] = raw.data() + y * x_row_bytes;
    guarded([&] { png_read_image(x_png, rows.data()); });  // what follows the last row does not matter
    Image image{static_cast<int>(x_width), static_cast<int>(x_height), {}};
    if (x_row_bytes == std::size_t{x_width} * 3) {
      image.rgb = std::move(raw);
      return image;
    }
    image.rgb.resize(pixels * 3);
    if (x_row_bytes == std::size_t{x_width} * 2) expand_deep_grey(raw, image.rgb);
    else expand_indices(raw, image.rgb);
    return image;
  }

 private:
  [[noreturn]] static void on_error(png_structp png, png_const_charp message) {
    auto& self = *static_cast<PngDecoder*>(png_get_error_ptr(png));
    std::strncpy(self.x_message.data(), message, self.x_message.size() - 1);
    png_longjmp(png, 1);
  }

  static void on_read(png_structp png, png_bytep dst, std::size_t count) {
    auto& self = *static_cast<PngDecoder*>(png_get_io_ptr(png));
    if (count > self.x_left.size()) png_error(png, "truncated");
    std::copy_n(self.x_left.data(), count, dst);
    self.x_left = self.x_left.subspan(count);
  }

  template <class Step>
  void guarded(Step step) {
    if (setjmp(png_jmpbuf(x_png)) != 0) fail(Code::bad_format, "PNG: ", x_message.data());
    step();
  }

  void read_header() {
    png_set_read_fn(x_png, this, on_read);
    png_set_user_limits(x_png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);  // check_header has a limit of its own
    png_set_keep_unknown_chunks(x_png, PNG_HANDLE_CHUNK_NEVER, nullptr,
                                -1);  // texts and profiles are not used: neither unpack them nor fail because of them
    png_read_info(x_png, x_info);
    x_width = png_get_image_width(x_png, x_info);
    x_height = png_get_image_height(x_png, x_info);
  }

  void check_header() const {
    constexpr std::size_t best_ratio = 1032;  // of deflate: 258 bytes from 2 bits
    check_pixel_count("PNG", x_width, x_height);
    if (x_left.size() < png_get_rowbytes(x_png, x_info) * x_height / best_ratio)
      fail(Code::bad_format, "PNG: truncated: ", x_left.size(), " bytes cannot hold ", x_width, " x ", x_height, " pixels");
  }

  // Rows become RGB, or one byte per pixel that x_palette gives a colour, or two bytes of grey.
  void choose_layout() {
    const int colours = png_get_color_type(x_png, x_info), depth = png_get_bit_depth(x_png, x_info);
    for (std::size_t i = 0; i < x_palette.size(); ++i) {
      const auto grey = static_cast<png_byte>(i);
      x_palette[i] = {grey, grey, grey};
    }
    if (colours == PNG_COLOR_TYPE_PALETTE) {
      png_colorp entries = nullptr;
      int count = 0;
      png_get_PLTE(x_png, x_info, &entries, &count);
      x_palette.fill({0, 0, 0});  // for indices beyond the palette
      std::copy_n(entries, std::clamp(count, 0, static_cast<int>(x_palette.size())), x_palette.begin());
      png_set_packing(x_png);
    } else if (colours == PNG_COLOR_TYPE_GRAY) {
      png_set_expand_gray_1_2_4_to_8(x_png);
    } else {
      png_set_strip_alpha(x_png);
      if (depth == 16) png_set_strip_16(x_png);
    }
    png_set_interlace_handling(x_png);
    png_read_update_info(x_png, x_info);
    x_row_bytes = png_get_rowbytes(x_png, x_info);
  }

  void expand_indices(const std::vector<std::uint8_t>& src, std::vector<std::uint8_t>& dst) const {
    for (std::size_t i = 0; i < src.size(); ++i) {
      const png_color& colour = x_palette[src[i]];
      dst[i * 3] = colour.red;
      dst[i * 3 + 1] = colour.green;
      dst[i * 3 + 2] = colour.blue;
    }
  }

  // Pillow's mode I;16 is clipped, not scaled, when it is converted: all but the darkest 256 levels become white.
  static void expand_deep_grey(const std::vector<std::uint8_t>& src, std::vector<std::uint8_t>& dst) {
    std::uint8_t* pixel = dst.data();
    for (std::size_t i = 0; i < src.size(); i += 2, pixel += 3) std::fill_n(pixel, 3, src[i] != 0 ? std::uint8_t{255} : src[i + 1]);
  }

  Bytes x_left;  // not yet read
  png_structp x_png = nullptr;
  png_infop x_info = nullptr;
  std::uint32_t x_width = 0, x_height = 0;
  std::size_t x_row_bytes = 0;
  std::array<png_color, 256> x_palette{};
  std::array<char, 160> x_message{};
};

inline Image decode_png(Bytes bytes) { return PngDecoder(bytes).decode(); }

}  // namespace regnet::detail
