// Params: the few numbers that describe a RegNet, in the paper's letters. In: a user's or the zoo's numbers;
// out: the same numbers, known to be usable. Source: "Designing Network Design Spaces", arXiv 2003.13678, section 3.3.
#pragma once

#include <charconv>
#include <cmath>
#include <string>

#include <regnet/base/error.hpp>

namespace regnet {

// Which code base's rule makes a stage width divisible by its group width. The same numbers can give two
// networks: RegNetX-400MF ends 384 wide by pycls's rule and 400 wide by torchvision's.
enum class WidthRule {
  pycls,       // nearest multiple, ties to even; also mmcls's and timm's
  torchvision  // nearest multiple, ties up, and never less than 90% of the width
};

struct Params {
  int w_0 = 0;            // initial width
  double w_a = 0;         // slope of the widths over the blocks
  double w_m = 0;         // ratio between the widths of two quantised levels
  int d = 0;              // depth: number of blocks
  int group_width = 0;    // channels per group of the 3x3 convolutions
  double bottleneck = 1;  // bottleneck width over block width (1/b in the paper)
  WidthRule rule = WidthRule::pycls;

  friend bool operator==(const Params&, const Params&) = default;
};

// Widths are multiples of this many channels before they are fitted to the group width.
inline constexpr int width_quantum = 8;

// No layer may be wider: twenty times the widest published, and small enough that the cost of a layer cannot overflow.
inline constexpr int widest = 1 << 16;

// No network, and no stage, has more blocks.
inline constexpr int most_blocks = 1024;

namespace detail {

// The shortest decimal that reads back as the same number.
inline std::string shortest(double value) {
  char digits[32];
  return std::string(digits, std::to_chars(digits, digits + sizeof(digits), value).ptr);
}

}  // namespace detail

// "w0=24,wa=24.48,wm=2.54,d=22,g=16", with ",b=" and ",rule=torchvision" only when they are not the default.
inline std::string to_string(const Params& params) {
  std::string out =
      text("w0=", params.w_0, ",wa=", detail::shortest(params.w_a), ",wm=", detail::shortest(params.w_m), ",d=", params.d, ",g=", params.group_width);
  if (params.bottleneck != 1) out += text(",b=", detail::shortest(params.bottleneck));
  if (params.rule == WidthRule::torchvision) out += ",rule=torchvision";
  return out;
}

// Throws invalid_argument with the first number that cannot be used. w_a = 0 is legal: one stage.
inline void validate(const Params& params) {
  const auto expect = [&](bool holds, const char* expected, auto found) {
    if (!holds) fail(Code::invalid_argument, "design ", to_string(params), ": expected ", expected, ", found ", found);
  };
  expect(params.w_0 > 0 && params.w_0 % width_quantum == 0, "w0 a positive multiple of 8", params.w_0);
  expect(std::isfinite(params.w_a) && params.w_a >= 0, "wa >= 0", params.w_a);
  expect(std::isfinite(params.w_m) && params.w_m > 1, "wm > 1", params.w_m);
  expect(params.d >= 1 && params.d <= most_blocks, "d from 1 to 1024", params.d);
  expect(params.group_width >= 1 && params.group_width <= widest, "g from 1 to 65536", params.group_width);
  const double b = params.bottleneck;
  expect(std::isfinite(b) && b >= 1.0 / 64 && b <= 64 && (b < 1 || b == std::floor(b)), "b from 1/64 to below 1, or a whole number up to 64", b);
}

}  // namespace regnet
