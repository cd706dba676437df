#include <regnet/design/space.hpp>

#include <map>

#include <gtest/gtest.h>

#include <regnet/design/sample.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

double two_digits(double value) {
  const double power = std::pow(10, std::floor(std::log10(value)) - 1);
  return std::nearbyint(value / power) * power;
}

// Section 3 of the paper.
TEST(Spaces, HaveThePapersSizes) {
  const std::map<std::string_view, double> paper{{"anynetx-a", 1.8e18}, {"anynetx-b", 6.8e16}, {"anynetx-c", 3.2e14},
                                                 {"anynetx-d", 1.3e13}, {"anynetx-e", 5.5e11}, {"regnet", 3.0e8}};
  for (const auto& [name, expected] : paper) EXPECT_NEAR(two_digits(size(find_space(name).space).paper) / expected, 1, 1e-9) << name;
  EXPECT_REGNET_ERROR(find_space("anynetx-f"), Code::not_found, "'anynetx-f': expected regnetx, regnet or anynetx-a to anynetx-e");
}

// The exact sizes, counted in a space that is small enough.
TEST(Spaces, ExactSizeIsThatOfAllSettings) {
  const Range two{1, 2, Spread::uniform, 1}, three{8, 24, Spread::log_uniform, 8}, powers{1, 4, Spread::power_of_two, 1},
      one{1, 1, Spread::power_of_two, 1};
  AnyNetSpace space{3, two, three, powers, one, true, true, true, true};
  EXPECT_EQ(size(space).exact, 4 * 10 * 3);  // 111 112 122 222; multisets of three of three; group widths
  space.depths_grow = space.one_group_width = false;
  EXPECT_EQ(size(space).exact, 8 * 10 * 27);
  std::set<std::string> seen;
  ChunkUniform uniform(1, 0);
  for (int i = 0; i < 200'000; ++i) {
    const std::vector<Stage> stages = draw(space, uniform);
    std::string key;  // group widths are cut to what a narrow stage has, so depths and widths are looked at alone
    for (const Stage& stage : stages) key += text(stage.depth, ' ', stage.width, ' ');
    seen.insert(key);
  }
  EXPECT_EQ(seen.size(), 8u * 10u);
}

TEST(Ranges, DrawEachOfTheirValuesAndNoOther) {
  for (const Range& range : {Range{12, 28, Spread::uniform, 1}, Range{8, 64, Spread::log_uniform, 8}, Range{1, 32, Spread::power_of_two, 1},
                             Range{0.25, 1, Spread::power_of_two, 0.25}, Range{1, 64, Spread::power_of_two_or_log_uniform, 8},
                             Range{8, 128, Spread::power_of_two_or_log_uniform, 8}, Range{2, 2.1, Spread::log_uniform, 0.001}}) {
    std::set<double> seen;
    ChunkUniform uniform(2, 0);
    for (int i = 0; i < 300'000; ++i) seen.insert(draw(range, uniform));
    EXPECT_EQ(static_cast<double>(seen.size()), count(range)) << range.low << " to " << range.high;
    EXPECT_EQ(*seen.begin(), range.low);
    EXPECT_EQ(*seen.rbegin(), range.high);
  }
}

// 31.5, not 31.500000000000004: as if written by hand.
TEST(Ranges, ValuesAreTheDoublesOfTheirDecimals) {
  const Range range{8, 256, Spread::log_uniform, 0.1};
  ChunkUniform uniform(3, 0);
  for (int i = 0; i < 10'000; ++i) {
    const double value = draw(range, uniform);
    EXPECT_EQ(value, std::nearbyint(value * 10) / 10);
  }
}

TEST(Ranges, LogUniformMeansEquallyManyInEachDoubling) {
  const Range range{8, 256, Spread::log_uniform, 0.1};
  ChunkUniform uniform(4, 0);
  std::array<int, 5> doublings{};
  constexpr int draws = 100'000;
  for (int i = 0; i < draws; ++i) ++doublings[std::min<std::size_t>(4, static_cast<std::size_t>(std::log2(draw(range, uniform) / 8)))];
  for (const int found : doublings) EXPECT_NEAR(found, draws / 5.0, 5 * std::sqrt(draws * 0.2 * 0.8) + 300);  // the first begins a step lower
}

TEST(Ranges, RefusesWhatIsNone) {
  EXPECT_REGNET_ERROR(validate(Range{9, 8, Spread::uniform, 1}, "d"), Code::invalid_argument, "range d: expected 0 < low <= high, found 9 to 8");
  EXPECT_REGNET_ERROR(validate(Range{0, 8, Spread::uniform, 1}, "d"), Code::invalid_argument, "0 < low");
  EXPECT_REGNET_ERROR(validate(Range{8, 60, Spread::log_uniform, 8}, "w0"), Code::invalid_argument, "whole steps");
  EXPECT_REGNET_ERROR(validate(Range{3, 8, Spread::power_of_two, 1}, "g"), Code::invalid_argument, "powers of two");
  EXPECT_REGNET_ERROR(validate(Range{1, 1e12, Spread::uniform, 1}, "d"), Code::invalid_argument, "at most 65536");
  AnyNetSpace many = std::get<AnyNetSpace>(find_space("anynetx-e").space);
  many.stages = 9;
  EXPECT_REGNET_ERROR(validate(Space{many}), Code::invalid_argument, "1 to 8 stages, found 9");
}

}  // namespace
}  // namespace regnet
