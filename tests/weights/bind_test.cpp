#include <regnet/weights/bind.hpp>

#include <gtest/gtest.h>

#include <regnet/design/zoo.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"

namespace regnet {
namespace {

const std::vector<Stage> small{{1, 16, 16, 8}, {2, 24, 24, 8}};

Graph graph() { return build(small, {.resolution = 32, .classes = 5}); }

// The weights of the small network with one change.
template <class Change>
TensorMap changed(Change change) {
  std::vector<Parameter> all = parameters(graph());
  change(all);
  return synthetic_weights(all);
}

std::vector<Parameter>::iterator find(std::vector<Parameter>& all, const std::string& name) {
  return std::find_if(all.begin(), all.end(), [&](const Parameter& parameter) { return parameter.name == name; });
}

TEST(Bind, KeepsEveryTensorOfTheGraphAndNothingElse) {
  const BoundWeights bound = bind(graph(), synthetic_weights(parameters(graph())));
  EXPECT_EQ(bound.tensors.size(), parameters(graph()).size());
}

// Other loaders initialise what is missing at random, and only a bad accuracy tells.
TEST(Bind, OneTensorMissingIsAnErrorThatNamesIt) {
  const TensorMap tensors = changed([](auto& all) { all.erase(find(all, "s2.b1.f.b_bn.running_var")); });
  EXPECT_REGNET_ERROR(bind(graph(), tensors), Code::mismatch, "1 missing: s2.b1.f.b_bn.running_var");
}

TEST(Bind, OneTensorRenamedIsMissingAndUnexpected) {
  const TensorMap tensors = changed([](auto& all) { find(all, "s1.b1.f.a.weight")->name = "s1.b1.f.z.weight"; });
  EXPECT_REGNET_ERROR(bind(graph(), tensors), Code::mismatch, "1 missing: s1.b1.f.a.weight | 1 unexpected: s1.b1.f.z.weight");
}

TEST(Bind, OneTensorReshapedSaysWhatWasExpectedAndFound) {
  const TensorMap tensors = changed([](auto& all) { find(all, "head.fc.weight")->shape = {7, 24}; });
  EXPECT_REGNET_ERROR(bind(graph(), tensors), Code::mismatch, "head.fc.weight: expected [5, 24], found [7, 24]");
}

TEST(Bind, ALongListIsAbridgedButCounted) {
  EXPECT_REGNET_ERROR(bind(graph(), TensorMap{}), Code::mismatch, "and " + std::to_string(parameters(graph()).size() - 8) + " more");
}

TEST(Recognise, ReadsEveryZooNetworkOffItsShapes) {
  for (const ZooEntry& entry : zoo) {
    const std::vector<Stage> stages = to_stages(entry.params);
    TensorMap shapes;
    for (const Parameter& parameter : parameters(build(stages, {.classes = 21, .stem_width = 64})))
      shapes.add(parameter.name, {DType::f32, parameter.shape, {}, 0, {}});
    const NetworkShape network = recognise(shapes);
    EXPECT_EQ(network.stages, stages) << entry.name;
    EXPECT_EQ(network.classes, 21);
    EXPECT_EQ(network.stem_width, 64);
  }
}

TEST(Recognise, ShapesThatAreNoRegNetXAreRefused) {
  EXPECT_REGNET_ERROR(recognise(TensorMap{}), Code::mismatch, "no tensor stem.conv.weight");
  EXPECT_REGNET_ERROR(recognise(changed([](auto& all) { find(all, "stem.conv.weight")->shape = {32, 27}; })), Code::mismatch, "expected 4 extents");
  EXPECT_REGNET_ERROR(recognise(changed([](auto& all) { find(all, "s1.b1.f.b.weight")->shape = {16, 7, 3, 3}; })), Code::mismatch, "groups of 7");
}

// The generator is one definition in two languages; this pins it to the Python side to the bit.
TEST(Synthetic, ValuesAreThoseOfThePythonGenerator) {
  const nlohmann::json golden = read_golden("synthetic.json");
  ASSERT_FALSE(golden["tensors"].empty());
  for (const nlohmann::json& row : golden["tensors"]) {
    const Parameter parameter{row["name"], row["shape"].get<Shape>()};
    const std::vector<float> values =
        parameter.name == "input" ? synthetic_input(static_cast<std::size_t>(element_count(parameter.shape))) : synthetic_values(parameter);
    double sum = 0;
    for (const float value : values) sum += value;
    EXPECT_EQ(std::vector<float>(values.begin(), values.begin() + 4), row["first"].get<std::vector<float>>()) << parameter.name;
    EXPECT_EQ(std::vector<float>(values.end() - 4, values.end()), row["last"].get<std::vector<float>>()) << parameter.name;
    EXPECT_NEAR(sum, row["sum"].get<double>(), 1e-9 * static_cast<double>(values.size())) << parameter.name;
  }
}

}  // namespace
}  // namespace regnet
