// 1,000 designs that pycls's sampler drew, counted by hooks on the networks that timm built of them: a fourth way to the same numbers beside the
// formulas, the graph, and pycls itself.
#include <gtest/gtest.h>

#include <regnet/design/complexity.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>

#include "golden/golden.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

Params params_of(const Json& row) { return {row[1], row[2], row[3], row[0], row[4]}; }

TEST(SampledDesigns, CostWhatTheNetworksThatTimmBuildsCost) {
  const Json golden = read_golden("sampled_designs.json");
  ASSERT_EQ(golden["designs"].size(), 1000u);
  for (const Json& row : golden["designs"]) {
    SCOPED_TRACE(row.dump());
    const BlockWidths widths = block_widths(params_of(row));
    const std::vector<Stage> stages = to_stages(params_of(row), widths.quantised);
    EXPECT_EQ(stages.size(), 4u);
    EXPECT_EQ(widths.levels, 4);
    const Complexity cost = complexity(stages);
    EXPECT_EQ(cost.params, row[5].get<std::int64_t>());
    EXPECT_EQ(cost.macs, row[6].get<std::int64_t>());
    EXPECT_EQ(cost.activations, row[7].get<std::int64_t>());
    EXPECT_EQ(cost, complexity(build(stages)));
  }
}

// Given by their stages, since torchvision's own rounding makes other networks of some of the numbers.
TEST(SampledDesigns, HaveTheParametersOfTorchvisionsNetworks) {
  const Json golden = read_golden("sampled_designs.json");
  ASSERT_EQ(golden["torchvision_designs"].size(), 52u);
  std::size_t published = 0;
  for (const Json& row : golden["torchvision_designs"]) {
    const std::vector<Stage> stages = to_stages(params_of(row));
    EXPECT_EQ(complexity(stages).params, row[5].get<std::int64_t>()) << row.dump();
    published += find_in_zoo(stages) != nullptr;
  }
  EXPECT_EQ(published, 12u);
}

}  // namespace
}  // namespace regnet
