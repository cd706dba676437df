#include <regnet/weights/safetensors.hpp>

#include <algorithm>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "weights/byte_reader.hpp"
#include "weights/foreign_text.hpp"

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
    if (placed.begin != at || placed.end > data.size())
      refuse(in_quotes(placed.tensor.name), ": data_offsets [", placed.begin, ", ", placed.end, "] overlap, leave a hole or leave the ", data.size(),
             " bytes of data; expected a begin at ", at);
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

}  // namespace

Checkpoint read_safetensors(std::span<const std::byte> bytes, std::shared_ptr<const void> owner) {
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

}  // namespace regnet
