#include <regnet/weights/convert.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <regnet/weights/safetensors.hpp>

#include "base/temporary_file.hpp"

namespace regnet {

namespace {

// What wrappers put in front of all names; to_canonical made sure that the names have it in common.
std::size_t wrapper_length(Naming naming, std::string_view name) {
  std::size_t length = 0;
  while (!canonical_name(naming, name.substr(length))) {
    const std::size_t dot = name.find('.', length);
    if (dot == std::string_view::npos) fail(Code::mismatch, "the names have no prefix in common");
    length = dot + 1;
  }
  return length;
}

}  // namespace

TensorMap with_naming(const TensorMap& tensors, Naming naming) {
  const Naming from = to_canonical(tensors).naming;
  std::size_t prefix = 0;
  bool prefix_known = false;
  TensorMap out;
  for (const NamedTensor& tensor : tensors) {
    if (is_averaging_counter(tensor)) {
      out.add(tensor.name, tensor.view);
      continue;
    }
    if (!std::exchange(prefix_known, true)) prefix = wrapper_length(from, tensor.name);
    const std::optional<std::string> canonical = canonical_name(from, std::string_view(tensor.name).substr(prefix));
    if (!canonical) fail(Code::mismatch, in_quotes(tensor.name), ": no name of ", name_of(from));  // to_canonical knew it, so this is not reached
    out.add(foreign_name(naming, *canonical), tensor.view);
  }
  out.keep_alive_with(tensors);
  return out;
}

Checkpoint as_safetensors(const Checkpoint& checkpoint) {
  Checkpoint out;
  out.tensors = checkpoint.tensors;
  out.class_names = checkpoint.class_names;
  if (checkpoint.container == Container::safetensors) {
    out.metadata = checkpoint.metadata;
    return out;
  }
  for (const auto& [key, value] : checkpoint.metadata)
    if (key.starts_with("regnet.") && key != "regnet.classes") out.metadata[key] = value;
  out.metadata["format"] = "pt";
  if (!checkpoint.weights_key.empty()) out.metadata["regnet.weights_key"] = checkpoint.weights_key;
  return out;
}

void save_safetensors(const Checkpoint& checkpoint, const std::filesystem::path& path, Existing existing) {
  check_target(path, existing);
  TemporaryFile file(path);
  try {
    write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) { file.write(bytes); });
  } catch (const Error& error) {
    if (error.code() == Code::io) throw;
    fail(error.code(), path.string(), ": ", error.what());
  }
  file.take_its_name(existing);
}

}  // namespace regnet
