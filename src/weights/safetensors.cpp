#include <regnet/weights/safetensors.hpp>

#include <algorithm>
#include <bit>
#include <cstring>
#include <iterator>
#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>

#include "weights/byte_reader.hpp"

namespace regnet {

namespace {

using nlohmann::json;

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit
constexpr std::size_t max_rank = 64;

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(Code::bad_format, "safetensors header: ", parts...);
}

// Parses without recursion and stops at what no honest writer produces: keys that repeat, and nesting beyond an object of objects with lists.
json parse_header(std::string_view header) {
  constexpr int max_depth = 3;
  std::vector<std::unordered_set<std::string>> keys;  // of each object that is open
  const auto check = [&](int depth, json::parse_event_t event, json& value) {
    using Event = json::parse_event_t;
    if ((event == Event::object_start || event == Event::array_start) && depth >= max_depth) refuse("nested too deeply");
    if (event == Event::object_start) keys.emplace_back();
    if (event == Event::object_end) keys.pop_back();
    if (event == Event::key && !keys.back().insert(value.get<std::string>()).second)
      refuse("the key ", in_quotes(value.get<std::string>()), " comes twice");
    return true;
  };
  try {
    json parsed = json::parse(header, check);
    if (!parsed.is_object()) refuse("expected an object, found ", parsed.type_name());
    return parsed;
  } catch (const json::exception& error) {
    refuse("not JSON: ", printable(error.what()));
  }
}

DType dtype_of(const json& value, const std::string& name) {
  if (!value.is_string()) refuse(name, ": dtype is not a string");
  constexpr DType known[] = {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64,
                             DType::i32, DType::i16, DType::i8,  DType::u8,   DType::boolean};
  for (const DType dtype : known)
    if (value.get_ref<const std::string&>() == name_of(dtype)) return dtype;
  fail(Code::unsupported, "safetensors: ", name, ": dtype ", in_quotes(value.get_ref<const std::string&>()));
}

// A list of integers that fit into 63 bits.
std::vector<std::int64_t> integers(const json& list, const std::string& name, const char* key) {
  if (!list.is_array() || list.size() > max_rank) refuse(name, ": ", key, " is not a list of at most ", max_rank, " integers");
  std::vector<std::int64_t> out;
  for (const json& item : list) {
    if (!item.is_number_unsigned() || item.get<std::uint64_t>() > (std::uint64_t{1} << 62))
      refuse(name, ": ", key, " holds something else than integers from 0 to 2^62");
    out.push_back(item.get<std::int64_t>());
  }
  return out;
}

struct Placed {
  NamedTensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

Placed read_tensor(const std::string& key, const json& value) {
  const std::string name = in_quotes(key);
  if (!value.is_object() || value.size() != 3 || !value.contains("dtype") || !value.contains("shape") || !value.contains("data_offsets"))
    refuse(name, ": expected an object of dtype, shape and data_offsets");
  Placed placed;
  placed.tensor.name = key;
  TensorView& view = placed.tensor.view;
  view.dtype = dtype_of(value["dtype"], name);
  view.shape = integers(value["shape"], name, "shape");
  const std::vector<std::int64_t> offsets = integers(value["data_offsets"], name, "data_offsets");
  if (offsets.size() != 2 || offsets[0] > offsets[1]) refuse(name, ": data_offsets is not a begin and an end");
  placed.begin = static_cast<std::uint64_t>(offsets[0]);
  placed.end = static_cast<std::uint64_t>(offsets[1]);
  const auto count = static_cast<std::uint64_t>(element_count(view.shape));  // at most 2^62, so the product is taken apart
  const std::uint64_t bytes = placed.end - placed.begin;
  if (bytes % size_of(view.dtype) != 0 || bytes / size_of(view.dtype) != count)
    refuse(name, ": ", name_of(view.dtype), " of shape ", to_string(view.shape), " does not take ", bytes, " bytes");
  view.strides = contiguous_strides(view.shape);
  return placed;
}

// Gives each tensor its bytes. Together they must be the data exactly: anything else hides something.
void place(std::vector<Placed>& tensors, std::span<const std::byte> data) {
  const auto order = [](const Placed& a, const Placed& b) { return std::pair(a.begin, a.end) < std::pair(b.begin, b.end); };
  std::stable_sort(tensors.begin(), tensors.end(), order);
  std::uint64_t at = 0;
  for (Placed& placed : tensors) {
    if (placed.begin == at && placed.end > data.size())
      refuse(in_quotes(placed.tensor.name), ": data_offsets [", placed.begin, ", ", placed.end, "] leave the ", data.size(),
             " bytes of data; is the file truncated?");
    if (placed.begin != at)
      refuse(in_quotes(placed.tensor.name), ": data_offsets [", placed.begin, ", ", placed.end,
             "] overlap with others or leave a hole; expected a begin at ", at);
    at = placed.end;
    placed.tensor.view.storage = data.subspan(static_cast<std::size_t>(placed.begin), static_cast<std::size_t>(placed.end - placed.begin));
  }
  if (at != data.size()) refuse("the tensors end at ", at, ", the data at ", data.size());
}

std::vector<std::string> parse_class_names(const std::string& list) {
  const json names = json::parse(list, nullptr, false);
  if (!names.is_array()) refuse("regnet.classes is not a JSON list");
  std::vector<std::string> out;
  for (const json& name : names) {
    if (!name.is_string()) refuse("regnet.classes holds something else than strings");
    out.push_back(name.get<std::string>());
  }
  return out;
}

void read_metadata(const json& metadata, Checkpoint& checkpoint) {
  if (!metadata.is_object()) refuse("__metadata__ is not an object");
  for (const auto& [key, value] : metadata.items()) {
    if (!value.is_string()) refuse("__metadata__: ", in_quotes(key), " is not a string");
    if (key == "regnet.classes") checkpoint.class_names = parse_class_names(value.get<std::string>());
    else checkpoint.metadata[key] = value.get<std::string>();
  }
}

// Writing

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
  const std::size_t rank = view.shape.size();
  std::vector<std::int64_t> strides = view.strides, at(rank, 0);
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (view.shape[axis] == 1) strides[axis] = 0;  // never stepped, and a file may say anything there
  std::int64_t index = view.offset;
  for (std::int64_t left = element_count(view.shape); left > 0;) {
    const std::int64_t count = std::min<std::int64_t>(left, max_chunk / element_bytes);
    chunk.resize(static_cast<std::size_t>(count) * element_bytes);
    for (std::byte* dst = chunk.data(); dst != chunk.data() + chunk.size(); dst += element_bytes) {
      std::memcpy(dst, view.storage.data() + static_cast<std::size_t>(index) * element_bytes, element_bytes);
      for (std::size_t axis = rank; axis-- > 0;) {
        index += strides[axis];
        if (++at[axis] < view.shape[axis]) break;
        index -= strides[axis] * view.shape[axis];
        at[axis] = 0;
      }
    }
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

Checkpoint read_safetensors(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner) {
  ByteReader reader(bytes, "safetensors");
  const auto header_bytes = reader.little<std::uint64_t>();
  if (header_bytes > max_header_bytes) refuse("a length of ", header_bytes, " bytes; the limit is ", max_header_bytes);
  if (header_bytes > reader.left()) refuse("a length of ", header_bytes, " bytes, with ", reader.left(), " left; is the file truncated?");
  const json header = parse_header(reader.take_text(header_bytes));
  Checkpoint checkpoint;
  std::vector<Placed> tensors;
  for (const auto& [key, value] : header.items()) {
    if (key == "__metadata__") read_metadata(value, checkpoint);
    else tensors.push_back(read_tensor(key, value));
  }
  place(tensors, bytes.subspan(reader.offset()));
  for (Placed& placed : tensors) checkpoint.tensors.add(std::move(placed.tensor.name), std::move(placed.tensor.view));
  checkpoint.tensors.keep_alive(std::move(owner));
  return checkpoint;
}

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
