// eval: what the parts of the subcommand share. eval.cpp reads the command line, eval_run.cpp makes predictions, eval_results.cpp prints them, verdict.cpp holds
// them against published numbers, report.cpp makes a page of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <regnet/eval/evaluate.hpp>
#include <regnet/eval/predictions.hpp>
#include <regnet/eval/tables.hpp>

#include "json.hpp"
#include "model_choice.hpp"

using Json = nlohmann::ordered_json;

struct EvalOptions {
  ModelChoice model;
  std::string data, labels, order = "auto", shard, journal, from, predictions, confusion, real, config, configs, weights_dir, table, report,
                            output = "text";
  std::vector<std::string> merge;
  int limit = 0;
  bool quiet = false, per_class = false, subset_logits = false;
  regnet::EvaluateOptions evaluate;
};

// A run and what is known about it; of predictions read from files only what they hold.
struct Outcome {
  regnet::Predictions predictions;
  regnet::Dataset dataset;  // keeps the images for the report's thumbnails; empty without a run
  std::vector<std::string> class_names;
  Json speed = Json::object(), preset = nullptr, provenance = Json::object();
  bool partial = false;  // interrupted
  int classes = 0;       // of the network; 0: not known
};

Outcome run_network(EvalOptions options);

// From --from or --merge.
Outcome read_outcome(const EvalOptions& options);

double share(int hits, int n);
std::string percent(double share);  // "71.20%"

// "7 goldfish", fit for one line.
std::string class_text(int index, const Outcome& outcome);

// Those that count: all, or with --skip-errors all that could be read.
std::vector<regnet::ImageResult> counted(const EvalOptions& options, const Outcome& outcome);

Json results_json(const EvalOptions& options, const Outcome& outcome, const regnet::Counts& counts, const std::optional<regnet::RealLabels>& real);
void print_results(const Json& results, const EvalOptions& options, const Outcome& outcome);
