// What goes wrong around an evaluation, planted: each mistake is seen by eval, and doctor names it; a right set-up is called one.
#include <gtest/gtest.h>

#include <functional>
#include <numeric>

#include <nlohmann/json.hpp>

#include <regnet/base/imagenet.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/synthetic.hpp>

#include "command/run.hpp"
#include "eval/toy.hpp"
#include "weights/writers.hpp"

namespace {

using Json = nlohmann::json;
using namespace regnet;

// A network, images, and the options that belong to them.
struct Scene {
  TemporaryFolder folder;
  std::string options;  // all that are right
  std::string data = "val";

  void weights(const TensorMap& tensors) {
    Checkpoint checkpoint;
    checkpoint.tensors = tensors;
    save_safetensors(checkpoint, folder.path() / "weights", Existing::replace);
  }
  [[nodiscard]] std::string line(const std::string& command, const std::string& more = "") const {
    return command + " -q -o json --weights '" + (folder.path() / "weights").string() + "' --data '" + (folder.path() / data).string() + "' " +
           options + " " + more;
  }
  [[nodiscard]] double top1(const std::string& more = "") const {
    const Result result = run_regnet(line("eval", more));
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return result.exit_code == 0 ? Json::parse(result.out)["top1"].get<double>() : -1;
  }
  // The mistake, or "nothing found", or "guessing".
  [[nodiscard]] std::string diagnosis(const std::string& more = "") const {
    const Result result = run_regnet(line("doctor", more));
    if (result.exit_code > 1) return result.err;
    const Json json = Json::parse(result.out)["diagnosis"];
    EXPECT_EQ(result.exit_code, json["likely"].is_null() && !json["guessing"].get<bool>() ? 0 : 1);
    if (!json["likely"].is_null()) return json["likely"]["mistake"].get<std::string>() + " / " + json["likely"]["remedy"].get<std::string>();
    return json["guessing"].get<bool>() ? "guessing" : "nothing found";
  }
};

void expect_found(const std::string& diagnosis, const std::string& mistake, const std::string& remedy) {
  EXPECT_NE(diagnosis.find(mistake), std::string::npos) << diagnosis;
  EXPECT_NE(diagnosis.find(" / " + remedy), std::string::npos) << diagnosis;
}

// Colours on a grid of red, green and blue, `side` levels each.
std::vector<toy::Colour> grid(int side) {
  std::vector<toy::Colour> colours;
  const int step = 255 / (side - 1);
  for (int r = 0; r < side; ++r)
    for (int g = 0; g < side; ++g)
      for (int b = 0; b < side; ++b) colours.push_back({r * step, g * step, b * step});
  return colours;
}

// One image of each colour, of 256 x 256 pixels after resizing, and its label by `label_of`.
void plain_images(
    Scene& scene, const std::vector<toy::Colour>& colours, const std::function<int(int)>& label_of = [](int k) { return k; }) {
  std::string labels;
  for (std::size_t k = 0; k < colours.size(); ++k) {
    const std::string name = std::to_string(k) + ".png";
    scene.folder.write("val/" + name, toy::png(16, 16, [&](int, int) { return colours[k]; }));
    labels += name + " " + std::to_string(label_of(static_cast<int>(k))) + "\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
}

TEST(Mistakes, ARightSetupIsCalledOne) {
  const Result demo = run_regnet("doctor -q -o json --data '" REGNET_TEST_DIR "/../demo/images'");
  EXPECT_EQ(demo.exit_code, 0) << demo.out;
  EXPECT_EQ(Json::parse(demo.out)["diagnosis"]["likely"], nullptr);
  for (const char* preset : {"pycls", "mmcls", "torchvision-v1", "timm"}) {
    Scene scene;
    scene.options = std::string("--preset ") + preset;
    scene.weights(toy::nearest_colour(grid(4), find_preset(preset)));
    plain_images(scene, grid(4));
    EXPECT_EQ(scene.top1(), 1) << preset;
    EXPECT_EQ(scene.diagnosis(), "nothing found") << preset;
  }
}

// Channel order

TEST(Mistakes, ChannelsInTheOtherOrder) {
  for (const auto& [preset, wrong, right] :
       {std::tuple("pycls", "rgb", "bgr"), {"mmcls", "rgb", "bgr"}, {"torchvision-v2", "bgr", "rgb"}, {"timm", "bgr", "rgb"}}) {
    SCOPED_TRACE(preset);
    Scene scene;
    scene.options = std::string("--preset ") + preset;
    scene.weights(toy::nearest_colour(grid(4), find_preset(preset)));
    plain_images(scene, grid(4));
    EXPECT_EQ(scene.top1(), 1);
    EXPECT_EQ(scene.top1(std::string("--channels ") + wrong), 16.0 / 64);  // the colours that are as red as blue
    expect_found(scene.diagnosis(std::string("--channels ") + wrong), "the channels are in the other order", std::string("--channels ") + right);
  }
}

// Of changes to the preprocessing that is stored in the file, or that its names stand for, nothing need be known but that they are changes.
TEST(Mistakes, PreprocessingThatIsNotTheWeightsOwn) {
  for (const char* options : {"--mean 0,0,0 --std 1,1,1", "--mean 0.9,0.1,0.5", "--preset mmcls --crop 64 --resize 64"}) {
    const Result result = run_regnet("doctor -q -o json --data '" REGNET_TEST_DIR "/../demo/images' " + std::string(options));
    EXPECT_EQ(result.exit_code, 1) << result.err;
    EXPECT_EQ(Json::parse(result.out)["diagnosis"]["likely"]["mistake"],
              "the preprocessing is not the weights' own, which is fashion-mnist (stored in the file)");
  }
}

// Label orders

struct Order {
  const char* name;
  std::function<int(int)> label_of;  // of class k
  const char *mistake, *remedy;
  double most;  // that can still be right
};

int devkit_id(int k) { return imagenet_classes()[static_cast<std::size_t>(k)].devkit_id; }
// The place of a number among those below a thousand as texts.
int place_as_text(int number) {
  int place = 0;
  for (int other = 0; other < 1000; ++other) place += std::to_string(other) < std::to_string(number);
  return place;
}

TEST(Mistakes, LabelsInAnotherOrder) {
  const Recipe& recipe = find_preset("timm");
  const std::vector<toy::Colour> colours = grid(10);
  for (const Order& order :
       {Order{"from 1", [](int k) { return k + 1; }, "the labels count from 1", "subtract 1", 0.01},
        Order{"one too low", [](int k) { return k > 0 ? k - 1 : k; }, "the labels are one too low", "add 1", 0.01},
        Order{"ILSVRC ids", devkit_id, "ILSVRC2012_IDs of the development kit, taken", "--labels-order ilsvrc", 0.01},
        Order{"ILSVRC ids from 0", [](int k) { return devkit_id(k) - 1; }, "ILSVRC2012_IDs of the development kit minus 1", "add 1", 0.01},
        Order{"sorted as text", place_as_text, "the numbered classes were sorted as text", "number the labels", 0.02},
        Order{"shuffled", [](int k) { return (k * 7 + 13) % 1000; }, "in another order than the network's classes, though a consistent one",
              "look at the labels", 0.02}}) {
    SCOPED_TRACE(order.name);
    Scene scene;
    scene.options = "--preset timm --labels-order classes --limit 10000";
    scene.weights(toy::nearest_colour(colours, recipe));
    std::string labels;
    const int copies = std::string(order.name) == "shuffled" ? 4 : 1;  // so that most classes are in both halves of the sample
    for (int copy = 0; copy < copies; ++copy)
      for (int k = 0; k < 1000; ++k) {
        const std::string name = std::to_string(10'000 * (copy + 1) + k) + ".png";
        labels += name + " " + std::to_string(order.label_of(k)) + "\n";
        const std::string first = (scene.folder.path() / ("val/" + std::to_string(10'000 + k) + ".png")).string();
        if (copy == 0) scene.folder.write("val/" + name, toy::png(4, 4, [&](int, int) { return colours[static_cast<std::size_t>(k)]; }));
        else std::filesystem::create_hard_link(first, scene.folder.path() / ("val/" + name));
      }
    scene.options += " --crop 8 --resize 8 --labels '" + scene.folder.write("labels.txt", labels) + "'";
    if (std::string(order.name) != "from 1" && std::string(order.name) != "ILSVRC ids") {
      EXPECT_LE(scene.top1(), order.most);
    } else {  // 1000 is no class
      expect_refused(scene.line("eval"), "regnet doctor tells whether the labels count from 1");
    }
    expect_found(scene.diagnosis(), order.mistake, order.remedy);
  }
}

TEST(Mistakes, ClassIndicesTakenForIdsOfTheKit) {
  Scene scene;
  scene.options = "--preset timm --crop 8 --resize 8 --labels-order ilsvrc --limit 1000";
  scene.weights(toy::nearest_colour(grid(10), find_preset("timm")));
  std::string labels;
  for (int k = 1; k < 1000; ++k) {
    const std::string number = std::to_string(k);
    scene.folder.write("val/ILSVRC2012_val_" + std::string(8 - number.size(), '0') + number + ".png",
                       toy::png(4, 4, [&](int, int) { return grid(10)[static_cast<std::size_t>(k)]; }));
    labels += number + "\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
  EXPECT_LE(scene.top1(), 0.01);
  expect_found(scene.diagnosis(), "the labels are class indices, taken for ILSVRC2012_IDs", "--labels-order classes");
}

// Resizing and cropping: a frame of another colour around each image, which the right crop cuts off.

void framed_images(Scene& scene, const std::vector<toy::Colour>& colours, int side, int frame) {
  std::string labels;
  for (std::size_t k = 0; k < colours.size(); ++k) {
    const std::string name = std::to_string(k) + ".png";
    const auto colour_at = [&](int x, int y) {
      const bool outside = std::min(x, y) < frame || std::max(x, y) >= side - frame;
      toy::Colour colour = colours[k];
      for (int& level : colour) level = outside ? (level < 128 ? 255 : 0) : level;
      return colour;
    };
    scene.folder.write("val/" + name, toy::png(side, side, colour_at));
    labels += name + " " + std::to_string(k) + "\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
}

TEST(Mistakes, ResizedToAnotherSizeBeforeTheCrop) {
  for (const auto& [frame, right, wrong] : {std::tuple(2, "32", "28"), {2, "32", "29"}, {1, "29", "28"}}) {
    SCOPED_TRACE(std::string(right) + " not " + wrong);
    Scene scene;
    scene.options = "--preset pycls --crop 28";
    scene.weights(toy::nearest_colour(grid(6), find_preset("pycls")));
    framed_images(scene, grid(6), 32, frame);
    EXPECT_GE(scene.top1(std::string("--resize ") + right), 0.95);
    EXPECT_LE(scene.top1(std::string("--resize ") + wrong), 0.8);
    expect_found(scene.diagnosis(std::string("--resize ") + wrong), "resized to another size", "--resize");
  }
}

TEST(Mistakes, TheOtherOffsetOfTheCrop) {
  Scene scene;
  scene.options = "--preset pycls --resize 9 --crop 8";
  scene.weights(toy::nearest_colour(grid(6), find_preset("pycls")));
  const auto colours = grid(6);
  std::string labels;
  for (std::size_t k = 0; k < colours.size(); ++k) {
    const std::string name = std::to_string(k) + ".png";
    // The first row and column are of another colour: an offset of 1 cuts them off, one of 0 does not.
    scene.folder.write("val/" + name, toy::png(9, 9, [&](int x, int y) {
                         toy::Colour colour = colours[k];
                         for (int& level : colour) level = std::min(x, y) == 0 ? (level < 128 ? 255 : 0) : level;
                         return colour;
                       }));
    labels += name + " " + std::to_string(k) + "\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
  EXPECT_EQ(scene.top1("--crop-offset ceil"), 1);
  EXPECT_LE(scene.top1("--crop-offset half-even"), 0.5);
  expect_found(scene.diagnosis("--crop-offset half-even"), "the crop is a pixel off", "--crop-offset ceil");
}

// Four times too wide stripes: OpenCV looks at the two middle columns of four, Pillow at all.
TEST(Mistakes, AnotherInterpolation) {
  const auto colours = grid(4);
  for (const bool opencv : {true, false}) {
    Scene scene;
    scene.options = std::string("--resize 32 --crop 28 --preset ") + (opencv ? "mmcls" : "torchvision-v1");
    scene.weights(toy::nearest_colour(colours, find_preset(opencv ? "mmcls" : "torchvision-v1")));
    std::string labels;
    for (std::size_t k = 0; k < colours.size(); ++k) {
      const std::string name = std::to_string(k) + ".png";
      scene.folder.write("val/" + name, toy::png(128, 128, [&](int x, int y) {
                           const bool middle = (x % 4 == 1 || x % 4 == 2) && (y % 4 == 1 || y % 4 == 2);
                           toy::Colour colour = colours[k];
                           // Seen by Pillow: a quarter of the middle's colour; so the others are chosen to give the mean.
                           for (int& level : colour)
                             level = opencv ? (middle ? level : 255 - level) : (middle ? (level < 128 ? level + 85 : level - 85) : level);
                           return colour;
                         }));
      labels += name + " " + std::to_string(k) + "\n";
    }
    scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
    EXPECT_GE(scene.top1(), 0.95);
    const std::string wrong = opencv ? "--interpolation pillow-bilinear" : "--interpolation opencv-bilinear-u8";
    EXPECT_LE(scene.top1(wrong), 0.5);
    expect_found(scene.diagnosis(wrong), "resized by another interpolation", opencv ? "--interpolation opencv" : "--interpolation pillow");
  }
}

TEST(Mistakes, AnotherNormalisation) {
  for (const auto& [wrong, remedy] : {std::pair("--mean 0,0,0 --std 1,1,1", "--mean 0.485,0.456,0.406 --std 0.229,0.224,0.225"),
                                      {"--mean 0,0,0 --std 0.00392157,0.00392157,0.00392157", "--mean 0.485,0.456,0.406"}}) {
    Scene scene;
    scene.options = "--preset timm";
    scene.weights(toy::nearest_colour(grid(5), find_preset("timm")));
    plain_images(scene, grid(5));
    EXPECT_EQ(scene.top1(), 1);
    EXPECT_LE(scene.top1(wrong), 0.5);
    expect_found(scene.diagnosis(wrong), "normalised in another way: the network wants ImageNet's", remedy);
  }
  Scene raw;
  Recipe recipe = find_preset("timm");
  recipe.mean = {0, 0, 0};
  recipe.std = {1, 1, 1};
  raw.weights(toy::nearest_colour(grid(5), recipe));
  raw.options = "--preset timm";
  plain_images(raw, grid(5));
  expect_found(raw.diagnosis(), "the network wants values from 0 to 1", "--mean 0,0,0 --std 1,1,1");
}

TEST(Mistakes, OrientationIgnoredOrApplied) {
  Scene scene;
  scene.options = "--preset timm --crop 28 --resize 28";
  scene.weights(toy::direction());
  std::string labels;
  for (int i = 0; i < 64; ++i) {
    const int label = i % 4;
    const std::string name = std::to_string(i) + ".png";
    // Stored upside down, with a note to turn it by 180 degrees.
    scene.folder.write("val/" + name, toy::png(
                                          28, 28,
                                          [&](int x, int y) {
                                            const int along = label == 0 ? x : label == 1 ? 27 - x : label == 2 ? y : 27 - y;
                                            const int level = toy::saw_level(27 - along);
                                            return toy::Colour{level, level, level};
                                          },
                                          3));
    labels += name + " " + std::to_string(label) + "\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
  EXPECT_EQ(scene.top1("--exif apply"), 1);
  EXPECT_EQ(scene.top1(), 0);
  expect_found(scene.diagnosis(), "EXIF orientation is ignored", "--exif apply");
}

// Weights

std::string torch_file(const std::vector<std::pair<std::string, TensorMap>>& entries) {
  using namespace writers;
  std::vector<StorageData> storages;
  Items object;
  for (const auto& [key, tensors] : entries) {
    Items state;
    for (const NamedTensor& named : tensors) {
      const std::string number = std::to_string(storages.size());
      const std::vector<float> values = to_floats(named.view);
      const auto count = static_cast<std::int64_t>(values.size());
      state.emplace_back(named.name, tensor(storage("FloatStorage", number, count), 0, named.view.shape, named.view.strides));
      storages.push_back({number, count, floats(values)});
    }
    object.emplace_back(key, dict(state));
  }
  return torch_zip(dict(object), storages);
}

TEST(Mistakes, WeightsOfTheOtherEntry) {
  const Recipe& recipe = find_preset("timm");
  auto shifted = grid(4);
  for (toy::Colour& colour : shifted) colour = {colour[1], colour[2], colour[0]};
  for (const auto& [good, bad, remedy] :
       {std::tuple("state_dict_ema", "state_dict", "--weights-key state_dict_ema"), {"ema_state", "model_state", "--weights-key ema_state"}}) {
    Scene scene;
    scene.options = "--preset timm";
    scene.folder.write("weights", torch_file({{bad, toy::nearest_colour(shifted, recipe)}, {good, toy::nearest_colour(grid(4), recipe)}}));
    plain_images(scene, grid(4));
    EXPECT_LE(scene.top1(), 0.3);
    EXPECT_EQ(scene.top1("--weights-key ema"), 1);
    expect_found(scene.diagnosis(), "the weights are of another entry of the file", remedy);
  }
}

TEST(Mistakes, WeightsThatKnowNothing) {
  Scene scene;
  scene.options = "--preset timm --crop 32 --resize 32";
  scene.weights(synthetic_weights(parameters(build({{1, 16, 16, 8}}, {.resolution = 224, .classes = 64}))));
  plain_images(scene, grid(4));
  EXPECT_LE(scene.top1(), 0.1);
  EXPECT_EQ(scene.diagnosis(), "guessing");
}

TEST(Mistakes, AFewImagesMakeNoCertainty) {
  Scene scene;
  scene.options = "--preset timm --channels bgr --limit 12";
  scene.weights(toy::nearest_colour(grid(4), find_preset("timm")));
  plain_images(scene, grid(4));
  const Result result = run_regnet(scene.line("doctor"));
  EXPECT_EQ(result.exit_code, 1);
  const Json json = Json::parse(result.out)["diagnosis"];
  EXPECT_EQ(json["likely"], nullptr);
  EXPECT_EQ(json["possible"]["remedy"], "--channels rgb");
}

// A network that always says 7, on images of class 6: an order of labels would explain it, and is not the reason.
TEST(Mistakes, OneAnswerForAllIsNoOrderOfLabels) {
  Scene scene;
  scene.options = "--preset timm --crop 8 --resize 8";
  std::vector<toy::Colour> colours(10, toy::Colour{300, -100, 300});
  colours[7] = {128, 128, 128};
  scene.weights(toy::nearest_colour(colours, find_preset("timm")));
  std::string labels;
  for (int i = 0; i < 60; ++i) {
    const std::string name = std::to_string(i) + ".png";
    scene.folder.write("val/" + name, toy::png(8, 8, [&](int, int) { return toy::Colour{100 + i, 120, 130}; }));
    labels += name + " 6\n";
  }
  scene.options += " --labels '" + scene.folder.write("labels.txt", labels) + "'";
  const Json json = Json::parse(run_regnet(scene.line("doctor")).out)["diagnosis"];
  EXPECT_EQ(json["likely"], nullptr) << json["likely"];
  EXPECT_EQ(json["one_answer"], true);
}

TEST(Doctor, SaysWhatTheMachineIs) {
  const Result result = run_regnet("doctor");
  EXPECT_EQ(result.exit_code, 0) << result.out;
  for (const char* key : {"cpu ", "instruction_sets ", "threads ", "engine ", "openmp_runtimes ", "problems          none"})
    EXPECT_NE(result.out.find(key), std::string::npos) << key;
  expect_refused("doctor --weights '" REGNET_TEST_DIR "/golden/checkpoints/timm.safetensors'", "--weights without --data");
}

}  // namespace
