// Writes PNG files of any colour type and depth, without compression, for modes that image libraries do not write.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace regnet {

class PngFile {
 public:
  PngFile(std::uint32_t width, std::uint32_t height, std::uint8_t depth, std::uint8_t colour_type) {
    std::vector<std::uint8_t> header;
    put32(header, width);
    put32(header, height);
    header.insert(header.end(), {depth, colour_type, 0, 0, 0});
    chunk("IHDR", header);
  }

  PngFile& chunk(std::string_view kind, const std::vector<std::uint8_t>& data) {
    put32(x_bytes, static_cast<std::uint32_t>(data.size()));
    const std::size_t start = x_bytes.size();
    x_bytes.insert(x_bytes.end(), kind.begin(), kind.end());
    x_bytes.insert(x_bytes.end(), data.begin(), data.end());
    std::uint32_t crc = ~0u;
    for (std::size_t i = start; i < x_bytes.size(); ++i) {
      crc ^= x_bytes[i];
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
    }
    put32(x_bytes, ~crc);
    return *this;
  }

  // The whole file. Each row is what follows its filter byte; all rows together stay below 64 kB.
  std::vector<std::uint8_t> with_rows(const std::vector<std::vector<std::uint8_t>>& rows) {
    std::vector<std::uint8_t> raw;
    for (const std::vector<std::uint8_t>& row : rows) {
      raw.push_back(0);
      raw.insert(raw.end(), row.begin(), row.end());
    }
    std::uint32_t a = 1, b = 0;
    for (const std::uint8_t byte : raw) b = (b + (a = (a + byte) % 65521)) % 65521;
    const auto low = static_cast<std::uint8_t>(raw.size()), high = static_cast<std::uint8_t>(raw.size() >> 8);
    std::vector<std::uint8_t> stream{0x78, 0x01, 0x01, low, high, static_cast<std::uint8_t>(~low), static_cast<std::uint8_t>(~high)};
    stream.insert(stream.end(), raw.begin(), raw.end());
    put32(stream, b << 16 | a);
    return chunk("IDAT", stream).chunk("IEND", {}).x_bytes;
  }

 private:
  static void put32(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<std::uint8_t>(value >> shift));
  }

  std::vector<std::uint8_t> x_bytes{0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
};

}  // namespace regnet
