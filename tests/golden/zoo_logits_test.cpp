// Every published network against PyTorch, on weights that both sides make from the tensors' names (weights/synthetic.hpp, tools/golden/synthetic.py).
#include <algorithm>
#include <utility>

#include <regnet/design/zoo.hpp>
#include <regnet/weights/synthetic.hpp>

#include "golden/golden.hpp"
#include "golden/logits.hpp"
#include "plan/kernels/kernels.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

BoundWeights synthetic_network(const std::string& model, const NetworkOptions& options) {
  const Graph graph = build(to_stages(find_design(model).params), options);
  return bind(graph, synthetic_weights(parameters(graph)));
}

void expect_golden_case(const std::string& model, const NetworkOptions& options, int batch, Backend backend, const Json& golden) {
  const Plan plan = compile(synthetic_network(model, options), {.backend = backend, .expected = {.batch = batch, .threads = 1}});
  for (const LayerReport& layer : plan.layers()) EXPECT_FALSE(layer.slow) << layer.name << ": " << layer.implementation;
  expect_golden(logits_of(plan, batch, synthetic_input(static_cast<std::size_t>(batch * plan.input_dims().count()))), golden);
}

class ZooLogits : public testing::TestWithParam<std::string> {};

TEST_P(ZooLogits, AgreeWithPyTorch) { expect_golden_case(GetParam(), {}, 1, Backend::onednn, read_golden("zoo_logits.json")["models"][GetParam()]); }

// Random networks amplify what is rounded: only the direction of the logits can be judged on them.
void expect_direction(const Plan& plan, const std::string& model, double least_cosine) {
  for (const LayerReport& layer : plan.layers()) EXPECT_TRUE(layer.implementation.starts_with("own:")) << layer.name << ": " << layer.implementation;
  const std::vector<float> found = logits_of(plan, 1, synthetic_input(static_cast<std::size_t>(plan.input_dims().count())));
  const std::vector<double> golden = flattened(read_golden("zoo_logits.json")["models"][model]);
  ASSERT_EQ(found.size(), golden.size());
  const double found_cosine = cosine(found, golden);
  EXPECT_GT(found_cosine, least_cosine);
  testing::Test::RecordProperty("cosine", std::to_string(found_cosine));
}

TEST_P(ZooLogits, AreNearThoseOfPyTorchInBf16) {
  if (!kernels::best_kernels(kernels::Element::bf16)) GTEST_SKIP() << "this CPU has no instructions for bf16, or may not use them";
  expect_direction(compile(synthetic_network(GetParam(), {}), {.precision = Precision::bf16}), GetParam(), 0.99);
}

TEST_P(ZooLogits, AreNearThoseOfPyTorchInInt8) {
  if (!kernels::best_kernels(kernels::Element::u8)) GTEST_SKIP() << "this CPU has no instructions for int8, or may not use them";
  const BoundWeights weights = synthetic_network(GetParam(), {});
  bool given = false;
  const Quantization quantization = calibrate(
      weights,
      [&](std::span<float> image) {
        const std::vector<float> input = synthetic_input(image.size());
        std::copy(input.begin(), input.end(), image.begin());
        return !std::exchange(given, true);
      },
      1);
  expect_direction(compile(weights, {.precision = Precision::int8, .quantization = quantization}), GetParam(), 0.97);
}

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo) names.emplace_back(entry.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Published, ZooLogits, testing::ValuesIn(zoo_names()), [](const auto& model) {
  std::string name = model.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

TEST(OtherLogits, ResolutionsClassesAndBatchesAgreeWithPyTorch) {
  const Json cases = read_golden("zoo_logits.json")["cases"];
  ASSERT_GE(cases.size(), 3u);
  for (const Json& c : cases) {
    SCOPED_TRACE(c["model"].get<std::string>() + " at " + c["resolution"].dump());
    expect_golden_case(c["model"], {.resolution = c["resolution"], .classes = c["classes"]}, c["batch"], Backend::onednn, c["logits"]);
  }
}

// The oracle of the other tests has its own witness.
TEST(OtherLogits, TheReferenceBackendAgreesWithPyTorchToFloatRounding) {
  const Json c = read_golden("zoo_logits.json")["cases"][0];
  const Plan plan = compile(synthetic_network(c["model"], {.resolution = c["resolution"], .classes = c["classes"]}), {.backend = Backend::reference});
  const int batch = c["batch"];
  const std::vector<float> found = logits_of(plan, batch, synthetic_input(static_cast<std::size_t>(batch * plan.input_dims().count())));
  EXPECT_LT(worst_difference(found, flattened(c["logits"])), 1e-6);
}

}  // namespace
}  // namespace regnet
