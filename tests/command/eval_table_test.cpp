// Published rows with stand-in checkpoints: files of the right names, networks and sizes, but with made-up weights; and the page of a run.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/synthetic.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

void write_stand_in(const std::filesystem::path& path, const char* model, regnet::Naming naming) {
  const regnet::Graph graph = regnet::build(regnet::to_stages(regnet::find_design(model).params));
  regnet::Checkpoint checkpoint;
  checkpoint.tensors = with_naming(regnet::synthetic_weights(parameters(graph)), naming);
  std::filesystem::create_directories(path.parent_path());
  save_safetensors(checkpoint, path, regnet::Existing::replace);
}

// A data set of three images in numbered folders.
std::string three_images(const TemporaryFolder& folder) {
  const std::filesystem::path root = folder.path() / "val";
  int label = 0;
  for (const auto& entry : std::filesystem::directory_iterator(REGNET_TEST_DIR "/../demo/images/0")) {
    if (label == 3) break;
    std::filesystem::create_directories(root / std::to_string(label));
    std::filesystem::copy_file(entry.path(), root / std::to_string(label++) / entry.path().filename());
  }
  return root.string();
}

TEST(Table, EachRowHasAVerdictAndAMissingCheckpointIsNamed) {
  const TemporaryFolder folder;
  write_stand_in(folder.path() / "weights/regnet_x_400mf-adf1edd5.pth", "regnet_x_400mf", regnet::Naming::torchvision);
  write_stand_in(folder.path() / "weights/timm/regnetx_200mf/model.safetensors", "regnetx_200mf", regnet::Naming::timm);
  const std::string common = " -q --data '" + three_images(folder) + "' --weights-dir '" + (folder.path() / "weights").string() + "'";
  const std::string table = (folder.path() / "table").string();
  const Result result = run_regnet("eval --configs 'torchvision-v?/regnet_x_400mf' -o json --table '" + table + "'" + common);
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(result.error_lines(), 1) << result.err;
  const Json rows = Json::parse(result.out);
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0]["config"], "torchvision-v1/regnet_x_400mf");
  EXPECT_EQ(rows[0]["n"], 3);
  EXPECT_EQ(rows[0]["sha256_matches"], false);
  EXPECT_EQ(rows[0]["explanation"], "the weights are not the published file, whose sha256 begins with adf1edd5");
  EXPECT_NE(rows[1]["error"].get<std::string>().find("no regnet_x_400mf-62229a5f.pth below"), std::string::npos);
  EXPECT_EQ(Json::parse(read(table + "/table.json")), rows);
  const std::string markdown = read(table + "/table.md"), svg = read(table + "/table.svg");
  EXPECT_EQ(std::count(markdown.begin(), markdown.end(), '\n'), 4);
  EXPECT_NE(markdown.find("| torchvision-v2/regnet_x_400mf | | | | 74.864 |"), std::string::npos) << markdown;
  EXPECT_NE(svg.find("torchvision-v1/regnet_x_400mf"), std::string::npos);
  EXPECT_TRUE(svg.ends_with("</svg>\n"));

  // A file without a hash in its name is found in its row's folder; the row's own preprocessing is used.
  const Result timm = run_regnet("eval --configs timm/regnetx_200mf -o json" + common);
  EXPECT_EQ(timm.exit_code, 1) << timm.err;
  EXPECT_EQ(Json::parse(timm.out)[0]["sha256_matches"], nullptr);
  EXPECT_EQ(Json::parse(timm.out)[0]["explanation"], "");
  // A journal for each row: the second run finds all images done.
  const std::string journals = " --journal '" + (folder.path() / "journals").string() + "'";
  const std::string first = run_regnet("eval --configs timm/regnetx_200mf" + common + journals).out;
  EXPECT_TRUE(std::filesystem::exists(folder.path() / "journals/timm-regnetx_200mf.journal"));
  EXPECT_EQ(run_regnet("eval --configs timm/regnetx_200mf" + common + journals).out, first);
  for (const char* ignored : {"--report r.html", "--predictions p.csv", "--shard 1/2", "--per-class", "--real r.json"})
    expect_refused("eval --configs timm/regnetx_200mf " + std::string(ignored) + common, "--configs excludes");
  expect_refused("eval --table t", "--table requires --configs");
  expect_refused("eval --configs 'mmcls/regnety*'" + common, "no row fits 'mmcls/regnety*'");
  expect_refused("eval --configs 'mmcls/*' --data x", "--weights-dir");
}

TEST(Table, ARowOfOnesOwnAndPreprocessingThatIsNotThePublishedOne) {
  const TemporaryFolder folder;
  write_stand_in(folder.path() / "weights.safetensors", "regnetx_200mf", regnet::Naming::timm);
  const std::string row =
      folder.write("mine.json", R"({"model":"regnetx_002","preset":"timm","resize":232,"file":"f","top1":0,"top5":0,"source":"here"})");
  const std::string common =
      "eval -q -o json --weights '" + (folder.path() / "weights.safetensors").string() + "' --data '" + three_images(folder) + "' ";
  const Json same = Json::parse(run_regnet(common + "--config '" + row + "'").out);
  EXPECT_EQ(same["preset"]["resize"], 232);
  EXPECT_EQ(same["published"]["explanation"], "");
  const Json other = Json::parse(run_regnet(common + "--resize 256 --channels bgr --config '" + row + "'").out);
  EXPECT_EQ(other["published"]["explanation"], "not as published: resize 256 instead of 232, channels bgr instead of rgb");
}

TEST(ReportPage, HoldsEverythingInOneFile) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "report.html").string();
  ASSERT_EQ(run_regnet("eval -q --report '" + file + "'").exit_code, 0);
  const std::string page = read(file);
  for (const char* part :
       {"94.70%", "95% interval 93.13% to 95.93%", "Expected calibration error", "6 Shirt taken for 4 Coat: 9 times", "85 of 100", "weights_sha256"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
  const auto count_of = [&](const std::string& words) {
    int count = 0;
    for (std::size_t at = page.find(words); at != std::string::npos; at = page.find(words, at + 1)) ++count;
    return count;
  };
  EXPECT_EQ(count_of("<figure>"), 24);
  EXPECT_EQ(count_of("src=\""), count_of("src=\"data:image/jpeg;base64,"));
  EXPECT_GT(count_of("src=\""), 24 + 20);
  EXPECT_EQ(count_of("http"), 1);  // the name of SVG, which is never fetched
  // What the names of files and classes hold is text.
  const std::string predictions =
      folder.write("p.csv",
                   "index,of,image,label,error,class1,logit1,class2,logit2,class3,logit3,class4,logit4,class5,logit5,probability\n"
                   "1,1,<script>\x1b.jpg,0,,1,2.5,,,,,,,,,0.9\n");
  ASSERT_EQ(run_regnet("eval -q --from '" + predictions + "' --report '" + file + "'").exit_code, 0);
  EXPECT_EQ(read(file).find("<script>"), std::string::npos);
  EXPECT_NE(read(file).find("&lt;script&gt;\\x1b.jpg"), std::string::npos);
}

}  // namespace
