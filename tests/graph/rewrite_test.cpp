#include <regnet/graph/rewrite.hpp>

#include <gtest/gtest.h>

#include <limits>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>

namespace regnet {
namespace {

std::vector<std::string> operations(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes()) names.emplace_back(name_of(node.op));
  return names;
}

TEST(Rewrite, OneNodePerConvolutionIsLeftOfEveryZooNetwork) {
  for (const ZooEntry& entry : zoo) {
    const Graph graph = build(to_stages(entry.params)), fused = fuse(graph);
    std::size_t convolutions = 0, additions = 0;
    for (const Node& node : graph.nodes()) {
      convolutions += std::holds_alternative<Conv>(node.op);
      additions += std::holds_alternative<Add>(node.op);
    }
    EXPECT_EQ(fused.nodes().size(), convolutions + 3) << entry.name;  // input, pooling, head
    std::size_t adding = 0;
    for (const Node& node : fused.nodes()) {
      const auto* conv = std::get_if<Conv>(&node.op);
      if (!conv) continue;
      EXPECT_FALSE(conv->batch_norm.empty()) << node.name;
      EXPECT_EQ(conv->relu, !node.name.ends_with(".proj")) << node.name;  // the shortcut has no activation
      EXPECT_EQ(conv->add, node.name.ends_with(".f.c")) << node.name;
      adding += conv->add;
    }
    EXPECT_EQ(adding, additions);
  }
}

TEST(Rewrite, AConvolutionUsedTwiceKeepsItsReluAndBatchNormApart) {
  Graph graph;
  const NodeId input = graph.append("input", Input{{8, 4, 4}}, {});
  const NodeId conv = graph.append("c", Conv{8, 8}, {input});
  const NodeId norm = graph.append("n", BatchNorm{8}, {conv});
  const NodeId relu = graph.append("r", Relu{}, {norm});
  graph.append("add", Add{}, {relu, conv});
  EXPECT_EQ(operations(fuse(graph)), operations(graph));
}

TEST(Rewrite, AnAddGoesIntoTheLaterOperandWhicheverSideItStandsOn) {
  for (const bool swapped : {false, true}) {
    Graph graph;
    const NodeId input = graph.append("input", Input{{8, 4, 4}}, {});
    const NodeId first = graph.append("first", Conv{8, 8}, {input});
    const NodeId second = graph.append("second", Conv{8, 8}, {input});
    graph.append("add", Add{}, swapped ? std::vector<NodeId>{second, first} : std::vector<NodeId>{first, second});
    const Graph fused = fuse(graph);
    ASSERT_EQ(fused.nodes().size(), 3u);
    EXPECT_EQ(fused.nodes()[2].name, "second");
    EXPECT_EQ(fused.nodes()[2].inputs, (std::vector<NodeId>{input, first}));
  }
}

TEST(Rewrite, AReluBeforeTheAddIsNotMovedBehindIt) {
  Graph graph;
  const NodeId input = graph.append("input", Input{{8, 4, 4}}, {});
  const NodeId conv = graph.append("c", Conv{8, 8}, {input});
  const NodeId relu = graph.append("r", Relu{}, {conv});
  graph.append("add", Add{}, {relu, input});
  EXPECT_EQ(operations(fuse(graph)), (std::vector<std::string>{"input", "conv", "add"}));
}

TEST(FoldBatchNorm, GivesTheSameLineAsTheFormula) {
  std::vector<float> weights{1, 2, 3, 4};
  const std::vector<float> gamma{2, 0.5f}, beta{1, -1}, mean{3, 4}, var{0.25f, 9};
  const std::vector<float> bias = fold_batch_norm(weights, gamma, beta, mean, var, 1e-5).bias;
  const double scale0 = 2 / std::sqrt(0.25 + 1e-5), scale1 = 0.5 / std::sqrt(9 + 1e-5);
  EXPECT_EQ(weights, (std::vector<float>{float(scale0), float(2 * scale0), float(3 * scale1), float(4 * scale1)}));
  EXPECT_EQ(bias, (std::vector<float>{float(1 - 3 * scale0), float(-1 - 4 * scale1)}));
}

// A variance of zero is legal (a dead channel), and epsilon keeps it finite.
TEST(FoldBatchNorm, SurvivesZeroVariance) {
  std::vector<float> weights{1};
  const std::vector<float> one{1}, zero{0};
  EXPECT_FLOAT_EQ(fold_batch_norm(weights, one, zero, zero, zero, 1e-5).bias[0], 0);
  EXPECT_FLOAT_EQ(weights[0], 316.227766f);
}

// Pruned networks have channels scaled to almost nothing; subnormal constants made them five times slower than the network they came from.
TEST(FoldBatchNorm, FlushesSubnormalsToZero) {
  std::vector<float> weights{0.5f};
  const std::vector<float> tiny{1e-40f}, zero{0}, one{1};
  const FoldedBatchNorm folded = fold_batch_norm(weights, tiny, tiny, zero, one, 1e-5);
  EXPECT_EQ(folded.bias[0], 0.0f);
  EXPECT_EQ(folded.flushed, 2);
  EXPECT_EQ(weights[0], 0.0f);
}

}  // namespace
}  // namespace regnet
