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

TEST(ZooNames, ShapesFindTheirName) {
  for (const ZooEntry& entry : zoo) EXPECT_EQ(find_in_zoo(to_stages(entry.params)), &entry) << entry.name;
  EXPECT_EQ(find_in_zoo(to_stages({8, 8, 2.5, 12, 8})), nullptr);
}

TEST(PublishedAccuracies, BelongToZooEntriesAndNoFileIsListedTwice) {
  std::set<std::string_view> files;
  for (const PublishedAccuracy& row : published_accuracies) {
    EXPECT_EQ(find_design(row.model).name, row.model);
    EXPECT_TRUE(files.insert(row.file).second) << row.file;
    EXPECT_GT(row.top5, row.top1);
  }
}

}  // namespace
}  // namespace regnet
