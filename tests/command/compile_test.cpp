// compile and what reads its files.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

const std::string checkpoint = std::string(REGNET_TEST_DIR) + "/golden/checkpoints/timm.safetensors";
const std::string images = std::string(REGNET_TEST_DIR) + "/../demo/images";

Json predictions(const std::string& weights, const std::string& more = "") {
  const Result result = run_regnet("predict --backend own -o json --weights '" + weights + "' '" + images + "' " + more);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return Json::parse(result.out, nullptr, false);
}

TEST(Compile, APlanPredictsWhatItsCheckpointDoes) {
  const TemporaryFolder folder;
  const std::string plan = (folder.path() / "x y.plan").string();
  const Result compiled = run_regnet("compile '" + checkpoint + "' '" + plan + "'");
  ASSERT_EQ(compiled.exit_code, 0) << compiled.err;
  EXPECT_EQ(predictions(plan), predictions(checkpoint));
  EXPECT_EQ(predictions(plan, "--channels bgr"), predictions(checkpoint, "--channels bgr"));
  const Result loud = run_regnet("predict --weights '" + plan + "' '" + images + "'");
  EXPECT_NE(loud.err.find("timm names in safetensors"), std::string::npos) << loud.err;
}

TEST(Compile, TheRecipeIsChosenThen) {
  const TemporaryFolder folder;
  const std::string plan = (folder.path() / "x.plan").string();
  ASSERT_EQ(run_regnet("compile -q --preset pycls '" + checkpoint + "' '" + plan + "'").exit_code, 0);
  EXPECT_EQ(predictions(plan), predictions(checkpoint, "--preset pycls"));
  expect_refused("predict --weights '" + plan + "' --crop 96 '" + images + "'", "the plan is for images of");
}

TEST(Compile, WhatDoesNotFitIsRefused) {
  const TemporaryFolder folder;
  const std::string plan = (folder.path() / "x.plan").string();
  ASSERT_EQ(run_regnet("compile -q '" + checkpoint + "' '" + plan + "'").exit_code, 0);
  expect_refused("compile '" + checkpoint + "' '" + plan + "'", "exists already; --force replaces it");
  expect_refused("compile --force '" + plan + "' '" + plan + "'", "is the file to read");
  expect_refused("compile '" + plan + "' '" + plan + "2'", "found a plan, which is compiled already");
  expect_refused("predict --weights '" + plan + "' --tuning x.json '" + images + "'", "chosen when it was compiled");
  expect_refused("inspect '" + plan + "'", "a plan that \"regnet compile\" made");
  expect_refused("predict --weights '" + plan + "' --weights-key ema '" + images + "'", "expected no weights key");
  expect_refused("predict --weights '" + plan + "' --backend onednn '" + images + "'", "runs on the own kernels");
  expect_refused("predict --weights '" + plan + "' --model regnetx_32gf '" + images + "'", "expected regnetx_32gf");
  expect_refused("predict --weights '" + plan + "' --dtype f32 '" + images + "'", "chosen when it was compiled");
  if (const char* limit = std::getenv("REGNET_MAX_ISA"); !limit || std::string_view(limit) != "portable") {
    const Result other = run_regnet("predict --weights '" + plan + "' '" + images + "'", "REGNET_MAX_ISA=portable");
    EXPECT_EQ(other.exit_code, 2);
    EXPECT_NE(other.err.find("this process uses portable: compile it again"), std::string::npos) << other.err;
  }
  std::string bytes = read(plan);
  bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] + 1);
  expect_refused("predict --weights '" + folder.write("damaged.plan", bytes) + "' '" + images + "'", "the file is damaged");
}

}  // namespace
