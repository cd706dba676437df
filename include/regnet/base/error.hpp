// Error: the one exception type of the library. In: a code and the parts of a sentence that says
// where, what, what was expected and what was found. Out: what() for people, code() for programs.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

#include <regnet/base/export.hpp>

namespace regnet {

// What kind of thing went wrong: what a program can react to.
enum class Code {
  invalid_argument,  // a value the caller chose cannot be used
  not_found,         // a file, model or name that does not exist
  io,                // the operating system refused
  bad_format,        // foreign bytes that are damaged or hostile
  unsupported,       // well-formed, but nothing here can handle it
  mismatch,          // two inputs do not belong together (weights and network, labels and classes)
  numeric            // a value that makes the result meaningless (NaN)
};

class REGNET_API Error : public std::runtime_error {
 public:
  // `message` is what what() returns.
  Error(Code code, const std::string& message) : std::runtime_error(message), x_code(code) {}
  // The kind of error.
  [[nodiscard]] Code code() const noexcept { return x_code; }

 private:
  Code x_code;
};

// Returns the parts streamed one after the other.
template <class... Parts>
[[nodiscard]] std::string text(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

// Throws Error{code} with the parts as its message.
template <class... Parts>
[[noreturn]] void fail(Code code, const Parts&... parts) {
  throw Error(code, text(parts...));
}

}  // namespace regnet
