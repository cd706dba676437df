// shard: one of several parts of a piece of work, as --shard names it.
#pragma once

#include <charconv>
#include <string>

#include <regnet/base/error.hpp>

struct Shard {
  int number = 1, of = 1;
};

// "I/N" with I from 1 to N; nothing is all. Throws invalid_argument.
inline Shard parse_shard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const char* const end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, shard.number);
  const bool split = first == std::errc{} && slash != end && *slash == '/';
  const auto [rest, second] = split ? std::from_chars(slash + 1, end, shard.of) : std::from_chars_result{end, std::errc::invalid_argument};
  if (second != std::errc{} || rest != end || shard.number < 1 || shard.number > shard.of)
    regnet::fail(regnet::Code::invalid_argument, "--shard: expected I/N with I from 1 to N, such as 2/3, found '", text, "'");
  return shard;
}
