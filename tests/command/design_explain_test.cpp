// How numbers become widths, explained: against the published stages, in words, and drawn.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

TEST(DesignExplain, ReachesThePublishedStages) {
  const Result result = run_regnet("design explain RegNetX-3.2GF -o json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json json = Json::parse(result.out);
  EXPECT_EQ(json["depths"], Json({2, 6, 15, 2}));
  EXPECT_EQ(json["widths"], Json({96, 192, 432, 1008}));
  EXPECT_EQ(json["groups"], Json({2, 4, 9, 21}));
  EXPECT_EQ(json["params"], 15296552);
  EXPECT_EQ(json["macs"], 3176622952);
  EXPECT_EQ(json["activations"], 11367432);
  ASSERT_EQ(json["blocks"].size(), 25u);
  EXPECT_EQ(json["blocks"][0]["linear"], 88);
  EXPECT_EQ(json["blocks"][0]["level"], 0);
  EXPECT_EQ(json["blocks"][2]["rounded_level"], 1);  // the first block of the second stage
  EXPECT_EQ(json["blocks"][2]["quantised"], 200);
  EXPECT_EQ(json["blocks"][2]["stage"], 2);
  EXPECT_EQ(json["blocks"][2]["width"], 192);
  EXPECT_DOUBLE_EQ(json["blocks"][24]["linear"], 88 + 26.31 * 24);
  EXPECT_EQ(json["blocks"][24]["group_width"], 48);
}

TEST(DesignExplain, SaysWhatFittingChanged) {
  const std::string large = run_regnet("design explain RegNetX-3.2GF").out;
  for (const char* part : {"stage 1: 88 becomes 96 = 2 x 48\n", "stage 3: 448 becomes 432 = 9 x 48\n",
                           "15296552 parameters, 3176622952 MACs and 11367432 activations at 224 x 224\n"})
    EXPECT_NE(large.find(part), std::string::npos) << part << " in\n" << large;
  EXPECT_EQ(large.find("torchvision"), std::string::npos);
  EXPECT_NE(run_regnet("design explain RegNetX-8.0GF").out.find("stage 1: the group width is 80 instead of 120"), std::string::npos);
  EXPECT_NE(run_regnet("design explain w0=64,wa=0,wm=2,d=1,g=16").out.find("fitting to the group width changed nothing"), std::string::npos);
  EXPECT_NE(run_regnet("design explain w0=8,wa=30,wm=1.6,d=60,g=24").out.find("the levels go up to 11, but there are 9 stages"), std::string::npos);
}

// The same numbers are two networks: pycls's and torchvision's.
TEST(DesignExplain, NamesTheOtherCodeBasesNetwork) {
  EXPECT_NE(run_regnet("design explain RegNetX-400MF").out.find("stage 4 is 400 wide instead of 384; it is torchvision RegNet_X_400MF"),
            std::string::npos);
  EXPECT_NE(run_regnet("design explain regnet_x_400mf").out.find("stage 4 is 384 wide instead of 400; it is RegNetX-400MF"), std::string::npos);
}

TEST(DesignExplain, NeedsTheNumbersOfTheRule) {
  expect_refused("design explain ds=1-2,ws=32-64,gs=16", "expected a design with w0, wa and wm");
  expect_refused("design explain RegNetX-3.3GF", "regnetx_3.2gf");
  expect_refused("design explain RegNetX-3.2GF --svg /nowhere/figure.svg", "/nowhere/figure.svg: cannot be written");
  // Stages that are a published network's have its numbers.
  EXPECT_EQ(run_regnet("design explain ds=1-2-7-12,ws=32-64-160-384,gs=16").exit_code, 0);
}

TEST(DesignExplain, DrawsTheWidthsOfTheBlocks) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "figure.svg").string();
  ASSERT_EQ(run_regnet("design explain RegNetX-3.2GF --svg '" + file + "'").exit_code, 0);
  const std::string svg = read(file);
  EXPECT_TRUE(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\""));
  EXPECT_TRUE(svg.ends_with("</svg>\n"));
  for (const char* part : {"prefers-color-scheme:dark", "linear, w0 + wa j", "quantised", "fitted to the groups", ">1000</text>"})
    EXPECT_NE(svg.find(part), std::string::npos) << part;
  for (const char* part : {"<script", "nan", "inf "}) EXPECT_EQ(svg.find(part), std::string::npos) << part;
  EXPECT_EQ(svg.find("http", svg.find("http") + 1), std::string::npos);
  // One block, one width: there is still something to draw.
  ASSERT_EQ(run_regnet("design explain w0=64,wa=0,wm=2,d=1,g=16 --svg '" + file + "'").exit_code, 0);
  EXPECT_EQ(read(file).find("nan"), std::string::npos);
}

}  // namespace
