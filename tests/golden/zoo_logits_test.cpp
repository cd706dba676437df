// Every published network against PyTorch, on weights that both sides make from the tensors' names (weights/synthetic.hpp, tools/golden/synthetic.py).
#include <regnet/design/zoo.hpp>
#include <regnet/weights/synthetic.hpp>

#include "golden/golden.hpp"
#include "golden/logits.hpp"

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
  std::vector<double> golden;
  for (const Json& item : c["logits"]) {
    if (item.is_array()) golden.insert(golden.end(), item.begin(), item.end());
    else golden.push_back(item);
  }
  EXPECT_LT(worst_difference(found, golden), 1e-6);
}

}  // namespace
}  // namespace regnet
