#include <cmath>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/widths.hpp>

#include "design/design.hpp"
#include "design/figure.hpp"
#include "design/rows.hpp"
#include "json.hpp"
#include "table.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Params;
using regnet::Stage;

struct ExplainOptions {
  std::string design, svg, output = "table";
};

// One block on its way through the rule.
struct Block {
  double linear = 0, level = 0, rounded_level = 0;  // u_j, s_j
  int quantised = 0;
  std::size_t stage = 0;
};

struct Explanation {
  DesignRow row;
  std::vector<Block> blocks;
  std::vector<int> quantised;  // of each stage
  std::vector<std::string> notes;
};

std::vector<Block> blocks_of(const Params& params, const regnet::BlockWidths& widths) {
  std::vector<Block> blocks;
  for (std::size_t j = 0; j < widths.linear.size(); ++j) {
    const double level = std::log(widths.linear[j] / params.w_0) / std::log(params.w_m);
    const bool same = j == 0 || widths.quantised[j] == widths.quantised[j - 1];
    blocks.push_back({widths.linear[j], level, std::nearbyint(level), widths.quantised[j], j == 0 ? 0 : blocks.back().stage + !same});
  }
  return blocks;
}

// What making widths divisible did to one stage; empty when it did nothing.
std::string fitting_in_words(std::size_t number, int quantised, const Stage& stage, const Params& params) {
  std::string words;
  if (stage.width != quantised) {
    words = regnet::text("stage ", number, ": ", quantised, " becomes ", stage.width);
    if (params.bottleneck == 1) words += regnet::text(" = ", stage.groups(), " x ", stage.group_width);
    else words += regnet::text(", so that its bottleneck is ", stage.bottleneck_width, " = ", stage.groups(), " x ", stage.group_width);
  }
  if (stage.group_width != params.group_width)
    words += regnet::text(words.empty() ? regnet::text("stage ", number, ": ") : std::string("; "), "the group width is ", stage.group_width,
                          " instead of ", params.group_width, ", since the bottleneck is no wider");
  return words;
}

// Which network the other code base makes of the same numbers; empty when it is the same.
std::string other_rule_in_words(const regnet::Design& design) {
  const bool pycls = design.params.rule == regnet::WidthRule::pycls;
  const std::string rule = pycls ? "torchvision's rule (ties up, never below 90% of the width)" : "pycls's rule (to the nearest, ties to even)";
  Params params = design.params;
  params.rule = pycls ? regnet::WidthRule::torchvision : regnet::WidthRule::pycls;
  try {
    const std::vector<Stage> stages = to_stages(params);
    if (stages == design.stages) return "";
    std::string words = rule + " makes another network of these numbers: ";
    for (std::size_t i = 0, differences = 0; i < stages.size(); ++i)
      if (stages[i] != design.stages[i])
        words += regnet::text(differences++ ? ", " : "", "stage ", i + 1, " is ", stages[i].width, " wide instead of ", design.stages[i].width);
    const regnet::ZooEntry* const entry = regnet::find_in_zoo(stages);
    return words + regnet::text("; it is ", entry ? std::string(entry->title) + " (" + std::string(entry->name) + ")" : to_string(stages));
  } catch (const regnet::Error& error) {
    return rule + " makes no network of these numbers: " + error.what();
  }
}

Explanation explain(const DesignRow& row) {
  const regnet::Design& design = row.design;
  if (design.params.d == 0)
    regnet::fail(regnet::Code::invalid_argument, "explain: expected a design with w0, wa and wm, found one given by its stages, ",
                 regnet::in_quotes(design.name), " (design fit finds the nearest numbers)");
  const regnet::BlockWidths widths = block_widths(design.params);
  Explanation out{row, blocks_of(design.params, widths), std::vector<int>(design.stages.size()), {}};
  for (const Block& block : out.blocks) out.quantised[block.stage] = block.quantised;
  for (std::size_t i = 0; i < design.stages.size(); ++i)
    if (const std::string words = fitting_in_words(i + 1, out.quantised[i], design.stages[i], design.params); !words.empty())
      out.notes.push_back(words);
  if (out.notes.empty()) out.notes.push_back("fitting to the group width changed nothing");
  if (const auto stages = design.stages.size(); static_cast<std::size_t>(widths.levels) != stages)
    out.notes.push_back(regnet::text("the levels go up to ", widths.levels - 1, ", but there are ", stages, stages == 1 ? " stage" : " stages",
                                     ": a level is skipped, or two have the same width"));
  if (const std::string words = other_rule_in_words(design); !words.empty()) out.notes.push_back(words);
  return out;
}

void print_explanation(const Explanation& explanation) {
  const regnet::Design& design = explanation.row.design;
  std::cout << design.name;
  if (const std::string numbers = to_string(design.params); numbers != design.name) std::cout << ": " << numbers;
  std::cout << "\n\n";
  std::vector<Cells> blocks{{"block", "linear", "level", "rounded", "quantised", "stage", "width", "group width"}};
  for (std::size_t j = 0; j < explanation.blocks.size(); ++j) {
    const Block& block = explanation.blocks[j];
    const Stage& stage = design.stages[block.stage];
    blocks.push_back({std::to_string(j), fixed(block.linear, 2), fixed(block.level, 3), fixed(block.rounded_level, 0),
                      std::to_string(block.quantised), std::to_string(block.stage + 1), std::to_string(stage.width),
                      std::to_string(stage.group_width)});
  }
  print_aligned(blocks, 0);
  std::cout << '\n';
  std::vector<Cells> stages{{"stage", "depth", "width", "group width", "groups"}};
  const bool narrow = design.params.bottleneck != 1;
  if (narrow) stages[0].insert(stages[0].begin() + 3, "bottleneck");
  for (std::size_t i = 0; i < design.stages.size(); ++i) {
    const Stage& stage = design.stages[i];
    stages.push_back({std::to_string(i + 1), std::to_string(stage.depth), std::to_string(stage.width), std::to_string(stage.group_width),
                      std::to_string(stage.groups())});
    if (narrow) stages.back().insert(stages.back().begin() + 3, std::to_string(stage.bottleneck_width));
  }
  print_aligned(stages, 0);
  std::cout << '\n';
  for (const std::string& note : explanation.notes) std::cout << note << '\n';
  const regnet::Complexity& cost = explanation.row.cost;
  std::cout << '\n'
            << cost.params << " parameters, " << cost.macs << " MACs and " << cost.activations << " activations at "
            << explanation.row.network.resolution << " x " << explanation.row.network.resolution << '\n';
}

void print_json(const Explanation& explanation) {
  const regnet::Design& design = explanation.row.design;
  Json json = json_of(explanation.row);
  for (const Stage& stage : design.stages) json["groups"].push_back(stage.groups());
  json["blocks"] = Json::array();
  for (const Block& block : explanation.blocks) {
    const Stage& stage = design.stages[block.stage];
    json["blocks"].push_back({{"linear", block.linear},
                              {"level", block.level},
                              {"rounded_level", static_cast<std::int64_t>(block.rounded_level)},
                              {"quantised", block.quantised},
                              {"stage", block.stage + 1},
                              {"width", stage.width},
                              {"bottleneck_width", stage.bottleneck_width},
                              {"group_width", stage.group_width}});
  }
  json["notes"] = explanation.notes;
  print(json);
}

// Widths over the blocks, as in the paper's figures of the quantised linear rule.
std::string figure_of(const Explanation& explanation) {
  const regnet::Design& design = explanation.row.design;
  std::vector<double> values;
  for (const Block& block : explanation.blocks) values.insert(values.end(), {block.linear, double(block.quantised)});
  for (const Stage& stage : design.stages) values.push_back(stage.width);
  constexpr double left = 60, right = 660, top = 84, bottom = 400;
  const Scale x(-0.5, double(explanation.blocks.size()) - 0.5, left, right), y = scale_of(values, bottom, top, Spacing::log);
  Svg svg(right + 20, bottom + 46);
  svg.text(left, 22, design.name, "title");
  draw_axes(svg, x, y, "block", "width", whole_ticks(x.low(), x.high(), 10));
  std::vector<Point> linear, quantised, fitted;
  for (std::size_t j = 0; j < explanation.blocks.size(); ++j) {
    const Block& block = explanation.blocks[j];
    linear.push_back({x(double(j)), y(block.linear)});
    quantised.push_back({x(double(j) - 0.5), y(block.quantised)});
    fitted.push_back({x(double(j) - 0.5), y(design.stages[block.stage].width)});
  }
  for (std::vector<Point>* points : {&quantised, &fitted}) points->push_back({right, points->back().y});
  svg.steps(fitted, "band s2");
  svg.steps(quantised, "curve s1");
  svg.polyline(linear, "curve s0");
  svg.dots(linear, "dots s0");
  double at = left;
  const auto legend = [&](const char* kind, const std::string& words) {
    svg.line(at, 46, at + 24, 46, kind);
    svg.text(at + 30, 50, words, "axis");
    at += 52 + 6.6 * double(words.size());
  };
  legend("curve s0", "linear, w0 + wa j");
  legend("curve s1", "quantised, w0 wm^s in eights");
  legend("band s2", "fitted to the groups");
  return svg.str();
}

int run(const ExplainOptions& options) {
  const Explanation explanation = explain(read_row(options.design));
  if (!options.svg.empty()) {
    std::ofstream file(options.svg, std::ios::binary);
    if (!(file << figure_of(explanation)).flush()) regnet::fail(regnet::Code::io, options.svg, ": cannot be written");
  }
  if (options.output == "json") print_json(explanation);
  else print_explanation(explanation);
  return exit_done;
}

}  // namespace

Command add_design_explain(CLI::App& design) {
  CLI::App* app = design.add_subcommand("explain", "How the numbers of a design become the widths of its blocks, step by step");
  auto options = std::make_shared<ExplainOptions>();
  app->add_option("design", options->design, "A name (RegNetX-3.2GF), numbers (w0=24,wa=24.48,wm=2.54,d=22,g=16) or a pycls configuration FILE.yaml")
      ->type_name("DESIGN")
      ->required();
  app->add_option("--svg", options->svg, "File to write: the widths over the blocks, drawn")->type_name("FILE");
  add_output(*app, options->output, {"table", "json"});
  return {app, [options] { return run(*options); }};
}
