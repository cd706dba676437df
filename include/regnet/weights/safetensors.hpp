// safetensors: bytes of a file in, its tensors and metadata out, and back. Reading copies nothing, writing at most a megabyte at a time.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>

#include <regnet/base/export.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Reads the header and returns views into `bytes`, which `owner` keeps alive; the tensors come in the order of their bytes. The metadata's
// "regnet.classes", a JSON list of strings, becomes class_names.
// Throws bad_format (header length; JSON, keys that repeat, depth; offsets that overlap, leave a hole or leave the file; sizes that do not fit the
// shape; names and ranks beyond tensor_map.hpp's bounds) or unsupported (a dtype it does not know, by name; more than max_tensors). Format: https://github.com/huggingface/safetensors
REGNET_API Checkpoint read_safetensors(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner);

// Takes the next bytes of a file; they are valid during the call only. It may throw.
using ByteSink = std::function<void(std::span<const std::byte>)>;

// The inverse: tensors with their dtype and exact bits, metadata, and class_names as "regnet.classes"; byte for byte what the reference implementation
// writes when there is at most one line of metadata. Nothing is given to `sink` before all is known to be sound.
// Throws bad_format for names and metadata that are no UTF-8, a tensor called __metadata__, and views that leave their storage; unsupported when it
// would exceed what the format can hold.
REGNET_API void write_safetensors(const Checkpoint& checkpoint, const ByteSink& sink);

}  // namespace regnet
