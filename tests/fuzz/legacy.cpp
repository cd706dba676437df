// Legacy streams of torch.save.
#include <regnet/weights/torch_file.hpp>

#include "fuzz/checkpoint.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) { regnet::fuzz::use(regnet::read_torch_legacy(bytes, nullptr)); });
}
