#include <regnet/image/decode.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <new>
#include <string_view>

#include <regnet/base/error.hpp>
#include <regnet/base/mapped_file.hpp>

#include "jpeg.hpp"
#include "png.hpp"

namespace regnet {

namespace {

using namespace std::string_view_literals;

struct Signature {
  std::size_t offset;
  std::string_view bytes;
  std::string_view format;
};

// Formats that data sets are seen to hold, so that the message can name them.
constexpr std::array<Signature, 19> other_formats{{
    {0, "GIF8"sv, "GIF"},
    {8, "WEBP"sv, "WebP"},
    {0, "II*\0"sv, "TIFF"},
    {0, "MM\0*"sv, "TIFF"},
    {0, "II+\0"sv, "BigTIFF"},
    {4, "ftypavif"sv, "AVIF"},
    {4, "ftypavis"sv, "AVIF"},
    {4, "ftyphei"sv, "HEIF"},
    {4, "ftyphev"sv, "HEIF"},
    {4, "ftypmif1"sv, "HEIF"},
    {4, "ftypmsf1"sv, "HEIF"},
    {4, "jP  \r\n\x87\n"sv, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, "JPEG 2000"},
    {4, "JXL \r\n\x87\n"sv, "JPEG XL"},
    {0, "\xff\x0a"sv, "JPEG XL"},
    {0, "BM"sv, "BMP"},
    {0, "8BPS"sv, "Photoshop"},
    {0, "\x93NUMPY"sv, "NumPy"},
    {0, "PK\x03\x04"sv, "zip"},
}};

bool holds(detail::Bytes bytes, const Signature& signature) {
  if (bytes.size() < signature.offset + signature.bytes.size()) return false;
  return std::equal(signature.bytes.begin(), signature.bytes.end(), bytes.begin() + static_cast<std::ptrdiff_t>(signature.offset),
                    [](char expected, std::uint8_t found) { return static_cast<std::uint8_t>(expected) == found; });
}

[[noreturn]] void refuse(detail::Bytes bytes) {
  if (bytes.empty()) fail(Code::bad_format, "expected a JPEG or PNG image, found an empty file");
  for (const Signature& signature : other_formats)
    if (holds(bytes, signature)) fail(Code::unsupported, "expected a JPEG or PNG image, found ", signature.format);
  if (holds(bytes, {1, "PNG"sv, {}})) fail(Code::bad_format, "PNG: the first bytes are damaged, as by a transfer in text mode");
  fail(Code::bad_format, "expected a JPEG or PNG image, found neither's first bytes");
}

Image decode(detail::Bytes bytes, Exif exif) {
  const bool apply = exif == Exif::apply;
  if (detail::is_jpeg(bytes)) return detail::upright(detail::decode_jpeg(bytes), apply ? detail::jpeg_orientation(bytes) : 1);
  if (detail::is_png(bytes)) return detail::upright(detail::decode_png(bytes), apply ? detail::png_orientation(bytes) : 1);
  refuse(bytes);
}

}  // namespace

Image decode_image(std::span<const std::byte> bytes, Exif exif) {
  try {
    return decode({reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, exif);
  } catch (const std::bad_alloc&) {
    fail(Code::unsupported, "not enough memory for the image's pixels");
  }
}

Image load_image(const std::filesystem::path& path, Exif exif) {
  const MappedFile file(path);
  try {
    return decode_image(file.bytes(), exif);
  } catch (const Error& error) {
    fail(error.code(), path.string(), ": ", error.what());
  }
}

std::string decoder_versions() {
#ifdef LIBJPEG_TURBO_VERSION
#define REGNET_QUOTED(text) #text
#define REGNET_QUOTED_VALUE(macro) REGNET_QUOTED(macro)
  const std::string jpeg = "libjpeg-turbo " REGNET_QUOTED_VALUE(LIBJPEG_TURBO_VERSION);
#else
  const std::string jpeg = text("libjpeg ", JPEG_LIB_VERSION);
#endif
  return jpeg + ", libpng " + png_get_libpng_ver(nullptr);
}

}  // namespace regnet
