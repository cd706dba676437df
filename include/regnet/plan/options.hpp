// options: what a caller may choose when compiling a plan and opening a session.
#pragma once

#include <string_view>

namespace regnet {

enum class Backend {
  onednn,    // fast
  reference  // every operation of the unfused graph in double, with Eigen: slow, the oracle
};

constexpr std::string_view name_of(Backend backend) { return backend == Backend::onednn ? "onednn" : "reference"; }

struct SessionOptions {
  int batch = 1;    // images per run
  int threads = 0;  // 0: default_threads()
};

struct CompileOptions {
  Backend backend = Backend::onednn;
  SessionOptions expected = {};  // the session that weights are packed for at compile time; others may need another packing
};

}  // namespace regnet
