#include <charconv>
#include <iostream>
#include <map>
#include <sstream>
#include <string_view>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/scale.hpp>

#include "design/design.hpp"
#include "design/rows.hpp"

namespace {

struct ScaleOptions {
  std::string design, type = "d1_w8_g8_r1", output = "table";
  double factor = 0;
  std::optional<int> resolution;
};

// pycls's words: "d1_w8_g8_r1", or "dw" for d1_w1.
regnet::ScalingWeights parse_weights(const std::string& type) {
  regnet::ScalingWeights weights{0, 0, 0, 0};
  std::map<char, double*> unset{{'d', &weights.depth}, {'w', &weights.width}, {'g', &weights.group_width}, {'r', &weights.resolution}};
  const auto set = [&](char name, std::string_view number) {
    double value = 0;
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
    const auto weight = unset.find(name);
    if (weight == unset.end() || error != std::errc{} || end != number.data() + number.size())
      regnet::fail(regnet::Code::invalid_argument, "--type: expected d, w, g and r, once each, with weights such as d1_w8_g8_r1, found ",
                   regnet::in_quotes(type));
    *weight->second = value;
    unset.erase(weight);
  };
  if (type.find_first_not_of("dwgr") == std::string::npos) {
    for (const char name : type) set(name, "1");
    return weights;
  }
  std::istringstream parts(type.ends_with('_') ? type + '_' : type);  // or getline would not see the empty part at the end
  for (std::string part; std::getline(parts, part, '_');) set(part.empty() ? ' ' : part[0], part.empty() ? "" : std::string_view(part).substr(1));
  return weights;
}

int run(const ScaleOptions& options) {
  const DesignRow before = read_row(options.design, {options.resolution, {}});
  const regnet::ScaledNetwork scaled = regnet::scale(before.design.stages, before.network.resolution, options.factor, parse_weights(options.type));
  const DesignRow after = read_row(to_string(scaled.stages), {scaled.resolution, before.network.classes});
  print_rows({before, after}, options.output);
  if (options.output == "table")
    std::cout << "resolution " << before.network.resolution << " becomes " << scaled.resolution << "; multiply-adds "
              << double(after.cost.macs) / double(before.cost.macs) << " times\n";
  return exit_done;
}

}  // namespace

Command add_design_scale(CLI::App& design) {
  CLI::App* app = design.add_subcommand("scale", "A network made larger or smaller as a whole, by pycls's rule");
  auto options = std::make_shared<ScaleOptions>();
  app->add_option("design", options->design, "A name, design, stages, or pycls's FILE.yaml")->type_name("DESIGN")->required();
  app->add_option("factor", options->factor, "How many times the multiply-adds")->required();
  app->add_option("--type", options->type, "How much goes to depth, width, group width and resolution, in pycls's words")
      ->type_name("WEIGHTS")
      ->capture_default_str();
  app->add_option("--resolution", options->resolution, "Side of the input before, in pixels; without it 224, or what a configuration says");
  add_row_output(*app, options->output);
  return {app, [options] { return run(*options); }};
}
