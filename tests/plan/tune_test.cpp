#include <regnet/plan/tune.hpp>

#include <gtest/gtest.h>

#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

BoundWeights network() {
  const Graph graph = build({{3, 48, 48, 24}, {2, 48, 48, 8}}, {.resolution = 64, .classes = 5});
  return bind(graph, synthetic_weights(parameters(graph)));
}

std::vector<float> run(const Plan& plan) {
  Session session(plan, {.batch = 1, .threads = 1});
  std::vector<float> logits(static_cast<std::size_t>(plan.classes()));
  session.run(synthetic_input(static_cast<std::size_t>(plan.input_dims().count())), logits);
  return logits;
}

TEST(Tune, MeasuresEveryWayOfEveryShapeAndItsChoiceIsTaken) {
  const BoundWeights weights = network();
  const Tuning tuning = tune(weights, {.batch = 1, .threads = 2}, 0.01);
  EXPECT_TRUE(tuning.fits(tuning_key({.batch = 1, .threads = 2})));
  EXPECT_FALSE(tuning.fits(tuning_key({.batch = 2, .threads = 2})));
  ASSERT_EQ(tuning.layers.size(), 4u);
  EXPECT_EQ(tuning.layers[0].shape, "3x3/2 48 to 48 in 2 groups at 16x16");
  EXPECT_EQ(tuning.layers[1].shape, "3x3 48 to 48 in 2 groups at 16x16");
  EXPECT_EQ(tuning.layers[1].count, 2);
  EXPECT_EQ(tuning.layers[1].rule, "winograd-transformed");
  for (const int other : {0, 2, 3}) EXPECT_EQ(tuning.layers[static_cast<std::size_t>(other)].rule, "direct");
  for (const TunedLayer& layer : tuning.layers) {
    ASSERT_EQ(layer.ms.size(), 3u);
    for (const auto& [way, ms] : layer.ms) {
      EXPECT_GT(ms, 0);
      const Plan plan = compile(weights, {.backend = Backend::own, .expected = {}, .compact = false, .ways = {{layer.shape, way}}});
      int taken = 0;
      for (const LayerReport& report : plan.layers())
        taken += report.kind == (layer.shape.starts_with("3x3/2") ? "conv 3x3/2 grouped" : "conv 3x3 grouped") &&
                 layer.shape.ends_with(text(report.dims.height, 'x', report.dims.width)) && report.implementation.ends_with(":" + way);
      EXPECT_EQ(taken, layer.count) << layer.shape << ' ' << way;
      const std::vector<float> found = run(plan), expected = run(compile(weights, {.backend = Backend::reference}));
      for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4) << way;
    }
  }
}

// Inputs of 28x28 and 14x14, of which the tiles of stride 2 take eight at a time.
TEST(Tune, StridedLayersGoByWinogradOnMapsThatAreNoMultipleOfItsTiles) {
  const Graph graph = build({{1, 48, 48, 24}, {1, 112, 112, 56}}, {.resolution = 56, .classes = 5});
  const BoundWeights weights = bind(graph, synthetic_weights(parameters(graph)));
  const std::vector<float> expected = run(compile(weights, {.backend = Backend::reference}));
  for (const char* way : {"winograd", "winograd-transformed"}) {
    const Plan plan = compile(weights, {.backend = Backend::own,
                                        .expected = {},
                                        .compact = false,
                                        .ways = {{"3x3/2 48 to 48 in 2 groups at 14x14", way}, {"3x3/2 112 to 112 in 2 groups at 7x7", way}}});
    int taken = 0;
    for (const LayerReport& report : plan.layers()) taken += report.implementation.ends_with(text(':', way));
    EXPECT_EQ(taken, 2);
    const std::vector<float> found = run(plan);
    for (std::size_t i = 0; i < found.size(); ++i) EXPECT_NEAR(found[i], expected[i], 1e-4) << way;
  }
}

TEST(Tune, JsonIsLosslessAndStrict) {
  const Tuning tuning{"A CPU", "avx512", "0.1.0", 2, 32, {{"3x3 8 to 8 at 7x7", 4, "direct", "winograd", {{"direct", 1.0 / 3}, {"winograd", 0.25}}}}};
  const std::vector<Tuning> found = tunings_from_json(to_json({tuning, tuning}));
  ASSERT_EQ(found.size(), 2u);
  EXPECT_TRUE(found[1].fits(tuning));
  EXPECT_EQ(found[1].layers[0].ms, tuning.layers[0].ms);
  EXPECT_EQ(found[1].ways(), tuning.ways());
  for (const char* bad : {"", "{", "[1]", "[{}]", "{\"cpu\":1}"}) EXPECT_REGNET_ERROR(tunings_from_json(bad), Code::bad_format, "");
  Tuning unknown = tuning;
  unknown.layers[0].best = "sorcery";
  EXPECT_REGNET_ERROR(tunings_from_json(to_json({unknown})), Code::bad_format, "sorcery");
}

TEST(Tune, WaysThatALayerCannotGoAreRefused) {
  const auto with = [](const char* shape, const char* way) {
    return compile(network(), {.backend = Backend::own, .expected = {}, .compact = false, .ways = {{shape, way}}});
  };
  EXPECT_REGNET_ERROR(with("1x1 48 to 48 at 16x16", "winograd"), Code::invalid_argument, "cannot go by winograd");
  EXPECT_REGNET_ERROR(with("3x3 48 to 48 in 2 groups at 16x16", "sorcery"), Code::invalid_argument, "sorcery");
  EXPECT_EQ(run(with("3x3 1 to 1 at 1x1", "winograd")), run(compile(network(), {.backend = Backend::own})));
}

}  // namespace
}  // namespace regnet
