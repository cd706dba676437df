// TensorView: a strided window onto bytes that someone else keeps alive (a mapped checkpoint). In: dtype,
// shape, strides and storage from a file; out: a checked row-major copy as floats.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

#include <regnet/base/dtype.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/shape.hpp>

namespace regnet {

struct TensorView {
  DType dtype = DType::f32;
  Shape shape;
  std::vector<std::int64_t> strides;   // in elements, one per extent; 0 repeats an element
  std::int64_t offset = 0;             // of the first element, in elements
  std::span<const std::byte> storage;  // unowned, of any alignment
};

// Throws bad_format, naming the tensor, unless every element the view can reach lies inside its storage.
// The arithmetic cannot overflow, whatever the file says.
void check_bounds(const TensorView& view, std::string_view name);

// Row-major copy of the elements, converted to float (f64 is rounded, the 16-bit types are exact).
// Integers are converted too. Precondition: check_bounds passed.
std::vector<float> to_floats(const TensorView& view);

// The same into a vector whose memory is used again.
void to_floats(const TensorView& view, std::vector<float>& dst);

// A contiguous row-major view of `count` floats that the caller keeps alive.
inline TensorView view_of(std::span<const float> values, Shape shape) {
  TensorView view;
  view.strides = contiguous_strides(shape);
  view.shape = std::move(shape);
  view.storage = std::as_bytes(values);
  return view;
}

inline void check_bounds(const TensorView& view, std::string_view name) {
  if (view.strides.size() != view.shape.size())
    fail(Code::bad_format, name, ": ", view.shape.size(), " extents but ", view.strides.size(), " strides");
  const std::int64_t count = element_count(view.shape);
  const auto available = static_cast<std::int64_t>(view.storage.size() / size_of(view.dtype));
  if (view.offset < 0) fail(Code::bad_format, name, ": negative storage offset ", view.offset);
  if (count == 0) return;
  std::int64_t last = view.offset;
  for (std::size_t i = 0; i < view.shape.size(); ++i) {
    const std::int64_t stride = view.strides[i];
    if (stride < 0) fail(Code::bad_format, name, ": negative stride ", stride);
    const std::int64_t steps = view.shape[i] - 1;
    if (steps > 0 && stride > (available - last) / steps) {
      last = available;
      break;
    }
    last += steps * stride;
  }
  if (last >= available)
    fail(Code::bad_format, name, ": shape ", to_string(view.shape), " at offset ", view.offset, " reaches past its storage of ", available,
         " elements");
}

// Walks the elements of a view row by row: next() is the index of the next one in its storage.
class StridedIndices {
 public:
  // Keeps a reference to the view's shape. Precondition: check_bounds passed.
  explicit StridedIndices(const TensorView& view) : x_shape(view.shape), x_strides(view.strides), x_at(view.shape.size(), 0), x_index(view.offset) {
    for (std::size_t axis = 0; axis < x_shape.size(); ++axis)
      if (x_shape[axis] == 1) x_strides[axis] = 0;  // never stepped, and a file may say anything there
  }

  // Call it once for each element.
  std::int64_t next() {
    const std::int64_t index = x_index;
    for (std::size_t axis = x_shape.size(); axis-- > 0;) {
      x_index += x_strides[axis];
      if (++x_at[axis] < x_shape[axis]) break;
      x_index -= x_strides[axis] * x_shape[axis];
      x_at[axis] = 0;
    }
    return index;
  }

 private:
  const Shape& x_shape;
  std::vector<std::int64_t> x_strides, x_at;
  std::int64_t x_index;
};

namespace detail {

template <class Element, class Convert>
void copy_strided(const TensorView& view, std::vector<float>& dst, Convert convert) {
  StridedIndices indices(view);
  for (float& value : dst) {
    Element element;  // storages may start at any byte, so no pointer to Element is formed
    std::memcpy(&element, view.storage.data() + indices.next() * std::int64_t{sizeof(Element)}, sizeof(Element));
    value = convert(element);
  }
}

}  // namespace detail

inline void to_floats(const TensorView& view, std::vector<float>& dst) {
  dst.resize(static_cast<std::size_t>(element_count(view.shape)));
  const auto widen = [](auto element) { return static_cast<float>(element); };
  switch (view.dtype) {
    case DType::f64: detail::copy_strided<double>(view, dst, widen); break;
    case DType::f32:
      if (view.strides == contiguous_strides(view.shape)) {
        if (!dst.empty()) std::memcpy(dst.data(), view.storage.data() + view.offset * 4, dst.size() * 4);
      } else {
        detail::copy_strided<float>(view, dst, widen);
      }
      break;
    case DType::f16: detail::copy_strided<std::uint16_t>(view, dst, half_to_float); break;
    case DType::bf16: detail::copy_strided<std::uint16_t>(view, dst, bfloat16_to_float); break;
    case DType::i64: detail::copy_strided<std::int64_t>(view, dst, widen); break;
    case DType::i32: detail::copy_strided<std::int32_t>(view, dst, widen); break;
    case DType::i16: detail::copy_strided<std::int16_t>(view, dst, widen); break;
    case DType::i8: detail::copy_strided<std::int8_t>(view, dst, widen); break;
    case DType::u8:
    case DType::boolean: detail::copy_strided<std::uint8_t>(view, dst, widen); break;
  }
}

inline std::vector<float> to_floats(const TensorView& view) {
  std::vector<float> dst;
  to_floats(view, dst);
  return dst;
}

}  // namespace regnet
