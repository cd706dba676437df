// text_file: small files, whole, and errors that name them.
#pragma once

#include <string>

#include <regnet/base/error.hpp>
#include <regnet/base/mapped_file.hpp>

// Throws not_found or io, naming the file.
inline std::string read_text(const std::string& file) {
  const regnet::MappedFile mapped(file);
  return {reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()};
}

// What `action` returns; its errors with the file in front.
template <class Action>
auto naming(const std::string& file, Action action) {
  try {
    return action();
  } catch (const regnet::Error& error) {
    regnet::fail(error.code(), file, ": ", error.what());
  }
}

// What `read` returns of the file's text; its errors with the file in front.
template <class Read>
auto read_file(const std::string& file, Read read) {
  const std::string text = read_text(file);
  return naming(file, [&] { return read(text); });
}
