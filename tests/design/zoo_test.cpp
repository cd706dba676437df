#include <regnet/design/zoo.hpp>

#include <gtest/gtest.h>

#include <set>

#include <regnet/design/published.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"

namespace regnet {
namespace {

using Json = nlohmann::json;

// Of all published networks, or of those that have a row for `table`.
std::vector<std::string> published_names(const char* table = "params") {
  std::vector<std::string> names;
  const Json rows = read_golden("designs.json")["zoo"];
  for (const Json& row : rows)
    if (row.contains(table)) names.push_back(row["name"]);
  return names;
}

std::string test_name(const testing::TestParamInfo<std::string>& model) {
  std::string name = model.param;
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
}

Json published(const std::string& name) {
  const Json rows = read_golden("designs.json")["zoo"];
  for (const Json& row : rows)
    if (row["name"] == name) return row;
  throw std::runtime_error(name);
}

class Zoo : public testing::TestWithParam<std::string> {};
class MmclsTable : public testing::TestWithParam<std::string> {};

TEST_P(Zoo, HasThePublishedStages) {
  const Json row = published(GetParam());
  const Params params = find_design(GetParam()).params;
  EXPECT_EQ(Json(block_widths(params).quantised), row["block_widths"]);
  Json depths, widths, group_widths;
  for (const Stage& stage : to_stages(params)) {
    depths.push_back(stage.depth);
    widths.push_back(stage.width);
    group_widths.push_back(stage.group_width);
  }
  EXPECT_EQ(depths, row["depths"]);
  EXPECT_EQ(widths, row["widths"]);
  EXPECT_EQ(group_widths, row["group_widths"]);
}

TEST_P(Zoo, HasThePublishedParamsMacsAndActivations) {
  const Json row = published(GetParam());
  const Complexity cost = complexity(build(to_stages(find_design(GetParam()).params)));
  EXPECT_EQ(Json(cost.params), row["params"]);
  EXPECT_EQ(Json(cost.macs), row["macs"]);
  EXPECT_EQ(Json(cost.activations), row["activations"]);
}

// The table prints Params(M) and Flops(G) rounded to two decimals; its flops are mmcv's count, not the paper's, and leave the head out: with it,
// RegNetX-8.0GF would round to 8.04.
TEST_P(MmclsTable, HasTheParamsAndFlopsPrintedThere) {
  const Json row = published(GetParam());
  const Complexity cost = complexity(build(to_stages(find_design(GetParam()).params)));
  EXPECT_EQ(Json(cost.mmcv_flops), row["mmcls"]["mmcv_flops"]);
  EXPECT_NEAR(static_cast<double>(cost.mmcv_flops) / 1e9, row["mmcls"]["flops_G"].get<double>(), 0.005);
  EXPECT_NEAR(static_cast<double>(cost.params) / 1e6, row["mmcls"]["params_M"].get<double>(), 0.005);
}

INSTANTIATE_TEST_SUITE_P(Published, Zoo, testing::ValuesIn(published_names()), test_name);
INSTANTIATE_TEST_SUITE_P(Published, MmclsTable, testing::ValuesIn(published_names("mmcls")), test_name);

TEST(ZooTable, HoldsTheTwelvePublishedNetworksAndTorchvisionsVariant) {
  EXPECT_EQ(published_names().size(), 12u);
  EXPECT_EQ(published_names("mmcls").size(), 8u);
  EXPECT_EQ(zoo.size(), 13u);
  const Complexity cost = complexity(build(to_stages(find_design("regnet_x_400mf").params)));
  EXPECT_EQ(cost.params, 5495976);
}

TEST(ZooNames, SpellingsOfAllFrameworksMeanOneNetwork) {
  for (const char* name : {"regnetx_400mf", "RegNetX-400MF", "regnetx-400mf", "REGNETX_400MF", "regnetx_004", "w0=24,wa=24.48,wm=2.54,d=22,g=16"})
    EXPECT_EQ(find_design(name).name, "regnetx_400mf") << name;
  for (const char* name : {"regnetx_8.0gf", "RegNetX-8.0GF", "regnetx_8gf", "regnetx_080", "regnet_x_8gf"})
    EXPECT_EQ(find_design(name).name, "regnetx_8.0gf") << name;
  for (const char* name : {"regnet_x_400mf", "regnetx_004_tv", "w0=24,wa=24.48,wm=2.54,d=22,g=16,rule=torchvision"})
    EXPECT_EQ(find_design(name).name, "regnet_x_400mf") << name;
  EXPECT_EQ(find_design("regnet_x_1_6gf").name, "regnetx_1.6gf");
}

TEST(ZooNames, AnUnknownNameListsNearOnes) {
  EXPECT_REGNET_ERROR(find_design("regnetx_401mf"), Code::not_found, "near names: regnetx_400mf");
  EXPECT_REGNET_ERROR(find_design(""), Code::not_found, "no such RegNetX");
  EXPECT_REGNET_ERROR(find_design("resnet50"), Code::not_found, "no such RegNetX");
}

TEST(ZooNames, ADesignStringThatIsNoneSaysWhy) {
  EXPECT_REGNET_ERROR(find_design("w0=24,wa=24.48,wm=2.54,d=22"), Code::invalid_argument, "missing g");
  EXPECT_REGNET_ERROR(find_design("w0=24,wa=x,wm=2.54,d=22,g=16"), Code::invalid_argument, "expected a number, found 'x'");
  EXPECT_REGNET_ERROR(find_design("w0=24.5,wa=1,wm=2.54,d=22,g=16"), Code::invalid_argument, "expected a whole number");
  EXPECT_REGNET_ERROR(find_design("w0=24,wa=1,wm=2.54,d=22,g=16,z=1"), Code::invalid_argument, "found 'z=1'");
  EXPECT_REGNET_ERROR(find_design("w0=20,wa=1,wm=2.54,d=22,g=16"), Code::invalid_argument, "multiple of 8");
}

// Networks that no rule makes are given by their stages; one number stands for all of them.
TEST(ZooNames, StagesAreADesign) {
  EXPECT_EQ(find_design("ds=1-2-7-12,ws=32-64-160-384,gs=16").name, "regnetx_400mf");
  const Design design = find_design("gs=8,ws=24-48,ds=2-2");
  EXPECT_EQ(design.stages, (std::vector<Stage>{{2, 24, 24, 8}, {2, 48, 48, 8}}));
  EXPECT_EQ(find_design(design.name).stages, design.stages);
  EXPECT_EQ(find_design("ds=1,ws=64,gs=16,bs=0.5").stages, (std::vector<Stage>{{1, 64, 32, 16}}));
  EXPECT_EQ(find_design("ds=1,ws=20,gs=16").stages[0].width % 16, 0);
  for (const auto& [text, part] : {std::pair("ds=1-2,ws=32,gs=8-8-8", "expected 2 numbers"),
                                   {"ds=1,ws=32", "missing gs"},
                                   {"ds=1,ws=32,gs=8,x=1", "found 'x=1'"},
                                   {"ds=0,ws=32,gs=8", "ds from 1"},
                                   {"ds=1,ws=99999,gs=8", "ws from 1"},
                                   {"ds=1,ws=32,gs=0", "gs from 1"},
                                   {"ds=1,ws=32,gs=8,bs=0", "bs that make"},
                                   {"ds=1,ws=30,gs=7,bs=1.5", "bs below 1 or whole"},
                                   {"ds=1.5,ws=32,gs=8", "'ds': expected a whole number"}})
    EXPECT_REGNET_ERROR(find_design(text), Code::invalid_argument, part);
}

TEST(ZooNames, ShapesFindTheirName) {
  for (const ZooEntry& entry : zoo) EXPECT_EQ(find_in_zoo(to_stages(entry.params)), &entry) << entry.name;
  EXPECT_EQ(find_in_zoo(to_stages({8, 8, 2.5, 12, 8})), nullptr);
}

TEST(PublishedAccuracies, BelongToZooEntriesAndNoFileIsListedTwice) {
  std::set<std::string_view> files, names;
  std::map<std::string_view, int> rows;
  for (const PublishedAccuracy& row : published_accuracies()) {
    EXPECT_EQ(row.name, std::string(row.origin()) + "/" + row.model);
    EXPECT_TRUE(names.insert(row.name).second) << row.name;
    EXPECT_EQ(find_published(row.name), &row);
    EXPECT_TRUE(row.preset == "timm" || files.insert(row.file).second) << row.file;  // on timm's hub each has a folder
    EXPECT_GT(row.top5, row.top1);
    ++rows[row.origin()];
  }
  EXPECT_EQ(rows,
            (std::map<std::string_view, int>{
                {"mmcls", 8}, {"mmcls-converted", 8}, {"pycls", 12}, {"timm", 12}, {"timm-tv2", 7}, {"torchvision-v1", 7}, {"torchvision-v2", 7}}));
}

TEST(PublishedAccuracies, ARowIsReadStrictly) {
  const std::string good = R"({"model":"RegNetX-400MF","preset":"timm","resize":232,"file":"a.pth","top1":72.5,"top5":90,"source":"s"})";
  const PublishedAccuracy row = parse_published("a/b", good);
  EXPECT_EQ(row.model, "regnetx_400mf");
  EXPECT_EQ(row.resize, 232);
  EXPECT_EQ(row.top5, 90);
  const auto refused = [&](const std::string& from, const std::string& to, Code code, const std::string& words) {
    std::string text = good;
    text.replace(text.find(from), from.size(), to);
    EXPECT_REGNET_ERROR(parse_published("a/b", text), code, words);
  };
  refused("400MF", "300MF", Code::not_found, "no such RegNetX");
  refused("72.5", "\"72\"", Code::bad_format, "config a/b: top1: expected a percentage, found \"72\"");
  refused("90", "101", Code::bad_format, "top5: expected a percentage");
  refused("232", "-1", Code::bad_format, "resize: expected a number of pixels, found -1");
  refused("\"s\"", "\"\"", Code::bad_format, "source: expected a string");
  refused("\"file\":\"a.pth\",", "", Code::bad_format, "key 'file' is missing");
  refused("}", ",\"x\":1}", Code::bad_format, "unknown key 'x'");
  refused("{", "[", Code::bad_format, "expected a JSON object, found bytes that are no JSON");
}

}  // namespace
}  // namespace regnet
