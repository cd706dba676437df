#include <regnet/base/dtype.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace regnet {
namespace {

// Every finite half is sign x mantissa x 2^exponent; computed here with ldexp, independent of the bit moves under test.
TEST(HalfToFloat, IsExactForAllBitPatterns) {
  for (int bits = 0; bits < 0x10000; ++bits) {
    const int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    const double sign = bits & 0x8000 ? -1 : 1;
    const float found = half_to_float(static_cast<std::uint16_t>(bits));
    if (exponent == 31 && mantissa != 0) {
      EXPECT_TRUE(std::isnan(found)) << bits;
    } else if (exponent == 31) {
      EXPECT_EQ(found, sign * std::numeric_limits<float>::infinity());
    } else {
      const double expected = exponent == 0 ? std::ldexp(mantissa, -24) : std::ldexp(1024 + mantissa, exponent - 25);
      EXPECT_EQ(found, static_cast<float>(sign * expected)) << bits;
      EXPECT_EQ(std::signbit(found), (bits & 0x8000) != 0) << bits;
    }
  }
}

TEST(Bfloat16ToFloat, KeepsSignExponentAndMantissa) {
  EXPECT_EQ(bfloat16_to_float(0x3f80), 1.0f);
  EXPECT_EQ(bfloat16_to_float(0xc049), -3.140625f);
  EXPECT_EQ(bfloat16_to_float(0x0001), std::ldexp(1.0f, -133));
  EXPECT_TRUE(std::isinf(bfloat16_to_float(0x7f80)));
  EXPECT_TRUE(std::isnan(bfloat16_to_float(0x7fc0)));
}

}  // namespace
}  // namespace regnet
