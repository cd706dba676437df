// The writing half of safetensors.hpp.
#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/weights/safetensors.hpp>

namespace regnet {

namespace {

using nlohmann::json;

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit

static_assert(std::endian::native == std::endian::little, "the format is little endian, and bytes are written as they are");

constexpr std::size_t max_chunk = 1 << 20;

// The reference implementation's order of element types, in which tensors follow each other from the last to the first (tensor.rs, enum Dtype).
int rank_of(DType dtype) {
  constexpr DType order[] = {DType::boolean, DType::u8,  DType::i8,  DType::i16, DType::f16,
                             DType::bf16,    DType::i32, DType::f32, DType::f64, DType::i64};
  return static_cast<int>(std::find(std::begin(order), std::end(order), dtype) - std::begin(order));
}

// The wider types come first, so that each tensor is aligned.
std::vector<const NamedTensor*> in_file_order(const TensorMap& tensors) {
  std::vector<const NamedTensor*> order;
  for (const NamedTensor& tensor : tensors) order.push_back(&tensor);
  std::sort(order.begin(), order.end(), [](const NamedTensor* a, const NamedTensor* b) {
    return std::pair(-rank_of(a->view.dtype), std::string_view(a->name)) < std::pair(-rank_of(b->view.dtype), std::string_view(b->name));
  });
  return order;
}

std::size_t byte_count(const NamedTensor& tensor) {
  const auto count = static_cast<std::uint64_t>(element_count(tensor.view.shape));
  if (count > (std::uint64_t{1} << 56))
    fail(Code::unsupported, in_quotes(tensor.name), ": shape ", to_string(tensor.view.shape), " is too large to write");
  return static_cast<std::size_t>(count * size_of(tensor.view.dtype));
}

void check_utf8(std::string_view what, std::string_view foreign) {
  if (!is_utf8(foreign)) fail(Code::bad_format, what, " ", in_quotes(foreign), " is no UTF-8, which safetensors needs");
}

nlohmann::ordered_json metadata_json(const Checkpoint& checkpoint) {
  nlohmann::ordered_json metadata = nlohmann::ordered_json::object();
  for (const auto& [key, value] : checkpoint.metadata) {
    check_utf8("metadata key", key);
    check_utf8("metadata", value);
    metadata[key] = value;
  }
  for (const std::string& name : checkpoint.class_names) check_utf8("class name", name);
  if (!checkpoint.class_names.empty()) metadata["regnet.classes"] = json(checkpoint.class_names).dump();
  return metadata;
}

// Blanks at the end let the data begin at a multiple of 8.
std::string header_text(const Checkpoint& checkpoint, const std::vector<const NamedTensor*>& tensors) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (nlohmann::ordered_json metadata = metadata_json(checkpoint); !metadata.empty()) header["__metadata__"] = std::move(metadata);
  std::string text = header.dump();  // tensors are appended as text: an ordered_json looks through all its keys for each new one
  text.pop_back();
  std::uint64_t at = 0;
  for (const NamedTensor* tensor : tensors) {
    check_utf8("tensor name", tensor->name);
    if (tensor->name == "__metadata__") fail(Code::bad_format, "a tensor is called __metadata__, which safetensors keeps for itself");
    check_bounds(tensor->view, in_quotes(tensor->name));
    const std::uint64_t end = at + byte_count(*tensor);
    if (end > (std::uint64_t{1} << 62)) fail(Code::unsupported, "the tensors together are too large to write");
    const nlohmann::ordered_json entry{{"dtype", name_of(tensor->view.dtype)}, {"shape", tensor->view.shape}, {"data_offsets", {at, end}}};
    text += (text.size() > 1 ? "," : "") + json(tensor->name).dump() + ":" + entry.dump();
    at = end;
  }
  text += "}";
  text.append((8 - text.size() % 8) % 8, ' ');
  if (text.size() > max_header_bytes) fail(Code::unsupported, "a safetensors header of ", text.size(), " bytes; the limit is ", max_header_bytes);
  return text;
}

std::size_t first_byte(const TensorView& view) { return static_cast<std::size_t>(view.offset) * size_of(view.dtype); }

// Whether the elements lie row by row without gaps; strides that are never stepped may be anything.
bool is_contiguous(const TensorView& view) {
  if (element_count(view.shape) == 0) return true;
  std::int64_t expected = 1;
  for (std::size_t axis = view.shape.size(); axis-- > 0;) {
    if (view.shape[axis] != 1 && view.strides[axis] != expected) return false;
    expected *= view.shape[axis];
  }
  return true;
}

// Gathers elements row by row and hands them on a chunk at a time.
template <std::size_t element_bytes>
void gather(const TensorView& view, std::vector<std::byte>& chunk, const ByteSink& sink) {
  StridedIndices indices(view);
  for (std::int64_t left = element_count(view.shape); left > 0;) {
    const std::int64_t count = std::min<std::int64_t>(left, max_chunk / element_bytes);
    chunk.resize(static_cast<std::size_t>(count) * element_bytes);
    for (std::byte* dst = chunk.data(); dst != chunk.data() + chunk.size(); dst += element_bytes)
      std::memcpy(dst, view.storage.data() + static_cast<std::size_t>(indices.next()) * element_bytes, element_bytes);
    sink(chunk);
    left -= count;
  }
}

void write_strided(const TensorView& view, std::vector<std::byte>& chunk, const ByteSink& sink) {
  switch (size_of(view.dtype)) {
    case 8: return gather<8>(view, chunk, sink);
    case 4: return gather<4>(view, chunk, sink);
    case 2: return gather<2>(view, chunk, sink);
    default: return gather<1>(view, chunk, sink);
  }
}

}  // namespace

void write_safetensors(const Checkpoint& checkpoint, const ByteSink& sink) {
  const std::vector<const NamedTensor*> tensors = in_file_order(checkpoint.tensors);
  const std::string header = header_text(checkpoint, tensors);
  const auto length = static_cast<std::uint64_t>(header.size());
  sink(std::as_bytes(std::span(&length, 1)));
  sink(std::as_bytes(std::span(header)));
  std::vector<std::byte> chunk;
  for (const NamedTensor* tensor : tensors) {
    const TensorView& view = tensor->view;
    const std::size_t bytes = byte_count(*tensor);
    if (is_contiguous(view)) {
      const std::span<const std::byte> all = bytes == 0 ? std::span<const std::byte>() : view.storage.subspan(first_byte(view), bytes);
      for (std::size_t at = 0; at < bytes; at += max_chunk) sink(all.subspan(at, std::min(max_chunk, bytes - at)));
    } else {
      chunk.reserve(max_chunk);
      write_strided(view, chunk, sink);
    }
    checkpoint.tensors.release(view);
  }
}

}  // namespace regnet
