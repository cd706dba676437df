#include <iomanip>
#include <iostream>
#include <sstream>

#include <nlohmann/json.hpp>

#include <regnet/design/published.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/graph/print.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "table.hpp"

namespace {

using regnet::Complexity;
using Json = nlohmann::ordered_json;

struct InfoOptions {
  std::vector<std::string> models;
  bool all = false;
  bool layers = false;
  regnet::NetworkOptions network;
  std::string output = "table";
};

struct Row {
  std::string name, design;
  std::vector<regnet::Stage> stages;
  regnet::Graph graph;
  Complexity total;
  Complexity head;
};

Row row_of(const regnet::Design& design, const regnet::NetworkOptions& network) {
  Row row{design.name, to_string(design), design.stages, {}, {}, {}};
  row.graph = regnet::build(row.stages, network);
  row.total = regnet::complexity(row.graph);
  row.head = regnet::complexity(row.graph, row.graph.nodes().back());
  return row;
}

std::vector<Row> rows_of(const InfoOptions& options) {
  std::vector<Row> rows;
  for (const std::string& model : options.models) rows.push_back(row_of(regnet::find_design(model), options.network));
  // The twelve published networks; torchvision's variant is shown when it is asked for.
  if (options.all || options.models.empty())
    for (const regnet::ZooEntry& entry : regnet::zoo)
      if (entry.params.rule == regnet::WidthRule::pycls) rows.push_back(row_of(regnet::find_design(entry.name), options.network));
  return rows;
}

Json published(const std::string& name) {
  Json list = Json::array();
  for (const regnet::PublishedAccuracy& published : regnet::published_accuracies())
    if (published.model == name)
      list.push_back({{"source", published.origin()}, {"top1", published.top1}, {"top5", published.top5}, {"file", published.file}});
  return list;
}

Json layers_of(const Row& row) {
  Json list = Json::array();
  for (const regnet::Node& node : row.graph.nodes()) {
    const Complexity cost = regnet::complexity(row.graph, node);
    list.push_back({{"name", node.name},
                    {"operation", regnet::describe(node.op)},
                    {"output", {node.dims.channels, node.dims.height, node.dims.width}},
                    {"params", cost.params},
                    {"macs", cost.macs},
                    {"activations", cost.activations},
                    {"mmcv_flops", cost.mmcv_flops}});
  }
  return list;
}

void print_json(const std::vector<Row>& rows, const InfoOptions& options) {
  Json list = Json::array();
  for (const Row& row : rows) {
    list.push_back({{"name", row.name},
                    {"design", row.design},
                    {"resolution", options.network.resolution},
                    {"classes", options.network.classes},
                    {"depths", each_stage(row.stages, &regnet::Stage::depth)},
                    {"widths", each_stage(row.stages, &regnet::Stage::width)},
                    {"group_widths", each_stage(row.stages, &regnet::Stage::group_width)},
                    {"params", row.total.params},
                    {"params_no_head", row.total.params - row.head.params},
                    {"macs", row.total.macs},
                    {"macs_conv", row.total.macs - row.head.macs},
                    {"flops_2x", 2 * row.total.macs},
                    {"activations", row.total.activations},
                    {"mmcv_flops", row.total.mmcv_flops},
                    {"published", published(row.name)}});
    if (options.layers) list.back()["layers"] = layers_of(row);
  }
  print(list);
}

std::vector<Cells> cells_of(const std::vector<Row>& rows) {
  std::vector<Cells> table{{"model", "depths", "widths", "group widths", "params (M)", "MACs (G)", "activations (M)", "mmcv Flops (G)"}};
  for (const Row& row : rows)
    table.push_back({row.name, joined(each_stage(row.stages, &regnet::Stage::depth)), joined(each_stage(row.stages, &regnet::Stage::width)),
                     joined(each_stage(row.stages, &regnet::Stage::group_width)), fixed(double(row.total.params) / 1e6, 2),
                     fixed(double(row.total.macs) / 1e9, 3), fixed(double(row.total.activations) / 1e6, 2),
                     fixed(double(row.total.mmcv_flops) / 1e9, 2)});
  return table;
}

void print_csv(const std::vector<Row>& rows) {
  std::cout << "name,depths,widths,group_widths,params,params_no_head,macs,activations,mmcv_flops\n";
  for (const Row& row : rows)
    std::cout << '"' << row.name << "\"," << joined(each_stage(row.stages, &regnet::Stage::depth)) << ','
              << joined(each_stage(row.stages, &regnet::Stage::width)) << ',' << joined(each_stage(row.stages, &regnet::Stage::group_width)) << ','
              << row.total.params << ',' << row.total.params - row.head.params << ',' << row.total.macs << ',' << row.total.activations << ','
              << row.total.mmcv_flops << '\n';
}

int run(const InfoOptions& options) {
  if (options.layers && options.output != "table" && options.output != "json")
    regnet::fail(regnet::Code::invalid_argument, "info: --layers goes with -o table or json, found ", options.output);
  const std::vector<Row> rows = rows_of(options);
  if (options.output == "json") {
    print_json(rows, options);
  } else if (options.output == "dot") {
    for (const Row& row : rows) regnet::print_dot(std::cout, row.graph);
  } else if (options.output == "csv") {
    print_csv(rows);
  } else if (options.layers) {
    for (const Row& row : rows) {
      std::cout << row.name << '\n';
      regnet::print_table(std::cout, row.graph);
    }
  } else if (options.output == "md") {
    print_markdown(cells_of(rows), 4);
  } else {
    print_aligned(cells_of(rows), 4);
    std::cout << "MACs are the papers' FLOPs at " << options.network.resolution << " x " << options.network.resolution
              << ": convolutions and the head with its bias. mmcv Flops also count batch normalisation, ReLU and pooling but leave the head out, as "
                 "the mmcls table does.\n";
  }
  return exit_done;
}

}  // namespace

Command add_info(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("info", "Stages, parameters, MACs and activations of networks");
  auto options = std::make_shared<InfoOptions>();
  app->add_option("model", options->models, "Names (regnetx_400mf, RegNetX-3.2GF, regnetx_004) or designs (w0=24,wa=24.48,wm=2.54,d=22,g=16)")
      ->type_name("MODEL");
  app->add_flag("--all", options->all, "The twelve published networks (the default without names)");
  app->add_option("--resolution", options->network.resolution, "Side of the input in pixels")->capture_default_str();
  app->add_option("--classes", options->network.classes, "Number of classes")->capture_default_str();
  app->add_flag("--layers", options->layers, "Every layer with its output and cost");
  add_output(*app, options->output, {"table", "md", "csv", "json", "dot"});
  return {app, [options] { return run(*options); }};
}
