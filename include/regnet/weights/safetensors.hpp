// safetensors: bytes of a file in, its tensors and metadata out. No copy is made.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Reads the header and returns views into `bytes`, which `owner` keeps alive; the tensors come in the order of their bytes. The metadata's
// "regnet.classes", a JSON list of strings, becomes class_names.
// Throws bad_format (header length; JSON, keys that repeat, depth; offsets that overlap, leave a hole or leave the file; sizes that do not fit the
// shape) or unsupported (a dtype it does not know, by name). Format: https://github.com/huggingface/safetensors
Checkpoint read_safetensors(std::span<const std::byte> bytes, std::shared_ptr<const void> owner);

}  // namespace regnet
