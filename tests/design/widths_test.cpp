#include <regnet/design/widths.hpp>

#include <gtest/gtest.h>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

using Widths = std::vector<int>;

Widths distinct(const Params& params) {
  Widths widths = block_widths(params).quantised;
  widths.erase(std::unique(widths.begin(), widths.end()), widths.end());
  return widths;
}

// 8 * 2.5 / 8 = 2.5: half to even gives 2, so 16. A port with std::round gets 24 here, and 192 instead of 168 in RegNetX-1.6GF.
TEST(Widths, RoundsHalfToEvenLikeNumpy) { EXPECT_EQ(distinct({8, 8, 2.5, 12, 8}), (Widths{8, 16, 48, 128})); }

// log 2 / log 4 is exactly one half: the level rounds down to 0.
TEST(Widths, RoundsLevelsHalfToEvenToo) {
  const BlockWidths widths = block_widths({64, 32, 4, 16, 8});
  EXPECT_EQ(std::count(widths.quantised.begin(), widths.quantised.end(), 64), 3);
  EXPECT_EQ(std::count(widths.quantised.begin(), widths.quantised.end(), 256), 11);
  EXPECT_EQ(std::count(widths.quantised.begin(), widths.quantised.end(), 1024), 2);
}

// In float these three come out one quantum, or one block, different: timm and torchvision compute them so.
TEST(Widths, AreComputedInDouble) {
  EXPECT_EQ(block_widths({64, 16, 2.25, 10, 8}).quantised, (Widths{64, 64, 64, 144, 144, 144, 144, 144, 144, 144}));
  EXPECT_EQ(block_widths({200, 218, 2.18, 2, 8}).quantised.back(), 440);
  EXPECT_EQ(block_widths({240, 240, 2.05, 2, 8}).quantised.back(), 488);
}

TEST(Widths, CountLevelsThatWereSkipped) {
  const BlockWidths steep = block_widths({8, 200, 2, 3, 8});
  EXPECT_EQ(steep.levels, 7);  // 8, 208, 408: levels 0, 5 and 6
  EXPECT_EQ(distinct({8, 200, 2, 3, 8}).size(), 3u);
}

TEST(Widths, ASlopeThatExplodesIsRefused) {
  EXPECT_REGNET_ERROR(block_widths({8, 1e6, 2, 1000, 8}), Code::invalid_argument, "expected at most 65536");
  EXPECT_REGNET_ERROR(block_widths({48, 1, 1.0000000000000002, 4, 8}), Code::invalid_argument, "wm is too close to 1");
}

void expect_fit(int width, double b, int g, int out, int group, WidthRule rule = WidthRule::pycls) {
  const FittedWidth fitted = fit_width(width, b, g, rule);
  EXPECT_EQ(fitted.width, out) << width << " b " << b << " g " << g;
  EXPECT_EQ(fitted.group_width, group) << width << " b " << b << " g " << g;
  EXPECT_EQ(fitted.bottleneck_width % fitted.group_width, 0);
}

TEST(FitWidth, TakesTheNearestMultipleOfTheGroupWidthTiesToEven) {
  expect_fit(120, 1, 48, 96, 48);  // 2.5 groups
  expect_fit(256, 1, 48, 240, 48);
  expect_fit(40, 1, 16, 32, 16);    // 2.5 groups
  expect_fit(392, 1, 16, 384, 16);  // 24.5 groups: RegNetX-400MF's last stage
}

TEST(FitWidth, NeverMakesGroupsWiderThanTheBottleneck) {
  expect_fit(80, 1, 120, 80, 80);  // RegNetX-8.0GF's first stage
  expect_fit(8, 0.125, 16, 8, 1);
  expect_fit(16, 0.125, 16, 16, 2);
}

TEST(FitWidth, AllowsBottlenecksOfOtherWidths) {
  expect_fit(64, 0.5, 48, 64, 32);
  expect_fit(128, 0.5, 48, 96, 48);
  expect_fit(256, 0.5, 48, 288, 48);
  expect_fit(512, 0.5, 48, 480, 48);
  expect_fit(656, 0.125, 64, 512, 64);
  expect_fit(48, 2, 24, 48, 24);
  expect_fit(104, 2, 24, 108, 24);
  expect_fit(736, 3, 232, 696, 232);
}

TEST(FitWidth, TorchvisionRoundsTiesUpAndNeverBelowNineTenths) {
  expect_fit(392, 1, 16, 400, 16, WidthRule::torchvision);
  expect_fit(96, 1, 40, 120, 40, WidthRule::torchvision);  // 80 would be below 90%
  expect_fit(192, 1, 128, 256, 128, WidthRule::torchvision);
}

}  // namespace
}  // namespace regnet
