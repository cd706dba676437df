#include "sha256.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>

namespace {

using Words = std::array<std::uint32_t, 64>;

// The first 32 bits of the fractional part of a root of a prime: how the standard defines its constants.
std::uint32_t fraction_bits(long double root) { return static_cast<std::uint32_t>((root - std::floor(root)) * 0x1p32L); }

bool is_prime(int n) {
  for (int d = 2; d * d <= n; ++d)
    if (n % d == 0) return false;
  return true;
}

struct Constants {
  std::array<std::uint32_t, 8> initial{};
  Words rounds{};

  Constants() {
    std::size_t count = 0;
    for (int n = 2; count < rounds.size(); ++n) {
      if (!is_prime(n)) continue;
      if (count < initial.size()) initial[count] = fraction_bits(std::sqrt(static_cast<long double>(n)));
      rounds[count++] = fraction_bits(std::cbrt(static_cast<long double>(n)));
    }
  }
};

void compress(std::array<std::uint32_t, 8>& state, const std::byte* block, const Words& k) {
  Words w{};
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 4; ++j) w[i] = w[i] << 8 | std::to_integer<std::uint32_t>(block[4 * i + j]);
  for (std::size_t i = 16; i < 64; ++i) {
    const std::uint32_t s0 = std::rotr(w[i - 15], 7) ^ std::rotr(w[i - 15], 18) ^ (w[i - 15] >> 3);
    const std::uint32_t s1 = std::rotr(w[i - 2], 17) ^ std::rotr(w[i - 2], 19) ^ (w[i - 2] >> 10);
    w[i] = w[i - 16] + s0 + w[i - 7] + s1;
  }
  auto [a, b, c, d, e, f, g, h] = state;
  for (std::size_t i = 0; i < 64; ++i) {
    const std::uint32_t s1 = std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25);
    const std::uint32_t t1 = h + s1 + ((e & f) ^ (~e & g)) + k[i] + w[i];
    const std::uint32_t s0 = std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22);
    const std::uint32_t t2 = s0 + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + t1;
    d = c;
    c = b;
    b = a;
    a = t1 + t2;
  }
  const std::array<std::uint32_t, 8> sum{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) state[i] += sum[i];
}

}  // namespace

std::string sha256(std::span<const std::byte> bytes, const regnet::ByteOwner* owner) {
  const Constants constants;
  std::array<std::uint32_t, 8> state = constants.initial;
  const std::size_t whole = bytes.size() / 64 * 64;
  constexpr std::size_t step = std::size_t{1} << 22;
  for (std::size_t at = 0; at < whole; at += 64) {
    compress(state, bytes.data() + at, constants.rounds);
    if (owner && at % step == step - 64) owner->release(bytes.subspan(at + 64 - step, step));
  }
  // The rest, a one bit, zeros, and the length in bits fill one or two more blocks.
  std::array<std::byte, 128> tail{};
  const std::size_t rest = bytes.size() - whole;
  if (rest > 0) std::memcpy(tail.data(), bytes.data() + whole, rest);
  tail[rest] = std::byte{0x80};
  const std::size_t length = rest < 56 ? 64 : 128;
  for (std::size_t i = 0; i < 8; ++i) tail[length - 1 - i] = static_cast<std::byte>(std::uint64_t{bytes.size()} * 8 >> (8 * i));
  for (std::size_t at = 0; at < length; at += 64) compress(state, tail.data() + at, constants.rounds);
  std::string digits;
  for (const std::uint32_t word : state)
    for (int shift = 28; shift >= 0; shift -= 4) digits += "0123456789abcdef"[word >> shift & 15];
  return digits;
}

// A day such as 20211213 has the form of a digest's beginning, and names hold them too.
static bool is_date(const std::string& digits) {
  if (digits.size() != 8 || digits.find_first_not_of("0123456789") != std::string::npos) return false;
  const int year = std::stoi(digits.substr(0, 4)), month = std::stoi(digits.substr(4, 2)), day = std::stoi(digits.substr(6, 2));
  return year >= 2000 && year < 2100 && month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

std::string digest_in_name(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  const std::string digits = stem.substr(stem.rfind('-') + 1);
  const bool hexadecimal = digits.find_first_not_of("0123456789abcdef") == std::string::npos;
  return digits.size() < stem.size() && digits.size() >= 6 && digits.size() <= 64 && hexadecimal && !is_date(digits) ? digits : "";
}
