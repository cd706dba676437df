// checkpoint: what the targets of the three containers do with a checkpoint that was read: all that loading and converting does with one.
#pragma once

#include <regnet/identify.hpp>
#include <regnet/weights/bind.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/safetensors.hpp>

#include "fuzz/target.hpp"

namespace regnet::fuzz {

inline std::vector<std::byte> written(const Checkpoint& checkpoint) {
  std::vector<std::byte> out;
  write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); });
  return out;
}

// Views that repeat elements may be far larger than their file; what is written out here is bounded.
inline bool is_small(const TensorMap& tensors) {
  std::int64_t count = 0;
  for (const NamedTensor& tensor : tensors)
    if ((count += std::min<std::int64_t>(element_count(tensor.view.shape), 1 << 20)) >= 1 << 20) return false;
  return true;
}

inline void use(const Checkpoint& checkpoint) {
  if (is_small(checkpoint.tensors)) {
    for (const NamedTensor& tensor : checkpoint.tensors) to_floats(tensor.view);
    const std::vector<std::byte> once = written(as_safetensors(checkpoint));
    promise(written(read_safetensors(once, nullptr)) == once, "what was written is read and written again as it was");
  }
  const CanonicalTensors canonical = to_canonical(checkpoint.tensors);
  promise(with_naming(checkpoint.tensors, Naming::pycls).size() == checkpoint.tensors.size(), "renaming loses nothing");
  const NetworkShape network = recognise(canonical.tensors);
  std::string source;
  std::vector<std::string> warnings;
  class_names_of(checkpoint, network.classes, warnings);
  check(default_recipe(checkpoint, canonical.naming, "fuzzed", source).name);
  check(network_name(network, checkpoint));
  for (const std::string& warning : warnings) check(warning);
  bind(build(network.stages, {.classes = network.classes, .stem_width = network.stem_width}), canonical.tensors);
}

}  // namespace regnet::fuzz
