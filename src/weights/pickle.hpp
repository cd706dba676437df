// pickle: the bytes of a Python pickle in, a tree of plain values out. A pickle is a program for a stack machine;
// this interpreter knows a closed list of opcodes and calls nothing: what Python would call stays in the tree as a Kind::call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace regnet::pickle {

enum class Kind {
  none,
  boolean,
  integer,
  big_integer,
  real,
  string,
  bytes,
  list,
  tuple,
  dict,
  set,
  global,     // a class or function, by name
  call,       // of a global (or of anything else) with arguments
  persistent  // something the file keeps outside the pickle
};

std::string_view name_of(Kind kind);

// A node. `text` points into the pickle or the heap; `items` may form cycles, as Python's may.
struct Value {
  Kind kind = Kind::none;
  union {
    std::int64_t integer = 0;  // integer, boolean
    double real;
  };
  std::string_view text;            // string, bytes; big_integer: two's complement, little endian; global: "module.name"
  std::vector<const Value*> items;  // list, tuple, set: elements; dict: key, value, key, value...; call: callee, arguments; persistent: its id

  // The value of a string key in a dict, or nullptr. Of equal keys the last counts, as in Python.
  [[nodiscard]] const Value* at(std::string_view key) const;

  // The dotted name of what is called or referred to; for other kinds that of the kind.
  [[nodiscard]] std::string_view python_name() const;
};

// Owns every value of a file. Values never own each other, so neither deep nor cyclic ones are a matter for their destruction.
class Heap {
 public:
  Value& make(Kind kind);
  std::string_view intern(std::string text) { return *x_names.insert(std::move(text)).first; }

 private:
  std::deque<Value> x_values;
  std::unordered_set<std::string> x_names;  // nodes stay where they are
};

struct Program {
  const Value* result = nullptr;
  std::size_t end = 0;                    // of the pickle, in bytes from the start of `bytes`
  std::vector<const Value*> persistents;  // in order of appearance
  std::vector<std::string_view> globals;  // distinct names in order of appearance, without those that only make containers
};

// Runs the pickle that starts at byte `at`. Protocols up to 5 as far as the opcodes are known. Throws bad_format, naming `what` and the byte,
// or unsupported. The values live as long as `heap` and `bytes`.
Program run(std::span<const std::byte> bytes, std::size_t at, const std::string& what, Heap& heap);

}  // namespace regnet::pickle
