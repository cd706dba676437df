#include <regnet/design/fit.hpp>

#include <gtest/gtest.h>

#include <regnet/design/sample.hpp>
#include <regnet/design/zoo.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

TEST(Fit, FindsNumbersOfEachPublishedNetwork) {
  for (const ZooEntry& entry : zoo) {
    const std::vector<Stage> stages = to_stages(entry.params);
    const Fit found = fit(stages);
    EXPECT_TRUE(found.same || entry.params.rule != WidthRule::pycls) << entry.name << ": " << to_string(found.params) << " e_fit " << found.e_fit;
    EXPECT_EQ(found.e_fit, fit_error(stages, found.params));
    EXPECT_EQ(found.same, to_stages(found.params) == stages);
  }
}

TEST(Fit, FindsNumbersOfRandomNetworks) {
  SampleRequest request;
  request.space = find_space("regnetx").space;
  request.seed = 5;
  request.count = 6;
  request.limits.stages = {2, 6};
  for (const SampledDesign& design : sample(request).designs) {
    const Fit found = fit(design.stages);
    EXPECT_TRUE(found.same) << to_string(design.params) << ": " << to_string(found.params) << " e_fit " << found.e_fit;
  }
}

// Numbers that make a 1-1-1 of the same widths are as near.
TEST(Fit, PrefersTheSameStages) {
  EXPECT_TRUE(fit({{1, 32, 32, 16}, {2, 64, 64, 16}}).same);
  EXPECT_TRUE(fit(to_stages({32, 20, 2, 3, 16, 0.5})).same);
}

// e_fit by hand: blocks 1 and 2 of three are right, the last is 64 instead of 128.
TEST(Fit, ErrorIsTheMeanOfLogRatios) {
  const std::vector<Stage> stages{{1, 32, 32, 8}, {1, 64, 64, 8}, {1, 128, 128, 8}};
  const Params params{32, 16, 2, 3, 8};  // 32, 48, 64: 32, 64, 64
  ASSERT_EQ(block_widths(params).quantised, (std::vector<int>{32, 64, 64}));
  EXPECT_NEAR(fit_error(stages, params), std::log(2.0) / 3, 1e-15);
  EXPECT_EQ(fit_error(stages, {7, 16, 2, 3, 8}), std::numeric_limits<double>::infinity());
}

// The paper compares widths before they are fitted to groups.
TEST(Fit, MayLeaveGroupsOut) {
  const Params params{88, 26.31, 2.25, 25, 48};  // RegNetX-3.2GF
  const std::vector<Stage> stages = to_stages(params);
  EXPECT_EQ(fit_error(stages, params), 0);
  EXPECT_GT(fit_error(stages, params, false), 0);
}

TEST(Fit, OfOneStageIsFlat) {
  const Fit found = fit({{4, 64, 64, 16}});
  EXPECT_TRUE(found.same);
  EXPECT_REGNET_ERROR(fit({}), Code::invalid_argument, "at least one stage");
  EXPECT_REGNET_ERROR(fit({{1000, 64, 64, 16}, {1000, 128, 128, 16}}), Code::invalid_argument, "at most 128 blocks, found 2000");
}

}  // namespace
}  // namespace regnet
