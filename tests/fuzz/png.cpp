// PNG files, with and without their EXIF orientation.
#include "fuzz/image.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // Large pictures compress well, cost time and show nothing that small ones do not.
  if (size > 24 && (data[16] || data[17] || data[18] > 1 || data[20] || data[21] || data[22] > 1)) return 0;
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) { regnet::fuzz::use_image(bytes); });
}
