#include <regnet/eval/metrics.hpp>

#include <gtest/gtest.h>

namespace regnet {
namespace {

// The ends of the interval are the proportions that a score test would just not reject: |p - e| = z sqrt(e (1 - e) / n).
TEST(WilsonInterval, EndsSolveTheScoreEquation) {
  for (const auto& [hits, n] : {std::pair{72, 100}, {1, 3}, {36309, 50000}}) {
    const auto [low, high] = wilson_interval(hits, n);
    const double p = double(hits) / n;
    for (const double end : {low, high}) EXPECT_NEAR(std::abs(p - end), 1.959963984540054 * std::sqrt(end * (1 - end) / n), 1e-12);
    EXPECT_LT(low, p);
    EXPECT_GT(high, p);
  }
}

TEST(WilsonInterval, StaysInsideZeroToOneAtTheEnds) {
  EXPECT_NEAR(wilson_interval(0, 10).first, 0, 1e-12);
  EXPECT_GT(wilson_interval(0, 10).second, 0.2);
  EXPECT_LT(wilson_interval(10, 10).first, 0.8);
  EXPECT_NEAR(wilson_interval(10, 10).second, 1, 1e-12);
  EXPECT_EQ(wilson_interval(0, 0), (std::pair<double, double>{0, 1}));
}

}  // namespace
}  // namespace regnet
