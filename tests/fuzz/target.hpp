// target: what every fuzz target has in common. A target takes any bytes; its reader either gives a result or throws regnet::Error, and anything else is a
// finding: another exception, a sanitizer's report, a broken promise, or more time or memory than libFuzzer allows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>

#include <regnet/base/error.hpp>

namespace regnet::fuzz {

// A promise of the reader that the sanitizers cannot see.
inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

template <class Read>
int run(const std::uint8_t* data, std::size_t size, Read read) {
  try {
    read(std::as_bytes(std::span(data, size)));
  } catch (const Error& error) {
    promise(error.what()[0] != '\0', "an error says what is wrong");
  }
  return 0;
}

}  // namespace regnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
