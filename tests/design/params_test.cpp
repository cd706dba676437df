#include <regnet/design/params.hpp>

#include <gtest/gtest.h>

#include <limits>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

const Params good{24, 24.48, 2.54, 22, 16};

TEST(Params, EachNumberOutOfRangeIsNamedWithWhatWasExpected) {
  const auto with = [](auto change) {
    Params params = good;
    change(params);
    return params;
  };
  EXPECT_NO_THROW(validate(good));
  EXPECT_NO_THROW(validate(with([](Params& p) { p.w_a = 0; })));
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.w_0 = 20; })), Code::invalid_argument, "w0 a positive multiple of 8, found 20");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.w_0 = 0; })), Code::invalid_argument, "w0");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.w_a = -1; })), Code::invalid_argument, "wa >= 0, found -1");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.w_m = 1; })), Code::invalid_argument, "wm > 1, found 1");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.w_m = std::numeric_limits<double>::quiet_NaN(); })), Code::invalid_argument, "wm");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.d = 0; })), Code::invalid_argument, "d from 1");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.group_width = 0; })), Code::invalid_argument, "g from 1");
  EXPECT_REGNET_ERROR(validate(with([](Params& p) { p.bottleneck = 1.5; })), Code::invalid_argument, "b from 1/64 to below 1, or a whole number");
}

// Six digits once turned wa=24.4812345 into another design, in names and in results.
TEST(Params, AreSpelledWithAllTheirDigits) {
  Params params = good;
  params.w_a = 24.4812345;
  params.w_m = 2.5400001;
  EXPECT_EQ(to_string(params), "w0=24,wa=24.4812345,wm=2.5400001,d=22,g=16");
}

TEST(Params, TinyAndHugeNumbersAreRefused) {
  Params params = good;
  params.bottleneck = 1e-300;
  EXPECT_REGNET_ERROR(validate(params), Code::invalid_argument, "b from 1/64");
  params = good;
  params.group_width = 1 << 17;
  EXPECT_REGNET_ERROR(validate(params), Code::invalid_argument, "g from 1 to 65536");
}

}  // namespace
}  // namespace regnet
