#include <regnet/design/stages.hpp>

#include <gtest/gtest.h>

namespace regnet {
namespace {

template <class Member>
std::vector<int> each(const std::vector<Stage>& stages, Member member) {
  std::vector<int> values;
  for (const Stage& stage : stages) values.push_back(stage.*member);
  return values;
}

using Ints = std::vector<int>;

TEST(Stages, HalfToEvenDecidesWhereAStageEnds) {
  EXPECT_EQ(each(to_stages({64, 32, 4, 16, 64}), &Stage::depth), (Ints{3, 11, 2}));
  EXPECT_EQ(each(to_stages({8, 8, 2.5, 12, 8}), &Stage::depth), (Ints{1, 2, 6, 3}));
  EXPECT_EQ(each(to_stages({64, 16, 2.25, 10, 16}), &Stage::depth), (Ints{3, 7}));
}

// Fitting to the group width can make neighbours equal; each still halves the resolution.
TEST(Stages, EqualWidthsAfterFittingStayTwoStages) {
  const std::vector<Stage> stages = to_stages({16, 10.7, 1.72, 29, 32});
  EXPECT_EQ(each(stages, &Stage::width), (Ints{16, 24, 64, 64, 128, 256}));
  EXPECT_EQ(each(stages, &Stage::stride), (Ints{2, 2, 2, 2, 2, 2}));
}

TEST(Stages, AZeroSlopeIsOneStage) {
  const std::vector<Stage> stages = to_stages({64, 0, 2, 5, 16});
  ASSERT_EQ(stages.size(), 1u);
  EXPECT_EQ(stages[0].depth, 5);
  EXPECT_EQ(stages[0].width, 64);
}

// The same numbers give two networks under the two rules.
TEST(Stages, TheWidthRuleDecidesTheLastStageOf400MF) {
  EXPECT_EQ(each(to_stages({24, 24.48, 2.54, 22, 16}), &Stage::width), (Ints{32, 64, 160, 384}));
  EXPECT_EQ(each(to_stages({24, 24.48, 2.54, 22, 16, 1, WidthRule::torchvision}), &Stage::width), (Ints{32, 64, 160, 400}));
}

}  // namespace
}  // namespace regnet
