// Pictures for tests: formulas that tools/golden/synthetic.py has too, files of the tests folder, and a few helpers around bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <iterator>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/image/image.hpp>
#include <regnet/weights/synthetic.hpp>

namespace regnet {

using FileBytes = std::vector<std::uint8_t>;

inline Image picture(int width, int height) { return {width, height, std::vector<std::uint8_t>(std::size_t(width) * std::size_t(height) * 3)}; }

// Independent values 0 to 255.
inline Image noise(int width, int height) {
  const SyntheticStream u("image");
  Image image = picture(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); ++i) image.rgb[i] = static_cast<std::uint8_t>(256.0 * u(i));
  return image;
}

// Folded ramps.
inline Image smooth(int width, int height) {
  Image image = picture(width, height);
  std::uint8_t* pixel = image.rgb.data();
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        const int v = (7 * x + 13 * y + 50 * c + x * y / 16) % 512;
        *pixel++ = static_cast<std::uint8_t>(v < 256 ? v : 511 - v);
      }
  return image;
}

inline Image uniform(int width, int height, std::uint8_t red, std::uint8_t green, std::uint8_t blue) {
  Image image = picture(width, height);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    image.rgb[i] = red;
    image.rgb[i + 1] = green;
    image.rgb[i + 2] = blue;
  }
  return image;
}

// `name` is below tests/.
inline FileBytes read_test_file(const std::string& name) {
  const std::string path = std::string(REGNET_TEST_DIR) + "/" + name;
  std::ifstream file(path, std::ios::binary);
  if (!file) throw std::runtime_error("cannot open " + path);
  return {std::istreambuf_iterator<char>(file), {}};
}

inline std::span<const std::byte> as_bytes(const FileBytes& bytes) { return std::as_bytes(std::span(bytes)); }

inline std::vector<std::uint8_t> from_base64(std::string_view text) {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::vector<std::uint8_t> bytes;
  std::uint32_t held = 0;
  int bits = 0;
  for (const char c : text) {
    const std::size_t digit = alphabet.find(c);
    if (digit == std::string_view::npos) break;  // the padding
    held = held << 6 | static_cast<std::uint32_t>(digit);
    if ((bits += 6) < 8) continue;
    bits -= 8;
    bytes.push_back(static_cast<std::uint8_t>(held >> bits));
  }
  return bytes;
}

inline std::vector<float> floats_from_base64(std::string_view text) {
  const std::vector<std::uint8_t> bytes = from_base64(text);
  std::vector<float> values(bytes.size() / sizeof(float));
  std::memcpy(values.data(), bytes.data(), values.size() * sizeof(float));
  return values;
}

// FNV-1a, 64 bits.
inline std::uint64_t hash_of(std::span<const std::uint8_t> bytes) {
  std::uint64_t hash = 14695981039346656037ull;
  for (const std::uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211ull;
  return hash;
}

}  // namespace regnet
