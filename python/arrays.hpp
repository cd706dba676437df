// arrays: Python's arrays as memory that the library reads and writes. In: NumPy arrays and whatever speaks DLPack or the buffer protocol; out: pointers into them,
// never into a copy. What is not exactly as expected is an Error that says where, what was expected and what was found.
#pragma once

#include <initializer_list>
#include <span>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <regnet/image/image.hpp>

namespace regnet::python {

namespace nb = nanobind;

// Floats of an array, kept alive by `owner`.
template <class Float>
struct Floats {
  nb::ndarray<nb::ro> owner;
  std::span<Float> values;
};

// A C-contiguous float32 array in CPU memory of exactly this shape. `name` is the argument's. Throws invalid_argument.
Floats<const float> floats_of(nb::handle array, const char* name, std::initializer_list<std::size_t> shape);

// The same, to write into. Throws invalid_argument also when the array is read-only.
Floats<float> writable_floats_of(nb::handle array, const char* name, std::initializer_list<std::size_t> shape);

// `out`, or a fresh NumPy array where that is None, which then owns its memory.
nb::object out_or_new(nb::object out, std::initializer_list<std::size_t> shape);

// 8-bit RGB pixels, height x width x 3, whose rows may lie anywhere and in any order; of a Pillow image those that numpy.asarray gives.
class Pixels {
 public:
  // Throws invalid_argument.
  explicit Pixels(nb::handle image);

  // A copy. May be called without the GIL.
  [[nodiscard]] Image copy() const;

 private:
  nb::ndarray<const std::uint8_t, nb::ro> x_array;
};

}  // namespace regnet::python
