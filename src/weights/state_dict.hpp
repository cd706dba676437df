// state_dict: the object of a torch file in; its state dict, and what else a Checkpoint keeps of it, out. The object may refer to one
// value a million times, or to itself: every dict is looked into once, and what is copied out is bounded.
#pragma once

#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/weights/tensor_map.hpp>

#include "weights/pickle.hpp"
#include "weights/torch_tensor.hpp"

namespace regnet::torch {

inline constexpr std::size_t max_string_bytes = std::size_t{1} << 20;  // of a string kept as metadata

// Where weights are looked for: pycls, mmcls and timm, others.
inline constexpr std::array<std::string_view, 5> weights_keys{"model_state", "state_dict", "model", "model_state_dict", "net"};

inline bool is_name(const Value& key) { return key.kind == Kind::string && key.text.size() <= max_name_bytes && is_utf8(key.text); }

// A number or a string as text; nothing for anything else and for strings that are no text.
inline std::optional<std::string> scalar_text(const Value& value) {
  if (value.kind == Kind::boolean) return value.integer ? "true" : "false";
  if (value.kind == Kind::integer) return std::to_string(value.integer);
  if (value.kind == Kind::string && value.text.size() <= max_string_bytes && is_utf8(value.text)) return std::string(value.text);
  if (value.kind != Kind::real) return std::nullopt;
  std::array<char, 32> digits;
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value.real).ptr;  // the shortest that reads back the same
  return std::string(digits.data(), end);
}

class StateDictFinder {
 public:
  struct Found {
    std::string key;  // dotted; empty: the object itself
    const Value* dict = nullptr;
    std::string reason;  // why it was taken, when it is not the first that one would look for
  };

  explicit StateDictFinder(const Value& object) : x_object(object) {}

  // Throws unsupported when the file has no state dict where one is looked for, not_found for a key that the caller chose.
  Found find(const std::string& weights_key) {
    if (const Value* entry = x_object.at(weights_key); entry && !weights_key.empty() && place(*entry))
      return find_chosen(weights_key);  // a name goes before a word
    if (weights_key.empty() || weights_key == "auto") return find_usual();
    if (weights_key == "model") return swapped_by_mmengine() ? find_chosen("ema_state_dict") : find_first();
    if (weights_key != "ema") return find_chosen(weights_key);
    const std::vector<std::string> keys = averaged_keys();
    if (keys.empty()) fail(Code::not_found, "no averaged weights (EMA); entries with weights: ", list_of(others({})));
    if (keys.size() > 1) fail(Code::not_found, "averaged weights (EMA) in several entries, of which one must be named: ", list_of(keys));
    return find_chosen(keys[0]);
  }

  // The entries with averaged weights. Called so by their framework: ema_state, state_dict_ema, model_ema and the like; but in files of mmengine it is
  // state_dict, and ema_state_dict holds what training goes on from (EMAHook swaps them when it saves).
  std::vector<std::string> averaged_keys() {
    if (swapped_by_mmengine()) return {"state_dict"};
    std::vector<std::string> keys = others({});
    std::erase_if(keys, [](const std::string& key) { return !has_word(key, "ema"); });
    return keys;
  }

  // The entries of the object that hold tensors and are not `taken`; optimizers' do not count.
  std::vector<std::string> others(const Found& taken) {
    std::vector<std::string> keys;
    for_each_entry(x_object, [&](std::string_view key, const Value& entry) {
      const Found* found = key.starts_with("optim") ? nullptr : place(entry);
      if (found && found->dict != taken.dict) keys.push_back(joined(key, found->key));
    });
    return keys;
  }

  // Numbers and strings of the object and of the dicts in it, but for its weights and optimizers.
  std::map<std::string, std::string> metadata() {
    std::map<std::string, std::string> out;
    std::size_t left = max_text_bytes;
    const auto keep = [&](std::string name, const Value& value) {
      if (name.size() + value.text.size() > left) return;  // before the text is looked at: many keys may refer to one
      const std::optional<std::string> text = scalar_text(value);
      if (!text || name.size() + text->size() > left) return;
      left -= name.size() + text->size();
      out.insert_or_assign(std::move(name), *text);
    };
    std::unordered_set<const Value*> seen{&x_object};
    for_each_entry(x_object, [&](std::string_view key, const Value& entry) {
      keep(std::string(key), entry);
      if (entry.kind != Kind::dict || key.starts_with("optim") || holds_tensors(entry) || !seen.insert(&entry).second) return;
      for_each_entry(entry, [&](std::string_view inner, const Value& value) { keep(joined(key, inner), value); });
    });
    return out;
  }

  // mmcls's meta.CLASSES or mmengine's meta.dataset_meta.classes; empty unless they are strings.
  [[nodiscard]] std::vector<std::string> class_names() const {
    const Value* meta = x_object.at("meta");
    const Value* names = meta ? meta->at("CLASSES") : nullptr;
    if (const Value* dataset = meta && !names ? meta->at("dataset_meta") : nullptr) {
      names = dataset->at("classes");
      if (!names) names = dataset->at("CLASSES");
    }
    std::vector<std::string> out;
    if (!names || (names->kind != Kind::tuple && names->kind != Kind::list)) return out;
    std::size_t left = max_text_bytes;
    for (const Value* name : names->items) {
      if (!is_name(*name) || name->text.size() + sizeof(std::string) > left) return {};
      left -= name->text.size() + sizeof(std::string);
      out.emplace_back(name->text);
    }
    return out;
  }

 private:
  Found find_first() {
    for (const std::string_view key : weights_keys)
      if (const Value* entry = x_object.at(key))
        if (const Found* found = place(*entry)) return {joined(key, found->key), found->dict, {}};
    if (const Value* model = classy_model()) return {"classy_state_dict.base_model.model", model, {}};
    if (holds_tensors(x_object)) return {"", &x_object, {}};
    fail(Code::unsupported, "no weights: ", describe_object());
  }

  // pycls's own rule (core/checkpoint.py): the averaged weights when their error is below the others'.
  Found find_usual() {
    const auto real = [&](std::string_view key) {
      const Value* value = x_object.at(key);
      if (value && value->kind == Kind::integer) return static_cast<double>(value->integer);
      return value && value->kind == Kind::real ? value->real : 100.0;
    };
    const double test_err = real("test_err"), ema_err = real("ema_err");
    const Value* averaged = x_object.at("ema_state");
    if (!(ema_err < test_err) || !averaged || !place(*averaged)) return find_first();
    Found found = find_chosen("ema_state");
    found.reason = text("averaged; chosen as pycls does, since ema_err ", ema_err, " is below test_err ", test_err);
    return found;
  }

  bool swapped_by_mmengine() {
    const Value* meta = x_object.at("meta");
    const Value* averaged = x_object.at("ema_state_dict");
    return meta && meta->at("mmengine_version") && averaged && place(*averaged);
  }

  // The dict of trunk and heads in a checkpoint of classy-vision or VISSL, or nullptr.
  [[nodiscard]] const Value* classy_model() const {
    const Value* value = &x_object;
    for (const std::string_view key : {"classy_state_dict", "base_model", "model"})
      if (value) value = value->at(key);
    return value && value->at("trunk") && value->at("trunk")->kind == Kind::dict ? value : nullptr;
  }

  // Whether the letters of `key`, in either case, have `word` among them, as "ModelEMA" does not but "model_EMA" and "ema.model" do.
  static bool has_word(std::string_view key, std::string_view word) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    std::string letters;
    for (const char c : key) letters += lower(c) >= 'a' && lower(c) <= 'z' ? lower(c) : ' ';
    return (' ' + letters + ' ').find(' ' + std::string(word) + ' ') != std::string::npos;
  }

  static std::string list_of(const std::vector<std::string>& keys) {
    std::string list;
    for (const std::string& key : keys) list += (list.empty() ? "" : ", ") + in_quotes(key);
    return list.empty() ? "none" : printable(list, 1000);
  }

  static std::string joined(std::string_view outer, std::string_view inner) {
    return std::string(outer) + (inner.empty() ? "" : ".") + std::string(inner);
  }

  // Calls visit(key, value) once for each distinct key that is a name.
  template <class Visit>
  static void for_each_entry(const Value& dict, Visit visit) {
    if (dict.kind != Kind::dict) return;
    std::unordered_set<std::string_view> seen;
    for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2)
      if (is_name(*dict.items[i]) && seen.insert(dict.items[i]->text).second) visit(dict.items[i]->text, *dict.items[i + 1]);
  }

  // Whether some value of the dict is a tensor.
  bool holds_tensors(const Value& value) {
    if (value.kind != Kind::dict) return false;
    const auto [known, is_new] = x_holds_tensors.emplace(&value, false);
    if (is_new)
      for (std::size_t i = 0; i < value.items.size() && !known->second; i += 2)
        known->second = value.items[i]->kind == Kind::string && is_tensor(*value.items[i + 1]);
    return known->second;
  }

  // The state dict that an entry is or has under one of the known keys, or nullptr.
  const Found* place(const Value& entry) {
    if (entry.kind != Kind::dict) return nullptr;
    const auto [known, is_new] = x_places.emplace(&entry, Found{});
    if (is_new) {
      if (holds_tensors(entry)) known->second.dict = &entry;
      for (std::size_t i = 0; i < weights_keys.size() && !known->second.dict; ++i)
        if (const Value* inner = entry.at(weights_keys[i]); inner && holds_tensors(*inner)) known->second = {std::string(weights_keys[i]), inner, {}};
    }
    return known->second.dict ? &known->second : nullptr;
  }

  Found find_chosen(const std::string& key) {
    const Value* entry = x_object.at(key);
    if (const std::size_t dot = key.find('.'); !entry && dot != std::string::npos) {
      const Value* outer = x_object.at(key.substr(0, dot));
      entry = outer ? outer->at(key.substr(dot + 1)) : nullptr;
    }
    const Found* found = entry ? place(*entry) : nullptr;
    if (found) return {joined(key, found->key), found->dict, {}};
    fail(Code::not_found, "no weights under ", in_quotes(key), entry ? ", whose type is " + printable(entry->python_name()) : std::string(),
         "; entries with weights: ", list_of(others({})));
  }

  std::string describe_object() {
    if (x_object.kind == Kind::call || x_object.kind == Kind::global)
      return text("the file holds a whole object of class ", printable(x_object.python_name()), "; save its state_dict() instead");
    std::string message = "expected tensors in an entry model_state, state_dict, model, model_state_dict or net, or in the object itself, found a " +
                          std::string(name_of(x_object.kind));
    std::size_t listed = 0;
    for_each_entry(x_object, [&](std::string_view key, const Value& entry) {
      constexpr std::size_t limit = 8;
      if (listed < limit) message += text(listed ? ", " : " of ", in_quotes(key), ": ", printable(entry.python_name()));
      if (++listed == limit + 1) message += ", ...";
    });
    return message;
  }

  const Value& x_object;
  std::unordered_map<const Value*, bool> x_holds_tensors;
  std::unordered_map<const Value*, Found> x_places;
};

// Adds the tensors of a state dict, their names behind `prefix`. An entry that is neither a tensor nor plain data could have been a tensor: that is an error.
inline void add_tensors(const Value& dict, const StorageLookup& lookup, TensorMap& tensors, const std::string& prefix = {}) {
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const Value& key = *dict.items[i];
    const Value& value = *dict.items[i + 1];
    const bool opaque = value.kind == Kind::call || value.kind == Kind::persistent || (value.kind == Kind::global && !is_known_global(value.text));
    if (!opaque) continue;
    if (!is_name(key)) fail(Code::bad_format, "a tensor's name: expected a str of at most ", max_name_bytes, " bytes, found a ", name_of(key.kind));
    const std::string name = prefix + std::string(key.text);
    if (!is_tensor(value))
      fail(Code::bad_format, in_quotes(name), ": expected a tensor, found ", printable(value.python_name()), ", which this reader does not call");
    tensors.add(name, to_view(value, printable(name), lookup));
  }
}

// The same for what StateDictFinder found: a state dict, or classy-vision's two, which become "trunk." and "heads."; a trunk may stand alone.
inline void add_found_tensors(const Value& dict, const StorageLookup& lookup, TensorMap& tensors) {
  const Value* trunk = dict.at("trunk");
  const Value* heads = dict.at("heads");
  if (!trunk || trunk->kind != Kind::dict) return add_tensors(dict, lookup, tensors);
  add_tensors(*trunk, lookup, tensors, "trunk.");
  if (heads && heads->kind == Kind::dict) add_tensors(*heads, lookup, tensors, "heads.");
}

// Views that repeat elements (tensor.expand) or share them are how a few bytes become a terabyte once they are copied out. Sharing as such is common, and
// compression too, so the bound is wide.
inline void check_repetition(const TensorMap& tensors, std::size_t file_bytes) {
  const std::uint64_t limit = 16 * std::uint64_t{file_bytes} + (std::uint64_t{1} << 24);
  std::uint64_t sum = 0;
  for (const NamedTensor& tensor : tensors) {
    const auto count = static_cast<std::uint64_t>(element_count(tensor.view.shape));  // at most 2^62
    sum += std::min(count, limit) * size_of(tensor.view.dtype);
    if (sum > limit)
      fail(Code::unsupported, in_quotes(tensor.name), " of shape ", to_string(tensor.view.shape),
           ": expanded or shared tensors, which together would take more than 16 times the file; save contiguous copies of them");
  }
}

}  // namespace regnet::torch
