#include <regnet/plan/latency.hpp>

#include <gtest/gtest.h>

#include <regnet/design/sample.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/rewrite.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

// What a layer takes on a machine that is easy to foretell.
double law(const LayerTime& layer) {
  const double taps = layer.kind == "stem" || layer.kind.find("3x3") != std::string::npos ? 9 : 1;
  const double outputs = layer.out * (layer.kind == "linear" ? 1.0 : double(layer.side) * layer.side),
               per_output = layer.kind == "linear" ? layer.in : taps * layer.group_width;
  const double unevenness = 1 + 0.2 / std::sqrt(layer.side + 1);  // which the rule for a kind of layers has no term for
  return unevenness * (0.002 + 4e-9 * outputs * per_output + 1e-7 * layer.out * per_output + 2e-8 * outputs);
}

Graph graph_of(const std::string& design) { return build(find_design(design).stages); }

// A real network's layers, with times of the law: what measure_latencies returns, without its noise.
NetworkTime by_law(const std::string& design) {
  NetworkTime time = measure_latencies({design}, graph_of, {.session = {1, 1}, .seconds = 0.001, .rounds = 1})[0];
  time.ms = 0;
  for (LayerTime& layer : time.layers) time.ms += layer.count * (layer.ms = law(layer));
  time.ms *= 1.1;  // a run is more than its layers
  return time;
}

std::vector<std::string> some_designs(int count, std::uint64_t seed) {
  SampleRequest request;
  request.space = find_space("regnetx").space;
  request.seed = seed;
  request.count = count;
  request.limits.macs = {5e7, 8e8};
  request.limits.stages = {3, 5};
  std::vector<std::string> names;
  for (const SampledDesign& design : sample(request).designs) names.push_back(to_string(design.params));
  return names;
}

TEST(Latency, MeasuresEveryLayerOfANetwork) {
  const Graph graph = graph_of("regnetx_200mf");
  const NetworkTime time = measure_latencies({"regnetx_200mf"}, graph_of, {.session = {2, 1}, .seconds = 0.01, .rounds = 2})[0];
  EXPECT_GT(time.ms, 0);
  const Graph fused = fuse(graph);
  int convolutions = 0, found = 0;
  for (const Node& node : fused.nodes()) convolutions += std::holds_alternative<Conv>(node.op);
  for (const LayerTime& layer : time.layers) {
    EXPECT_GT(layer.ms, 0) << layer.kind;
    if (layer.kind.starts_with("conv") || layer.kind == "stem") found += layer.count;
  }
  EXPECT_EQ(found, convolutions);
  EXPECT_REGNET_ERROR(measure_latencies({"regnetx_200mf"}, graph_of, {.precision = Precision::int8}), Code::unsupported, "int8");
}

TEST(Latency, ForetellsWhatFollowsALaw) {
  LatencyTable table = latency_key({1, 1}, 224);
  for (const std::string& design : some_designs(16, 1)) table.networks.push_back(by_law(design));
  const LatencyModel model(table);
  for (const NetworkTime& network : table.networks)
    EXPECT_NEAR(model.predict(graph_of(network.name)) / network.ms, 1, 1e-9) << "known: " << network.name;
  for (const std::string& design : some_designs(6, 2)) EXPECT_NEAR(model.predict(graph_of(design)) / by_law(design).ms, 1, 0.02) << "new: " << design;
  const auto all = [](const std::string&) { return true; };
  EXPECT_LT(fitted_error(table, graph_of, all).worst, 1e-9);
  const PredictionError error = cross_validate(table, graph_of, all);
  EXPECT_GT(error.worst, 1e-9);  // each from the others, which it is not among
  EXPECT_LT(error.worst, 0.02);
  EXPECT_LE(error.median, error.worst);
}

TEST(Latency, KeepsToItsKey) {
  const LatencyTable here = latency_key({1, 2}, 224);
  EXPECT_EQ(here.threads, 2);
  EXPECT_TRUE(here.fits(here) || here.cpu == "unknown");
  EXPECT_FALSE(here.fits(latency_key({1, 1}, 224)));
  EXPECT_FALSE(here.fits(latency_key({8, 2}, 224)));
  EXPECT_FALSE(here.fits(latency_key({1, 2}, 192)));
  EXPECT_FALSE(here.fits(latency_key({1, 2}, 224, Precision::bf16)));
  LatencyTable other = here;
  other.version = "0";
  EXPECT_FALSE(here.fits(other));
}

TEST(Latency, ReadsWhatItWrites) {
  LatencyTable table = latency_key({1, 1}, 224);
  table.networks.push_back(by_law("regnetx_200mf"));
  const std::vector<LatencyTable> read = latency_tables_from_json(to_json({table, latency_key({4, 2}, 160, Precision::bf16)}));
  ASSERT_EQ(read.size(), 2u);
  EXPECT_EQ(read[0].networks, table.networks);
  EXPECT_TRUE(read[0].fits(table) || table.cpu == "unknown");
  EXPECT_EQ(read[1].precision, Precision::bf16);
  EXPECT_EQ(read[1].resolution, 160);
}

TEST(Latency, RefusesDamagedTables) {
  LatencyTable table = latency_key({1, 1}, 224);
  table.networks.push_back({"regnetx_200mf", 2, {{"conv 1x1", 8, 16, 8, 7, 1, 0.5}}});
  const std::string good = to_json({table});
  EXPECT_NO_THROW(latency_tables_from_json(good));
  const auto broken = [&](const std::string& part, const std::string& by) {
    std::string text = good;
    const std::size_t at = text.find(part);
    EXPECT_NE(at, std::string::npos) << part;
    return text.replace(at, part.size(), by);
  };
  const std::vector<std::string> damaged{"{",
                                         "{}",
                                         broken("0.5]", "-0.5]"),
                                         broken("0.5]", "1e999]"),
                                         broken("0.5]", "\"x\"]"),
                                         broken("\"ms\":2", "\"ms\":0"),
                                         broken("\"f32\"", "\"f8\""),
                                         broken("\"networks\"", "\"net\""),
                                         broken(",0.5]", "]"),
                                         broken("8,16,8,7,1", "8,16,8,7,0")};
  for (const std::string& text : damaged) EXPECT_REGNET_ERROR(latency_tables_from_json(text), Code::bad_format, "latency table: expected");
  EXPECT_REGNET_ERROR(LatencyModel(latency_key({1, 1}, 224)), Code::invalid_argument, "a table with networks");
  EXPECT_REGNET_ERROR((void)LatencyModel(table).predict(graph_of("regnetx_200mf")), Code::unsupported, "was measured");
}

}  // namespace
}  // namespace regnet
