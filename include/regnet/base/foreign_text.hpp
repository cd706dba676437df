// foreign_text: strings out of a file, made fit to be shown or stored. A name in a checkpoint may be a
// megabyte long, hold terminal escapes or be no text at all.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace regnet {

// ASCII only, at most about `limit` characters: other bytes become \xNN.
inline std::string printable(std::string_view foreign, std::size_t limit = 200) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : foreign) {
    if (out.size() >= limit) return out + "...";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte < 0x7f) out += c;
    else out += {'\\', 'x', digits[byte >> 4], digits[byte & 15]};
  }
  return out;
}

namespace detail {

// The characters that move the cursor, end lines, hide text or turn it around: C0, DEL, C1, line separators, bidirectional controls.
constexpr bool steers_a_terminal(char32_t c) {
  return c < 0x20 || (c >= 0x7f && c < 0xa0) || c == 0x2028 || c == 0x2029 || (c >= 0x200e && c <= 0x200f) || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069) || c == 0xfeff;
}

// The UTF-8 character at the start, as its length and code point; length 0: none (overlong forms and surrogates are none either).
struct Utf8 {
  std::size_t length = 0;
  char32_t point = 0;
};
inline Utf8 first_character(std::string_view text) {
  if (text.empty()) return {};
  const auto lead = static_cast<unsigned char>(text[0]);
  if (lead < 0x80) return {1, lead};
  const std::size_t more = lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
  if (more == 0 || text.size() <= more) return {};
  char32_t point = lead & (0x3fu >> more);
  for (std::size_t k = 1; k <= more; ++k) {
    const auto next = static_cast<unsigned char>(text[k]);
    if ((next & 0xc0) != 0x80) return {};
    point = point << 6 | (next & 0x3fu);
  }
  const char32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
  if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return {};
  return {more + 1, point};
}

}  // namespace detail

// For people to read: UTF-8 as it is on one line, at most about `limit` bytes; what is no text or would steer a terminal becomes \xNN.
inline std::string one_line(std::string_view foreign, std::size_t limit = 1000) {
  std::string out;
  while (!foreign.empty()) {
    if (out.size() >= limit) return out + "...";
    const auto [length, point] = detail::first_character(foreign);
    const std::string_view bytes = foreign.substr(0, length == 0 ? 1 : length);
    if (length == 0 || detail::steers_a_terminal(point))
      for (const char byte : bytes) out += printable({&byte, 1});
    else out += bytes;
    foreign.remove_prefix(bytes.size());
  }
  return out;
}

// printable, with an apostrophe before and after it: how messages show names.
inline std::string in_quotes(std::string_view foreign) {
  std::string out = "'";
  out += printable(foreign);
  out += '\'';
  return out;
}

// Whether the text is UTF-8 (no overlong forms, no surrogates), as JSON output needs it.
inline bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = detail::first_character(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

}  // namespace regnet
