#include "eval.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>

#include <regnet/base/foreign_text.hpp>

#include "commands.hpp"
#include "report.hpp"
#include "verdict.hpp"

namespace {

template <class Write>
void write_file(const std::string& path, Write write) {
  if (path.empty()) return;
  std::ofstream file(path);
  write(file);
  if (!file.flush()) regnet::fail(regnet::Code::io, path, ": cannot be written");
}

// Before the run, so that an hour's work is not lost to a folder that is not there.
void check_writable(const std::string& path) {
  if (path.empty()) return;
  const bool is_new = !std::filesystem::exists(path);
  if (!std::ofstream(path, std::ios::app)) regnet::fail(regnet::Code::io, path, ": cannot be written");
  if (is_new) std::filesystem::remove(path);
}

// A network that does no better than guessing is rarely that bad: the labels are.
void warn_of_chance(const Outcome& outcome, const regnet::Counts& counts) {
  if (outcome.classes < 2 || counts.n < 30) return;
  const double chance = 1.0 / outcome.classes;
  if (regnet::wilson_interval(counts.top1_correct, counts.n).first > chance || share(counts.top1_correct, counts.n) > 3 * chance) return;
  std::cerr << "regnet: warning: this is the accuracy of guessing (" << percent(chance)
            << "). Likely causes: labels in another order (--labels, --labels-order), class folders of another data set, untrained weights, or wrong "
               "preprocessing (--preset, --channels)\n";
}

int run(EvalOptions options) {
  if (!options.configs.empty()) return run_table(options);
  std::optional<regnet::PublishedAccuracy> row;
  if (!options.config.empty()) row = published_row(options.config);
  if (row) {
    if (options.model.is_demo() && options.from.empty() && options.merge.empty())
      regnet::fail(regnet::Code::invalid_argument, "--config: name the checkpoint with --weights, or predictions with --from");
    options.model.expect(*row);
  }
  for (const std::string& path : {options.predictions, options.confusion, options.report}) check_writable(path);
  std::optional<regnet::RealLabels> real;
  if (!options.real.empty()) real = regnet::read_real_labels(options.real);
  const bool offline = !options.from.empty() || !options.merge.empty();
  const Outcome outcome = offline ? read_outcome(options) : run_network(options);
  const regnet::Counts counts = regnet::count(outcome.predictions.images, options.evaluate.skip_errors);
  for (const regnet::ImageResult& image : outcome.predictions.images)
    if (!image.answer.error.empty()) std::cerr << "regnet: " << regnet::one_line(image.answer.error) << '\n';
  write_file(options.predictions, [&](std::ostream& out) { write_predictions(outcome.predictions, out); });
  write_file(options.confusion, [&](std::ostream& out) {
    out << "label,predicted,count\n";
    for (const regnet::Confusion& entry : regnet::confusion(outcome.predictions.images))
      out << entry.label << ',' << entry.predicted << ',' << entry.count << '\n';
  });
  if (counts.n == 0 && !outcome.partial) regnet::fail(regnet::Code::invalid_argument, "eval: none of the ", counts.errors, " images could be read");
  warn_of_chance(outcome, counts);
  Json json = results_json(options, outcome, counts, real);
  if (row) json["published"] = verdict(*row, outcome, counts);
  write_file(options.report, [&](std::ostream& out) { out << report_page(json, outcome, counted(options, outcome)); });
  if (options.output == "json") print(json);
  else print_results(json, options, outcome);
  if (row && options.output != "json") std::cout << in_words(json["published"], counts.n) << '\n';
  if (outcome.partial) return exit_interrupted;
  if (row && is_failure(json["published"])) return exit_failed_check;
  return counts.errors > 0 && !options.evaluate.skip_errors ? exit_some_failed : exit_done;
}

}  // namespace

Command add_eval(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("eval", "Top-1 and top-5 accuracy over exactly the images listed");
  auto options = std::make_shared<EvalOptions>();
  options->model.add_options(*app);
  app->add_option(
         "--data", options->data,
         "Folder or tar (also gz, zst) of class folders (WordNet ids, numbers, or names), of images with --labels, or of WebDataset shards; without "
         "it the demo's 1,000 images")
      ->type_name("PATH");
  app->add_option("--labels", options->labels,
                  "Labels of images without class folders: 'name label' or 'name,label' (a number or a WordNet id), Kaggle's CSV, or a list in the "
                  "order of the "
                  "images, such as ILSVRC's ground truth")
      ->type_name("FILE");
  app->add_option("--labels-order", options->order, "What numbers are: classes (indices from 0), ilsvrc (ids of the development kit)")
      ->check(CLI::IsMember({"auto", "classes", "ilsvrc"}))
      ->capture_default_str();
  app->add_option("--batch", options->evaluate.batch, "Images per run of one thread")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--threads", options->evaluate.threads,
                  "Threads, each decoding and classifying batches; by default as many as this process may use")
      ->check(CLI::Range(1, 4096));
  CLI::Option* config =
      app->add_option(
             "--config", options->config,
             "A published row, such as mmcls/regnetx_400mf, or a .json file like those of configs/imagenet: its network and preset, and a verdict "
             "against its accuracy")
          ->type_name("ROW");
  CLI::Option* configs =
      app->add_option("--configs", options->configs, "All rows that fit a pattern, such as 'mmcls/*', with the checkpoints of --weights-dir: a table")
          ->type_name("PATTERN")
          ->excludes(config);
  app->add_option("--weights-dir", options->weights_dir, "Folder of the checkpoints under their published names, or in SOURCE/MODEL/ below it")
      ->type_name("FOLDER");
  app->add_option("--table", options->table, "Folder to write the table of --configs to: table.md, table.json, table.svg")->type_name("FOLDER");
  app->add_option("--limit", options->limit, "Use only so many images, spread evenly over the list")->check(CLI::Range(1, 1'000'000));
  app->add_option("--shard", options->shard, "Only every N-th image from the I-th on, to be merged with the other shards")->type_name("I/N");
  app->add_option("--journal", options->journal, "File that grows with the run: a run that was killed goes on where it was, to the same numbers")
      ->type_name("FILE");
  app->add_option("--predictions", options->predictions, "CSV file to write: image, label, five classes with their logits")->type_name("FILE");
  app->add_option("--confusion", options->confusion, "CSV file to write: label, predicted class, count")->type_name("FILE");
  app->add_option("--report", options->report, "HTML page to write, in one file: accuracy, calibration, classes, confused pairs, the worst mistakes")
      ->type_name("FILE");
  app->add_flag("--per-class", options->per_class, "Accuracy of each class, and the pairs confused most");
  app->add_flag("--subset-logits", options->subset_logits, "Choose answers only among the classes that the data set has");
  app->add_option("--real", options->real,
                  "ReaL labels (real.json): the share of ImageNet validation images whose answer is one of the classes people saw")
      ->type_name("FILE");
  CLI::Option* from = app->add_option("--from", options->from, "Count again from a predictions file, without network and images")->type_name("FILE");
  app->add_option("--merge", options->merge, "Join the predictions files of all shards")->type_name("FILE")->excludes(from);
  for (const char* ignored : {"--weights", "--predictions", "--confusion", "--report", "--per-class", "--real", "--from", "--merge", "--shard"})
    configs->excludes(app->get_option(ignored));
  app->get_option("--table")->needs(configs);
  app->get_option("--weights-dir")->needs(configs);
  for (const char* offline : {"--from", "--merge"})
    for (const char* ignored : {"--weights",       "--weights-key", "--model",         "--classes", "--backend", "--preset", "--resize", "--crop",
                                "--interpolation", "--crop-offset", "--channels",      "--mean",    "--std",     "--data",   "--labels", "--limit",
                                "--shard",         "--journal",     "--subset-logits", "--threads", "--batch",   "--dtype"})
      app->get_option(offline)->excludes(app->get_option(ignored));
  app->add_flag("--skip-errors", options->evaluate.skip_errors,
                "Leave images that cannot be read out of the count instead of counting them as wrong");
  app->add_flag("-q,--quiet", options->quiet, "No progress and no notes");
  add_output(*app, options->output, {"text", "json"});
  return {app, [options] { return run(*options); }};
}
