#include <gtest/gtest.h>

#include <regnet/design/stages.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>

#include "golden/golden.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

// 200 random designs, from 2 to 8 stages, many of them with skipped levels or merged widths.
TEST(Samples, TwoHundredDesignsMatchPycls) {
  const Json samples = read_golden("designs.json")["samples"];
  ASSERT_EQ(samples.size(), 200u);
  for (const Json& sample : samples) {
    const Params params{sample[1], sample[2], sample[3], sample[0], sample[4]};
    SCOPED_TRACE(to_string(params));
    EXPECT_EQ(block_widths(params).levels, sample[5].get<int>());
    const std::vector<Stage> stages = to_stages(params);
    Json depths, widths, group_widths;
    for (const Stage& stage : stages) {
      depths.push_back(stage.depth);
      widths.push_back(stage.width);
      group_widths.push_back(stage.group_width);
    }
    EXPECT_EQ(depths, sample[6]);
    EXPECT_EQ(widths, sample[7]);
    EXPECT_EQ(group_widths, sample[8]);
    const Complexity cost = complexity(build(stages));
    EXPECT_EQ(Json(cost.macs), sample[9]);
    EXPECT_EQ(Json(cost.params), sample[10]);
    EXPECT_EQ(Json(cost.activations), sample[11]);
  }
}

}  // namespace
}  // namespace regnet
