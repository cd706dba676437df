// .npy: arrays of float32 to and from NumPy's file format, version 1.0.
#pragma once

#include <filesystem>
#include <span>
#include <vector>

#include <regnet/base/shape.hpp>

struct NpyArray {
  regnet::Shape shape;
  std::vector<float> values;
};

// Throws regnet::Error io when the file cannot be written whole.
void write_npy(const std::filesystem::path& path, const regnet::Shape& shape, std::span<const float> values);

// Throws not_found, bad_format, or unsupported (other types than little-endian float32, Fortran order).
NpyArray read_npy(const std::filesystem::path& path);

// The same for images that are a network's input already: [n, channels, height, width] with n >= 1. Throws mismatch for another shape.
NpyArray read_npy_images(const std::filesystem::path& path, const regnet::Dims& dims);
