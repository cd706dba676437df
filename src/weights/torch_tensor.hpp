// torch_tensor: the calls by which torch.save spells a tensor in; a checked TensorView out.
// Source: torch/_utils.py (_rebuild_*) and torch/serialization.py (persistent ids).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/dtype.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/tensor_view.hpp>
#include <regnet/weights/tensor_map.hpp>

#include "weights/pickle.hpp"

namespace regnet::torch {

using pickle::Kind;
using pickle::Value;

struct StorageClass {
  std::string_view name;
  std::size_t element_bytes;
  std::optional<DType> dtype;  // nothing: known for its size only, so that a file with one beside its weights can be read
};

inline constexpr StorageClass storage_classes[] = {
    {"DoubleStorage", 8, DType::f64}, {"FloatStorage", 4, DType::f32},    {"HalfStorage", 2, DType::f16},   {"BFloat16Storage", 2, DType::bf16},
    {"LongStorage", 8, DType::i64},   {"IntStorage", 4, DType::i32},      {"ShortStorage", 2, DType::i16},  {"CharStorage", 1, DType::i8},
    {"ByteStorage", 1, DType::u8},    {"BoolStorage", 1, DType::boolean}, {"UntypedStorage", 1, DType::u8}, {"ComplexDoubleStorage", 16, {}},
    {"ComplexFloatStorage", 8, {}},   {"QInt32Storage", 4, {}},           {"QInt8Storage", 1, {}},          {"QUInt8Storage", 1, {}},
    {"QUInt4x2Storage", 1, {}},       {"QUInt2x4Storage", 1, {}}};

// "torch.FloatStorage"; the oldest files also say "torch.cuda.FloatStorage", and untyped ones live in torch.storage.
inline const StorageClass* find_storage_class(std::string_view global) {
  for (const std::string_view module : {"torch.cuda.", "torch.storage.", "torch."}) {
    if (!global.starts_with(module)) continue;
    const std::string_view name = global.substr(module.size());
    for (const StorageClass& type : storage_classes)
      if (type.name == name) return &type;
  }
  return nullptr;
}

// The parts of a persistent id, ("storage", class, key, location, count[, view]).
struct StorageId {
  const StorageClass* type = nullptr;
  std::string_view key;
  std::int64_t count = 0;       // elements
  const Value* view = nullptr;  // (key, offset, count) of a part of it; only torch before 0.4 wrote such

  [[nodiscard]] std::uint64_t bytes() const { return static_cast<std::uint64_t>(count) * type->element_bytes; }
};

// Returns nothing for an id of another kind ("module" in legacy files: the source text of a pickled class).
// Throws bad_format, or unsupported for an unknown storage class.
inline std::optional<StorageId> storage_id(const Value& persistent) {
  const Value& id = *persistent.items[0];
  const auto refuse = [](const auto&... parts) { fail(Code::bad_format, "storage: ", parts...); };
  if (id.kind != Kind::tuple || id.items.empty() || id.items[0]->kind != Kind::string) refuse("expected a tuple that says its kind");
  const std::vector<const Value*>& parts = id.items;
  if (parts[0]->text != "storage") return std::nullopt;
  if (parts.size() < 5 || parts.size() > 6 || parts[2]->kind != Kind::string || parts[4]->kind != Kind::integer)
    refuse("expected (\"storage\", class, key, location, count)");
  StorageId storage;
  if (parts[1]->kind != Kind::global) refuse("expected a class, found a ", name_of(parts[1]->kind));
  storage.type = find_storage_class(parts[1]->text);
  if (!storage.type) fail(Code::unsupported, "storage: unknown class ", printable(parts[1]->text));
  storage.key = parts[2]->text;
  if (storage.key.size() > 256) refuse("a key of ", storage.key.size(), " bytes");  // torch's are numbers
  storage.count = parts[4]->integer;
  if (storage.count < 0 || storage.count > (std::int64_t{1} << 58)) refuse(in_quotes(storage.key), " of ", storage.count, " elements");
  if (parts.size() == 6 && parts[5]->kind != Kind::none) storage.view = parts[5];
  return storage;
}

// All bytes of the storage with this key. Throws bad_format when there is none.
using StorageLookup = std::function<std::span<const std::byte>(std::string_view key)>;

namespace detail {

enum class Rebuild { tensor, parameter };

struct RebuildFunction {
  std::string_view name;
  Rebuild makes;
};
inline constexpr RebuildFunction rebuild_functions[] = {
    {"torch._utils._rebuild_tensor", Rebuild::tensor},                    // storage, offset, size, stride; torch before 0.4
    {"torch._utils._rebuild_tensor_v2", Rebuild::tensor},                 // and requires_grad, hooks[, metadata]
    {"torch._utils._rebuild_tensor_v3", Rebuild::tensor},                 // and requires_grad, hooks, dtype[, metadata]
    {"torch._utils._rebuild_parameter", Rebuild::parameter},              // tensor, requires_grad, hooks
    {"torch._utils._rebuild_parameter_with_state", Rebuild::parameter}};  // and attributes

inline const RebuildFunction* find_rebuild(const Value& value) {
  if (value.kind != Kind::call || value.items[0]->kind != Kind::global) return nullptr;
  for (const RebuildFunction& function : rebuild_functions)
    if (function.name == value.items[0]->text) return &function;
  return nullptr;
}

// The bytes a tensor may use: the storage, or in the oldest files a part of it.
inline std::span<const std::byte> storage_bytes(const StorageId& id, const std::string& name, const StorageLookup& lookup) {
  const std::span<const std::byte> bytes = lookup(id.key);
  if (bytes.size() < id.bytes() || bytes.size() - id.bytes() >= id.type->element_bytes)
    fail(Code::bad_format, name, ": storage ", in_quotes(id.key), " should have ", id.bytes(), " bytes, found ", bytes.size());
  if (!id.view) return bytes.first(static_cast<std::size_t>(id.bytes()));
  const std::vector<const Value*>& view = id.view->items;
  const bool well_formed = id.view->kind == Kind::tuple && view.size() == 3 && view[1]->kind == Kind::integer && view[2]->kind == Kind::integer;
  if (!well_formed) fail(Code::bad_format, name, ": expected (key, offset, count) as the view of a storage");
  const std::int64_t offset = view[1]->integer, count = view[2]->integer;
  if (offset < 0 || offset > id.count || count < 0 || count > id.count - offset)
    fail(Code::bad_format, name, ": the view of ", count, " elements at ", offset, " leaves its storage of ", id.count);
  const std::size_t size = id.type->element_bytes;
  return bytes.subspan(static_cast<std::size_t>(offset) * size, static_cast<std::size_t>(count) * size);
}

inline std::vector<std::int64_t> integers(const Value& tuple, const std::string& name) {
  if (tuple.kind != Kind::tuple || tuple.items.size() > max_rank)
    fail(Code::bad_format, name, ": expected a tuple of at most ", max_rank, " extents");
  std::vector<std::int64_t> out;
  for (const Value* item : tuple.items) {
    if (item->kind != Kind::integer) fail(Code::bad_format, name, ": expected an extent, found a ", name_of(item->kind));
    out.push_back(item->integer);
  }
  return out;
}

// Complex and negated tensors carry bits that change what their numbers mean.
inline void check_metadata(const std::vector<const Value*>& arguments, std::size_t at, const std::string& name) {
  if (arguments.size() <= at) return;
  const Value& metadata = *arguments[at];
  if (metadata.kind != Kind::none && !(metadata.kind == Kind::dict && metadata.items.empty()))
    fail(Code::unsupported, name, ": a tensor with conjugate or negative bits");
}

}  // namespace detail

// Whether the value is a call that to_view may be asked to read.
inline bool is_tensor(const Value& value) { return detail::find_rebuild(value) != nullptr; }

// Whether files of torch.save name it without wanting anything called that this reader would have to refuse.
inline bool is_known_global(std::string_view name) {
  constexpr std::string_view dtypes[] = {"float64", "float32",   "float16",    "bfloat16",      "int64",      "int32",
                                         "int16",   "int8",      "uint8",      "bool",          "uint16",     "uint32",
                                         "uint64",  "complex64", "complex128", "float8_e4m3fn", "float8_e5m2"};
  for (const detail::RebuildFunction& function : detail::rebuild_functions)
    if (function.name == name) return true;
  if (name.starts_with("torch.") && std::find(std::begin(dtypes), std::end(dtypes), name.substr(6)) != std::end(dtypes)) return true;
  return find_storage_class(name) != nullptr;
}

// Throws bad_format (arguments, bounds), or unsupported for element types that DType lacks; messages begin with `name`.
inline TensorView to_view(const Value& tensor, const std::string& name, const StorageLookup& lookup) {
  const Value* value = &tensor;
  const detail::RebuildFunction* function = detail::find_rebuild(tensor);
  if (function && function->makes == detail::Rebuild::parameter) {
    const Value& arguments = *value->items[1];
    value = arguments.items.empty() ? nullptr : arguments.items[0];
    function = value ? detail::find_rebuild(*value) : nullptr;
    if (!function || function->makes != detail::Rebuild::tensor) fail(Code::bad_format, name, ": expected a parameter made of a tensor");
  }
  if (!function) fail(Code::bad_format, name, ": expected a tensor, found a ", printable(tensor.python_name()));
  const std::vector<const Value*>& arguments = value->items[1]->items;
  if (arguments.size() < 4 || arguments[0]->kind != Kind::persistent || arguments[1]->kind != Kind::integer)
    fail(Code::bad_format, name, ": expected (storage, offset, size, stride) to make a tensor of");
  if (function->name.ends_with("_v3")) {  // used for element types that have no storage class
    const Value* dtype = arguments.size() > 6 ? arguments[6] : nullptr;
    fail(Code::unsupported, name, ": elements of type ", dtype ? printable(dtype->python_name()) : "?");
  }
  detail::check_metadata(arguments, 6, name);
  const std::optional<StorageId> id = storage_id(*arguments[0]);
  if (!id) fail(Code::bad_format, name, ": expected a storage");
  if (!id->type->dtype) fail(Code::unsupported, name, ": elements of type torch.", id->type->name);
  TensorView view{*id->type->dtype, detail::integers(*arguments[2], name), detail::integers(*arguments[3], name), arguments[1]->integer,
                  detail::storage_bytes(*id, name, lookup)};
  check_bounds(view, name);
  return view;
}

}  // namespace regnet::torch
