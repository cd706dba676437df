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

inline std::string in_quotes(std::string_view foreign) {
  std::string out = "'";
  out += printable(foreign);
  out += '\'';
  return out;
}

// Whether the text is UTF-8 (no overlong forms, no surrogates), as JSON output needs it.
inline bool is_utf8(std::string_view text) {
  for (std::size_t i = 0; i < text.size();) {
    const auto lead = static_cast<unsigned char>(text[i++]);
    if (lead < 0x80) continue;
    const int more = lead >= 0xc2 && lead <= 0xdf ? 1 : lead >= 0xe0 && lead <= 0xef ? 2 : lead >= 0xf0 && lead <= 0xf4 ? 3 : 0;
    if (more == 0 || text.size() - i < static_cast<std::size_t>(more)) return false;
    char32_t point = lead & (0x3fu >> more);
    for (int k = 0; k < more; ++k) {
      const auto next = static_cast<unsigned char>(text[i++]);
      if ((next & 0xc0) != 0x80) return false;
      point = point << 6 | (next & 0x3fu);
    }
    const char32_t least = more == 1 ? 0x80 : more == 2 ? 0x800 : 0x10000;
    if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
  }
  return true;
}

}  // namespace regnet
