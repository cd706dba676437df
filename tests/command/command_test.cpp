// The command as scripts use it: what is printed where, and the exit codes.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"
#include "eval/tar_writer.hpp"
#include "golden/golden.hpp"

namespace {

using Json = nlohmann::json;

const std::string tests = REGNET_TEST_DIR;
const std::string demo_image =
    tests + "/../demo/images/9/" + std::filesystem::directory_iterator(tests + "/../demo/images/9")->path().filename().string();

TEST(Info, AllTwelveNetworksEqualTheReference) {
  const Result result = run_regnet("info --all -o json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json rows = Json::parse(result.out), golden = read_golden("designs.json")["zoo"];
  ASSERT_EQ(rows.size(), 12u);
  ASSERT_EQ(golden.size(), 12u);
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (const char* key : {"name", "depths", "widths", "group_widths", "params", "macs", "activations"})
      EXPECT_EQ(rows[i][key], golden[i][key]) << key << " of row " << i;
}

TEST(Info, LayersSumToTheTotals) {
  for (const char* options : {"", " --resolution 160", " --resolution 225 --classes 10"}) {
    const Json row = Json::parse(run_regnet(std::string("info regnetx_600mf --layers -o json") + options).out)[0];
    for (const char* key : {"params", "macs", "activations", "mmcv_flops"}) {
      std::int64_t sum = 0;
      for (const Json& layer : row["layers"]) sum += layer[key].get<std::int64_t>();
      EXPECT_EQ(Json(sum), row[key]) << key << options;
    }
    EXPECT_EQ(row["flops_2x"], Json(2 * row["macs"].get<std::int64_t>()));
  }
}

TEST(Info, EveryOutputFormatNamesTheNetwork) {
  for (const char* format : {"table", "md", "csv", "dot", "json"})
    EXPECT_NE(run_regnet(std::string("info RegNetX-400MF -o ") + format).out.find(std::strcmp(format, "dot") ? "regnetx_400mf" : "s4.b12.f.c"),
              std::string::npos)
        << format;
  EXPECT_NE(run_regnet("info w0=8,wa=8,wm=2.5,d=12,g=8").out.find("8 16 48 128"), std::string::npos);
}

TEST(Command, BadUsageIsOneLineAndExitCode2) {
  expect_refused("", "subcommand");
  expect_refused("info --no-such-option", "--no-such-option");
  expect_refused("info -o yaml", "yaml");
  expect_refused("info regnetx_401mf", "near names: regnetx_400mf");
  expect_refused("info w0=24,wa=1,wm=1,d=3,g=8", "wm > 1, found 1");
  expect_refused("info regnetx_400mf --resolution 0", "resolution");
}

TEST(Command, ResultsThatCannotBeWrittenAreAnError) {
  const Result result = run_regnet("info --all >/dev/full");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("stdout"), std::string::npos) << result.err;
  EXPECT_EQ(run_regnet("--version >/dev/full").exit_code, 2);
}

TEST(Command, APipeInThePlaceOfAFileIsRefusedAtOnce) {
  const TemporaryFolder folder;
  const std::string pipe = (folder.path() / "pipe").string();
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_refused("inspect '" + pipe + "'", "regular file");
  expect_refused("predict -q '" + pipe + "'", "regular file");
}

TEST(Command, VersionNamesEverythingAResultDependsOn) {
  const Result result = run_regnet("--version");
  EXPECT_EQ(result.exit_code, 0);
  for (const char* part : {"regnet 0.", "oneDNN 3.", "libjpeg", "libpng", "threads"})
    EXPECT_NE(result.out.find(part), std::string::npos) << part << " in " << result.out;
}

TEST(Predict, WithoutWeightsUsesTheDemoAndSaysSo) {
  const Result result = run_regnet("predict '" + demo_image + "'");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.err.find("built-in demo"), std::string::npos) << result.err;
  EXPECT_NE(result.out.find("Ankle boot"), std::string::npos) << result.out;
  EXPECT_EQ(run_regnet("predict -q '" + demo_image + "'").err, "");
}

TEST(Predict, JsonHoldsClassNameProbabilityAndLogit) {
  const Result result = run_regnet("predict -q --top 10 -o json '" + demo_image + "'");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  ASSERT_EQ(json.size(), 1u);
  EXPECT_EQ(json[0]["image"], demo_image);
  ASSERT_EQ(json[0]["top"].size(), 10u);
  double sum = 0;
  for (const Json& item : json[0]["top"]) {
    sum += item["probability"].get<double>();
    EXPECT_TRUE(item["class"].is_number_integer() && item["name"].is_string() && item["logit"].is_number());
  }
  EXPECT_NEAR(sum, 1, 1e-9);
}

// The three ways of naming the same image, and its preprocessed pixels, are one input.
TEST(Predict, ListsFoldersAndArraysGiveTheSameLogitsAsTheImage) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "images");
  std::filesystem::copy_file(demo_image, folder.path() / "images/a.png");
  const auto logits = [&](const std::string& arguments, const std::string& before = "") {
    const std::string out = (folder.path() / "logits.npy").string();
    const Result result = run_regnet("predict -q --logits '" + out + "' " + arguments, before);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read(out);
  };
  const std::string expected = logits("'" + demo_image + "'");
  EXPECT_EQ(expected.size(), 128u + 10 * sizeof(float));
  EXPECT_EQ(logits("'" + (folder.path() / "images").string() + "'"), expected);
  EXPECT_EQ(logits("-", "echo '" + demo_image + "' |"), expected);
  const std::string array = (folder.path() / "input.npy").string();
  const Result dump =
      run_regnet("preprocess --preset torchvision-v1 --resize 64 --crop 64 --mean 0.286,0.286,0.286 --std 0.353,0.353,0.353 --dump '" + array +
                 "' '" + demo_image + "'");
  ASSERT_EQ(dump.exit_code, 0) << dump.err;
  EXPECT_EQ(logits("'" + array + "'"), expected);
}

// --mean once took the images that followed it for numbers.
TEST(Predict, NumbersOfTheRecipeDoNotSwallowImages) {
  const Result result = run_regnet("predict -q --mean 0.3,0.3,0.3 --std 0.4,0.4,0.4 -o json '" + demo_image + "' '" + demo_image + "'");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(Json::parse(result.out).size(), 2u);
}

std::string npy(const std::string& shape, const std::vector<float>& values) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + shape + "), }";
  header.append(127 - 10 - header.size(), ' ');
  header += '\n';
  return std::string("\x93NUMPY\x01\0", 8) + static_cast<char>(header.size()) + '\0' + header +
         std::string(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
}

// A kernel's ReLU makes 0 of NaN, so an array of NaN once was a shirt, with 54%.
TEST(Predict, ArraysWithoutAnAnswerAreErrorsAndTheOthersGoOn) {
  const TemporaryFolder folder;
  std::vector<float> two(2 * 3 * 64 * 64, 0.0f);
  two[5] = std::numeric_limits<float>::quiet_NaN();
  const std::string half = folder.write("half.npy", npy("2, 3, 64, 64", two));
  const Result result = run_regnet("predict -q -o json '" + half + "'");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.err.find("half.npy#0: session: expected finite values"), std::string::npos) << result.err;
  ASSERT_EQ(Json::parse(result.out).size(), 2u);
  EXPECT_EQ(Json::parse(result.out)[1]["top"].size(), 5u);
  two.resize(two.size() / 2);
  expect_refused("predict -q '" + folder.write("nan.npy", npy("1, 3, 64, 64", two)) + "'", "finite");
  expect_refused("predict -q -o json '" + folder.write("none.npy", npy("0, 3, 64, 64", {})) + "'", "with n >= 1");
  expect_refused("predict -q -o csv '" + folder.write("small.npy", npy("1, 3, 2, 2", std::vector<float>(12))) + "'", "found [1, 3, 2, 2]");
}

TEST(Predict, BrokenImagesAreNamedAndTheOthersStillAnswered) {
  const TemporaryFolder folder;
  const std::string broken = folder.write("broken.jpg", "\xff\xd8\xff");
  const Result some = run_regnet("predict -q -o json '" + demo_image + "' '" + broken + "' /no/such.png");
  EXPECT_EQ(some.exit_code, 3);
  EXPECT_EQ(some.error_lines(), 2) << some.err;
  const Json json = Json::parse(some.out);
  ASSERT_EQ(json.size(), 3u);
  EXPECT_EQ(json[0]["top"].size(), 5u);
  EXPECT_NE(json[1]["error"].get<std::string>().find("broken.jpg"), std::string::npos);
  EXPECT_NE(json[2]["error"].get<std::string>().find("/no/such.png"), std::string::npos);
  EXPECT_EQ(run_regnet("predict -q '" + broken + "'").exit_code, 2);
}

TEST(Predict, WeightsThatAreNoneAreRefused) {
  const TemporaryFolder folder;
  const std::string image = "'" + demo_image + "'";
  expect_refused("predict -q --weights /no/such.pth " + image, "/no/such.pth");
  expect_refused("predict -q --weights '" + folder.write("empty.pth") + "' " + image, "empty");
  expect_refused("predict -q --weights '" + folder.write("page.pth", "<!DOCTYPE html><html>404</html>") + "' " + image, "HTML");
  expect_refused("predict -q --weights '" + demo_image + "' " + image, demo_image.substr(demo_image.rfind('/')));
  expect_refused("predict -q --model regnetx_400mf " + image, "expected regnetx_400mf");
  expect_refused("predict -q --preset nonsense " + image, "nonsense");
  expect_refused("predict -q --mean 1,2 " + image, "expected 3 numbers");
  expect_refused("predict -q --weights '' " + image, "empty");
  expect_refused("eval -q --data ''", "empty");
}

// A safetensors file, taken apart so that a test can damage its header in a meaningful way.
struct Safetensors {
  Json header;
  std::string data;

  explicit Safetensors(const std::string& path) {
    const std::string bytes = read(path);
    std::uint64_t length = 0;
    std::memcpy(&length, bytes.data(), sizeof(length));
    header = Json::parse(bytes.substr(8, length));
    data = bytes.substr(8 + length);
  }
  [[nodiscard]] std::string bytes() const {
    const std::string text = header.dump();
    const std::uint64_t length = text.size();
    return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + text + data;
  }
  void rename(const std::string& from, const std::string& to) {
    header[to] = header.at(from);
    header.erase(from);
  }
  // Takes a tensor out, and closes the hole it leaves.
  void remove(const std::string& name) {
    const std::uint64_t begin = header.at(name)["data_offsets"][0], end = header[name]["data_offsets"][1];
    data.erase(begin, end - begin);
    header.erase(name);
    for (auto& [key, tensor] : header.items())
      if (key != "__metadata__" && tensor["data_offsets"][0] >= end)
        for (Json& offset : tensor["data_offsets"]) offset = offset.get<std::uint64_t>() - (end - begin);
  }
};

TEST(Predict, OneTensorMissingRenamedOrReshapedIsOneClearLine) {
  const TemporaryFolder folder;
  const Safetensors sound(tests + "/golden/checkpoints/pycls.safetensors");
  const auto refused = [&](const Safetensors& damaged, const std::string& part) {
    expect_refused("predict -q --weights '" + folder.write("damaged.safetensors", damaged.bytes()) + "' --resize 32 --crop 32 '" + demo_image + "'",
                   part);
  };
  Safetensors missing = sound, renamed = sound, reshaped = sound;
  missing.remove("s2.b2.f.c_bn.running_mean");
  refused(missing, "1 missing: s2.b2.f.c_bn.running_mean");
  renamed.rename("s1.b1.f.b_bn.running_var", "s1.b1.f.b_bn.running_variance");
  refused(renamed, "s1.b1.f.b_bn.running_variance");
  reshaped.header["s2.b1.f.a.weight"]["shape"] = {8, 16, 1, 1};
  ASSERT_NE(reshaped.header["s2.b1.f.a.weight"]["shape"], sound.header["s2.b1.f.a.weight"]["shape"]);
  refused(reshaped, "s2.b1.f.a.weight: expected [16, 8, 1, 1], found [8, 16, 1, 1]");
}

TEST(Inspect, SaysWhatAFileHolds) {
  const std::string file = tests + "/golden/checkpoints/mmcls-legacy.pth";
  const Result result = run_regnet("inspect -o json '" + file + "'");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  for (const char* key : {"file", "bytes", "sha256", "container", "naming", "weights_key", "model", "classes", "dtype", "params", "ema", "preset",
                          "refused_globals", "problems"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["container"], "torch-legacy");
  EXPECT_EQ(json["naming"], "mmcls");
  EXPECT_EQ(json["weights_key"], "state_dict");
  EXPECT_EQ(json["classes"], 5);
  EXPECT_EQ(json["dtype"], "F32");
  EXPECT_EQ(json["preset"], "mmcls");
  EXPECT_EQ(json["problems"], Json::array());
  EXPECT_EQ(json["bytes"], std::filesystem::file_size(file));
  EXPECT_EQ(json["sha256"].get<std::string>().size(), 64u);
  EXPECT_EQ(run_regnet("inspect '" + file + "'").exit_code, 0);
}

TEST(Inspect, RefusedCallsAndEmaWeightsAreShown) {
  EXPECT_EQ(Json::parse(run_regnet("inspect -o json '" + tests + "/golden/checkpoints/evil-meta.pth'").out)["refused_globals"],
            Json({"posix.system"}));
  EXPECT_EQ(Json::parse(run_regnet("inspect -o json '" + tests + "/golden/checkpoints/ema.pth'").out)["ema"], "state_dict_ema");
}

// Published files carry the beginning of their own checksum.
TEST(Inspect, TheChecksumInAFilesNameIsCompared) {
  const std::string source = tests + "/golden/checkpoints/timm.safetensors";
  const std::string digest = Json::parse(run_regnet("inspect -o json '" + source + "'").out)["sha256"];
  const TemporaryFolder folder;
  const auto inspect = [&](const std::string& name) {
    std::filesystem::copy_file(source, folder.path() / name);
    return Json::parse(run_regnet("inspect -o json '" + (folder.path() / name).string() + "'").out);
  };
  EXPECT_EQ(inspect("network-" + digest.substr(0, 8) + ".safetensors")["problems"], Json::array());
  const Json other = inspect("network_20211213-01234567.safetensors");
  EXPECT_EQ(other["sha256_in_name"], "01234567");
  ASSERT_EQ(other["problems"].size(), 1u);
  EXPECT_NE(other["problems"][0].get<std::string>().find("begins with 01234567, but it does not"), std::string::npos);
  EXPECT_EQ(inspect("regnetx-400mf.safetensors")["sha256_in_name"], nullptr);
}

TEST(Inspect, ProblemsComeWorstFirst) {
  const std::string text = run_regnet("inspect '" + tests + "/golden/checkpoints/evil-meta.pth'").out;
  for (const char* part : {"torch-zip", "mmcls names", "posix.system (named by the file, never called)", "problems", "none"})
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
}

TEST(Preprocess, NothingIsWrittenWhenAnImageIsBroken) {
  const TemporaryFolder folder;
  const std::string out = (folder.path() / "out.npy").string();
  expect_refused("preprocess --preset pycls --dump '" + out + "' '" + demo_image + "' '" + folder.write("broken.png", "no") + "'", "broken.png");
  EXPECT_FALSE(std::filesystem::exists(out));
  expect_refused("preprocess --dump '" + out + "' '" + demo_image + "'", "--preset");
}

// Eight files that show the same scene in the eight orientations of EXIF: by default their stored pixels count, as in the published numbers.
TEST(Preprocess, ExifIsIgnoredUnlessApplied) {
  const TemporaryFolder folder;
  const auto dump = [&](int orientation, const std::string& options) {
    const std::string out = (folder.path() / "out.npy").string();
    const Result result = run_regnet("preprocess --preset torchvision-v1 " + options + " --dump '" + out + "' '" + tests + "/golden/images/exif-" +
                                     std::to_string(orientation) + ".jpg'");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return read(out);
  };
  EXPECT_EQ(dump(3, ""), dump(3, "--exif ignore"));
  EXPECT_NE(dump(3, ""), dump(3, "--exif apply"));
  EXPECT_EQ(dump(1, ""), dump(1, "--exif apply"));
}

// A labelled folder of demo images, ten of each of two classes.
void fill(const TemporaryFolder& folder) {
  for (const char* label : {"1", "9"}) {
    std::filesystem::create_directories(folder.path() / label);
    int count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(tests + "/../demo/images/" + label))
      if (count++ < 10) std::filesystem::copy_file(entry.path(), folder.path() / label / entry.path().filename());
  }
}

TEST(Eval, JsonHoldsCountsIntervalPresetAndProvenance) {
  const TemporaryFolder folder;
  fill(folder);
  const Result result = run_regnet("eval -q --threads 1 -o json --data '" + folder.path().string() + "'");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  for (const char* key :
       {"n", "top1_correct", "top5_correct", "top1", "top5", "top1_ci95", "errors", "skipped", "seconds", "images_per_s", "preset", "provenance"})
    EXPECT_TRUE(json.contains(key)) << key;
  EXPECT_EQ(json["n"], 20);
  EXPECT_GE(json["top1_correct"].get<int>(), 15);
  EXPECT_EQ(json["top1"].get<double>(), json["top1_correct"].get<int>() / 20.0);
  for (const char* key : {"weights_sha256", "model", "engine", "decoders", "threads", "threads_from", "version", "commit"})
    EXPECT_TRUE(json["provenance"].contains(key)) << key;
  for (const char* key : {"resize", "crop", "interpolation", "channels", "mean", "std"}) EXPECT_TRUE(json["preset"].contains(key)) << key;
}

TEST(Eval, BrokenImagesGiveExitCode3AndNoneSkippedInSilence) {
  const TemporaryFolder folder;
  fill(folder);
  folder.write("1/cut.png", read(demo_image).substr(0, 100));
  folder.write("9/empty.png");
  const std::string data = "--threads 1 -q -o json --data '" + folder.path().string() + "'";
  const Result counted = run_regnet("eval " + data);
  EXPECT_EQ(counted.exit_code, 3);
  EXPECT_EQ(counted.error_lines(), 2) << counted.err;
  EXPECT_EQ(Json::parse(counted.out)["n"], 22);
  EXPECT_EQ(Json::parse(counted.out)["errors"], 2);
  const Result skipped = run_regnet("eval --skip-errors " + data);
  EXPECT_EQ(skipped.exit_code, 0);
  EXPECT_EQ(Json::parse(skipped.out)["n"], 20);
  EXPECT_EQ(Json::parse(skipped.out)["skipped"], 2);
}

// A file name that was no UTF-8 once ended a whole evaluation in a JSON exception.
TEST(Eval, FileNamesNeedNotBeUtf8) {
  const TemporaryFolder folder;
  fill(folder);
  folder.write("1/broken\xff.png");
  const Result result = run_regnet("eval -q --threads 1 -o json --data '" + folder.path().string() + "'");
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(Json::parse(result.out)["failed_images"].size(), 1u);
}

TEST(Eval, DataThatIsNoneIsRefused) {
  const TemporaryFolder folder;
  expect_refused("eval -q --data '" + folder.path().string() + "'", "expected images, found none");
  expect_refused("eval -q --data /no/such/folder", "/no/such/folder");
  folder.write("a.png");
  expect_refused("eval -q --data '" + folder.path().string() + "'", "--labels");
  expect_refused("eval -q --weights '" + tests + "/golden/checkpoints/timm-zip.pth'", "--data");
}

TEST(Eval, ShardsMergeToTheWholeAndPredictionsAreCountedAgain) {
  const TemporaryFolder folder;
  const auto path = [&](const char* name) { return "'" + (folder.path() / name).string() + "'"; };
  const auto json_of = [](const std::string& arguments) { return Json::parse(run_regnet("eval -q -o json " + arguments).out); };
  const Json whole = json_of("--predictions " + path("whole.csv") + " --confusion " + path("confusion.csv") + " --per-class");
  for (const char* shard : {"1", "2", "3"})
    EXPECT_EQ(run_regnet(std::string("eval -q --threads ") + shard + " --batch 7 --shard " + shard + "/3 --predictions " + path(shard)).exit_code, 0);
  const Json merged = json_of("--merge " + path("3") + " " + path("1") + " " + path("2") + " --predictions " + path("merged.csv"));
  EXPECT_EQ(read(folder.path() / "merged.csv"), read(folder.path() / "whole.csv"));
  const Json offline = json_of("--from " + path("whole.csv"));
  for (const char* key : {"n", "top1_correct", "top5_correct", "top1_ci95", "errors"}) {
    EXPECT_EQ(merged[key], whole[key]) << key;
    EXPECT_EQ(offline[key], whole[key]) << key;
  }
  ASSERT_EQ(whole["per_class"].size(), 10u);
  int right = 0;
  for (const Json& row : whole["per_class"]) right += row["top1_correct"].get<int>();
  EXPECT_EQ(right, whole["top1_correct"]);
  EXPECT_TRUE(read(folder.path() / "confusion.csv").starts_with("label,predicted,count\n0,0,"));
  expect_refused("eval --merge " + path("1") + " " + path("3"), "333 of 1000 images are missing, the first is number 2");
  expect_refused("eval --merge " + path("1") + " " + path("1"), "comes twice");
  for (const char* shard : {"0/3", "4/3", "1", "1/0", "1/3x", "a/b"}) expect_refused(std::string("eval --shard ") + shard, "--shard: expected I/N");
  expect_refused("eval --predictions /no/such/folder/p.csv", "/no/such/folder/p.csv: cannot be written");
}

// What a run says of each image depends neither on how the images are packed nor on who works on them how.
TEST(Eval, FolderTarAndShardsGiveTheSamePredictionsWhateverThreadsAndBatch) {
  const TemporaryFolder folder;
  const std::filesystem::path images = std::filesystem::path(tests) / "../demo/images";
  TarMembers tree;
  std::array<TarMembers, 3> shards;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(images)) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().lexically_relative(images).generic_string(), content = read(entry.path()),
                      label = name.substr(0, name.find('/'));
    tree.emplace_back(name, content);
    TarMembers& shard = shards[tree.size() % 3];
    const std::string key = label + "_" + entry.path().stem().string();
    shard.emplace_back(key + ".png", content);
    shard.emplace_back(key + ".cls", label);
  }
  write_tar((folder.path() / "images.tar").string(), tree);
  write_tar((folder.path() / "images.tar.zst").string(), tree, "zstd");
  std::filesystem::create_directory(folder.path() / "shards");
  for (std::size_t i = 0; i < 3; ++i) write_tar((folder.path() / ("shards/" + std::to_string(i) + ".tar")).string(), shards[i]);
  const auto predictions = [&](const std::string& data, const std::string& options) {
    const std::filesystem::path out = folder.path() / "out.csv";
    EXPECT_EQ(run_regnet("eval -q --data '" + data + "' --predictions '" + out.string() + "' " + options).exit_code, 0) << data;
    return read(out);
  };
  const std::string expected = predictions(images.string(), "--threads 1 --batch 1");
  for (const char* options : {"--threads 1 --batch 7", "--threads 2 --batch 64", "--threads 2 --batch 1"}) {
    EXPECT_EQ(predictions(images.string(), options), expected) << options;
    EXPECT_EQ(predictions((folder.path() / "images.tar").string(), options), expected) << options;
    EXPECT_EQ(predictions((folder.path() / "images.tar.zst").string(), options), expected) << options;
  }
  // Shards list the images in another order and by other names.
  const auto answers = [](const std::string& csv) {
    std::multiset<std::string> rows;
    std::istringstream lines(csv);
    for (std::string line; std::getline(lines, line);) rows.insert(line.substr(line.find(',', line.find(',', line.find(',') + 1) + 1)));
    return rows;
  };
  for (const char* options : {"--threads 1 --batch 64", "--threads 2 --batch 7"})
    EXPECT_EQ(answers(predictions((folder.path() / "shards").string(), options)), answers(expected)) << options;
}

TEST(Eval, SubsetLogitsChooseAmongThePresentClassesOnly) {
  const TemporaryFolder folder;
  for (const char* label : {"4", "6"})  // coats and shirts
    std::filesystem::create_directories(folder.path() / "set"),
        std::filesystem::copy(std::filesystem::path(tests) / "../demo/images" / label, folder.path() / "set" / label,
                              std::filesystem::copy_options::recursive);
  const std::string data = "--data '" + (folder.path() / "set").string() + "' --predictions '" + (folder.path() / "p.csv").string() + "'";
  const Json all = Json::parse(run_regnet("eval -q -o json " + data).out);
  const Json subset = Json::parse(run_regnet("eval -q -o json --subset-logits " + data).out);
  EXPECT_EQ(all["n"], 200);
  EXPECT_GT(subset["top1_correct"], all["top1_correct"]);
  EXPECT_EQ(subset["provenance"]["subset_logits"], true);
  std::istringstream rows(read(folder.path() / "p.csv"));
  std::string row;
  std::getline(rows, row);
  while (std::getline(rows, row)) EXPECT_TRUE(row.find(",,4,") != std::string::npos || row.find(",,6,") != std::string::npos) << row;
}

// Labels in another order give an accuracy of chance, and a number that nobody should believe.
TEST(Eval, AnAccuracyOfGuessingIsSaidToBeOne) {
  const TemporaryFolder folder;
  std::string labels;
  int count = 0;
  std::filesystem::create_directory(folder.path() / "flat");
  for (const auto& entry : std::filesystem::recursive_directory_iterator(std::filesystem::path(tests) / "../demo/images")) {
    if (!entry.is_regular_file()) continue;
    const std::string name = entry.path().filename().string(), label = entry.path().parent_path().filename().string();
    std::filesystem::copy_file(entry.path(), folder.path() / "flat" / (label + name));
    labels += label + name + " " + std::to_string((std::stoi(label) + 3) % 10) + "\n";
    if (++count == 300) break;
  }
  const std::string data = "--data '" + (folder.path() / "flat").string() + "' --labels '" + folder.write("labels", labels) + "'";
  EXPECT_NE(run_regnet("eval -q " + data).err.find("this is the accuracy of guessing (10.00%)"), std::string::npos);
  EXPECT_EQ(run_regnet("eval -q").err, "");
}

// A predictions file of so many images, of which so many are right, and so many among the first two.
std::string predictions_with(int right, int among, int total) {
  std::string rows = "index,of,image,label,error,class1,logit1,class2,logit2,class3,logit3,class4,logit4,class5,logit5,probability\n";
  for (int i = 1; i <= total; ++i) {
    const std::string number = std::to_string(i);
    rows += number + "," + std::to_string(total) + ",ILSVRC2012_val_" + number + ".JPEG,7,," +
            (i <= right   ? "7,1.5,8"
             : i <= among ? "8,1.5,7"
                          : "8,1.5,9") +
            ",1.4,,,,,,,0.5\n";
  }
  return rows;
}

// mmcls's RegNetX-400MF: 72.56 and 90.78, so 36,280 and 45,390 of 50,000.
TEST(Eval, AConfigGivesAVerdictAgainstThePublishedAccuracy) {
  const TemporaryFolder folder;
  const auto run = [&](int right, int among, int total, const std::string& config) {
    return run_regnet("eval -q -o json --config " + config + " --from '" + folder.write("p.csv", predictions_with(right, among, total)) + "'");
  };
  const std::string unknown = "weights and preprocessing are not known from predictions alone";
  const auto expect_verdict = [&](const Result& result, const char* verdict, int exit_code, const std::string& more = "") {
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    const Json published = Json::parse(result.out)["published"];
    EXPECT_EQ(published["verdict"], verdict);
    EXPECT_EQ(published["published_top1"], 72.56);
    EXPECT_EQ(published["published_file"], "regnetx-400mf_8xb128_in1k_20211213-89bfc226.pth");
    EXPECT_EQ(published["explanation"], unknown + more);
  };
  expect_verdict(run(36'280, 45'390, 50'000, "mmcls/regnetx_400mf"), "reproduced", 0);
  expect_verdict(run(36'287, 45'383, 50'000, "mmcls/regnetx_400mf"), "reproduced", 0);  // five images, and two and a half by rounding
  expect_verdict(run(36'288, 45'390, 50'000, "mmcls/regnetx_400mf"), "not reproduced", 1, "; of the size that preprocessing alone explains");
  expect_verdict(run(36'280, 45'381, 50'000, "mmcls/regnetx_400mf"), "not reproduced", 1, "; top-1 agrees, top-5 does not");
  expect_verdict(run(20'000, 45'390, 50'000, "mmcls/regnetx_400mf"), "not reproduced", 1);
  expect_verdict(run(700, 900, 1000, "mmcls/regnetx_400mf"), "compatible", 0);
  expect_verdict(run(600, 900, 1000, "mmcls/regnetx_400mf"), "not reproduced", 1);
  expect_verdict(run(80, 100, 110, "mmcls/regnetx_400mf"), "too few images", 0);
  // Three digits were published.
  EXPECT_EQ(Json::parse(run(36'314, 45'462, 50'000, "pycls/regnetx_400mf").out)["published"]["verdict"], "reproduced");
  EXPECT_EQ(Json::parse(run(36'315, 45'462, 50'000, "pycls/regnetx_400mf").out)["published"]["verdict"], "not reproduced");
  expect_refused("eval --config mmcls/regnetx_200mf", "found 'mmcls/regnetx_200mf'; there are mmcls/regnetx_400mf");
  expect_refused("eval --config mmcls/regnetx_400mf", "name the checkpoint with --weights");
  expect_refused("eval --from x.csv --limit 5", "excludes");
  expect_refused("eval --merge x.csv --channels rgb", "excludes");
}

TEST(Compare, TwoRunsOverTheDemo) {
  const TemporaryFolder folder;
  const std::string a = "'" + (folder.path() / "a.csv").string() + "'", b = "'" + (folder.path() / "b.csv").string() + "'";
  ASSERT_EQ(run_regnet("eval -q --limit 300 --predictions " + a).exit_code, 0);
  ASSERT_EQ(run_regnet("eval -q --limit 300 --resize 72 --predictions " + b).exit_code, 0);
  const Json same = Json::parse(run_regnet("compare -o json " + a + " " + a).out),
             other = Json::parse(run_regnet("compare -o json " + a + " " + b).out);
  EXPECT_EQ(same["agreement"], 1.0);
  EXPECT_EQ(same["mcnemar_p"], 1.0);
  EXPECT_EQ(other["images"], 300);
  EXPECT_LT(other["agreement"], 1.0);
  EXPECT_FALSE(other["changes"].empty());
  EXPECT_NE(run_regnet("compare " + a + " " + b).out.find("McNemar's exact p = "), std::string::npos);
  expect_refused("compare " + a + " '" + demo_image + "'", "expected the line of names");
}

}  // namespace
