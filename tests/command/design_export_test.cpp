// design export as scripts use it: what it writes reads back as the same network, what other frameworks cannot build is refused, and hostile
// configurations cost one line.
#include <gtest/gtest.h>

#include <array>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/design/sample.hpp>
#include <regnet/design/zoo.hpp>

#include "command/run.hpp"

namespace {

using Json = nlohmann::json;

constexpr const char* sections = "MODEL: {TYPE: regnet}\nREGNET: {DEPTH: 13, W0: 24, WA: 36.44, WM: 2.49, GROUP_W: 8";  // open: more settings follow

class DesignExport : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& file) const { return (folder.path() / file).string(); }
  static Json exported(const std::string& design, const std::string& options = "") {
    const Result result = run_regnet("design export '" + design + "' " + options);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return Json::parse(result.out);
  }
  static Json row(const std::string& design) { return exported(design, "-f json")[0]; }
  // The network alone, without its name and numbers.
  static Json stages(const std::string& design) {
    const Json all = row(design);
    return {all["depths"], all["widths"], all["group_widths"], all["bottleneck_widths"]};
  }
  [[nodiscard]] std::string yaml(const std::string& content) const { return folder.write("config.yaml", content); }
  void expect_yaml_refused(const std::string& content, const std::string& part) const {
    expect_refused("design export '" + yaml(content) + "'", part);
  }
  void expect_round_trip(const std::string& design) const {
    SCOPED_TRACE(design);
    EXPECT_EQ(run_regnet("design export '" + design + "' -o '" + path("there.yaml") + "' --force").exit_code, 0);
    EXPECT_EQ(stages(path("there.yaml")), stages(design));
  }
  TemporaryFolder folder;
};

TEST_F(DesignExport, EveryPublishedNetworkReadsBackByItsName) {
  for (const regnet::ZooEntry& entry : regnet::zoo) {
    const std::string name(entry.name);
    expect_round_trip(name);
    EXPECT_EQ(row(path("there.yaml"))["name"], name);
  }
}

// Beyond the published ones: skipped levels, few and many stages, bottlenecks below and above 1, and torchvision's rule, whose widths pycls would
// round otherwise.
TEST_F(DesignExport, RandomNetworksReadBackAsTheSameStages) {
  for (const regnet::NamedSpace& space : regnet::spaces) {
    for (regnet::SampledDesign& design : regnet::sample({.space = space.space, .seed = 1, .count = 4}).designs) {
      if (design.params.d == 0) {
        expect_round_trip(to_string(design.stages));
        continue;
      }
      expect_round_trip(to_string(design.params));
      design.params.rule = regnet::WidthRule::torchvision;
      expect_round_trip(to_string(design.params));
    }
  }
  expect_round_trip("w0=48,wa=30,wm=2.5,d=14,g=16,b=4");
}

TEST_F(DesignExport, ATorchvisionDesignIsWrittenByItsStages) {
  const std::string written = run_regnet("design export regnet_x_400mf --classes 10 --resolution 160").out;
  for (const char* part : {"TYPE: anynet", "NUM_CLASSES: 10", "WIDTHS: [32, 64, 160, 400]", "STRIDES: [2, 2, 2, 2]", "BOT_MULS: [1.0, 1.0, 1.0, 1.0]",
                           "TRAIN:\n  IM_SIZE: 160"})
    EXPECT_NE(written.find(part), std::string::npos) << part << "\n" << written;
}

// yacs compares types: pycls would refuse a whole number as WA.
TEST_F(DesignExport, WholeNumbersAreWrittenAsFloatsWherePyclsHasFloats) {
  const std::string written = run_regnet("design export w0=48,wa=30,wm=2,d=14,g=16,b=2").out;
  for (const char* part : {"WA: 30.0\n", "WM: 2.0\n", "BOT_MUL: 2.0\n", "W0: 48\n", "TEST:\n  IM_SIZE: 256\n"})
    EXPECT_NE(written.find(part), std::string::npos) << written;
}

TEST_F(DesignExport, WhatIsMissingHasPyclsDefaults) {
  EXPECT_EQ(stages(yaml("MODEL: {TYPE: regnet}\nREGNET: {SE_R: 0.25}\n")), stages("w0=32,wa=5,wm=2.5,d=10,g=16"));
  EXPECT_EQ(row(yaml(std::string(sections) + "}\nOPTIM: {BASE_LR: 0.8, STEPS: []}\nNUM_GPUS: 8\n"))["name"], "regnetx_200mf");
  EXPECT_EQ(row(yaml(std::string(sections) + ", STEM_W: 32, SE_ON: False, BOT_MUL: 1}\nBN: {EPS: 1e-5, USE_PRECISE_STATS: True}\n"))["name"],
            "regnetx_200mf");
  // As pycls writes down all that it ran with.
  EXPECT_EQ(
      row(yaml("MODEL: {ACTIVATION_FUN: relu, ACTIVATION_INPLACE: true, DEPTH: 0, LOSS_FUN: cross_entropy, NUM_CLASSES: 1000, SCALING_FACTOR: 1.0, "
               "SCALING_TYPE: '', TYPE: regnet}\nANYNET: {DEPTHS: [], SE_ON: false}\nREGNET: {BLOCK_TYPE: res_bottleneck_block, BOT_MUL: 1.0, "
               "DEPTH: 13, GROUP_W: 8, HEAD_W: 0, SE_ON: false, SE_R: 0.25, STEM_TYPE: simple_stem_in, STEM_W: 32, STRIDE: 2, W0: 24, WA: 36.44, "
               "WM: 2.49}\nBN: {CUSTOM_WEIGHT_DECAY: 0.0, EPS: 1.0e-05, MOM: 0.1}\nDESC: ''\n"))["name"],
      "regnetx_200mf");
  EXPECT_EQ(row(yaml("%YAML 1.1\n---\n'MODEL': {\"TYPE\": 'regnet'}\nREGNET: {DEPTH: '13', W0: 24, WA: 36.44, WM: 2.49, GROUP_W: 8}\n"))["name"],
            "regnetx_200mf");
}

// pycls takes an AnyNet's widths as they are; a group width that does not divide them leaves as many groups as go in.
TEST_F(DesignExport, AnAnyNetsGroupsAreAsManyAsGoIn) {
  const std::string content =
      "MODEL: {TYPE: anynet}\nANYNET: {DEPTHS: [1, 2], WIDTHS: [40, 96], STRIDES: [2, 2], BOT_MULS: [1.0, 0.5], GROUP_WS: [16, 16]}\n";
  EXPECT_EQ(stages(yaml(content)), (Json{{1, 2}, {40, 96}, {20, 16}, {40, 48}}));
}

TEST_F(DesignExport, OtherNetworksAreRefusedBySetting) {
  const auto with = [](const std::string& more) { return std::string(sections) + ", " + more + "}\n"; };
  expect_yaml_refused(with("SE_ON: True"), "line 2: REGNET.SE_ON: expected false");
  expect_yaml_refused(with("SE_ON: yes"), "REGNET.SE_ON");
  expect_yaml_refused(with("STEM_W: 64"), "REGNET.STEM_W: expected 32");
  expect_yaml_refused(with("STEM_TYPE: res_stem_in"), "REGNET.STEM_TYPE");
  expect_yaml_refused(with("STRIDE: 1"), "REGNET.STRIDE");
  expect_yaml_refused(with("HEAD_W: 1024"), "REGNET.HEAD_W");
  expect_yaml_refused(with("BLOCK_TYPE: res_basic_block"), "REGNET.BLOCK_TYPE");
  expect_yaml_refused(with("WO: 24"), "REGNET.WO");
  expect_yaml_refused(std::string(sections) + "}\nBN: {EPS: 1e-3}\n", "BN.EPS");
  expect_yaml_refused("MODEL: {TYPE: regnet, ACTIVATION_FUN: silu}\nREGNET: {W0: 24}\n", "MODEL.ACTIVATION_FUN");
  expect_yaml_refused("MODEL: {TYPE: regnet, SCALING_TYPE: d1_w8_g8_r1, SCALING_FACTOR: 2.0}\nREGNET: {W0: 24}\n", "MODEL.SCALING_FACTOR");
  for (const char* type : {"resnet", "effnet", "vit", "RegNet", "[regnet]", "~", "1"})
    expect_yaml_refused(std::string("MODEL: {TYPE: ") + type + "}\n", "MODEL.TYPE");
}

TEST_F(DesignExport, AnyNetsThatPyclsWouldCutShortOrPyTorchRefuseAreRefused) {
  const auto any = [](const std::string& settings) { return "MODEL: {TYPE: anynet}\nANYNET:\n  {" + settings + "}\n"; };
  const std::string rest = ", BOT_MULS: [1.0, 1.0], GROUP_WS: [8, 8]";
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 32]"), "ANYNET.STRIDES: expected a list, found nothing");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16], STRIDES: [2, 2]" + rest), "line 3: ANYNET.WIDTHS: expected 2");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 32], STRIDES: [1, 2]" + rest), "ANYNET.STRIDES: stage 1: expected 2, found 1");
  expect_yaml_refused(any("DEPTHS: [1, 0], WIDTHS: [16, 32], STRIDES: [2, 2]" + rest), "ANYNET.DEPTHS: stage 2");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 999999], STRIDES: [2, 2]" + rest), "ANYNET.WIDTHS: stage 2");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 32], STRIDES: [2, 2], BOT_MULS: [1.0, 0.001], GROUP_WS: [8, 8]"), "ANYNET.BOT_MULS: stage 2");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 32], STRIDES: [2, 2], BOT_MULS: [1.0, 1.0], GROUP_WS: [8, 10]"), "ANYNET.GROUP_WS: stage 2");
  expect_yaml_refused(any("DEPTHS: [1, 2], WIDTHS: [16, 32], STRIDES: [2, 2], BOT_MULS: [1.0, 1.0], GROUP_WS: [8, 64]"), "ANYNET.GROUP_WS: stage 2");
  expect_yaml_refused(any("DEPTHS: [], WIDTHS: [], STRIDES: [], BOT_MULS: [], GROUP_WS: []"), "ANYNET.DEPTHS");
  expect_yaml_refused(any("DEPTHS: [[1], 2], WIDTHS: [16, 32], STRIDES: [2, 2]" + rest), "list of something else");
}

TEST_F(DesignExport, WhatIsNoConfigurationCostsOneLine) {
  const std::string deep(100'000, '[');
  std::string lots;
  for (int i = 0; i < 10'000; ++i) lots += "1, ";
  const auto numbers = [](const std::string& w0) { return "MODEL: {TYPE: regnet}\nREGNET: {W0: " + w0 + "}\n"; };
  // Each with something that its line must say.
  const std::array<std::pair<std::string, const char*>, 31> hostile{{
      {"", "one YAML document"},
      {"\n# nothing\n", "config.yaml"},
      {"MODEL: {TYPE: regnet}\n---\nMODEL: {TYPE: regnet}\n", "found more"},
      {", 12]\nMODEL: {TYPE: regnet}\n", "one YAML document"},  // of which yaml-cpp finds documents without end
      {"MODEL: {TYPE: regnet\n", "expected YAML"},
      {"MODEL: *nobody\n", "line 1"},
      {"\tMODEL: 1\n", "config.yaml"},
      {std::string("\0\1\2\3", 4), "config.yaml"},
      {"\xff\xfe\x00\xd8", "config.yaml"},
      {deep, "expected YAML"},
      {"MODEL: " + deep, "expected YAML"},
      {std::string(2'000'000, ' '), "at most 1048576 bytes"},
      {"OPTIM: [" + lots + "]\nMODEL: {TYPE: regnet}\n", "at most 10000 settings"},
      {"[1, 2]", "found a list"},
      {"text", "found a value"},
      {"MODEL: regnet\n", "MODEL: expected settings"},
      {"MODEL:\n", "MODEL: expected settings, found nothing"},
      {"MODEL: {TYPE: regnet}\nREGNET:\n", "REGNET: expected settings"},
      {"MODEL: {TYPE: regnet}\n", "REGNET: expected the settings"},
      {"MODEL: {TYPE: regnet}\nregnet: {W0: 24}\n", "REGNET: expected the settings"},
      {"MODEL: {TYPE: regnet}\nREGNET.W0: 24\n", "with a dot"},
      {"MODEL: {TYPE: regnet}\nMODEL: {TYPE: anynet}\n", "line 2: MODEL: appears twice"},
      {"MODEL: {TYPE: regnet, TYPE: anynet}\n", "MODEL.TYPE: appears twice"},
      {"MODEL: {[1]: 2}\n", "expected a name"},
      {"MODEL: &m {TYPE: regnet}\nREGNET: {<<: *m}\n", "merged"},
      {"MODEL: &m {TYPE: *m}\n", "expected a value"},
      {"MODEL: {TYPE: !!python/object/apply:os.system [ls]}\n", "expected no tag"},
      {"MODEL: {TYPE: regnet}\nREGNET: {W0: !!str 24}\n", "expected no tag"},
      {"MODEL: {TYPE: \"\\e[31m\\n\"}\n", "MODEL.TYPE"},
      {"a: &a [x, x]\nb: &b [*a, *a]\nMODEL: {TYPE: *b}\n", "list of something else"},
      {"MODEL: {TYPE: regnet}\nREGNET: {? {a: b} : 1}\n", "expected a name"},
  }};
  for (const auto& [content, part] : hostile) expect_yaml_refused(content, part);
  for (const char* w0 : {"24.5", "24.0", "010", "0x18", "1_000", "1:30", "1e99", "99999999999999999999", "-9223372036854775808", "nan", ".inf", "~",
                         "[24]", "twenty", "True", "''"})
    expect_yaml_refused(numbers(w0), "line 2: REGNET.W0: expected a whole number");
  for (const char* w0 : {"0", "-8", "20", "65544"}) expect_yaml_refused(numbers(w0), "config.yaml: design");
  for (const char* wm : {"1", "0.5", "1.0000001"})
    expect_yaml_refused(std::string("MODEL: {TYPE: regnet}\nREGNET: {WM: ") + wm + "}\n", "config.yaml: design");
  expect_yaml_refused("MODEL: {TYPE: regnet}\nREGNET: {WA: .nan}\n", "REGNET.WA: expected a number");
  expect_refused("design export '" + path("none.yaml") + "'", "none.yaml");
  std::filesystem::create_directory(path("folder.yaml"));
  expect_refused("design export '" + path("folder.yaml") + "'", "folder.yaml");
}

TEST_F(DesignExport, TimmGetsItsOwnArguments) {
  const Json plain = exported("regnetx_400mf", "-f timm --classes 7");
  EXPECT_EQ(plain["cfg"], (Json{{"w0", 24}, {"wa", 24.48}, {"wm", 2.54}, {"depth", 22}, {"group_size", 16}, {"bottle_ratio", 1.0}}));
  EXPECT_EQ(plain["num_classes"], 7);
  EXPECT_EQ(exported("regnet_x_400mf", "-f timm")["cfg"]["group_min_ratio"], 0.9);
}

TEST_F(DesignExport, WhatTimmCannotBuildIsRefused) {
  expect_refused("design export ds=1-2-3,ws=32-64-128,gs=16 -f timm", "4 stages, found 3");
  expect_refused("design export ds=1-2-3-4,ws=32-64-128-256,gs=16 -f timm", "given by its stages");
  // The second level has log(1.5) / log(2.25) = 1/2, which 64 bits round down and 32 bits up; and four stages.
  expect_refused("design export w0=64,wa=16,wm=2.25,d=40,g=8 -f timm", "32 bits");
}

TEST_F(DesignExport, TorchvisionGetsNumbersWhereItsRuleAgreesAndStagesElsewhere) {
  const Json same = exported("regnetx_3.2gf", "-f torchvision");
  EXPECT_FALSE(same.contains("constructor"));
  EXPECT_EQ(same["block_params"],
            (Json{{"depth", 25}, {"w_0", 88}, {"w_a", 26.31}, {"w_m", 2.25}, {"group_width", 48}, {"bottleneck_multiplier", 1.0}}));
  const Json other = exported("regnetx_400mf", "-f torchvision");
  EXPECT_EQ(other["constructor"], "BlockParams");
  EXPECT_EQ(other["block_params"]["widths"], (Json{32, 64, 160, 384}));
  EXPECT_EQ(other["block_params"]["strides"], (Json{2, 2, 2, 2}));
  EXPECT_EQ(exported("ds=1-2-3,ws=32-64-128,gs=16", "-f torchvision")["block_params"]["depths"], (Json{1, 2, 3}));
}

TEST_F(DesignExport, InitialWeightsAreReadInEveryNaming) {
  for (const char* naming : {"pycls", "mmcls", "timm", "torchvision"}) {
    SCOPED_TRACE(naming);
    const std::string file = path("initial.safetensors");
    const Result result = run_regnet("design export regnetx_200mf --classes 11 --init '" + file + "' --seed 5 --force --naming " + naming);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    const Json found = Json::parse(run_regnet("inspect -o json '" + file + "'").out);
    EXPECT_EQ(found["naming"], naming);
    EXPECT_EQ(found["model"], "regnetx_200mf");
    EXPECT_EQ(found["classes"], 11);
    ASSERT_EQ(found["problems"].size(), 1u);
    EXPECT_NE(found["problems"][0].get<std::string>().find("untrained?"), std::string::npos);
  }
}

TEST_F(DesignExport, ASeedGivesTheSameFileAndAnotherAnother) {
  const auto written = [&](const std::string& options) {
    const std::string file = path("seed.safetensors");
    EXPECT_EQ(run_regnet("design export ds=1-1,ws=16-32,gs=8 --classes 3 --force --init '" + file + "' " + options).exit_code, 0);
    return read(file);
  };
  const std::string once = written("--seed 1");
  EXPECT_TRUE(once == written("--seed 1"));
  EXPECT_FALSE(once == written("--seed 2"));
  EXPECT_FALSE(once == written("--seed 1 --zero-init-last"));
}

TEST_F(DesignExport, NothingIsReplacedWithoutForce) {
  const std::string precious = folder.write("precious", "precious");
  expect_refused("design export regnetx_200mf -o '" + precious + "'", "--force");
  expect_refused("design export regnetx_200mf --init '" + precious + "'", "--force");
  expect_refused("design export regnetx_200mf -o '" + path("one") + "' --init '" + path("one") + "'", "two files");
  expect_refused("design export regnetx_200mf -o '" + path("nowhere/file") + "'", "nowhere");
  EXPECT_EQ(read(precious), "precious");
  // Refused before anything is written.
  expect_refused("design export ds=1,ws=16,gs=8 -f timm --init '" + path("init") + "'", "4 stages");
  EXPECT_FALSE(std::filesystem::exists(path("init")));
  EXPECT_EQ(run_regnet("design export regnetx_200mf --force -o '" + precious + "'").exit_code, 0);
  EXPECT_NE(read(precious).find("W0: 24"), std::string::npos);
}

// However it is spelled: the weights would be gone.
TEST_F(DesignExport, TwoFilesAreTwo) {
  std::filesystem::create_symlink(folder.path(), folder.path() / "link");
  for (const char* init : {"b.yaml", "./b.yaml", "link/b.yaml", "link/./b.yaml"}) {
    expect_refused("design export regnetx_200mf -o '" + path("b.yaml") + "' --init '" + path(init) + "'", "expected two files");
    EXPECT_FALSE(std::filesystem::exists(path("b.yaml")));
  }
}

TEST_F(DesignExport, OptionsThatMakeNoSenseAreRefused) {
  expect_refused("design export regnetx_200mf -f keras", "keras");
  expect_refused("design export regnetx_200mf --seed 1", "--init");
  expect_refused("design export regnetx_200mf --classes 0", "classes");
  expect_refused("design export regnetx_200mf --resolution 0", "resolution");
  expect_refused("design export regnetx_200mg", "near names");
}

}  // namespace
