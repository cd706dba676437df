// JPEG files, with and without their EXIF orientation.
#include "fuzz/image.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) { regnet::fuzz::use_image(bytes); });
}
