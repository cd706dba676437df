#include <regnet/base/top_k.hpp>

#include <gtest/gtest.h>

#include <limits>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

TEST(TopK, EqualLogitsKeepTheLowerIndexFirst) {
  const std::vector<float> logits{1, 3, 3, 2, 3};
  EXPECT_EQ(top_k(logits, 4), (std::vector<int>{1, 2, 4, 3}));
}

TEST(TopK, FewerClassesThanAskedForGivesAll) {
  const std::vector<float> logits{-1, -2, 0};
  EXPECT_EQ(top_k(logits, 5), (std::vector<int>{2, 0, 1}));
  EXPECT_TRUE(top_k(logits, 0).empty());
}

TEST(TopK, InfinityIsAnErrorToo) {
  for (const float sign : {1.0f, -1.0f}) {
    const std::vector<float> logits{0, 1, sign * std::numeric_limits<float>::infinity()};
    EXPECT_REGNET_ERROR(top_k(logits, 1), Code::numeric, "class 2 is infinite");
  }
}

TEST(TopK, NaNIsAnErrorThatNamesTheClass) {
  const std::vector<float> logits{0, std::numeric_limits<float>::quiet_NaN()};
  EXPECT_REGNET_ERROR(top_k(logits, 1), Code::numeric, "class 1");
}

}  // namespace
}  // namespace regnet
