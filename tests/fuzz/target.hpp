// target: what every fuzz target has in common. A target takes any bytes; its reader either gives a result or throws regnet::Error, and anything else is a
// finding: another exception, a sanitizer's report, a broken promise, or more time or memory than libFuzzer allows.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <span>
#include <string_view>

#include <regnet/base/error.hpp>

namespace regnet::fuzz {

// A promise of the reader that the sanitizers cannot see.
inline void promise(bool kept, const char* what) {
  if (kept) return;
  std::fprintf(stderr, "broken promise: %s\n", what);
  std::abort();
}

// A newline would make several lines of it, and an escape sequence is for the terminal that shows it.
inline void check(std::string_view shown) {
  promise(std::all_of(shown.begin(), shown.end(), [](char c) { return c >= 0x20 && c < 0x7f; }), "what is shown is one line of plain text");
}

template <class Read>
int run(const std::uint8_t* data, std::size_t size, Read read) {
  try {
    read(std::as_bytes(std::span(data, size)));
  } catch (const Error& error) {
    const std::string_view message = error.what();
    promise(!message.empty(), "an error says what is wrong");
    check(message);
  }
  return 0;
}

}  // namespace regnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
