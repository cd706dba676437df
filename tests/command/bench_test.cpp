// What bench prints; how fast anything is, no test says.
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

TEST(Bench, RowsHaveEveryFieldAndTheirNumbersBelongTogether) {
  const Result result = run_regnet("bench -q -m regnetx_200mf -b 1,2-3 -t 1,2 --resolution 64 --min-time 0.01 -o json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json rows = Json::parse(result.out);
  ASSERT_EQ(rows.size(), 6u);
  for (const Json& row : rows) {
    for (const char* key : {"model", "batch", "threads", "streams", "dtype", "p50_ms", "p90_ms", "p99_ms", "min_ms", "images_per_s", "gflops",
                            "peak_fraction", "first_ms", "load_ms", "rss_mib", "stable", "samples_ms", "provenance"})
      EXPECT_TRUE(row.contains(key)) << key;
    EXPECT_LE(row["min_ms"], row["p50_ms"]);
    EXPECT_LE(row["p50_ms"], row["p99_ms"]);
    EXPECT_GE(row["samples_ms"].size(), 3u);
    EXPECT_GT(row["rss_mib"], 1);
  }
  EXPECT_EQ(rows[5]["batch"], 3);
  EXPECT_EQ(rows[5]["threads"], 2);
}

TEST(Bench, LayersAddUpAndNameTheirKernels) {
  for (const char* backend : {"own", "onednn"}) {
    const Result result = run_regnet(
        std::string("bench -q -m w0=24,wa=24,wm=2,d=4,g=24 --resolution 32 --min-time 0.01 --streams 2 --layers -o jsonl --backend ") + backend);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    const Json row = Json::parse(result.out);
    EXPECT_EQ(row["provenance"]["backend"], backend);
    double share = 0;
    for (const Json& layer : row["layers"]) {
      share += layer["share"].get<double>();
      EXPECT_FALSE(layer["implementation"].get<std::string>().empty());
    }
    EXPECT_NEAR(share, 1, 1e-9);
    EXPECT_EQ(row["layers"].back()["layer"], "head.fc");
  }
}

TEST(Bench, AnswersInTurnsUntilTheInputEnds) {
  const Result result = run_regnet("bench -q -m regnetx_200mf --resolution 64 --interactive", "printf 'run 0.01\\nrun 0.02\\n' |");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::istringstream lines(result.out);
  std::string line;
  ASSERT_TRUE(std::getline(lines, line));
  EXPECT_EQ(line, "ready");
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(std::getline(lines, line));
    EXPECT_FALSE(Json::parse(line)["times_ms"].empty());
  }
  EXPECT_FALSE(std::getline(lines, line));
}

TEST(Bench, BadInputIsOneLine) {
  expect_refused("bench -q -m regnetx_200mf --resolution 64 --min-time 0.01 --dtype f32 --reduce-range", "--reduce-range is for --dtype int8");
  expect_refused("bench -m regnetx_1mf", "no such RegNetX");
  expect_refused("bench -m 'regnety_*'", "no network fits 'regnety_*'");
  for (const char* numbers : {"0", "2-1", "x", "1,,2", "5000", "1-"})
    expect_refused(std::string("bench -b ") + numbers, "expected numbers from 1 to 4096");
  expect_refused("bench --interactive", "takes one network");
}

}  // namespace
