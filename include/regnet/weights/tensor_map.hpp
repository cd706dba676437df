// TensorMap and Checkpoint: what a weights file holds, before anything is known about the network. In: a
// reader's tensors by name, in file order; out: views that stay valid as long as the map lives.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <regnet/base/byte_owner.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/tensor_view.hpp>

namespace regnet {

// What a checkpoint may hold, so that no file costs more memory than it is worth. The largest RegNet has 400 tensors, their names have some 60 bytes.
inline constexpr std::size_t max_tensors = std::size_t{1} << 15;
inline constexpr std::size_t max_name_bytes = 256;
inline constexpr std::size_t max_rank = 16;
inline constexpr std::size_t max_text_bytes = std::size_t{1} << 24;  // of class names, and of the metadata that a torch file scatters

// A tensor as a file has it.
struct NamedTensor {
  std::string name;
  TensorView view;
};

class TensorMap {
 public:
  // Appends a tensor whose bounds were checked. Throws bad_format when the name is there already, unsupported beyond max_tensors.
  void add(std::string name, TensorView view) {
    if (x_tensors.size() == max_tensors) fail(Code::unsupported, "more than ", max_tensors, " tensors");
    if (!x_index.emplace(name, x_tensors.size()).second) fail(Code::bad_format, in_quotes(name), ": appears twice");
    x_tensors.push_back({std::move(name), std::move(view)});
  }

  // Appends row-major values that the map keeps.
  void add(std::string name, std::vector<float> values, Shape shape) {
    auto owner = std::make_shared<const OwnedVector<float>>(std::move(values));
    add(std::move(name), view_of(owner->elements(), std::move(shape)));
    keep_alive(std::move(owner));
  }

  // Keeps the bytes behind the views (a mapping, an inflated entry) alive with this map and its copies.
  void keep_alive(std::shared_ptr<const ByteOwner> owner) {
    if (owner) x_owners.push_back(std::move(owner));
  }

  // Keeps what `other` keeps alive, whose views may then be added here.
  void keep_alive_with(const TensorMap& other) { x_owners.insert(x_owners.end(), other.x_owners.begin(), other.x_owners.end()); }

  // A hint that the view's bytes are not needed soon (ByteOwner::release).
  void release(const TensorView& view) const noexcept {
    for (const auto& owner : x_owners) owner->release(view.storage);
  }

  // Returns nullptr when there is no such tensor.
  [[nodiscard]] const TensorView* find(std::string_view name) const {
    const auto found = x_index.find(std::string(name));
    return found == x_index.end() ? nullptr : &x_tensors[found->second].view;
  }

  // Tensors, in the order in which they were added.
  [[nodiscard]] std::size_t size() const { return x_tensors.size(); }
  [[nodiscard]] bool empty() const { return x_tensors.empty(); }
  [[nodiscard]] auto begin() const { return x_tensors.begin(); }
  [[nodiscard]] auto end() const { return x_tensors.end(); }

 private:
  std::vector<NamedTensor> x_tensors;
  std::unordered_map<std::string, std::size_t> x_index;
  std::vector<std::shared_ptr<const ByteOwner>> x_owners;
};

// What kind of file tensors come from.
enum class Container { safetensors, torch_zip, torch_legacy };

// "safetensors", "torch-zip" (torch.save since 1.6) or "torch-legacy" (before).
constexpr std::string_view name_of(Container container) {
  switch (container) {
    case Container::safetensors: return "safetensors";
    case Container::torch_zip: return "torch-zip";
    case Container::torch_legacy: return "torch-legacy";
  }
  return "?";
}

struct Checkpoint {
  Container container = Container::safetensors;
  std::string weights_key;                      // the entry the tensors were taken from, such as "model_state"; empty: the file itself
  std::string weights_reason;                   // why that entry, when it is not the first that one would look for; a phrase
  std::string ema_key;                          // the (first) entry with averaged weights, taken or not; empty: none
  std::vector<std::string> other_weights_keys;  // entries that hold tensors too and were not taken, such as an EMA
  TensorMap tensors;                            // named as in the file
  std::map<std::string, std::string> metadata;  // of safetensors, or the strings and numbers beside a torch state dict ("meta.mmcls_version", "cfg")
  std::vector<std::string> class_names;         // safetensors' regnet.classes, mmcls's meta.CLASSES; empty when the file has none
  std::vector<std::string> refused_globals;     // Python names the file wanted called, in printable ASCII; none ever is
};

}  // namespace regnet
