// decode: bytes of a JPEG or PNG file in, an Image out, as Pillow's convert("RGB") would give it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include <regnet/base/export.hpp>
#include <regnet/image/image.hpp>

namespace regnet {

enum class Exif { ignore, apply };  // orientation; Pillow ignores it, OpenCV's imread applies it

// Tells the format by magic bytes. As in Pillow: grey is replicated, alpha and transparency are dropped without blending, four components are CMYK or YCCK stored
// inverted (Adobe's way, marker or not), 16-bit colours keep their high byte, but 16-bit grey without alpha is clipped at 255. Profiles and gamma are not applied.
// A damaged EXIF block never fails an image.
// Throws bad_format (truncated or damaged: where libjpeg would go on with grey or garbage, this stops) or unsupported (other formats and JPEG processes, named;
// more than 2^28 pixels). Memory is asked for only when the file is long enough to hold what its header claims.
// JPEG: libjpeg-turbo with islow DCT and fancy upsampling, as Pillow and OpenCV use it.
REGNET_API Image decode_image(std::span<const std::byte> bytes, Exif exif = Exif::ignore);

// Reads and decodes a file. Throws as above and not_found or io, with the path in front.
REGNET_API Image load_image(const std::filesystem::path& path, Exif exif = Exif::ignore);

// "libjpeg-turbo 2.1.5, libpng 1.6.39": what decodes in this process. (libjpeg-turbo's is the version of the headers: the library does not tell.)
REGNET_API std::string decoder_versions();

}  // namespace regnet
