#include <regnet/graph/complexity.hpp>

#include <gtest/gtest.h>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

// Tools disagree about this network by whole percents, since each counts something else.
TEST(Complexity, StatesEachCountOf400MFApart) {
  const Graph graph = build(to_stages(find_design("regnetx_400mf").params));
  const Complexity total = complexity(graph), head = complexity(graph, graph.nodes().back());
  EXPECT_EQ(total.macs, 397678568);
  EXPECT_EQ(total.macs - head.macs, 397293568);
  EXPECT_EQ(total.params - head.params, 4772512);
  EXPECT_EQ(total.activations - head.activations, 3142272);
  EXPECT_EQ(total.mmcv_flops, 406538496);
}

TEST(Complexity, LayersSumToTheTotal) {
  const Graph graph = build(to_stages(find_design("regnetx_1.6gf").params), {.resolution = 160, .classes = 7});
  Complexity sum;
  for (const Node& node : graph.nodes()) sum += complexity(graph, node);
  EXPECT_EQ(sum, complexity(graph));
}

TEST(Complexity, ThatOverflowsIsAnErrorNotANegativeNumber) {
  const std::vector<Stage> huge{{1000, 65536, 65536, 65536}};
  EXPECT_REGNET_ERROR(complexity(build(huge, {.resolution = 8192})), Code::invalid_argument, "above 2^63");
}

// By hand: 8 outputs x 4 x 4 pixels x 3 x 3 taps x 4 channels per group.
TEST(Complexity, OfAGroupedConvolutionCountsItsGroupsOnly) {
  Graph graph;
  graph.append("input", Input{{8, 7, 7}}, {});
  graph.append("c", Conv{8, 8, 3, 2, 2}, {0});
  EXPECT_EQ(complexity(graph), (Complexity{8 * 4 * 9, 8 * 16 * 9 * 4, 8 * 16, 8 * 16 * 9 * 4}));
}

}  // namespace
}  // namespace regnet
