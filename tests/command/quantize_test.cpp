// quantize, and --dtype of the commands that run a network.
#include <gtest/gtest.h>

#include <array>

#include <nlohmann/json.hpp>

#include <regnet/plan/quantization.hpp>
#include <regnet/weights/open.hpp>

#include "command/run.hpp"
#include "plan/kernels/kernels.hpp"

namespace {

using Json = nlohmann::json;

const std::string demo = std::string(REGNET_TEST_DIR) + "/../demo/";
const std::string weights = "--weights '" + demo + "regnetx_fashion.safetensors'";
const std::string images = "'" + demo + "images'";

bool can(regnet::kernels::Element source) { return regnet::kernels::best_kernels(source) != nullptr; }

Json json_of(const std::string& arguments) {
  const Result result = run_regnet(arguments + " -q -o json");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return Json::parse(result.out, nullptr, false);
}

TEST(Quantize, TheDemoLosesNextToNothing) {
  if (!can(regnet::kernels::Element::u8)) GTEST_SKIP() << "this CPU has no instructions for int8, or may not use them";
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "q.safetensors").string();
  const Json json = json_of("quantize " + weights + " --data " + images + " -n 100 --sensitivity '" + file + "'");
  EXPECT_EQ(json["images"], 100);
  EXPECT_GT(json["logit_error"], 0);
  EXPECT_LT(json["logit_error"], 0.05);
  EXPECT_TRUE(json["wide"].empty());
  ASSERT_GT(json["sensitivity"].size(), 20u);
  EXPECT_GE(json["sensitivity"][0]["error"], json["sensitivity"][1]["error"]);
  const int expected = json_of("eval " + weights + " --data " + images)["top1_correct"];
  for (const char* dtype : {"int8", "bf16", "f32"}) {
    if (std::string(dtype) == "bf16" && !can(regnet::kernels::Element::bf16)) continue;
    const Json found = json_of("eval --weights '" + file + "' --data " + images + " --dtype " + dtype);
    EXPECT_NEAR(found["top1_correct"].get<int>(), expected, 5) << dtype;
    EXPECT_EQ(found["provenance"]["dtype"], dtype);
    EXPECT_EQ(found["preset"]["source"], "stored in the file");
  }
  for (const char* isa : {"avx512", "avx512_vnni", "avx2"}) {  // those of them that this CPU has
    const Result limited =
        run_regnet("eval -q -o json --weights '" + file + "' --data " + images + " --dtype int8", std::string("REGNET_MAX_ISA=") + isa);
    ASSERT_EQ(limited.exit_code, 0) << limited.err;
    EXPECT_NEAR(Json::parse(limited.out)["top1_correct"].get<int>(), expected, 5) << isa;
  }
  const Json inspected = Json::parse(run_regnet("inspect -o json '" + file + "'").out, nullptr, false);
  EXPECT_TRUE(inspected["problems"].empty()) << inspected["problems"];
  expect_refused("quantize " + weights + " --data " + images + " '" + file + "'", "exists already; --force replaces it");
  expect_refused("quantize --weights '" + file + "' --data " + images, "quantised already");
  const std::string plan = (folder.path() / "q.plan").string();
  ASSERT_EQ(run_regnet("compile -q --dtype int8 '" + file + "' '" + plan + "'").exit_code, 0);
  EXPECT_EQ(json_of("eval --weights '" + plan + "' --data " + images)["provenance"]["dtype"], "int8");
}

TEST(Quantize, TheReducedRangeIsKeptInTheFileAndLosesLittle) {
  if (!can(regnet::kernels::Element::u8)) GTEST_SKIP() << "this CPU has no instructions for int8, or may not use them";
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "q.safetensors").string(), command = "quantize " + weights + " --data " + images + " -n 100 ";
  const double full = json_of(command)["logit_error"], reduced = json_of(command + "--reduce-range '" + file + "'")["logit_error"];
  EXPECT_NE(reduced, full);
  EXPECT_LT(reduced, 0.05);
  const Json found = json_of("eval --weights '" + file + "' --data " + images + " --dtype auto");
  EXPECT_EQ(found["provenance"]["dtype"], "int8");
  EXPECT_NEAR(found["top1_correct"].get<int>(), 947, 5);
  EXPECT_TRUE(regnet::quantization_of(regnet::open_checkpoint(file)).reduced_range);
}

TEST(Quantize, LayersStayWiderUntilABoundHolds) {
  if (!can(regnet::kernels::Element::u8)) GTEST_SKIP() << "this CPU has no instructions for int8, or may not use them";
  const double all = json_of("quantize " + weights + " --data " + images + " -n 50")["logit_error"];
  const Json json = json_of("quantize " + weights + " --data " + images + " -n 50 --max-error " + std::to_string(0.7 * all));
  EXPECT_LE(json["logit_error"].get<double>(), 0.7 * all);
  EXPECT_FALSE(json["wide"].empty());
  const std::string out_of_reach = " --data " + images + " -n 50 --max-error 1e-6";
  if (can(regnet::kernels::Element::bf16)) expect_refused("quantize -q " + weights + out_of_reach, "expected an error of at most");
  else EXPECT_LE(json_of("quantize " + weights + out_of_reach)["logit_error"], 1e-6);  // wide layers are floats
}

TEST(Quantize, DataThatIsNoneIsRefused) {
  const TemporaryFolder folder;
  expect_refused("quantize -q " + weights + " --data '" + folder.path().string() + "'", "no images");
  expect_refused("quantize -q " + weights + " --data /nowhere", "/nowhere");
  folder.write("broken.png", "no picture");
  const Result result = run_regnet("quantize -q " + weights + " --data '" + folder.path().string() + "'");
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_NE(result.err.find("left out"), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("no image that can be read"), std::string::npos) << result.err;
}

TEST(Dtype, WhatTheCpuHasNotIsRefusedAndAutoFallsBack) {
  const std::string picture = "'" + demo + "images/9/00000.png'";
  for (const auto& [dtype, needed, isa] :
       {std::array{"bf16", "needs a CPU with AMX", "avx2"}, std::array{"int8", "needs a CPU with AVX2", "portable"}}) {
    const Result result =
        run_regnet(std::string("predict -q ") + weights + " --dtype " + dtype + " " + picture, std::string("REGNET_MAX_ISA=") + isa);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_NE(result.err.find(needed), std::string::npos) << result.err;
    EXPECT_EQ(result.error_lines(), 1) << result.err;
  }
  const Result fallen = run_regnet("predict " + weights + " --dtype auto " + picture, "REGNET_MAX_ISA=avx2");
  EXPECT_EQ(fallen.exit_code, 0) << fallen.err;
  EXPECT_NE(fallen.err.find("dtype: f32, since bf16 is no faster"), std::string::npos) << fallen.err;
  if (can(regnet::kernels::Element::u8)) expect_refused("predict -q " + weights + " --dtype int8 " + picture, "regnet quantize");
  if (can(regnet::kernels::Element::bf16)) {
    const Result narrow = run_regnet("predict " + weights + " --dtype bf16 " + picture);
    EXPECT_EQ(narrow.exit_code, 0) << narrow.err;
    EXPECT_NE(narrow.err.find("dtype: bf16\n"), std::string::npos) << narrow.err;
    EXPECT_NE(narrow.out.find("Ankle boot"), std::string::npos) << narrow.out;
    expect_refused("predict -q " + weights + " --dtype bf16 --backend onednn " + picture, "own backend");
  }
}

TEST(Dtype, BenchMeasuresEachAndSaysWhatRan) {
  for (const char* dtype : {"bf16", "int8"}) {
    if (!can(std::string(dtype) == "bf16" ? regnet::kernels::Element::bf16 : regnet::kernels::Element::u8)) continue;
    const Result result = run_regnet(std::string("bench -q -m regnetx_200mf --layers --min-time 0.05 -o json --dtype ") + dtype);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json row = Json::parse(result.out)[0];
    EXPECT_EQ(row["dtype"], dtype);
    for (const Json& layer : row["layers"]) EXPECT_TRUE(layer["implementation"].get<std::string>().starts_with("own:")) << layer;
  }
}

}  // namespace
