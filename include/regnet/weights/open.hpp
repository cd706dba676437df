// open: a path in, a Checkpoint out; the container is told by magic bytes, never by the file's name.
#pragma once

#include <filesystem>
#include <string>

#include <regnet/base/export.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Maps the file and reads it; the mapping lives as long as the tensors. Throws as the readers do, with the path in front of the message. Of other kinds of
// files the message says what they look like: bad_format for what holds no weights (empty, an HTML page, a Git LFS pointer, anything unknown), unsupported
// for what may (a tar of the first torch versions, gzip, ONNX, HDF5). A `weights_key` but auto and model is not_found
// in safetensors: there is nothing to choose from.
REGNET_API Checkpoint open_checkpoint(const std::filesystem::path& path, const std::string& weights_key = {});

}  // namespace regnet
