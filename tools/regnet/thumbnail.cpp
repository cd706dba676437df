#include "thumbnail.hpp"

#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <vector>

#include <jpeglib.h>

#include <regnet/base/error.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/resize.hpp>

namespace {

// The bytes of a JPEG file. An encoder that writes to memory fails only for want of it.
std::vector<unsigned char> encode(const regnet::Image& image) {
  jpeg_compress_struct encoder{};
  jpeg_error_mgr errors{};
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  unsigned char* bytes = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&encoder, &bytes, &count);
  encoder.image_width = static_cast<JDIMENSION>(image.width);
  encoder.image_height = static_cast<JDIMENSION>(image.height);
  encoder.input_components = 3;
  encoder.in_color_space = JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 80, TRUE);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < encoder.image_height) {
    auto* row = const_cast<JSAMPLE*>(image.rgb.data() + std::size_t{3} * static_cast<std::size_t>(image.width) * encoder.next_scanline);
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  std::vector<unsigned char> out(bytes, bytes + count);
  jpeg_destroy_compress(&encoder);
  std::free(bytes);
  return out;
}

std::string base64(const std::vector<unsigned char>& bytes) {
  constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned group = 0;
    for (std::size_t k = 0; k < 3; ++k) group = group << 8 | (i + k < bytes.size() ? bytes[i + k] : 0u);
    for (std::size_t k = 0; k < 4; ++k) out += i + k > bytes.size() ? '=' : digits[group >> (18 - 6 * k) & 63];
  }
  return out;
}

}  // namespace

std::string thumbnail(const regnet::Sample& sample, int side) {
  try {
    const regnet::Image image =
        sample.bytes ? regnet::decode_image(*sample.bytes, regnet::Exif::ignore) : regnet::load_image(sample.path, regnet::Exif::ignore);
    const double factor = std::min(1.0, double(side) / std::max(image.width, image.height));
    const int width = std::max(1, static_cast<int>(image.width * factor)), height = std::max(1, static_cast<int>(image.height * factor));
    return "data:image/jpeg;base64," + base64(encode(regnet::resize_pillow(image, width, height, regnet::PillowFilter::bilinear)));
  } catch (const regnet::Error&) {
    return "";  // it is listed among the failed images
  }
}
