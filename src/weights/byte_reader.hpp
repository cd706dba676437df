// ByteReader: a cursor over foreign bytes that refuses to leave them. Numbers are assembled byte by byte,
// so neither the alignment of the file nor the byte order of the machine matters.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <regnet/base/error.hpp>

namespace regnet {

class ByteReader {
 public:
  // `what` opens the error messages, such as "data.pkl".
  ByteReader(std::span<const std::byte> bytes, std::string what, std::size_t at = 0) : x_bytes(bytes), x_what(std::move(what)), x_at(at) {
    if (at > bytes.size()) refuse("ends before this point");
  }

  [[nodiscard]] std::size_t offset() const { return x_at; }
  [[nodiscard]] std::size_t left() const { return x_bytes.size() - x_at; }
  [[nodiscard]] const std::string& what() const { return x_what; }

  // Throws bad_format with the place in front of the parts.
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(Code::bad_format, x_what, " at byte ", x_at, ": ", parts...);
  }

  std::span<const std::byte> take(std::uint64_t count) {
    if (count > left()) refuse("expected ", count, " more bytes, found ", left());
    const auto taken = x_bytes.subspan(x_at, static_cast<std::size_t>(count));
    x_at += taken.size();
    return taken;
  }

  std::string_view take_text(std::uint64_t count) {
    const auto taken = take(count);
    return {reinterpret_cast<const char*>(taken.data()), taken.size()};
  }

  template <std::unsigned_integral T>
  T little() {
    T value = 0;
    const auto taken = take(sizeof(T));
    for (std::size_t i = 0; i < sizeof(T); ++i) value = static_cast<T>(value | (std::to_integer<T>(taken[i]) << (8 * i)));
    return value;
  }

  std::uint64_t big64() {
    std::uint64_t value = 0;
    for (const std::byte byte : take(8)) value = value << 8 | std::to_integer<std::uint64_t>(byte);
    return value;
  }

  // The characters up to the next line feed, which is consumed.
  std::string_view line() {
    const std::string_view rest{reinterpret_cast<const char*>(x_bytes.data()) + x_at, left()};
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) refuse("expected a line feed, found the end");
    x_at += end + 1;
    return rest.substr(0, end);
  }

 private:
  std::span<const std::byte> x_bytes;
  std::string x_what;
  std::size_t x_at;
};

}  // namespace regnet
