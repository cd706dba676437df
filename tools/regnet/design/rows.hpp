// rows: lists of designs as the design commands read and print them: what a design is and costs, and what was measured of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <regnet/design/complexity.hpp>
#include <regnet/design/zoo.hpp>

struct DesignRow {
  regnet::Design design;
  regnet::Complexity cost;
  regnet::NetworkOptions network;
  std::optional<std::int64_t> draw;  // its number in a sample
  std::optional<double> error;       // top-1, percent
  std::optional<double> latency_ms;
  bool predicted = false;           // the latency, from a table of layers
  std::vector<std::string> fronts;  // the Pareto fronts it is on: "macs", "params", "activations", "latency"

  // The numbers of the design that a population is looked at by: d, w0, wa, wm, g, b (of a RegNet), stages, width (of the last stage), depth, macs, params, activations, latency. Nothing for
  // what it has not.
  [[nodiscard]] std::optional<double> number(const std::string& name) const;
};

DesignRow row_of(const regnet::Design& design, const regnet::NetworkOptions& network = {});

// What the command line says of a network beside its design; else what a configuration says, else 224 pixels and 1000 classes.
struct NetworkChoice {
  std::optional<int> resolution, classes;
};

// A design as people give it on the command line: a name, numbers, stages, or a pycls configuration FILE.yaml.
DesignRow read_row(const std::string& argument, const NetworkChoice& choice = {});

// All that DesignRow::number knows; the names of a bad list are refused with them.
inline const std::vector<std::string> design_numbers{"d",     "w0",    "wa",   "wm",     "g",           "b",      "stages",
                                                     "width", "depth", "macs", "params", "activations", "latency"};

// Designs with errors and latencies where they have them, from
// - JSON as print_rows writes it, a line for each or one array, or a shard's ("designs" beside "sample"),
// - CSV with a header: design, or w0, wa, wm, d, g (b), and error, latency_ms, latency (predicted), resolution, classes, fronts in any order; other columns are ignored,
// - pycls's sweep.json: regnet and anynet runs that have errors; how many were left out goes to stderr unless `quiet`.
// Throws regnet::Error with the file and the line or entry.
std::vector<DesignRow> read_rows(const std::string& file, bool quiet);

nlohmann::ordered_json json_of(const DesignRow& row);

// The option for the format of print_rows: table, md, csv, json (one array) or jsonl.
void add_row_output(CLI::App& app, std::string& format);
void print_rows(const std::vector<DesignRow>& rows, const std::string& format);
