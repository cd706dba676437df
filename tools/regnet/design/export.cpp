#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include <regnet/base/threads.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/initial.hpp>

#include "design/design.hpp"
#include "design/pycls_yaml.hpp"
#include "design/rows.hpp"
#include "table.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Code;
using regnet::fail;
using regnet::Params;
using regnet::Stage;
using regnet::WidthRule;

struct ExportOptions {
  std::string design, format = "pycls", out, init, naming = "pycls";
  NetworkChoice network;
  std::uint64_t seed = 0;
  bool zero_last = false, force = false;
};

// The float or two floats around a number, of which a float function that is exact to one unit in the last place returns one.
std::array<float, 2> floats_around(double value) {
  const auto nearest = static_cast<float>(value);
  if (nearest == value) return {nearest, nearest};
  return nearest < value ? std::array{nearest, std::nextafter(nearest, INFINITY)} : std::array{std::nextafter(nearest, -INFINITY), nearest};
}

// Width of block j before it is fitted, as timm and torchvision compute it with torch's 32 bits. Nothing when it depends on the last bit of their
// logarithm or power, which CPUs round differently.
std::optional<int> float_width(const Params& params, int j) {
  const auto w_0 = static_cast<float>(params.w_0), log_ratio = static_cast<float>(std::log(params.w_m));
  const float u = static_cast<float>(j) * static_cast<float>(params.w_a) + w_0;
  const auto agreed = [](double exact, auto function) -> std::optional<float> {
    const auto [below, above] = floats_around(exact);
    return function(below) == function(above) ? std::optional<float>(function(below)) : std::nullopt;
  };
  const auto level = agreed(std::log(double{u / w_0}), [&](float log) { return std::nearbyint(log / log_ratio); });
  if (!level) return std::nullopt;
  const auto quanta = agreed(std::pow(double{static_cast<float>(params.w_m)}, *level),
                             [&](float power) { return std::nearbyint(w_0 * power / regnet::width_quantum); });
  if (!quanta || !(*quanta <= float{regnet::widest})) return std::nullopt;
  return static_cast<int>(*quanta) * regnet::width_quantum;
}

// The stage that these libraries make of a width; unlike pycls they do not care whether a bottleneck that is wider than its block is divisible by it.
// Of depth 0, and none where PyTorch would refuse it.
Stage float_stage(const Params& params, WidthRule rule, int width) {
  const int v = static_cast<int>(width * params.bottleneck), g = std::min(params.group_width, v);
  if (g < 1) return {};
  const int fitted = rule == WidthRule::pycls ? static_cast<int>(std::nearbyint(double(v) / g)) * g : regnet::fit_width(v, 1, g, rule).width;
  const int out = static_cast<int>(fitted / params.bottleneck), inner = static_cast<int>(std::nearbyint(out * params.bottleneck));
  if (inner < g || inner % (inner / g) != 0) return {};
  return {0, out, inner, inner / (inner / g)};
}

// The network that timm (with the pycls rule, or torchvision's as group_min_ratio 0.9) and torchvision make of the numbers; nothing when that is
// uncertain.
std::optional<std::vector<Stage>> float_stages(const Params& params, WidthRule rule) {
  std::vector<Stage> stages;
  int previous = 0;
  for (int j = 0; j < params.d; ++j) {
    const std::optional<int> width = float_width(params, j);
    if (!width) return std::nullopt;
    if (*width != previous) stages.push_back(float_stage(params, rule, *width));
    previous = *width;
    ++stages.back().depth;
  }
  return stages;
}

// What every format says of the network, so that whoever builds it can see that it is the same.
Json described(const DesignRow& row) {
  Json json = json_of(row);
  json["bottleneck_widths"] = each_stage(row.design.stages, &Stage::bottleneck_width);
  return json;
}

std::string timm_json(const DesignRow& row) {
  const regnet::Design& design = row.design;
  const Params& p = design.params;
  const auto refuse = [&](const auto&... parts) { fail(Code::unsupported, design.name, ": timm ", parts...); };
  if (design.stages.size() != 4) refuse("builds networks of 4 stages, found ", design.stages.size());
  if (p.d == 0)
    refuse(
        "builds networks from w0, wa, wm, d and g, and this one is given by its stages; \"regnet design fit\" finds numbers, -f torchvision takes "
        "stages");
  const std::optional<std::vector<Stage>> stages = float_stages(p, p.rule);
  if (!stages)
    refuse(
        "rounds widths in 32 bits, and these numbers are too near to where it rounds the other way to be sure of its network; -f torchvision takes "
        "stages");
  if (*stages != design.stages) refuse("rounds widths otherwise and makes another network of these numbers; -f torchvision takes stages");
  Json cfg{{"w0", p.w_0}, {"wa", p.w_a}, {"wm", p.w_m}, {"depth", p.d}, {"group_size", p.group_width}, {"bottle_ratio", p.bottleneck}};
  if (p.rule == WidthRule::torchvision) cfg["group_min_ratio"] = 0.9;
  const Json json{{"python", "timm.models.regnet.RegNet(timm.models.regnet.RegNetCfg(**j[\"cfg\"]), num_classes=j[\"num_classes\"])"},
                  {"cfg", cfg},
                  {"num_classes", row.network.classes},
                  {"network", described(row)}};
  return json.dump(2) + "\n";
}

// torchvision's generator makes the network where its rules lead to it; else its stages are given one by one.
std::string torchvision_json(const DesignRow& row) {
  const regnet::Design& design = row.design;
  const Params& p = design.params;
  const bool generated = p.d != 0 && float_stages(p, WidthRule::torchvision) == design.stages;
  Json block, json;
  if (generated) {
    block = {{"depth", p.d}, {"w_0", p.w_0}, {"w_a", p.w_a}, {"w_m", p.w_m}, {"group_width", p.group_width}, {"bottleneck_multiplier", p.bottleneck}};
  } else {
    for (const Stage& stage : design.stages) {
      block["depths"].push_back(stage.depth);
      block["widths"].push_back(stage.width);
      block["group_widths"].push_back(stage.group_width);
      block["bottleneck_multipliers"].push_back(double(stage.bottleneck_width) / stage.width);
      block["strides"].push_back(stage.stride);
    }
    json["constructor"] = "BlockParams";
  }
  json["python"] = regnet::text("torchvision.models.regnet.RegNet(torchvision.models.regnet.BlockParams", generated ? ".from_init_params" : "",
                                "(**j[\"block_params\"]), num_classes=j[\"num_classes\"])");
  json["block_params"] = block;
  json["num_classes"] = row.network.classes;
  json["network"] = described(row);
  return json.dump(2) + "\n";
}

std::string exported(const DesignRow& row, const std::string& format) {
  if (format == "timm") return timm_json(row);
  if (format == "torchvision") return torchvision_json(row);
  if (format == "json") return Json::array({described(row)}).dump(2) + "\n";
  return to_pycls_yaml(row.design, row.network.classes, row.network.resolution);
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  if (!(file << text).flush()) fail(Code::io, path, ": cannot be written");
}

// The file that training begins from, as its framework would have written it.
void write_initial(const DesignRow& row, const ExportOptions& options) {
  const regnet::InitialOptions initial{.zero_last = options.zero_last, .counters = true, .threads = regnet::default_threads().count};
  regnet::Checkpoint checkpoint;
  checkpoint.tensors = initial_weights(parameters(build(row.design.stages, row.network)), options.seed, initial);
  for (const regnet::Naming naming : regnet::all_namings)
    if (name_of(naming) == options.naming) checkpoint.tensors = with_naming(checkpoint.tensors, naming);
  checkpoint.metadata["format"] = "pt";
  checkpoint.metadata["regnet.initial"] = regnet::text(row.design.name, ", seed ", options.seed, options.zero_last ? ", zero_last" : "");
  save_safetensors(checkpoint, options.init, options.force ? regnet::Existing::replace : regnet::Existing::keep);
}

// Whether two paths name one file, however they are spelled; also one that does not exist yet.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  return std::filesystem::weakly_canonical(a, error) == std::filesystem::weakly_canonical(b, error) || std::filesystem::equivalent(a, b, error);
}

int run(const ExportOptions& options) {
  const DesignRow row = read_row(options.design, options.network);
  const std::string text = exported(row, options.format);  // before anything is written, since it may refuse
  for (const std::string& path : {options.init, options.out}) {
    std::error_code error;
    if (!options.force && !path.empty() && std::filesystem::exists(std::filesystem::symlink_status(path, error)))
      fail(Code::invalid_argument, path, ": exists already; --force replaces it");
  }
  if (!options.out.empty() && !options.init.empty() && same_file(options.out, options.init))
    fail(Code::invalid_argument, options.out, ": expected two files, found one for -o and --init");
  if (!options.init.empty()) write_initial(row, options);
  if (options.out.empty()) std::cout << text;
  else write_text(options.out, text);
  return exit_done;
}

}  // namespace

Command add_design_export(CLI::App& design) {
  CLI::App* app =
      design.add_subcommand("export", "A design for other frameworks: a configuration, constructor arguments, and weights to begin training from");
  auto options = std::make_shared<ExportOptions>();
  app->add_option("design", options->design,
                  "A name, a design (w0=24,wa=24.48,wm=2.54,d=22,g=16), stages (ds=1-2,ws=32-64,gs=16) or a pycls configuration FILE.yaml")
      ->type_name("DESIGN")
      ->required();
  app->add_option("-f,--format", options->format,
                  "pycls (YAML), timm or torchvision (JSON of constructor arguments, with the Python that takes them), json (stages and costs)")
      ->check(CLI::IsMember({"pycls", "timm", "torchvision", "json"}))
      ->capture_default_str();
  app->add_option("-o,--output", options->out, "The file to write; without it stdout")->type_name("FILE");
  app->add_option("--classes", options->network.classes, "Number of classes; without it 1000, or what a configuration says");
  app->add_option("--resolution", options->network.resolution, "Side of the input in pixels; without it 224, or what a configuration says");
  CLI::Option* const init =
      app->add_option("--init", options->init, "Also write random weights to begin training from: a safetensors file")->type_name("FILE");
  app->add_option("--naming", options->naming, "Whose names the weights of --init have")
      ->check(CLI::IsMember({"pycls", "mmcls", "timm", "torchvision"}))
      ->capture_default_str()
      ->needs(init);
  app->add_option("--seed", options->seed, "Seed of the weights of --init, which are the same ones on every machine")
      ->capture_default_str()
      ->needs(init);
  app->add_flag("--zero-init-last", options->zero_last, "Each block's last batch normalisation begins at 0, so that the block is its shortcut")
      ->needs(init);
  app->add_flag("--force", options->force, "Replace files that exist");
  return {app, [options] { return run(*options); }};
}
