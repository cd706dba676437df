#include <iostream>
#include <sstream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/scale.hpp>

#include "design/design.hpp"
#include "design/rows.hpp"

namespace {

struct ScaleOptions {
  std::string design, type = "d1_w8_g8_r1", output = "table";
  double factor = 0;
  int resolution = 224;
};

// pycls's words: "d1_w8_g8_r1", or "dw" for d1_w1.
regnet::ScalingWeights parse_weights(const std::string& type) {
  regnet::ScalingWeights weights{0, 0, 0, 0};
  const auto set = [&](char name, double value) {
    double* const weight = name == 'd'   ? &weights.depth
                           : name == 'w' ? &weights.width
                           : name == 'g' ? &weights.group_width
                           : name == 'r' ? &weights.resolution
                                         : nullptr;
    if (!weight)
      regnet::fail(regnet::Code::invalid_argument, "--type: expected d, w, g and r with weights such as d1_w8_g8_r1, found ",
                   regnet::in_quotes(type));
    *weight = value;
  };
  if (type.find_first_not_of("dwgr") == std::string::npos) {
    for (const char name : type) set(name, 1);
    return weights;
  }
  std::istringstream parts(type);
  for (std::string part; std::getline(parts, part, '_');) {
    std::istringstream number(part.empty() ? part : part.substr(1));
    double value = 0;
    if (part.empty() || !(number >> value) || number.peek() != EOF) set('?', 0);
    set(part[0], value);
  }
  return weights;
}

int run(const ScaleOptions& options) {
  const regnet::Design design = read_design(options.design);
  const regnet::ScaledNetwork scaled = regnet::scale(design.stages, options.resolution, options.factor, parse_weights(options.type));
  DesignRow before = row_of(design, {.resolution = options.resolution});
  const DesignRow after = row_of(regnet::find_design(to_string(scaled.stages)), {.resolution = scaled.resolution});
  print_rows({before, after}, options.output);
  if (options.output == "table")
    std::cout << "resolution " << options.resolution << " becomes " << scaled.resolution << "; multiply-adds "
              << double(after.cost.macs) / double(before.cost.macs) << " times\n";
  return exit_done;
}

}  // namespace

Command add_design_scale(CLI::App& design) {
  CLI::App* app = design.add_subcommand("scale", "A network made larger or smaller as a whole, by pycls's rule");
  auto options = std::make_shared<ScaleOptions>();
  app->add_option("design", options->design, "A name, design, stages, or pycls's FILE.yaml")->required();
  app->add_option("factor", options->factor, "Of the multiply-adds")->required();
  app->add_option("--type", options->type, "How much goes to depth, width, group width and resolution, in pycls's words")->capture_default_str();
  app->add_option("--resolution", options->resolution, "Side of the input before, in pixels")->capture_default_str();
  app->add_option("-o,--output", options->output, "table, md, csv, json or jsonl")->check(CLI::IsMember(row_formats))->capture_default_str();
  return {app, [options] { return run(*options); }};
}
