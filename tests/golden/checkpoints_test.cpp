// Files written by torch.save and safetensors in every naming, container and dtype, with the logits PyTorch computed from what they hold.
#include <gtest/gtest.h>

#include <regnet/identify.hpp>
#include <regnet/model.hpp>
#include <regnet/weights/open.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"
#include "golden/logits.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

const Json& index() {
  static const Json json = read_golden("checkpoints/index.json");
  return json;
}

std::string path_of(const std::string& file) { return std::string(REGNET_TEST_DIR) + "/golden/checkpoints/" + file; }

std::vector<std::string> sound_files() {
  std::vector<std::string> files;
  for (const Json& row : index()["files"])
    if (row.contains("logits")) files.push_back(row["file"]);
  return files;
}

const Json& row_of(const std::string& file) {
  for (const Json& row : index()["files"])
    if (row["file"] == file) return row;
  throw std::runtime_error(file);
}

Model load(const std::string& file, const std::string& weights_key = {}) {
  LoadOptions options;
  options.weights_key = weights_key;
  options.recipe.resize = index()["resolution"].get<int>();
  options.recipe.crop = index()["resolution"].get<int>();
  options.compile.expected = {.batch = index()["batch"], .threads = 1};
  return load_model(path_of(file), options);
}

std::vector<float> logits(const Model& model) {
  const int batch = index()["batch"];
  return logits_of(model.plan, batch, synthetic_input(static_cast<std::size_t>(batch * model.plan.input_dims().count())));
}

class Checkpoints : public testing::TestWithParam<std::string> {};

TEST_P(Checkpoints, GiveTheLogitsOfPyTorchAndSayWhatTheyAre) {
  const Json& row = row_of(GetParam());
  const Model model = load(GetParam());
  EXPECT_EQ(name_of(model.container), row["container"].get<std::string>());
  const std::string naming = row["naming"];
  EXPECT_EQ(name_of(model.naming), naming == "mmcls-bare" ? "mmcls" : naming);
  EXPECT_EQ(model.weights_key, row["weights_key"].get<std::string>());
  Json depths, widths;
  for (const Stage& stage : model.stages) {
    depths.push_back(stage.depth);
    widths.push_back(stage.width);
  }
  EXPECT_EQ(depths, index()["depths"]);
  EXPECT_EQ(widths, index()["widths"]);
  expect_golden(logits(model), row["logits"]);
}

INSTANTIATE_TEST_SUITE_P(Files, Checkpoints, testing::ValuesIn(sound_files()), [](const auto& file) {
  std::string name = file.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(CheckpointChoice, TheEmaIsNamedAndTakenOnlyWhenAskedFor) {
  const Json& row = row_of("ema.pth");
  const std::string key = row["ema_weights_key"];
  const Checkpoint checkpoint = open_checkpoint(path_of("ema.pth"));
  EXPECT_EQ(checkpoint.other_weights_keys, std::vector<std::string>{key});
  expect_golden(logits(load("ema.pth", key)), row["ema_logits"]);
  EXPECT_REGNET_ERROR(load("ema.pth", "no_such_key"), Code::not_found, "no_such_key");
}

TEST(CheckpointChoice, CallsNamedInAFileAreListedAndNeverMade) {
  const Checkpoint checkpoint = open_checkpoint(path_of("evil-meta.pth"));
  EXPECT_EQ(checkpoint.refused_globals, std::vector<std::string>{"posix.system"});
  EXPECT_REGNET_ERROR(load("evil-tensor.pth"), Code::bad_format, "posix.system");
}

// The preset follows the naming: the stem of mmcls and pycls files wants blue first.
TEST(CheckpointChoice, TheNamingDecidesThePreset) {
  const auto preset = [](const char* file) {
    LoadOptions options;
    options.compile.expected.threads = 1;
    return load_model(path_of(file), options).recipe;
  };
  EXPECT_EQ(preset("pycls-zip.pth"), find_preset("pycls"));
  EXPECT_EQ(preset("mmcls-legacy.pth"), find_preset("mmcls"));
  EXPECT_EQ(preset("mmcls-bare.safetensors"), find_preset("mmcls"));
  EXPECT_EQ(preset("timm.safetensors"), find_preset("timm"));
  EXPECT_EQ(preset("torchvision-zip.pth"), find_preset("torchvision-v2"));
  EXPECT_EQ(find_preset("mmcls").channels, ChannelOrder::bgr);
  EXPECT_EQ(find_preset("torchvision-v2").channels, ChannelOrder::rgb);
}

// A torchvision file under another framework's published name once got that framework's channel order.
TEST(CheckpointChoice, AFileNameChoosesOnlyAmongTorchvisionsOwnRecipes) {
  const Checkpoint checkpoint = open_checkpoint(path_of("torchvision-zip.pth"));
  std::string source;
  const auto preset = [&](const char* file) { return default_recipe(checkpoint, Naming::torchvision, file, source).name; };
  EXPECT_EQ(preset("some/folder/regnet_x_400mf-adf1edd5.pth"), "torchvision-v1");
  EXPECT_EQ(preset("RegNetX-400MF-0db9f35c.pth"), "torchvision-v2");
  EXPECT_EQ(preset("regnetx-400mf_8xb128_in1k_20211213-89bfc226.pth"), "torchvision-v2");
}

TEST(CheckpointChoice, ANetworkThatIsNotTheOneAskedForIsRefused) {
  LoadOptions options;
  options.model = "regnetx_400mf";
  EXPECT_REGNET_ERROR(load_model(path_of("timm-zip.pth"), options), Code::mismatch, "expected regnetx_400mf, found RegNetX depths 1,2,1,1");
}

}  // namespace
}  // namespace regnet
