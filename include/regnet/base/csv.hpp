// csv: a text in, records of fields out, and a field in, its text out.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace regnet {

// A field as it stands in a record: in quotes where it holds what would end it.
inline std::string csv_field(const std::string& field) {
  if (field.find_first_of(",\"\r\n") == std::string::npos) return field;
  std::string out = "\"";
  for (const char c : field) out += c == '"' ? "\"\"" : std::string(1, c);
  return out + '"';
}

// Splits a text into records of fields as RFC 4180 says. Valid as long as the text is.
class CsvReader {
 public:
  // Begins at the first record; nothing is copied.
  explicit CsvReader(std::string_view text) : x_text(text) {}

  [[nodiscard]] bool at_end() const { return x_at == x_text.size(); }  // whether all records were read
  [[nodiscard]] int line() const { return x_line; }                    // of the record that was read last, from 1

  // Reads the next record into `fields`, whose memory is used again. Returns whether its quotes are sound; after an unsound one there is nothing to go on with.
  bool read(std::vector<std::string>& fields) {
    fields.assign(1, "");
    x_line = x_next_line;
    bool inside = false;
    for (; !at_end(); ++x_at) {
      const char c = x_text[x_at];
      x_next_line += c == '\n';
      if (inside) {
        if (c != '"') fields.back() += c;
        else if (x_at + 1 < x_text.size() && x_text[x_at + 1] == '"') fields.back() += x_text[++x_at];
        else inside = false;
      } else if (c == '"') {
        if (!fields.back().empty()) return false;
        inside = true;
      } else if (c == ',') {
        fields.emplace_back();
      } else if (c == '\n') {
        ++x_at;
        break;
      } else if (c != '\r') {
        fields.back() += c;
      }
    }
    return !inside;
  }

 private:
  std::string_view x_text;
  std::size_t x_at = 0;
  int x_line = 0, x_next_line = 1;
};

}  // namespace regnet
