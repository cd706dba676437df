#include <regnet/graph/build.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/print.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

const std::vector<Stage> small{{1, 16, 16, 8}, {2, 24, 24, 8}};

const Node& node_named(const Graph& graph, const std::string& name) {
  const auto found = std::find_if(graph.nodes().begin(), graph.nodes().end(), [&](const Node& node) { return node.name == name; });
  if (found == graph.nodes().end()) throw std::runtime_error("no node " + name);
  return *found;
}

TEST(Build, EachStageHalvesTheResolutionRoundingUp) {
  const Graph graph = build(small, {.resolution = 225, .classes = 5});
  EXPECT_EQ(node_named(graph, "stem.conv").dims, (Dims{32, 113, 113}));
  EXPECT_EQ(node_named(graph, "s1.b1.f.a").dims, (Dims{16, 113, 113}));  // the stride is in the 3x3, not in the first 1x1
  EXPECT_EQ(node_named(graph, "s1.b1.f.b").dims, (Dims{16, 57, 57}));
  EXPECT_EQ(node_named(graph, "s2.b2.af").dims, (Dims{24, 29, 29}));
  EXPECT_EQ(graph.classes(), 5);
}

// RegNetX-400MF's first stage is as wide as the stem, and still projects, because of the stride.
TEST(Build, TheFirstBlockOfAStageAlwaysProjectsAndTheOthersNever) {
  for (const char* model : {"regnetx_400mf", "regnetx_32gf"}) {
    const std::vector<Stage> stages = to_stages(find_design(model).params);
    const Graph graph = build(stages);
    std::size_t projections = 0;
    for (const Node& node : graph.nodes()) projections += node.name.ends_with(".proj");
    EXPECT_EQ(projections, stages.size());
    EXPECT_NO_THROW(node_named(graph, "s1.b1.proj"));
  }
}

// 71 convolutions, 71 x 4 values of batch normalisation, 2 of the head: what X-400MF's state dict has without its counters.
TEST(Build, HasTheParametersOfThePublishedStateDict) {
  const std::vector<Parameter> all = parameters(build(to_stages(find_design("regnetx_400mf").params)));
  EXPECT_EQ(all.size(), 357u);
  std::set<std::string> names;
  std::int64_t elements = 0;
  for (const Parameter& parameter : all) {
    names.insert(parameter.name);
    elements += element_count(parameter.shape);
  }
  EXPECT_EQ(names.size(), all.size());
  EXPECT_EQ(elements, 5194184);
  for (const char* name : {"stem.conv.weight", "s1.b1.bn.running_var", "s4.b12.f.c_bn.weight", "head.fc.bias"})
    EXPECT_TRUE(names.count(name)) << name;
}

TEST(Build, AnyNumberOfStagesAndAnyResolutionWorks) {
  EXPECT_EQ(build({{1, 8, 8, 8}}, {.resolution = 1, .classes = 2}).classes(), 2);
  EXPECT_EQ(build(std::vector<Stage>(9, {1, 8, 8, 4}), {.resolution = 32}).node(0).dims, (Dims{3, 32, 32}));
}

TEST(Build, OptionsThatMakeNoNetworkAreRefused) {
  EXPECT_REGNET_ERROR(build({}), Code::invalid_argument, "at least one stage");
  EXPECT_REGNET_ERROR(build(small, {.resolution = 0}), Code::invalid_argument, "resolution");
  EXPECT_REGNET_ERROR(build(small, {.classes = 0}), Code::invalid_argument, "classes");
  EXPECT_REGNET_ERROR(build({{1, 16, 20, 8}}), Code::invalid_argument, "divisible by the group width");
}

TEST(Graph, NodesThatDoNotFitAreRefusedWhenAppended) {
  Graph graph;
  const NodeId input = graph.append("input", Input{{3, 8, 8}}, {});
  EXPECT_REGNET_ERROR(graph.append("c", Conv{4, 8}, {input}), Code::invalid_argument, "node c: expected 4 channels, found 3 x 8 x 8");
  EXPECT_REGNET_ERROR(graph.append("c", Conv{3, 8}, {7}), Code::invalid_argument, "input 7 does not exist");
  EXPECT_REGNET_ERROR(graph.append("c", Conv{3, 8, 2}, {input}), Code::invalid_argument, "odd kernel");
  EXPECT_REGNET_ERROR(graph.append("a", Add{}, {input}), Code::invalid_argument, "number of inputs");
  EXPECT_REGNET_ERROR(graph.append("l", Linear{3, 10}, {input}), Code::invalid_argument, "expected 3 features");
}

TEST(Print, TableEndsWithTheTotalsAndDotNamesEveryEdge) {
  const Graph graph = build(small, {.resolution = 32, .classes = 5});
  std::ostringstream table, dot;
  print_table(table, graph);
  print_dot(dot, graph);
  EXPECT_NE(table.str().find("s2.b1.f.b"), std::string::npos);
  const std::string last = table.str().substr(table.str().rfind("total"));
  EXPECT_NE(last.find(std::to_string(complexity(graph).macs)), std::string::npos);
  std::size_t edges = 0;
  for (const Node& node : graph.nodes()) edges += node.inputs.size();
  std::size_t arrows = 0;
  for (std::size_t at = dot.str().find("->"); at != std::string::npos; at = dot.str().find("->", at + 2)) ++arrows;
  EXPECT_EQ(arrows, edges);
}

}  // namespace
}  // namespace regnet
