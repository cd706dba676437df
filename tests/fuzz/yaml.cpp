// pycls's configurations.
#include "design/pycls_yaml.hpp"
#include "fuzz/target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) {
    const PyclsConfig config = parse_pycls_yaml({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
    regnet::fuzz::promise(!config.design.stages.empty(), "a design has stages");
    const PyclsConfig again = parse_pycls_yaml(to_pycls_yaml(config.design, 1000, 224));
    regnet::fuzz::promise(again.design.stages == config.design.stages, "what is written reads back to the same stages");
    regnet::fuzz::promise(again.resolution == 224 && again.classes == 1000, "and to the same resolution and classes");
  });
}
