// Labels files.
#include "eval/labels.hpp"
#include "fuzz/target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) {
    const std::string_view text{reinterpret_cast<const char*>(bytes.data()), bytes.size()};
    const regnet::Labels labels = regnet::parse_labels(text, "labels");
    regnet::fuzz::promise(labels.by_name.empty() != labels.by_order.empty(), "labels go by name or by order");
    for (const int label : labels.by_order) regnet::fuzz::promise(label >= 0, "a label is a class index");
    for (const auto& [name, label] : labels.by_name) {
      regnet::fuzz::promise(label >= 0, "a label is a class index");
      regnet::fuzz::promise(name.find('/') == std::string::npos, "a name has no folder");
    }
  });
}
