// torchvision's own expected logits, reproduced with no file at all: its test seeds the generator, constructs the network, draws an image and runs it, and
// every draw of that can be repeated with std::mt19937.
#include <cmath>
#include <fstream>
#include <memory>
#include <numbers>
#include <random>

#include <regnet/design/zoo.hpp>
#include <regnet/weights/bind.hpp>

#include "golden/golden.hpp"
#include "golden/logits.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;
constexpr int classes = 50;

// PyTorch's CPU generator as its float tensors use it.
class TorchRandom {
 public:
  explicit TorchRandom(unsigned seed) : x_engine(seed) {}

  void discard(std::int64_t count) { x_engine.discard(static_cast<unsigned long long>(count)); }
  float uniform() { return static_cast<float>(x_engine() & 0xffffffu) * 0x1p-24f; }

  // Box-Muller on groups of 16 uniforms, the first 8 the radii and the last 8 the angles; a rest draws its last 16 again.
  std::vector<float> normal(std::int64_t count, double std) {
    std::vector<float> values(static_cast<std::size_t>(count));
    for (float& value : values) value = uniform();
    for (std::size_t i = 0; i + 16 <= values.size(); i += 16) transform(&values[i], std);
    if (values.size() % 16 != 0) {
      float* last = values.data() + values.size() - 16;
      for (int i = 0; i < 16; ++i) last[i] = uniform();
      transform(last, std);
    }
    return values;
  }

 private:
  static void transform(float* group, double std) {
    for (int j = 0; j < 8; ++j) {
      // Each step is rounded to float, as PyTorch does it: the rounding of the angle alone changes a weight by two units in the last place.
      const float radius = std::sqrt(-2 * std::log(1.0f - group[j])), angle = 2 * std::numbers::pi_v<float> * group[j + 8];
      group[j] = radius * std::cos(angle) * static_cast<float>(std);
      group[j + 8] = radius * std::sin(angle) * static_cast<float>(std);
    }
  }

  std::mt19937 x_engine;
};

struct Seeded {
  TensorMap weights;
  std::vector<float> image;
};

// Modules are constructed in the order of the graph, the projection of a block first, and draw their default weights; then all are drawn again.
Seeded draw(const Graph& graph) {
  TorchRandom random(0);
  const std::vector<Parameter> all = parameters(graph);
  const auto is_drawn = [](const Parameter& parameter) { return parameter.shape.size() > 1; };
  for (const Parameter& parameter : all)
    if (is_drawn(parameter) || parameter.name == "head.fc.bias") random.discard(element_count(parameter.shape));
  Seeded seeded;
  for (const Parameter& parameter : all) {
    const Shape& shape = parameter.shape;
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)), 0.0f);
    if (shape.size() == 4) values = random.normal(element_count(shape), std::sqrt(2.0 / static_cast<double>(shape[0] * shape[2] * shape[3])));
    else if (shape.size() == 2) values = random.normal(element_count(shape), 0.01);
    else if (parameter.name != "head.fc.bias" && (parameter.name.ends_with(".weight") || parameter.name.ends_with(".running_var")))
      values.assign(values.size(), 1.0f);
    seeded.weights.add(parameter.name, std::move(values), shape);
  }
  seeded.image.resize(3 * 224 * 224);
  for (float& value : seeded.image) value = random.uniform();
  return seeded;
}

double worst_absolute_difference(const std::string& model, const Json& golden) {
  const Graph graph = build(to_stages(find_design(model).params), {.classes = classes});
  const Seeded seeded = draw(graph);
  const std::vector<float> found = logits_of(compile(bind(graph, seeded.weights)), 1, seeded.image);
  double worst = found.size() == golden.size() ? 0 : INFINITY;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - golden.at(i).get<double>()));
  return worst;
}

class TorchvisionRecipe : public testing::TestWithParam<std::string> {};

TEST_P(TorchvisionRecipe, AgreesToOneMillionth) {
  EXPECT_LT(worst_absolute_difference(GetParam(), read_golden("torchvision_recipe.json")["models"][GetParam()]), 1e-6);
}

TEST_P(TorchvisionRecipe, AgreesWithThePublishedExpectation) {
  std::ifstream file(REGNET_SHARED_DIR "/data/golden/torchvision_regnet_expect.json");
  if (!file) GTEST_SKIP() << "torchvision's expectation files are not here (" REGNET_SHARED_DIR "/data/golden)";
  EXPECT_LT(worst_absolute_difference(GetParam(), Json::parse(file)["logits"][GetParam()]), 1e-6);
}

INSTANTIATE_TEST_SUITE_P(Networks, TorchvisionRecipe, testing::Values("regnet_x_400mf", "regnet_x_3_2gf", "regnet_x_8gf"),
                         [](const auto& model) { return model.param; });

}  // namespace
}  // namespace regnet
