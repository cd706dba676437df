#include <regnet/design/population.hpp>

#include <gtest/gtest.h>

#include <regnet/design/pareto.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

TEST(Edf, IsThePartBelow) {
  const Edf edf({40, 30, 50, 30});
  EXPECT_EQ(edf(30), 0);
  EXPECT_EQ(edf(30.1), 0.5);
  EXPECT_EQ(edf(50), 0.75);
  EXPECT_EQ(edf(51), 1);
  EXPECT_EQ(edf.summary().n, 4u);
  EXPECT_EQ(edf.summary().min, 30);
  EXPECT_EQ(edf.summary().mean, 37.5);
  EXPECT_REGNET_ERROR(Edf({}), Code::invalid_argument, "at least one error");
  EXPECT_REGNET_ERROR(Edf({1, std::nan("")}), Code::invalid_argument, "finite errors");
}

// numpy.percentile([3, 1, 4, 1.5, 9, 2.6], [2.5, 50, 97.5, 33])
TEST(Percentile, IsNumpys) {
  const std::vector<double> sorted{1, 1.5, 2.6, 3, 4, 9};
  EXPECT_DOUBLE_EQ(percentile(sorted, 2.5), 1.0625);
  EXPECT_DOUBLE_EQ(percentile(sorted, 50), 2.8);
  EXPECT_DOUBLE_EQ(percentile(sorted, 97.5), 8.375);
  EXPECT_DOUBLE_EQ(percentile(sorted, 33), 2.215);
  EXPECT_EQ(percentile({7}, 97.5), 7);
}

// Errors that only a number decides: the best draws have it where the error is least.
TEST(Bootstrap, FindsTheBestValue) {
  std::vector<double> values, errors, noise;
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    values.push_back(static_cast<double>(random() % 1000) / 10);
    errors.push_back(30 + std::abs(values.back() - 40));
    noise.push_back(static_cast<double>(random() % 1000) / 10);
  }
  const BestValue best = best_value(values, errors), other = best_value(noise, errors);
  EXPECT_NEAR(best.median, 40, 1);
  EXPECT_LT(best.high - best.low, 5);
  EXPECT_GE(best.low, 35);
  EXPECT_GT(other.high - other.low, 40);  // a number that decides nothing has no best value
  const BestValue again = best_value(values, errors);
  EXPECT_EQ(again.median, best.median);
}

// With one network in each draw the noted values are those of the population, whatever the errors.
TEST(Bootstrap, OfOneDrawnNetworkIsThePopulation) {
  const std::vector<double> values{1, 2, 3, 4}, errors{4, 3, 2, 1};
  const BestValue best = best_value(values, errors, {.fraction = 0.25, .repeats = 40000});
  EXPECT_EQ(best.low, 1);
  EXPECT_EQ(best.high, 4);
  EXPECT_NEAR(best.median, 2.5, 0.5);
}

TEST(Bootstrap, RefusesWhatMakesNoSense) {
  const std::vector<double> two{1, 2}, none;
  EXPECT_REGNET_ERROR(best_value(two, none), Code::invalid_argument, "as many values as errors");
  EXPECT_REGNET_ERROR(best_value(none, none), Code::invalid_argument, "at least one");
  EXPECT_REGNET_ERROR(best_value(two, two, {.fraction = 0}), Code::invalid_argument, "a part above 0");
}

// Against the definition, over all pairs.
TEST(Front, HoldsWhatNoOtherBeats) {
  std::mt19937 random(2);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> costs, errors;
    for (unsigned i = 0; i < 1 + random() % 30; ++i) costs.push_back(random() % 8), errors.push_back(random() % 8);
    const std::vector<bool> front = pareto_front(costs, errors);
    for (std::size_t i = 0; i < costs.size(); ++i) {
      bool beaten = false;
      for (std::size_t j = 0; j < costs.size(); ++j)
        beaten = beaten || (costs[j] <= costs[i] && errors[j] <= errors[i] && (costs[j] < costs[i] || errors[j] < errors[i]));
      EXPECT_EQ(front[i], !beaten);
    }
  }
}

}  // namespace
}  // namespace regnet
