// The demo network on its own images, against what PyTorch counted on the same files.
#include <gtest/gtest.h>

#include <fstream>

#include <regnet/eval/evaluate.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/model.hpp>

#include "golden/golden.hpp"
#include "golden/logits.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

const std::string demo = std::string(REGNET_TEST_DIR) + "/../demo/";

Json reference() {
  std::ifstream file(demo + "reference.json");
  return Json::parse(file);
}

Model model() {
  LoadOptions options;
  options.compile.expected = {.batch = 8, .threads = 1};
  return load_model(demo + "regnetx_fashion.safetensors", options);
}

TEST(Demo, TopOneAndTopFiveEqualPyTorchsCounts) {
  const Model network = model();
  const Dataset dataset = open_dataset(demo + "images", {{}, network.plan.classes(), network.class_names});
  const Report report = evaluate(network.plan, network.recipe, dataset, {.batch = 8, .threads = 2});
  const Json expected = reference();
  EXPECT_EQ(report.n, expected["n"].get<int>());
  EXPECT_EQ(report.n, 1000);
  EXPECT_EQ(report.top1_correct, expected["top1_correct"].get<int>());
  EXPECT_EQ(report.top5_correct, expected["top5_correct"].get<int>());
  EXPECT_GE(report.top1_correct, 910);
}

TEST(Demo, LogitsFromThePngFilesAreThoseOfPyTorch) {
  const Model network = model();
  const Json logits = reference()["logits"];
  ASSERT_GE(logits.size(), 10u);
  for (const auto& [file, golden] : logits.items()) {
    SCOPED_TRACE(file);
    std::vector<float> input(static_cast<std::size_t>(network.plan.input_dims().count()));
    preprocess(load_image(demo + file), network.recipe, input);
    expect_golden(logits_of(network.plan, 1, input), golden);
  }
}

TEST(Demo, FileSaysWhatTheNetworkIsAndHowToFeedIt) {
  const Model network = model();
  EXPECT_EQ(network.recipe_source, "stored in the file");
  EXPECT_EQ(network.recipe.crop, 64);
  EXPECT_EQ(network.class_names.size(), 10u);
  EXPECT_EQ(network.class_names[9], "Ankle boot");
  EXPECT_EQ(network.name.substr(0, 3), "w0=");
}

}  // namespace
}  // namespace regnet
