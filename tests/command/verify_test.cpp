// Another implementation of the same network, stage by stage: what PyTorch and the originals' preprocessing gave for one image in each framework.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

struct Framework {
  const char *name, *weights;
};
constexpr Framework frameworks[] = {
    {"pycls", "pycls.safetensors"}, {"mmcls", "mmcls-zip.pth"}, {"timm", "timm.safetensors"}, {"torchvision", "torchvision-zip.pth"}};

std::string line(const Framework& framework, const std::string& more = "", const std::string& folder = REGNET_GOLDEN_STAGES) {
  return "verify -q -o json --resize 40 --crop 35 --weights '" REGNET_TEST_DIR "/golden/checkpoints/" + std::string(framework.weights) +
         "' --reference '" + folder + "/" + framework.name + "' " + more;
}

TEST(Verify, EveryStageOfEveryFrameworkAgrees) {
  for (const Framework& framework : frameworks)
    for (const char* backend : {"onednn", "reference"}) {
      SCOPED_TRACE(std::string(framework.name) + " " + backend);
      const Result result = run_regnet(line(framework, std::string("--tolerance 1e-5 --backend ") + backend));
      ASSERT_EQ(result.exit_code, 0) << result.out << result.err;
      const Json json = Json::parse(result.out);
      EXPECT_EQ(json["first_departure"], nullptr);
      std::vector<std::string> names;
      for (const Json& row : json["stages"]) {
        names.push_back(row["stage"]);
        EXPECT_EQ(row["departs"], false);
        const bool of_image = row["unit"] == "grey levels" || row["stage"] == "normalised";
        EXPECT_TRUE(!of_image || row["largest_difference"] == 0) << row;
      }
      EXPECT_EQ(names, (std::vector<std::string>{"decoded", "resized", "cropped", "normalised", "stem", "s1", "s2", "s3", "s4", "logits"}));
    }
}

TEST(Verify, TheFirstStageThatDepartsIsNamed) {
  struct Planted {
    const char *options, *stage, *hint;
  };
  for (const auto& [options, stage, hint] : {Planted{"--interpolation pillow-bicubic", "resized", "another interpolation"},
                                             {"--crop-offset half-even", "cropped", "another offset"},
                                             {"--channels rgb", "normalised", "the channels are in the other order"},
                                             {"--mean 0.5,0.5,0.5", "normalised", "another mean or standard deviation"},
                                             {"--resize 44", "resized", "another size: the reference has 40 (--resize)"}}) {
    SCOPED_TRACE(options);
    std::string arguments = line(frameworks[0], options);
    if (std::string(options).starts_with("--resize")) arguments.erase(arguments.find("--resize 40 "), 12);
    const Result result = run_regnet(arguments);
    EXPECT_EQ(result.exit_code, 1) << result.err;
    const Json json = Json::parse(result.out);
    EXPECT_EQ(json["first_departure"], stage);
    const auto row = std::find_if(json["stages"].begin(), json["stages"].end(), [&](const Json& candidate) { return candidate["stage"] == stage; });
    EXPECT_NE((*row)["hint"].get<std::string>().find(hint), std::string::npos) << *row;
  }
  // Weights of another network of the same shape: the image is right, the stem is not.
  Framework other = frameworks[0];
  other.weights = "ema.pth";
  const Json json = Json::parse(run_regnet(line(other, "--preset pycls --weights-key ema")).out);
  EXPECT_EQ(json["first_departure"], "stem");
}

TEST(Verify, StagesWithoutReferenceAreSaidToBeWithout) {
  const TemporaryFolder folder;
  std::filesystem::copy(REGNET_GOLDEN_STAGES "/timm", folder.path() / "timm");
  std::filesystem::remove(folder.path() / "timm/s2.npy");
  std::string for_people = line(frameworks[2], "", folder.path().string());
  for_people.erase(for_people.find(" -o json"), 8);
  EXPECT_EQ(run_regnet(for_people).exit_code, 1);
  const Result result = run_regnet(for_people + " --partial");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("no reference\n"), std::string::npos) << result.out;
  EXPECT_TRUE(result.out.ends_with("the 9 stages that have a reference agree, 1 have none\n")) << result.out;
  for (const char* name : {"decoded", "resized", "cropped", "normalised", "stem", "s1", "s3", "s4", "logits"})
    std::filesystem::remove(folder.path() / "timm" / (std::string(name) + ".npy"));
  expect_refused(line(frameworks[2], "", folder.path().string()), "no reference: expected decoded.npy");
  folder.write("timm/reference.json", R"({"image":"../../etc/passwd"})");
  expect_refused(line(frameworks[2], "", folder.path().string()), "expected the name of a file beside it");
  folder.write("timm/reference.json", "[");
  expect_refused(line(frameworks[2], "", folder.path().string()), "expected a JSON object with the name of the image");
}

}  // namespace
