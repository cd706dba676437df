// convert: a checkpoint in, the same tensors under another framework's names or in a safetensors file out; bits, shapes and counters stay.
#pragma once

#include <filesystem>

#include <regnet/base/existing.hpp>
#include <regnet/base/export.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Every tensor, in its order, as `naming` spells it. Prefixes of wrappers go, as in to_canonical; num_batches_tracked stays, and so do the counters of
// averaged models, under their own names. Throws as to_canonical does. The result keeps the tensors' bytes alive.
REGNET_API TensorMap with_naming(const TensorMap& tensors, Naming naming);

// What a safetensors file keeps of a checkpoint: tensors, class names and metadata; of a torch file's metadata "format: pt", the entry the tensors came
// from (regnet.weights_key) and what is called regnet.* already.
REGNET_API Checkpoint as_safetensors(const Checkpoint& checkpoint);

// Writes to a temporary file in the same folder and renames it when all is on the disk; the temporary goes when anything fails. With Existing::keep no
// file is ever replaced, not even one that appears meanwhile; what is no regular file (a device, a folder) never is.
// Memory: the header, a chunk of a megabyte and the pages of one tensor; those of a mapped checkpoint are given back once it is written.
// Throws io, naming the path, or as write_safetensors does.
REGNET_API void save_safetensors(const Checkpoint& checkpoint, const std::filesystem::path& path, Existing existing = Existing::keep);

}  // namespace regnet
