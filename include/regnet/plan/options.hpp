// options: what a caller may choose when compiling a plan and opening a session.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include <regnet/base/error.hpp>
#include <regnet/plan/precision.hpp>
#include <regnet/plan/quantization.hpp>

namespace regnet {

// Whose kernels compute.
enum class Backend {
  automatic,  // own where its kernels are known to be faster on this CPU, else onednn
  own,        // kernels of this library, by the widest instruction set the CPU has
  onednn,     // kernels of oneDNN
  reference   // every operation of the unfused graph in double, with Eigen: slow, the oracle
};

// As the command spells it.
constexpr std::string_view name_of(Backend backend) {
  switch (backend) {
    case Backend::automatic: return "auto";
    case Backend::own: return "own";
    case Backend::onednn: return "onednn";
    case Backend::reference: return "reference";
  }
  return "?";
}

// The inverse.
constexpr std::optional<Backend> backend_of(std::string_view name) {
  for (const Backend backend : {Backend::automatic, Backend::own, Backend::onednn, Backend::reference})
    if (name == name_of(backend)) return backend;
  return {};
}

// Or else invalid_argument, with the names that are known and `where` in front.
inline Backend backend_named(std::string_view name, std::string_view where) {
  const std::optional<Backend> backend = backend_of(name);
  if (!backend) fail(Code::invalid_argument, where, ": expected auto, own, onednn or reference, found '", name, "'");
  return *backend;
}

// How a session runs; Session says what is allowed.
struct SessionOptions {
  int batch = 1;    // images per run
  int threads = 0;  // 0: default_threads()
};

// What a plan is made of and for.
struct CompileOptions {
  Backend backend = Backend::automatic;
  SessionOptions expected = {};  // the session that weights are packed for at compile time; others may need another packing
  bool compact = false;          // own backend: weights at their own size, where the fastest layout takes up to twice the memory
  std::map<std::string, std::string> ways =
      {};  // own backend: by layer_shape (tune.hpp), a way to go instead of the rule's; shapes that the network has not are ignored
  Precision precision = Precision::f32;
  Quantization quantization = {};  // of int8
};

}  // namespace regnet
