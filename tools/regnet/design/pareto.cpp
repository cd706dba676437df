#include <algorithm>
#include <filesystem>
#include <iostream>

#include <regnet/design/pareto.hpp>
#include <regnet/design/published.hpp>

#include "design/design.hpp"
#include "design/latency.hpp"
#include "design/rows.hpp"

namespace {

struct ParetoOptions {
  std::vector<std::string> sources;
  std::string errors = "pycls", output = "table";
  bool predict = false, front_only = false, quiet = false;
  double latency_ms = 0, min_time = 0.5;
  std::optional<int> resolution;
  TimingOptions latency;
};

// Top-1 errors of published checkpoints, for rows of their resolution that have none of their own.
constexpr int published_resolution = 224;
void add_published_errors(std::vector<DesignRow>& rows, const std::string& origin) {
  for (DesignRow& row : rows)
    for (const regnet::PublishedAccuracy& published : regnet::published_accuracies())
      if (!row.error && row.network.resolution == published_resolution && published.origin() == origin && published.model == row.design.name)
        row.error = std::nearbyint((100 - published.top1) * 1e6) / 1e6;
}

// Marks the fronts of each cost against the error or, where not all rows have one, against the multiply-adds, which the more of them a network has the better it can be expected to be.
const char* mark_fronts(std::vector<DesignRow>& rows) {
  const bool by_error = std::all_of(rows.begin(), rows.end(), [](const DesignRow& row) { return row.error.has_value(); });
  std::vector<double> errors;
  for (const DesignRow& row : rows) errors.push_back(by_error ? *row.error : -static_cast<double>(row.cost.macs));
  for (const char* cost : {"latency", "macs", "params", "activations"}) {
    if (!by_error && cost == std::string("macs")) continue;
    std::vector<double> costs;
    for (const DesignRow& row : rows) costs.push_back(row.number(cost).value());
    const std::vector<bool> front = regnet::pareto_front(costs, errors);
    for (std::size_t i = 0; i < rows.size(); ++i)
      if (front[i]) rows[i].fronts.push_back(cost);
  }
  return by_error ? "error" : "multiply-adds";
}

int run(ParetoOptions options) {
  std::vector<DesignRow> rows;
  if (options.sources.empty())
    for (const regnet::ZooEntry& entry : regnet::zoo)
      if (entry.params.rule == regnet::WidthRule::pycls) rows.push_back(read_row(std::string(entry.name), {options.resolution, {}}));
  for (const std::string& source : options.sources) {
    const bool is_list = std::filesystem::is_regular_file(source) && !source.ends_with(".yaml") && !source.ends_with(".yml");
    const std::vector<DesignRow> more = is_list ? read_rows(source, options.quiet) : std::vector{read_row(source, {options.resolution, {}})};
    rows.insert(rows.end(), more.begin(), more.end());
  }
  if (rows.empty()) regnet::fail(regnet::Code::invalid_argument, "design pareto: expected at least one design, found none in ", options.sources[0]);
  for (const DesignRow& row : rows)
    if (options.predict && row.network.resolution != rows[0].network.resolution)
      regnet::fail(regnet::Code::invalid_argument, "design pareto: --predict takes designs of one resolution, found ", rows[0].network.resolution,
                   " and ", row.network.resolution);
  if (options.errors != "none") add_published_errors(rows, options.errors);
  if (options.predict) {
    options.latency.resolution = rows[0].network.resolution;
    const Foretold foretold(options.latency, options.quiet);
    for (DesignRow& row : rows) {
      row.latency_ms = foretold.ms(row.design.stages);
      row.predicted = true;
    }
  } else {
    measure_rows(rows, options.latency, options.min_time);
  }
  const std::size_t all = rows.size();
  if (options.latency_ms > 0) std::erase_if(rows, [&](const DesignRow& row) { return *row.latency_ms > options.latency_ms; });
  if (rows.empty()) {
    std::cerr << "regnet: none of " << all << " networks takes at most " << options.latency_ms << " ms\n";
    return exit_failed_check;
  }
  for (DesignRow& row : rows) row.fronts.clear();
  const char* const worth = mark_fronts(rows);
  if (options.front_only) std::erase_if(rows, [](const DesignRow& row) { return row.fronts.empty(); });
  std::stable_sort(rows.begin(), rows.end(), [](const DesignRow& a, const DesignRow& b) {
    return a.error && b.error && *a.error != *b.error   ? *a.error < *b.error
           : a.error.has_value() != b.error.has_value() ? a.error.has_value()
                                                        : a.cost.macs > b.cost.macs;
  });
  print_rows(rows, options.output);
  if (!options.quiet && options.output == "table") std::cerr << "best first; fronts are of each cost against the " << worth << '\n';
  return exit_done;
}

}  // namespace

Command add_design_pareto(CLI::App& design) {
  CLI::App* app = design.add_subcommand("pareto", "Measures networks on this CPU and names those that no other beats");
  auto options = std::make_shared<ParetoOptions>();
  app->add_option("source", options->sources,
                  "Lists of designs (of \"design sample -o json\", or CSV with errors), names, or designs; by default the twelve published networks")
      ->type_name("DESIGN");
  app->add_option("--latency-ms", options->latency_ms, "Only networks that take at most so long")->check(CLI::Range(1e-6, 1e9));
  app->add_flag("--predict", options->predict, "Latencies foretold from times of layers instead of measured: for thousands of designs");
  app->add_option("--errors", options->errors,
                  "Top-1 errors of published checkpoints for designs without one: pycls, mmcls, torchvision-v1, torchvision-v2, timm, or none")
      ->check(CLI::IsMember({"mmcls", "none", "pycls", "timm", "torchvision-v1", "torchvision-v2"}))
      ->capture_default_str();
  app->add_flag("--front", options->front_only, "Only networks that are on a front");
  app->add_option("--resolution", options->resolution,
                  "Side of the input of names and designs, in pixels; without it 224, or what a configuration says");
  app->add_option("--min-time", options->min_time, "Seconds of measuring for each network")->check(CLI::Range(0.001, 3600.0))->capture_default_str();
  add_timing_options(*app, options->latency);
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_row_output(*app, options->output);
  return {app, [options] { return run(*options); }};
}
