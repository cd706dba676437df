#include <regnet/weights/safetensors.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>

#include "weights/byte_reader.hpp"

namespace regnet {

namespace {

using nlohmann::json;

constexpr std::uint64_t max_header_bytes = 100'000'000;  // the format's own limit

template <class... Parts>
[[noreturn]] void refuse(const Parts&... parts) {
  fail(Code::bad_format, "safetensors header: ", parts...);
}

DType dtype_of(const std::string& word, const std::string& name) {
  constexpr DType known[] = {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64,
                             DType::i32, DType::i16, DType::i8,  DType::u8,   DType::boolean};
  for (const DType dtype : known)
    if (word == name_of(dtype)) return dtype;
  fail(Code::unsupported, "safetensors: ", name, ": dtype ", in_quotes(word));
}

// What nlohmann's parser calls for each part of a text of one shape. Whatever a text does not expect is refused where it stands, so that nothing is built of
// it, and the parser itself recurses nowhere. Numbers are integers from 0 to 2^62.
class Events {
 public:
  virtual ~Events() = default;
  using number_integer_t = json::number_integer_t;
  using number_unsigned_t = json::number_unsigned_t;
  using number_float_t = json::number_float_t;
  using string_t = json::string_t;
  using binary_t = json::binary_t;

  bool null() { return other("null"); }
  bool boolean(bool) { return other("a boolean"); }
  bool number_integer(number_integer_t) { return other("a negative number"); }
  bool number_unsigned(number_unsigned_t value) { return value > (std::uint64_t{1} << 62) ? other("a number above 2^62") : number(value); }
  bool number_float(number_float_t, const string_t&) { return other("a number that is no integer"); }
  bool binary(binary_t&) { return other("binary"); }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) { refuse(x_what, "not JSON: ", printable(error.what())); }

  virtual bool string(string_t&) { return other("a string"); }
  virtual bool start_object(std::size_t) { return other("an object"); }
  virtual bool start_array(std::size_t) { return other("a list"); }
  virtual bool key(string_t&) { return true; }
  virtual bool end_object() { return true; }
  virtual bool end_array() { return true; }

 protected:
  explicit Events(std::string what) : x_what(std::move(what)) {}
  virtual bool number(std::uint64_t) { return other("a number"); }
  virtual bool other(const char* found) = 0;  // throws

 private:
  std::string x_what;  // in front of messages
};

class ClassNames final : public Events {
 public:
  ClassNames() : Events("regnet.classes: ") {}
  std::vector<std::string> names;

 private:
  bool start_array(std::size_t) override { return std::exchange(x_inside, true) ? other("a list in it") : true; }
  bool string(string_t& text) override {
    const std::size_t bytes = text.size() + 2 * sizeof(std::string);  // a growing vector holds two
    if (!x_inside) return other("a string");
    if (bytes > x_left) refuse("regnet.classes: more than ", max_text_bytes, " bytes of class names");
    x_left -= bytes;
    names.push_back(std::move(text));
    return true;
  }
  bool other(const char* found) override { refuse("regnet.classes: expected a JSON list of strings, found ", found); }

  bool x_inside = false;
  std::size_t x_left = max_text_bytes;
};

struct Placed {
  NamedTensor tensor;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

class Header final : public Events {
 public:
  Header() : Events("") {}
  std::vector<Placed> tensors;
  std::map<std::string, std::string> metadata;

 private:
  enum class In { text, header, metadata, tensor, list };

  [[nodiscard]] std::string name() const { return in_quotes(x_placed.tensor.name); }

  bool start_object(std::size_t) override {
    if (x_in == In::text) x_in = In::header;
    else if (x_in == In::header && x_placed.tensor.name == "__metadata__") x_in = In::metadata;
    else if (x_in == In::header) x_in = In::tensor;
    else return other("an object");
    return true;
  }

  bool key(string_t& key) override {
    if (x_in == In::header) {
      x_placed = {};
      x_dtype.reset(), x_shape.reset(), x_offsets.reset();
      if (key == "__metadata__" && std::exchange(x_has_metadata, true)) refuse("the key '__metadata__' comes twice");
      if (tensors.size() == max_tensors) fail(Code::unsupported, "safetensors: more than ", max_tensors, " tensors");
      if (key.size() > max_name_bytes) refuse("a tensor's name of ", key.size(), " bytes; the limit is ", max_name_bytes);
      x_placed.tensor.name = std::move(key);
      return true;
    }
    if (x_in == In::metadata && metadata.contains(key)) refuse("__metadata__: the key ", in_quotes(key), " comes twice");
    if (x_in == In::tensor) {
      if (key != "dtype" && key != "shape" && key != "data_offsets") refuse_entry("the key " + in_quotes(key));
      if (key == "dtype" ? x_dtype.has_value() : key == "shape" ? x_shape.has_value() : x_offsets.has_value())
        refuse(name(), ": the key ", in_quotes(key), " comes twice");
    }
    x_key = std::move(key);
    return true;
  }

  bool string(string_t& text) override {
    if (x_in == In::metadata) metadata.emplace(std::move(x_key), std::move(text));
    else if (x_in == In::tensor && x_key == "dtype") x_dtype = dtype_of(text, name());
    else return other("a string");
    return true;
  }

  bool start_array(std::size_t) override {
    if (x_in != In::tensor || x_key == "dtype") return other("a list");
    x_in = In::list;
    (x_key == "shape" ? x_shape : x_offsets).emplace();
    return true;
  }

  bool number(std::uint64_t value) override {
    if (x_in != In::list) return other("a number");
    std::vector<std::int64_t>& list = x_key == "shape" ? *x_shape : *x_offsets;
    if (list.size() == max_rank) refuse(name(), ": ", x_key, " is not a list of at most ", max_rank, " integers");
    list.push_back(static_cast<std::int64_t>(value));
    return true;
  }

  bool end_array() override {
    x_in = In::tensor;
    return true;
  }

  bool end_object() override {
    if (x_in == In::tensor) finish_tensor();
    x_in = In::header;
    return true;
  }

  [[noreturn]] void refuse_entry(const std::string& found) { refuse(name(), ": expected an object of dtype, shape and data_offsets, found ", found); }

  void finish_tensor() {
    if (!x_dtype || !x_shape || !x_offsets) refuse_entry("fewer");
    TensorView& view = x_placed.tensor.view;
    view.dtype = *x_dtype;
    view.shape = std::move(*x_shape);
    if (x_offsets->size() != 2 || x_offsets->front() > x_offsets->back()) refuse(name(), ": data_offsets is not a begin and an end");
    x_placed.begin = static_cast<std::uint64_t>(x_offsets->front());
    x_placed.end = static_cast<std::uint64_t>(x_offsets->back());
    const auto count = static_cast<std::uint64_t>(element_count(view.shape));  // at most 2^62, so the product is taken apart
    const std::uint64_t bytes = x_placed.end - x_placed.begin;
    if (bytes % size_of(view.dtype) != 0 || bytes / size_of(view.dtype) != count)
      refuse(name(), ": ", name_of(view.dtype), " of shape ", to_string(view.shape), " does not take ", bytes, " bytes");
    view.strides = contiguous_strides(view.shape);
    tensors.push_back(std::move(x_placed));
  }

  bool other(const char* found) override {
    switch (x_in) {
      case In::text: refuse("expected an object, found ", found);
      case In::header:
        if (x_placed.tensor.name == "__metadata__") refuse("__metadata__ is not an object, but ", found);
        refuse_entry(found);
      case In::metadata: refuse("__metadata__: ", in_quotes(x_key), " is not a string, but ", found);
      case In::tensor:
        if (x_key == "dtype") refuse(name(), ": dtype is not a string, but ", found);
        refuse(name(), ": ", x_key, " is not a list of integers, but ", found);
      case In::list: refuse(name(), ": ", x_key, " holds something else than integers from 0 to 2^62: ", found);
    }
    refuse("?");
  }

  In x_in = In::text;
  bool x_has_metadata = false;
  std::string x_key;
  Placed x_placed;
  std::optional<DType> x_dtype;
  std::optional<std::vector<std::int64_t>> x_shape, x_offsets;
};

void parse(std::string_view text, Events& events) { json::sax_parse(text, &events); }

void check_names(const std::vector<Placed>& tensors) {
  std::vector<std::string_view> names;
  for (const Placed& placed : tensors) names.push_back(placed.tensor.name);
  std::sort(names.begin(), names.end());
  if (const auto twice = std::adjacent_find(names.begin(), names.end()); twice != names.end()) refuse("the key ", in_quotes(*twice), " comes twice");
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

}  // namespace

Checkpoint read_safetensors(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner) {
  ByteReader reader(bytes, "safetensors");
  const auto header_bytes = reader.little<std::uint64_t>();
  if (header_bytes > max_header_bytes) refuse("a length of ", header_bytes, " bytes; the limit is ", max_header_bytes);
  if (header_bytes > reader.left()) refuse("a length of ", header_bytes, " bytes, with ", reader.left(), " left; is the file truncated?");
  Header header;
  parse(reader.take_text(header_bytes), header);
  check_names(header.tensors);
  place(header.tensors, bytes.subspan(reader.offset()));
  Checkpoint checkpoint;
  checkpoint.metadata = std::move(header.metadata);
  if (const auto list = checkpoint.metadata.find("regnet.classes"); list != checkpoint.metadata.end()) {
    ClassNames classes;
    parse(list->second, classes);
    checkpoint.class_names = std::move(classes.names);
    checkpoint.metadata.erase(list);
  }
  for (Placed& placed : header.tensors) checkpoint.tensors.add(std::move(placed.tensor.name), std::move(placed.tensor.view));
  checkpoint.tensors.keep_alive(std::move(owner));
  return checkpoint;
}

}  // namespace regnet
