#include "arrays.hpp"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

namespace regnet::python {

namespace {

std::string in_brackets(const std::int64_t* numbers, std::size_t count) {
  std::string out = "(";
  for (std::size_t i = 0; i < count; ++i) out += text(i == 0 ? "" : ", ", numbers[i]);
  return out + (count == 1 ? ",)" : ")");
}

std::string printed(const nb::object& object) { return nb::str(nb::handle(object)).c_str(); }

// "float64 of shape (1, 3, 64, 64)", or what it is at all.
std::string described(nb::handle object) {
  if (!nb::hasattr(object, "dtype") || !nb::hasattr(object, "shape")) return text("an object of type ", nb::type_name(object.type()).c_str());
  return text(printed(object.attr("dtype")), " of shape ", printed(object.attr("shape")));
}

template <class Array>
bool is_on_cpu(const Array& array) {
  return array.device_type() == nb::device::cpu::value;
}

bool is_contiguous(const nb::ndarray<nb::ro>& array) {
  std::int64_t distance = 1;
  for (std::size_t i = array.ndim(); i-- > 0;) {
    if (array.shape(i) != 1 && array.stride(i) != distance) return false;
    distance *= static_cast<std::int64_t>(array.shape(i));
  }
  return true;
}

bool has_shape(const nb::ndarray<nb::ro>& array, const std::vector<std::int64_t>& shape) {
  return std::equal(shape.begin(), shape.end(), array.shape_ptr(), array.shape_ptr() + array.ndim());
}

nb::ndarray<nb::ro> checked(nb::handle object, const char* name, const std::vector<std::int64_t>& shape) {
  const std::string expected = text(name, ": expected C-contiguous float32 of shape ", in_brackets(shape.data(), shape.size()), ", found ");
  nb::ndarray<nb::ro> array;
  if (!nb::try_cast(object, array, false)) fail(Code::invalid_argument, expected, described(object));
  if (!is_on_cpu(array)) fail(Code::invalid_argument, expected, described(object), " on another device");
  if (array.dtype() != nb::dtype<float>() || !has_shape(array, shape)) fail(Code::invalid_argument, expected, described(object));
  if (!is_contiguous(array))
    fail(Code::invalid_argument, expected, described(object), " with strides of ", in_brackets(array.stride_ptr(), array.ndim()), " elements");
  if (reinterpret_cast<std::uintptr_t>(array.data()) % alignof(float) != 0)
    fail(Code::invalid_argument, expected, described(object), " at an address that is no multiple of ", alignof(float));
  return array;
}

std::vector<std::int64_t> numbers(std::initializer_list<std::size_t> shape) { return {shape.begin(), shape.end()}; }

}  // namespace

Floats<const float> floats_of(nb::handle array, const char* name, std::initializer_list<std::size_t> shape) {
  const nb::ndarray<nb::ro> owner = checked(array, name, numbers(shape));
  return {owner, {static_cast<const float*>(owner.data()), owner.size()}};
}

Floats<float> writable_floats_of(nb::handle array, const char* name, std::initializer_list<std::size_t> shape) {
  const nb::ndarray<nb::ro> readable = checked(array, name, numbers(shape));
  nb::ndarray<> owner;
  if (!nb::try_cast(array, owner, false)) fail(Code::invalid_argument, name, ": expected an array that can be written, found a read-only one");
  if (owner.data() != readable.data()) fail(Code::invalid_argument, name, ": expected an array to write into, found one that gives a copy of itself");
  return {nb::ndarray<nb::ro>(owner), {static_cast<float*>(owner.data()), owner.size()}};
}

nb::object out_or_new(nb::object out, std::initializer_list<std::size_t> shape) {
  if (!out.is_none()) return out;
  nb::list sides;
  for (const std::size_t side : shape) sides.append(side);
  return nb::module_::import_("numpy").attr("empty")(nb::tuple(sides), "float32");
}

Pixels::Pixels(nb::handle image) {
  const auto refuse = [](const auto&... found) {
    fail(Code::invalid_argument,
         "image: expected uint8 of shape (height, width, 3), a Pillow image of mode RGB or the bytes of a JPEG or PNG file, found ", found...);
  };
  nb::object array = nb::borrow(image);
  // Pillow has neither DLPack nor the buffer protocol.
  if (!nb::hasattr(image, "__dlpack__") && nb::hasattr(image.type(), "__array_interface__"))
    array = nb::module_::import_("numpy").attr("asarray")(image);
  nb::ndarray<nb::ro> any;
  if (!nb::try_cast(array, any, false)) refuse(described(array));
  if (!is_on_cpu(any)) refuse(described(array), " on another device");
  if (any.dtype() != nb::dtype<std::uint8_t>() || any.ndim() != 3 || any.shape(2) != 3) refuse(described(array));
  constexpr std::size_t longest = std::numeric_limits<int>::max() / 3;
  if (any.size() == 0 || any.shape(0) > longest || any.shape(1) > longest) refuse(described(array));
  if (any.stride(2) != 1 || (any.shape(1) > 1 && any.stride(1) != 3))
    refuse(described(array), " whose colours of a row do not follow each other: strides of ", in_brackets(any.stride_ptr(), 3), " bytes");
  x_array = nb::ndarray<const std::uint8_t, nb::ro>(any);
}

Image Pixels::copy() const {
  const std::size_t row = x_array.shape(1) * 3;
  Image image{static_cast<int>(x_array.shape(1)), static_cast<int>(x_array.shape(0)), std::vector<std::uint8_t>(row * x_array.shape(0))};
  for (std::size_t y = 0; y < x_array.shape(0); ++y)
    std::copy_n(x_array.data() + static_cast<std::int64_t>(y) * x_array.stride(0), row, image.rgb.data() + y * row);
  return image;
}

}  // namespace regnet::python
