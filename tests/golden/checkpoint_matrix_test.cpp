// The same weights in every layout, container, element type and way to lie in memory, written by torch and the frameworks' own libraries
// (tools/golden/checkpoint_matrix.py): every file gives the logits of the plain one, to the bit.
#include <gtest/gtest.h>

#include <regnet/model.hpp>
#include <regnet/weights/open.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"
#include "golden/logits.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

std::string path_of(const std::string& file) { return std::string(REGNET_CHECKPOINT_MATRIX) + "/" + file; }

const Json& index() {
  static const Json json = [] {
    std::ifstream file(path_of("index.json"));
    return Json::parse(file);
  }();
  return json;
}

LoadOptions options_with(const std::string& weights_key = {}) {
  LoadOptions options;
  options.weights_key = weights_key;
  options.recipe.resize = options.recipe.crop = index()["resolution"].get<int>();
  options.compile.expected = {.batch = index()["batch"], .threads = 1};
  return options;
}

std::vector<float> logits(const Model& model) {
  const int batch = index()["batch"];
  return logits_of(model.plan, batch, synthetic_input(static_cast<std::size_t>(batch * model.plan.input_dims().count())));
}

std::vector<float> logits(const std::string& file, const std::string& weights_key = {}) {
  return logits(load_model(path_of(file), options_with(weights_key)));
}

const std::vector<float>& plain_logits() {
  static const std::vector<float> plain = logits("pycls.safetensors.f32.contiguous.safetensors");
  return plain;
}

std::vector<std::string> all_files() {
  std::vector<std::string> files;
  for (const Json& row : index()["files"]) files.push_back(row["file"]);
  return files;
}

class CheckpointMatrix : public testing::TestWithParam<std::string> {};

TEST_P(CheckpointMatrix, GivesTheLogitsOfThePlainFileAndSaysWhatItIs) {
  const Json& files = index()["files"];
  const Json& row = *std::find_if(files.begin(), files.end(), [](const Json& candidate) { return candidate["file"] == GetParam(); });
  const Model model = load_model(path_of(GetParam()), options_with());
  const std::string naming = row["naming"];
  EXPECT_EQ(name_of(model.naming), naming == "mmcls-bare" ? "mmcls" : naming);
  EXPECT_EQ(name_of(model.container), row["container"].get<std::string>());
  EXPECT_EQ(model.weights_key, row["weights_key"].get<std::string>());
  EXPECT_EQ(model.warnings, std::vector<std::string>());
  EXPECT_EQ(logits(model), plain_logits());
}

INSTANTIATE_TEST_SUITE_P(Files, CheckpointMatrix, testing::ValuesIn(all_files()), [](const auto& file) {
  std::string name = file.param.substr(0, file.param.rfind('.'));
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(CheckpointMatrix, ThePlainFileGivesTheLogitsOfPyTorch) {
  ASSERT_GE(all_files().size(), 300u);
  expect_golden(plain_logits(), index()["logits"]);
}

TEST(WeightsKey, WordsChooseWhatTheFrameworkMeansByThem) {
  const std::string pycls = "pycls.torch-zip.f32.contiguous.pth";
  for (const char* key : {"", "auto", "model", "model_state"}) EXPECT_EQ(logits(pycls, key), plain_logits()) << key;
  for (const char* key : {"ema", "ema_state"}) expect_golden(logits(pycls, key), index()["ema_logits"]);
  EXPECT_EQ(logits("special.ema-prefixed.pth", "model"), plain_logits());
  EXPECT_EQ(load_model(path_of("special.ema-prefixed.pth"), options_with("ema")).weights_key, "state_dict_ema");
  EXPECT_REGNET_ERROR(logits("timm.torch-zip.f32.contiguous.pth", "ema"), Code::not_found, "no averaged weights (EMA)");
  EXPECT_REGNET_ERROR(logits("timm.safetensors.f32.contiguous.safetensors", "ema"), Code::not_found, "safetensors has no entries");
  EXPECT_EQ(logits("timm.safetensors.f32.contiguous.safetensors", "model"), plain_logits());
}

TEST(OddCheckpoints, AreRefusedWithWhatTheyLookLike) {
  for (const auto& [file, words] : {std::pair("special.backbone.pth", "looks like a backbone without a classifier"),
                                    {"special.half-prefixed.pth", "names begin with 'module.'"},
                                    {"special.regnety.pth", "looks like a RegNetY"},
                                    {"special.resnet-stem.pth", "looks like a ResNet: the first convolution's weights are [64, 3, 7, 7]"},
                                    {"special.seer.pth", "looks like a trunk of self-supervised training, without a classifier"}})
    EXPECT_REGNET_ERROR(load_model(path_of(file)), Code::mismatch, words);
}

TEST(OddCheckpoints, OfMmengineLoadWithStrangeObjectsBeside) {
  const Checkpoint checkpoint = open_checkpoint(path_of("special.mmengine.pth"));
  EXPECT_EQ(logits("special.mmengine.pth"), plain_logits());
  bool history = false;
  for (const std::string& name : checkpoint.refused_globals) history = history || name.find("HistoryBuffer") != std::string::npos;
  EXPECT_TRUE(history);
}

TEST(OddCheckpoints, AnotherNumberOfClassNamesIsAWarning) {
  const Model model = load_model(path_of("special.class-names.pth"), options_with());
  EXPECT_EQ(model.plan.classes(), 7);
  EXPECT_TRUE(model.class_names.empty());
  ASSERT_EQ(model.warnings.size(), 1u);
  EXPECT_NE(model.warnings[0].find("names 4 classes, but its last layer has 7"), std::string::npos) << model.warnings[0];
}

TEST(OddCheckpoints, AnotherNumberOfClassesThanAskedForIsRefused) {
  LoadOptions options = options_with();
  options.classes = 1000;
  EXPECT_REGNET_ERROR(load_model(path_of("timm.torch-zip.f32.contiguous.pth"), options), Code::mismatch,
                      "expected a last layer of 1000 classes, found 4");
}

}  // namespace
}  // namespace regnet
