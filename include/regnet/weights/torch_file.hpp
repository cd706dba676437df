// torch_file: files of torch.save read without Python. A pickle is a program; this reader knows a closed
// list of opcodes and classes, builds plain values from them, and calls nothing.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include <regnet/base/export.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Both take the file's bytes, which `owner` keeps alive. They read little-endian files of pickle protocols 2 to 4 (and of 5 as far as it adds no opcodes).
//
// Weights are the entry that `weights_key` names ("state_dict_ema", "model.state_dict"). "model" is the first of model_state, state_dict, model,
// model_state_dict and net that holds tensors or has such an entry in turn, else classy-vision's trunk and heads, else the object itself; "ema" is the entry of
// averaged weights, and for mmengine, which swaps the two when it saves, these two words are swapped as well. "auto" (or nothing) is "model", except where pycls
// itself takes the averaged weights: when their error in the file is the lower one. An entry that is called exactly so goes before such a word. Other such dicts, optimizers' aside, go to other_weights_keys.
// Only the tensors that are taken are read and checked.
//
// In the state dict, tensors and parameters are taken; None, numbers, strings and containers are left out; anything else (a call, a class, a bare storage)
// could have been a tensor and is an error. Outside of it, calls and classes do no harm: they stay opaque, and their names go to refused_globals.
// Numbers and strings of the object and of the dicts directly in it go to metadata, at most 256 bytes a name, 1 MiB a string and 16 MiB in all;
// what is longer, or no UTF-8, is left out. Class names are meta.CLASSES or meta.dataset_meta.classes if those are strings.
//
// Throw bad_format (damage, bounds, checksums, unknown opcodes with their place, a call in place of a tensor), unsupported (TorchScript, whole pickled
// models, encrypted archives, big endian, element types that DType lacks, and what is beyond the bounds; named in the message) and not_found (weights_key).
// The bounds: 400,000 opcodes; max_tensors tensors of max_rank extents, which together take at most 16 times the file and 16 MiB. Nothing recurses.
REGNET_API Checkpoint read_torch_zip(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner, const std::string& weights_key = {});
REGNET_API Checkpoint read_torch_legacy(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner,
                                        const std::string& weights_key = {});

}  // namespace regnet
