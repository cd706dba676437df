#include <set>

#include <nlohmann/json.hpp>

#include "command/run.hpp"
#include "golden/golden.hpp"

namespace {

using Json = nlohmann::ordered_json;

Json json_of(const std::string& arguments) {
  const Result result = run_regnet(arguments);
  EXPECT_EQ(result.exit_code, 0) << arguments << '\n' << result.err;
  const Json json = Json::parse(result.out, nullptr, false);
  EXPECT_FALSE(json.is_discarded()) << result.out.substr(0, 200);
  return json;
}

void write(const std::filesystem::path& path, const std::string& text) { std::ofstream(path, std::ios::binary) << text; }

TEST(Design, SampleOfPyclssStreamIsPyclss) {
  const Json samples(read_golden("designs.json")["samples"]),
      drawn = json_of("design sample --sampler pycls --seed 0 -n 200 --no-constraints -o json -q");
  ASSERT_EQ(drawn.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    EXPECT_EQ(drawn[i]["depths"], samples[i][6]);
    EXPECT_EQ(drawn[i]["widths"], samples[i][7]);
    EXPECT_EQ(drawn[i]["group_widths"], samples[i][8]);
    EXPECT_EQ(drawn[i]["macs"], samples[i][9]);
    EXPECT_EQ(drawn[i]["params"], samples[i][10]);
    EXPECT_EQ(drawn[i]["activations"], samples[i][11]);
  }
}

TEST(Design, SampleKeepsToTheFlopsAskedFor) {
  const Json designs = json_of("design sample --flops 400M --tol 1% -n 20 --seed 4 -o json -q");
  ASSERT_EQ(designs.size(), 20u);
  std::set<std::string> names;
  for (const Json& design : designs) {
    EXPECT_NEAR(design["macs"].get<double>(), 400e6, 4e6);
    names.insert(design["design"]);
    // What it prints is a design that every other command takes.
    EXPECT_EQ(json_of("info '" + design["design"].get<std::string>() + "' -o json")[0]["macs"], design["macs"]);
  }
  EXPECT_EQ(names.size(), 20u);
  EXPECT_EQ(json_of("design sample --flops 400M --tol 0.01 -n 20 --seed 4 -o json -q"), designs);
}

TEST(Design, SampleSaysHowManyItAccepted) {
  const Result result = run_regnet("design sample --flops 360M..400M -n 5 --draws 20000 -o csv");
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.err.find("accepted 5 of "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("refused for"), std::string::npos) << result.err;
}

TEST(Design, SampleGivesUpOnAnEmptyRange) {
  const Result result = run_regnet("design sample --flops 1M -n 5 --draws 20000 -o json");
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(Json::parse(result.out), Json::array());
  EXPECT_NE(result.err.find("20000 draws gave 0 of the 5 designs asked for"), std::string::npos) << result.err;
}

TEST(Design, ShardsMergeToWhatOneProcessFinds) {
  const TemporaryFolder folder;
  const std::string common = "design sample --flops 300M..500M -n 40 --seed 7 --draws 60000 -q -o json", whole = run_regnet(common).out;
  std::string files;
  for (const char* shard : {"3/3", "1/3", "2/3"}) {
    const std::filesystem::path file = folder.path() / (std::string(1, shard[0]) + ".json");
    write(file, run_regnet(common + " --shard " + shard).out);
    files += " '" + file.string() + "'";
  }
  EXPECT_EQ(run_regnet("design merge -o json" + files).out, whole);
  const std::string first = "'" + (folder.path() / "1.json").string() + "'", second = "'" + (folder.path() / "2.json").string() + "'";
  expect_refused("design merge " + first + " " + second, "expected all shards, found none for number 3");
  expect_refused("design merge " + first + " " + first, "shard 1 was given before");
  const std::filesystem::path other = folder.path() / "other.json";
  write(other, run_regnet("design sample --flops 300M..500M -n 40 --seed 8 --draws 60000 -q --shard 2/3").out);
  expect_refused("design merge " + first + " '" + other.string() + "'", "another sample");
  write(other, "{\"sample\": " + std::string(300'000, '[') + std::string(300'000, ']') + ", \"shard\": 1, \"shards\": 2, \"designs\": []}");
  expect_refused("design merge '" + other.string() + "'", "at most 64 levels");
  write(other, R"({"sample": {"count": -5}, "shard": 1, "shards": 1, "designs": []})");
  expect_refused("design merge '" + other.string() + "'", "from 1 up");
  write(other, R"({"sample": {"count": 5}, "shard": 1, "shards": 1, "designs": [{"design": "regnetx_004"}]})");
  expect_refused("design merge '" + other.string() + "'", "the number of its draw");
  write(other, R"({"sample": {"count": 5}, "shard": 4294967297, "shards": 4294967297, "designs": []})");
  expect_refused("design merge '" + other.string() + "'", "--shard");
  write(other, "[]");
  expect_refused("design merge '" + other.string() + "'", "--shard");
}

// Few different networks: nearly all are duplicates, which are kept here.
TEST(Design, ShardsOfEveryDrawMergeToo) {
  const TemporaryFolder folder;
  const std::string common =
      "design sample --no-constraints --range d=12 --range w0=8 --range wa=8 --range wm=2..2.001 -n 3000 --draws 3000 -q -o csv";
  std::string files;
  for (const char* shard : {"1/2", "2/2"}) {
    const std::filesystem::path file = folder.path() / (std::string(1, shard[0]) + ".json");
    write(file, run_regnet(common + " --shard " + shard).out);
    files += " '" + file.string() + "'";
  }
  const Result merged = run_regnet("design merge -o csv" + files);
  EXPECT_EQ(merged.exit_code, 0);
  EXPECT_EQ(merged.out, run_regnet(common).out);
  EXPECT_EQ(std::count(merged.out.begin(), merged.out.end(), '\n'), 3001);
}

TEST(Design, MergeExitsAsSampleDoes) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "one.json";
  write(file, run_regnet("design sample --flops 360M..400M -n 500 --draws 5000 -q --shard 1/1").out);
  EXPECT_EQ(run_regnet("design sample --flops 360M..400M -n 500 --draws 5000 -q").exit_code, 1);
  EXPECT_EQ(run_regnet("design merge '" + file.string() + "'").exit_code, 1);
}

// Whatever form it is printed in, it is read back with the same costs.
TEST(Design, WhatIsPrintedIsReadBack) {
  const TemporaryFolder folder;
  const std::string all = "design generate regnetx_200mf ds=1-3,ws=40-80,gs=20-12,bs=1.5-0.3 --classes 10 --resolution 96";
  for (const char* form : {"json", "jsonl", "csv"})
    for (const std::string& command : {all, std::string("design generate regnetx_200mf --classes 10")}) {
      const std::string file = (folder.path() / "rows").string();
      write(file, run_regnet(command + " -o " + form).out);
      const Json measured = json_of("design pareto '" + file + "' --errors none --min-time 0.001 -t 1 -o json -q");
      const Json printed = json_of(command + " -o json");
      ASSERT_EQ(measured.size(), printed.size());
      for (const Json& row : printed) {
        const auto same = std::find_if(measured.begin(), measured.end(), [&](const Json& one) { return one["design"] == row["design"]; });
        ASSERT_NE(same, measured.end()) << row["design"];
        for (const char* key : {"params", "macs", "activations", "resolution", "classes"}) EXPECT_EQ((*same)[key], row[key]) << key;
      }
    }
}

TEST(Design, EveryAnyNetPrintedIsTakenBack) {
  const Json rows = json_of("design sample --space anynetx-a --range b=0.015625..64 --range w=8..1024 -n 300 -q -o json");
  ASSERT_EQ(rows.size(), 300u);
  for (std::size_t i = 0; i < rows.size(); i += 15) {
    const Json row = rows[i];
    EXPECT_EQ(json_of("design generate '" + row["design"].get<std::string>() + "' -o json")[0]["params"], row["params"]) << row["design"];
  }
}

// A configuration says its classes and its size; an option says more.
TEST(Design, ConfigurationsKeepTheirSizes) {
  const TemporaryFolder folder;
  const std::string yaml = (folder.path() / "y.yaml").string();
  write(yaml,
        "MODEL:\n  TYPE: regnet\n  NUM_CLASSES: 10\nREGNET:\n  DEPTH: 22\n  W0: 24\n  WA: 24.48\n  WM: 2.54\n  GROUP_W: 16\nTRAIN:\n  IM_SIZE: 64\n");
  const Json row = json_of("design generate '" + yaml + "' -o json")[0];
  EXPECT_EQ(row["resolution"], 64);
  EXPECT_EQ(row["classes"], 10);
  EXPECT_EQ(row["params"], json_of("info regnetx_400mf --classes 10 --resolution 64 -o json")[0]["params"]);
  const std::string exported = run_regnet("design export '" + yaml + "'").out;
  EXPECT_NE(exported.find("NUM_CLASSES: 10\n"), std::string::npos) << exported;
  EXPECT_NE(exported.find("TRAIN:\n  IM_SIZE: 64\n"), std::string::npos) << exported;
  EXPECT_EQ(json_of("design generate '" + yaml + "' --classes 7 --resolution 96 -o json")[0]["classes"], 7);
}

TEST(Design, BadOptionsAreOneLine) {
  for (const auto& [arguments, part] : std::vector<std::pair<std::string, std::string>>{
           {"design", "subcommand"},
           {"design sample --flops 400T", "expected a number such as 12, 400M or 1.6G, found '400T'"},
           {"design sample --flops 5M..2M", "LOW..HIGH"},
           {"design sample --flops 5M --tol abc%", "--tol: expected a part such as 1% or 0.01, found 'abc%'"},
           {"design sample --flops 5M --tol %", "--tol"},
           {"design sample --flops 5M --tol 200%", "--tol"},
           {"design sample --flops 5M --tol x", "--tol"},
           {"design sample --range d=1..1e12", "at most 65536"},
           {"design sample --space anynetx-f", "expected regnetx, regnet or anynetx-a to anynetx-e"},
           {"design sample --range x=1..2", "NAME=LOW..HIGH"},
           {"design sample --range w0=9..20", "whole steps"},
           {"design sample --shard 3/2", "I from 1 to N"},
           {"design sample --shard 3", "I/N"},
           {"design sample --sampler pycls --shard 1/2", "pycls's stream"},
           {"design sample --no-constraints --flops 1M", "--no-constraints"},
           {"design sample --no-constraints --depth 12", "--no-constraints"},
           {"design sample --no-constraints --stages 4", "--no-constraints"},
           {"design sample --no-constraints --width 99", "--no-constraints"},
           {"design sample --no-constraints --skipped-levels", "--no-constraints"},
           {"design sample --flops 1M..2M --tol 1%", "--tol: expected one number of --flops beside it"},
           {"design sample --tol 1%", "--tol: expected one number of --flops beside it"},
           {"design sample -t 2", "--latency-ms"},
           {"design sample --table x", "--latency-ms"},
           {"design sample --resolution 0", "a resolution from 1 to 8192, found 0"},
           {"design sample --resolution 99999", "a resolution from 1 to 8192"},
           {"design sample --space anynetx-e --stages 2", "the number of stages of the space"},
           {"design sample --space anynetx-a --range d=2000", "at most 1024 blocks"},
           {"design sample --space anynetx-a --range b=0.0009765625", "1/64 to 64"},
           {"design generate regnetx_401mf", "near names"},
           {"design generate ds=1-2,ws=32,gs=8,xs=1", "expected ds, ws, gs or bs"},
           {"design generate ds=1-2,ws=32-64-96,gs=8", "expected 2 numbers"},
           {"design generate ds=0,ws=32,gs=8", "ds from 1"},
           {"design generate ds=1,ws=99999999,gs=8", "found '99999999'"},
           {"design scale regnetx_400mf 2 --type q1", "d, w, g and r"},
           {"design scale regnetx_400mf 2 --type d1_", "d, w, g and r"},
           {"design scale regnetx_400mf 2 --type d1_d2", "d, w, g and r"},
           {"design scale regnetx_400mf -1", "expected a positive factor, found -1"},
           {"design fit resnet50", "no such RegNetX"},
           {"design edf /does/not/exist", "No such file"},
           {"design edf /", "expected a file, found a directory"},
           {"design pareto --errors imagenet", "--errors"}})
    expect_refused(arguments, part);
}

TEST(Design, SpacesHaveThePapersSizes) {
  const Json spaces = json_of("design spaces -o json");
  std::map<std::string, double> paper;
  for (const Json& space : spaces) paper[space["name"]] = space["paper_size"];
  EXPECT_NEAR(paper["anynetx-a"], 1.8e18, 0.05e18);
  EXPECT_NEAR(paper["anynetx-e"], 5.5e11, 0.05e11);
  EXPECT_NEAR(paper["regnet"], 3.0e8, 0.05e8);
}

// R01 of what users met: widths after fitting to groups, and the stem apart from w0.
TEST(Design, GenerateFitsWidthsToGroups) {
  const Json design = json_of("design generate w0=88,wa=26.31,wm=2.25,d=25,g=48 -o json")[0];
  EXPECT_EQ(design["depths"], Json({2, 6, 15, 2}));
  EXPECT_EQ(design["widths"], Json({96, 192, 432, 1008}));
  EXPECT_EQ(design["params"], 15296552);
  EXPECT_EQ(design["name"], "regnetx_3.2gf");
  EXPECT_EQ(json_of("design generate ds=2-6-15-2,ws=96-192-432-1008,gs=48 -o json")[0]["name"], "regnetx_3.2gf");
}

TEST(Design, FitFindsTheNumbers) {
  const Json fit = json_of("design fit ds=1-2-7-12,ws=32-64-160-384,gs=16 -o json")[0];
  EXPECT_EQ(fit["same"], true);
  EXPECT_EQ(fit["e_fit"], 0);
  EXPECT_EQ(json_of("design generate '" + fit["fit"].get<std::string>() + "' -o json")[0]["widths"], Json({32, 64, 160, 384}));
}

TEST(Design, ScaleIsPyclss) {
  const Json rows = json_of("design scale regnetx_400mf 4 -o json");
  EXPECT_EQ(rows[1]["design"], "ds=1-2-8-14,ws=64-128-288-672,gs=32-32-32-32");
  EXPECT_EQ(rows[1]["resolution"], 240);
}

std::string csv_of_errors() {
  return "w0,wa,wm,d,g,error,note\n"
         "24,24.48,2.54,22,16,27.4,\"a, b\"\n"
         "24,36.44,2.49,13,8,31.1,\n"
         "56,35.73,2.28,16,16,24.8,x\n";
}

TEST(Design, EdfReadsCsvAndJson) {
  const TemporaryFolder folder;
  const std::string csv = (folder.path() / "some.csv").string(), json = (folder.path() / "same.json").string(),
                    curves = (folder.path() / "curves.csv").string();
  write(csv, csv_of_errors());
  const Json from_csv = json_of("design edf '" + csv + "' -o json --csv '" + curves + "'")[0];
  EXPECT_EQ(from_csv["n"], 3);
  EXPECT_EQ(from_csv["min"], 24.8);
  EXPECT_NEAR(from_csv["mean"].get<double>(), (27.4 + 31.1 + 24.8) / 3, 1e-9);
  EXPECT_TRUE(from_csv["best"].contains("d"));
  EXPECT_FALSE(from_csv["best"].contains("stages")) << "all have four";
  EXPECT_EQ(read(curves).substr(0, 60), "population,error,below,at_most\nsome,24.8,0.0,0.3333333333333");
  write(json, R"([{"design": "regnetx_004", "error": 27.4}, {"design": "regnetx_002", "error": 31.1}, {"design": "regnetx_008", "error": 24.8}])");
  Json from_json = json_of("design edf '" + json + "' -o json")[0];
  from_json["population"] = "some";
  EXPECT_EQ(from_json, from_csv);
  EXPECT_EQ(json_of("design edf '" + csv + "' --filter macs=300M..900M -o json")[0]["n"], 2);
  expect_refused("design edf '" + csv + "' --filter macs=1..2", "that pass the filters");
  expect_refused("design edf '" + csv + "' --filter foo=1..2", "--filter: expected one of d, w0");
  expect_refused("design edf '" + csv + "' --numbers d,foo", "--numbers: expected one of d, w0");
  const std::string odd = (folder.path() / "a,\"b.csv").string();
  write(odd, csv_of_errors());
  run_regnet("design edf '" + odd + "' --csv '" + curves + "'");
  EXPECT_EQ(read(curves).substr(0, 49), "population,error,below,at_most\n\"a,\"\"b\",24.8,0.0,0");
  expect_refused("design pareto '" + json + "x'", "near names");
  write(json, "[]");
  expect_refused("design pareto '" + json + "'", "at least one design");
}

// As pycls's sweep_collect writes it; runs without errors, or of other families, are left out and counted.
TEST(Design, EdfReadsPyclssSweep) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "sweep.json").string();
  const auto run = [](const char* type, const char* section, const std::string& epochs) {
    return std::string(R"({"cfg": {"MODEL": {"TYPE": ")") + type + R"("}, )" + section +
           R"(, "TRAIN": {"IM_SIZE": 224}}, "complexity": {"flops": 1}, "log_file": "x")" + epochs + "}";
  };
  const char* regnetx = R"("REGNET": {"DEPTH": 22, "W0": 24, "WA": 24.48, "WM": 2.54, "GROUP_W": 16, "BOT_MUL": 1.0, "SE_ON": false})";
  const char* anynet =
      R"("ANYNET": {"DEPTHS": [1, 1, 4, 7], "WIDTHS": [24, 56, 152, 368], "GROUP_WS": [8, 8, 8, 8], "BOT_MULS": [1.0, 1.0, 1.0, 1.0], "STRIDES": [2, 2, 2, 2]})";
  write(file, "[" + run("regnet", regnetx, R"(, "test_epoch": {"min_top1_err": [60, 41]}, "test_ema_epoch": {"min_top1_err": [70, 40.5, 40]})") +
                  "," + run("anynet", anynet, R"(, "test_epoch": {"min_top1_err": [50, 45]})") + "," + run("regnet", regnetx, "") + "," +
                  run("resnet", R"("RESNET": {})", R"(, "test_epoch": {"min_top1_err": [30]})") + "]");
  const Result result = run_regnet("design edf '" + file + "' -o json");
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const Json population = Json::parse(result.out)[0];
  EXPECT_EQ(population["n"], 2);
  EXPECT_EQ(population["min"], 40);
  EXPECT_EQ(population["mean"], 42.5);
  EXPECT_NE(result.err.find("2 of 4 runs"), std::string::npos) << result.err;
}

// A stack would not hold what walks such JSON.
std::string nested(std::string around) { return around.replace(around.find('%'), 1, std::string(300'000, '[') + std::string(300'000, ']')); }

TEST(Design, DamagedListsAreOneLine) {
  const TemporaryFolder folder;
  const std::string file = (folder.path() / "list").string();
  for (const auto& [text, part] : std::vector<std::pair<std::string, std::string>>{
           {"", "is empty"},
           {"[", "line 1: expected JSON"},
           {"[1]", "entry 1: expected an object"},
           {"[{\"design\": 1}]", "entry 1: expected \"design\""},
           {"[{\"design\": \"regnetx_004\", \"error\": \"x\"}]", "entry 1: error: expected a number"},
           {"[{\"design\": \"regnetx_004\", \"error\": -1}]", "from 0 up"},
           {"[{\"design\": \"nothing\"}]", "entry 1: model 'nothing'"},
           {"{\"designs\": 3}", "a list of designs"},
           {"a,b\n1,2\n", "line 1: expected a column design"},
           {"design,error\nregnetx_004\n", "line 2: expected 2 fields, found 1"},
           {"design,error\nregnetx_004,abc\n", "line 2: error: expected a number, found 'abc'"},
           {"design,error\n\"regnetx_004,1\n", "line 2: expected 2 fields"},
           {"w0,wa,wm,d,g,error\n24,x,2.54,22,16,3\n", "line 2: design"},
           {"design,error\nregnetx_004,nan\n", "from 0 up, found nan"},
           {"[{\"design\": \"regnetx_004\", \"resolution\": 224.7}]", "entry 1: resolution: expected a whole number"},
           {"[{\"design\": \"regnetx_004\", \"resolution\": 4294967520}]", "entry 1: resolution: expected a whole number"},
           {"[{\"cfg\": {\"MODEL\": 5}, \"test_epoch\": {\"min_top1_err\": [3]}}]", "found none of 1"},
           {"[{\"design\": \"regnetx_004\"}]", "found none of 1"},
           {"[]", "found none of 0"},
           {nested("[%]"), "at most 64 levels"},
           {nested("{\"designs\": %}"), "at most 64 levels"},
           {nested("[{\"design\": \"regnetx_004\", \"error\": %}]"), "at most 64 levels"},
           {nested("[{\"cfg\": %, \"test_epoch\": {\"min_top1_err\": [3]}}]"), "at most 64 levels"}}) {
    write(file, text);
    expect_refused("design edf '" + file + "'", part);
  }
}

// No timing: only what is there, and that fronts are what they say.
TEST(Design, ParetoMeasuresAndMarksFronts) {
  const Json rows = json_of("design pareto regnetx_200mf regnetx_400mf regnetx_600mf --min-time 0.01 -t 1 -o json -q");
  ASSERT_EQ(rows.size(), 3u);
  EXPECT_EQ(rows[0]["name"], "regnetx_600mf") << "the least error first";
  for (const Json& row : rows) {
    EXPECT_GT(row["latency_ms"].get<double>(), 0);
    EXPECT_EQ(row["latency"], "measured");
    EXPECT_EQ(std::count(row["fronts"].begin(), row["fronts"].end(), "macs"), 1);
  }
  EXPECT_NEAR(rows[0]["error"].get<double>(), 25.864, 1e-3) << "pycls's published error";
  // What is read back from CSV is the same.
  const TemporaryFolder folder;
  const std::string csv = (folder.path() / "rows.csv").string();
  write(csv, run_regnet("design pareto regnetx_200mf regnetx_400mf --min-time 0.01 -t 1 -o csv -q").out);
  EXPECT_EQ(json_of("design edf '" + csv + "' -o json")[0]["n"], 2);
  EXPECT_FALSE(json_of("design pareto regnetx_200mf --resolution 64 --min-time 0.01 -t 1 -o json -q")[0].contains("error")) << "published at 224";
  const Result none = run_regnet("design pareto regnetx_200mf --latency-ms 0.0001 --min-time 0.01");
  EXPECT_EQ(none.exit_code, 1);
  EXPECT_NE(none.err.find("none of 1 networks takes at most 0.0001 ms"), std::string::npos) << none.err;
}

// What a table foretells is tested in tests/plan/latency_test.cpp; measuring one takes a minute.
TEST(Design, DamagedTablesAreOneLine) {
  const TemporaryFolder folder;
  const std::string table = (folder.path() / "table.json").string();
  write(table, "[{}]");
  expect_refused("design pareto --predict --table '" + table + "'", "latency table: expected what regnet writes");
  write(table, "{");
  expect_refused("design sample -n 1 --latency-ms 10 --table '" + table + "'", table + ": latency table");
}

}  // namespace
