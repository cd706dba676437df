// The pickle of a torch file: the interpreter, the search for a state dict, metadata and class names, and tensors over a storage of zeros.
#include <regnet/base/foreign_text.hpp>

#include "fuzz/target.hpp"
#include "weights/state_dict.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) {
    regnet::pickle::Heap heap;
    const regnet::pickle::Program program = regnet::pickle::run(bytes, 0, "data.pkl", heap);
    regnet::fuzz::promise(program.end <= bytes.size(), "a pickle ends inside the file");
    regnet::torch::StateDictFinder finder(*program.result);
    for (const auto& [key, value] : finder.metadata()) regnet::fuzz::promise(regnet::is_utf8(key) && regnet::is_utf8(value), "metadata is text");
    for (const std::string& name : finder.class_names()) regnet::fuzz::promise(regnet::is_utf8(name), "class names are text");
    const auto found = finder.find({});
    finder.others(found);
    const std::vector<std::byte> zeros(1 << 12);
    regnet::TensorMap tensors;
    const auto lookup = [&](std::string_view key) { return std::span(zeros).first(std::min(zeros.size(), 64 * key.size())); };
    regnet::torch::add_found_tensors(*found.dict, lookup, tensors);
    for (const regnet::NamedTensor& tensor : tensors) regnet::to_floats(tensor.view);
  });
}
