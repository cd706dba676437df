#include "npy.hpp"

#include <cctype>
#include <cstring>
#include <fstream>

#include <regnet/base/mapped_file.hpp>

namespace {

using regnet::Code;
using regnet::fail;

constexpr std::string_view npy_magic = "\x93NUMPY\x01";

// The text after "'key':" in the header's dictionary.
std::string_view value_of(const std::filesystem::path& path, std::string_view header, std::string_view key) {
  const std::size_t at = header.find(regnet::text('\'', key, "':"));
  if (at == std::string_view::npos) fail(Code::bad_format, path.string(), ": .npy header has no ", key);
  std::string_view value = header.substr(at + key.size() + 3);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  return value;
}

regnet::Shape parse_shape(const std::filesystem::path& path, std::string_view value) {
  regnet::Shape shape;
  std::int64_t number = -1;
  for (const char c : value.substr(0, value.find(')'))) {
    if (std::isdigit(static_cast<unsigned char>(c))) {
      number = (number < 0 ? 0 : number) * 10 + (c - '0');
      if (number > 1'000'000'000'000) fail(Code::bad_format, path.string(), ": .npy shape is too large");
    } else if (number >= 0) {
      shape.push_back(number);
      number = -1;
    }
  }
  if (number >= 0) shape.push_back(number);
  return shape;
}

}  // namespace

void write_npy(const std::filesystem::path& path, const regnet::Shape& shape, std::span<const float> values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t extent : shape) header += std::to_string(extent) + ", ";
  header += "), }";
  header.append(63 - (npy_magic.size() + 3 + header.size()) % 64, ' ');
  header += '\n';
  std::ofstream file(path, std::ios::binary);
  file << npy_magic << '\0' << static_cast<char>(header.size() & 0xff) << static_cast<char>(header.size() >> 8) << header;
  file.write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  file.close();
  if (!file) fail(Code::io, path.string(), ": cannot write ", values.size_bytes(), " bytes");
}

NpyArray read_npy(const std::filesystem::path& path) {
  const regnet::MappedFile file(path);
  const std::string_view bytes(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size());
  if (bytes.size() < 10 || !bytes.starts_with(npy_magic)) fail(Code::bad_format, path.string(), ": expected a .npy file of version 1.0");
  const std::size_t length = static_cast<unsigned char>(bytes[8]) | static_cast<std::size_t>(static_cast<unsigned char>(bytes[9])) << 8;
  if (bytes.size() - 10 < length) fail(Code::bad_format, path.string(), ": .npy header is truncated");
  const std::string_view header = bytes.substr(10, length);
  if (!value_of(path, header, "descr").starts_with("'<f4'") || !value_of(path, header, "fortran_order").starts_with("False"))
    fail(Code::unsupported, path.string(), ": expected float32 in C order, found ", header.substr(0, header.find('\n')));
  NpyArray array{parse_shape(path, value_of(path, header, "shape")), {}};
  const std::int64_t count = regnet::element_count(array.shape);
  const std::string_view data = bytes.substr(10 + length);
  if (data.size() / sizeof(float) != static_cast<std::size_t>(count) || data.size() % sizeof(float) != 0)
    fail(Code::bad_format, path.string(), ": shape ", regnet::to_string(array.shape), " needs ", count, " floats, found ", data.size(), " bytes");
  array.values.resize(static_cast<std::size_t>(count));
  if (count > 0) std::memcpy(array.values.data(), data.data(), data.size());
  return array;
}

NpyArray read_npy_images(const std::filesystem::path& path, const regnet::Dims& dims) {
  NpyArray array = read_npy(path);
  if (array.shape.size() != 4 || array.shape[0] < 1 || array.shape[1] != dims.channels || array.shape[2] != dims.height ||
      array.shape[3] != dims.width)
    fail(Code::mismatch, path.string(), ": expected [n, ", dims.channels, ", ", dims.height, ", ", dims.width, "] with n >= 1, found ",
         regnet::to_string(array.shape));
  return array;
}
