#include <algorithm>
#include <atomic>
#include <charconv>
#include <cmath>
#include <csignal>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <optional>
#include <set>
#include <sstream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/design/published.hpp>
#include <regnet/eval/evaluate.hpp>
#include <regnet/eval/predictions.hpp>
#include <regnet/eval/tables.hpp>
#include <regnet/version.hpp>

#include "commands.hpp"
#include "journal.hpp"
#include "json.hpp"
#include "model_choice.hpp"
#include "progress.hpp"
#include "sha256.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct EvalOptions {
  ModelChoice model;
  std::string data, labels, order = "auto", shard, journal, from, predictions, confusion, real, config, output = "text";
  std::vector<std::string> merge;
  int limit = 0;
  bool quiet = false, per_class = false, subset_logits = false;
  regnet::EvaluateOptions evaluate;
};

// A run and what is known about it; of predictions read from files only what they hold.
struct Outcome {
  regnet::Predictions predictions;
  std::vector<std::string> class_names;
  Json speed = Json::object(), preset = nullptr, provenance = Json::object();
  std::string speed_line;
  bool partial = false;  // interrupted
  int classes = 0;       // of the network; 0: not known
};

std::string percent(double share) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << 100 * share << '%';
  return out.str();
}

double share(int hits, int n) { return n > 0 ? double(hits) / n : 0; }

// What one needs to know to get the same numbers again.
Json provenance(const EvalOptions& options, const regnet::Model& model, const std::string& data, const regnet::Dataset& dataset,
                const regnet::ThreadCount& threads) {
  return {{"weights", options.model.weights_name()},
          {"weights_sha256", options.model.weights_sha256()},
          {"weights_key", model.weights_key},
          {"weights_reason", model.weights_reason},
          {"model", model.name},
          {"naming", name_of(model.naming)},
          {"container", name_of(model.container)},
          {"data", data},
          {"labelling", dataset.labelling},
          {"ignored_files", dataset.ignored},
          {"subset_logits", options.subset_logits},
          {"shard", options.shard.empty() ? "1/1" : options.shard},
          {"dtype", "f32"},
          {"backend", name_of(model.plan.backend())},
          {"batch", options.evaluate.batch},
          {"threads", threads.count},
          {"threads_from", threads.source},
          {"engine", regnet::engine_description()},
          {"decoders", regnet::decoder_versions()},
          {"exif", options.model.exif() == regnet::Exif::apply ? "apply" : "ignore"},
          {"version", regnet::version()},
          {"commit", regnet::commit()}};
}

struct Shard {
  int number = 1, of = 1;
};

Shard parse_shard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const char* const end = text.data() + text.size();
  const auto [slash, first] = std::from_chars(text.data(), end, shard.number);
  const bool split = first == std::errc{} && slash != end && *slash == '/';
  const auto [rest, second] = split ? std::from_chars(slash + 1, end, shard.of) : std::from_chars_result{end, std::errc::invalid_argument};
  if (second != std::errc{} || rest != end || shard.number < 1 || shard.number > shard.of)
    regnet::fail(regnet::Code::invalid_argument, "--shard: expected I/N with I from 1 to N, such as 2/3, found '", text, "'");
  return shard;
}

// Every N-th image, so that each shard has a like share of every class.
std::vector<int> indices_of(int total, const Shard& shard) {
  std::vector<int> indices;
  for (int i = shard.number - 1; i < total; i += shard.of) indices.push_back(i);
  return indices;
}

// So many images, spread evenly over the list, and so over the classes.
std::vector<regnet::Sample> spread(const std::vector<regnet::Sample>& all, std::size_t count) {
  if (count >= all.size()) return all;
  std::vector<regnet::Sample> samples;
  for (std::size_t i = 0; i < count; ++i) samples.push_back(all[i * all.size() / count]);
  return samples;
}

// Set by Ctrl-C: the batches that are under way are finished, and what is there is reported as partial. A second Ctrl-C kills.
std::atomic<bool> interrupted{false};

class CatchInterrupt {
 public:
  CatchInterrupt() {
    struct sigaction action {};
    action.sa_handler = [](int) { interrupted = true; };
    action.sa_flags = static_cast<int>(SA_RESETHAND);
    ::sigaction(SIGINT, &action, &x_before);
  }
  ~CatchInterrupt() { ::sigaction(SIGINT, &x_before, nullptr); }
  CatchInterrupt(const CatchInterrupt&) = delete;
  CatchInterrupt& operator=(const CatchInterrupt&) = delete;

 private:
  struct sigaction x_before {};
};

// What must be equal for two runs to be one: everything that an answer depends on, and the list of images. Threads and batch are not part of it.
Json journal_identity(const Outcome& outcome, const regnet::Dataset& dataset) {
  std::string list;
  for (const regnet::Sample& sample : dataset.samples) list += sample.name + '\n' + std::to_string(sample.label) + '\n';
  Json run{{"images", dataset.samples.size()}, {"images_sha256", sha256(std::as_bytes(std::span(list)))}, {"preset", outcome.preset}};
  for (const char* key : {"weights_sha256", "weights_key", "shard", "subset_logits", "dtype", "backend", "engine", "decoders", "exif", "version"})
    run[key] = outcome.provenance[key];
  return run;
}

Outcome run_network(EvalOptions& options) {
  const Shard shard = parse_shard(options.shard);
  const regnet::ThreadCount threads =
      options.evaluate.threads > 0 ? regnet::ThreadCount{options.evaluate.threads, "--threads"} : regnet::default_threads();
  options.evaluate.threads = threads.count;
  options.evaluate.exif = options.model.exif();
  if (options.data.empty() && !options.model.is_demo())
    regnet::fail(regnet::Code::invalid_argument, "eval: --weights without --data: name the folder of images");
  const regnet::Model model = options.model.load(options.quiet, {.batch = options.evaluate.batch, .threads = 1});
  const std::string data = options.data.empty() ? demo_images().string() : options.data;
  regnet::Dataset dataset = regnet::open_dataset(data, {options.labels, model.plan.classes(), model.class_names,
                                                        options.order == "ilsvrc"    ? regnet::LabelOrder::ilsvrc
                                                        : options.order == "classes" ? regnet::LabelOrder::classes
                                                                                     : regnet::LabelOrder::automatic});
  if (options.limit > 0) dataset.samples = spread(dataset.samples, static_cast<std::size_t>(options.limit));
  Outcome outcome;
  outcome.predictions.total = static_cast<int>(dataset.samples.size());
  std::vector<int> indices = indices_of(outcome.predictions.total, shard);
  if (indices.empty())
    regnet::fail(regnet::Code::invalid_argument, data, ": of ", outcome.predictions.total, " images none is in shard ", options.shard);
  outcome.provenance = provenance(options, model, data, dataset, threads);
  outcome.preset = recipe_json(model.recipe, model.recipe_source);
  std::optional<Journal> journal;
  if (!options.journal.empty()) {
    journal.emplace(options.journal, journal_identity(outcome, dataset), outcome.predictions.total);
    outcome.predictions.images = journal->known();
    std::set<int> known;
    for (const regnet::ImageResult& image : journal->known()) known.insert(image.index);
    std::erase_if(indices, [&](int index) { return known.contains(index); });
    if (!options.quiet && !known.empty()) std::cerr << "journal: " << known.size() << " images are done already\n";
  }
  regnet::Dataset todo = dataset;
  todo.samples.clear();
  for (const int index : indices) todo.samples.push_back(dataset.samples[static_cast<std::size_t>(index)]);
  if (!options.quiet)
    std::cerr << "data: " << todo.samples.size() << " images in " << data << " (" << dataset.labelling << ", " << dataset.ignored
              << " other files ignored), " << threads.count << " threads (" << threads.source << ")\n";
  const auto result_of = [&](std::size_t i, const regnet::Answer& answer) {
    return regnet::ImageResult{indices[i], todo.samples[i].name, todo.samples[i].label, answer};
  };
  options.evaluate.stop = &interrupted;
  if (options.subset_logits) {
    std::set<int> present;
    for (const regnet::Sample& sample : dataset.samples) present.insert(sample.label);
    options.evaluate.only_classes.assign(present.begin(), present.end());
  }
  if (journal)
    options.evaluate.on_answers = [&](std::size_t first, std::span<const regnet::Answer> answers) {
      std::vector<regnet::ImageResult> results;
      for (std::size_t i = 0; i < answers.size(); ++i) results.push_back(result_of(first + i, answers[i]));
      journal->add(results);
    };
  regnet::Report report;
  if (!todo.samples.empty()) {
    const CatchInterrupt caught;
    ProgressLine progress("eval", options.quiet);
    report = regnet::evaluate(model.plan, model.recipe, todo, options.evaluate, [&](int done, int total, int correct) {
      progress.update(done, total, "top-1 so far " + percent(share(correct, done)));
    });
  }
  for (std::size_t i = 0; i < report.answers.size(); ++i)
    if (const regnet::Answer& answer = report.answers[i]; !answer.top.empty() || !answer.error.empty())
      outcome.predictions.images.push_back(result_of(i, answer));
  std::sort(outcome.predictions.images.begin(), outcome.predictions.images.end(),
            [](const regnet::ImageResult& a, const regnet::ImageResult& b) { return a.index < b.index; });
  outcome.partial = report.partial;
  outcome.class_names = model.class_names;
  outcome.classes = model.plan.classes();
  outcome.speed = {{"seconds", report.seconds},
                   {"images_per_s", report.seconds > 0 ? report.n / report.seconds : 0},
                   {"decode_seconds", report.decode_seconds},
                   {"forward_seconds", report.forward_seconds}};
  const double busy = report.decode_seconds + report.forward_seconds;
  std::ostringstream speed;
  speed << std::fixed << std::setprecision(0) << "speed  " << (report.seconds > 0 ? report.n / report.seconds : 0) << " images/s  ("
        << std::setprecision(2) << report.seconds << " s; decoding " << percent(busy > 0 ? report.decode_seconds / busy : 0)
        << " of the work, network " << percent(busy > 0 ? report.forward_seconds / busy : 0) << ")\n";
  outcome.speed_line = speed.str();
  return outcome;
}

Outcome read_outcome(const EvalOptions& options) {
  std::vector<regnet::Predictions> shards;
  for (const std::string& file : options.merge) shards.push_back(regnet::read_predictions(file));
  Outcome outcome;
  outcome.predictions = options.from.empty() ? regnet::merge(shards) : regnet::read_predictions(options.from);
  outcome.provenance["predictions"] = options.from.empty() ? Json(options.merge) : Json(options.from);
  return outcome;
}

// Results

Json class_json(int index, const Outcome& outcome) {
  const auto i = static_cast<std::size_t>(index);
  return {{"class", index}, {"name", index >= 0 && i < outcome.class_names.size() ? Json(outcome.class_names[i]) : Json(nullptr)}};
}

Json report_json(const EvalOptions& options, const Outcome& outcome, const regnet::Counts& counts, const std::optional<regnet::RealCounts>& real) {
  const auto [low, high] = regnet::wilson_interval(counts.top1_correct, counts.n);
  Json json{{"n", counts.n},
            {"top1_correct", counts.top1_correct},
            {"top5_correct", counts.top5_correct},
            {"top1", share(counts.top1_correct, counts.n)},
            {"top5", share(counts.top5_correct, counts.n)},
            {"top1_ci95", {low, high}},
            {"errors", counts.errors},
            {"skipped", counts.skipped},
            {"partial", outcome.partial},
            {"listed", outcome.predictions.total}};
  json.update(outcome.speed);
  json["preset"] = outcome.preset;
  json["failed_images"] = Json::array();
  for (const regnet::ImageResult& image : outcome.predictions.images)
    if (!image.answer.error.empty()) json["failed_images"].push_back({{"image", image.image}, {"error", image.answer.error}});
  json["most_confused"] = Json::array();
  for (const regnet::Confusion& pair : regnet::most_confused(outcome.predictions.images, 10))
    json["most_confused"].push_back(
        {{"label", class_json(pair.label, outcome)}, {"predicted", class_json(pair.predicted, outcome)}, {"count", pair.count}});
  if (options.per_class) {
    json["per_class"] = Json::array();
    for (const regnet::ClassCount& row : regnet::per_class(outcome.predictions.images)) {
      Json entry = class_json(row.label, outcome);
      entry.update({{"n", row.n}, {"top1_correct", row.top1_correct}, {"top1", share(row.top1_correct, row.n)}});
      json["per_class"].push_back(entry);
    }
  }
  if (real) json["real"] = {{"n", real->n}, {"top1_correct", real->top1_correct}, {"top1", share(real->top1_correct, real->n)}};
  json["provenance"] = outcome.provenance;
  return json;
}

std::string class_text(int index, const Outcome& outcome) {
  const auto i = static_cast<std::size_t>(index);
  return std::to_string(index) + (i < outcome.class_names.size() ? " " + regnet::one_line(outcome.class_names[i]) : "");
}

void print_text(const EvalOptions& options, const Outcome& outcome, const regnet::Counts& counts, const std::optional<regnet::RealCounts>& real) {
  const auto [low, high] = regnet::wilson_interval(counts.top1_correct, counts.n);
  if (outcome.partial) std::cout << "partial: interrupted after " << outcome.predictions.images.size() << " images\n";
  std::cout << "top-1  " << percent(share(counts.top1_correct, counts.n)) << "  (" << counts.top1_correct << " of " << counts.n << "; 95% interval "
            << percent(low) << " to " << percent(high) << ")\n"
            << "top-5  " << percent(share(counts.top5_correct, counts.n)) << "  (" << counts.top5_correct << " of " << counts.n << ")\n"
            << outcome.speed_line;
  if (real)
    std::cout << "ReaL   " << percent(share(real->top1_correct, real->n)) << "  (" << real->top1_correct << " of the " << real->n
              << " images with ReaL labels)\n";
  if (counts.errors > 0)
    std::cout << "errors " << counts.errors << " images could not be read, " << (counts.skipped ? "left out of the count" : "counted as wrong")
              << '\n';
  if (!options.per_class) return;
  for (const regnet::ClassCount& row : regnet::per_class(outcome.predictions.images))
    std::cout << std::setw(7) << percent(share(row.top1_correct, row.n)) << "  (" << row.top1_correct << " of " << row.n << ")  "
              << class_text(row.label, outcome) << '\n';
  for (const regnet::Confusion& pair : regnet::most_confused(outcome.predictions.images, 10))
    std::cout << "confused " << pair.count << " times: " << class_text(pair.label, outcome) << " taken for " << class_text(pair.predicted, outcome)
              << '\n';
}

template <class Write>
void write_file(const std::string& path, Write write) {
  if (path.empty()) return;
  std::ofstream file(path);
  write(file);
  if (!file.flush()) regnet::fail(regnet::Code::io, path, ": cannot be written");
}

// Before the run, so that an hour's work is not lost to a folder that is not there.
void check_writable(const std::string& path) {
  if (!path.empty() && !std::ofstream(path, std::ios::app)) regnet::fail(regnet::Code::io, path, ": cannot be written");
}

// Published numbers

const regnet::PublishedAccuracy& published_row(const std::string& name) {
  if (const regnet::PublishedAccuracy* row = regnet::find_published(name)) return *row;
  std::string near;
  for (const regnet::PublishedAccuracy& row : regnet::published_accuracies) {
    const std::string candidate = std::string(row.source) + "/" + std::string(row.model);
    if (row.model.find(name) != std::string_view::npos || candidate.starts_with(name.substr(0, name.find('/'))))
      near += (near.empty() ? "" : ", ") + candidate;
  }
  regnet::fail(regnet::Code::invalid_argument, "--config: expected SOURCE/MODEL such as mmcls/regnetx_400mf, found '", name, "'",
               near.empty() ? std::string() : "; there are " + near);
}

// Measured against published. Of fewer images than were published for only an interval can be compared.
Json verdict(const regnet::PublishedAccuracy& row, const Outcome& outcome, const regnet::Counts& counts) {
  constexpr int published_images = 50'000;
  constexpr double rounding = 0.0051;  // points: two digits were published at least
  const double measured = 100 * share(counts.top1_correct, counts.n), difference = measured - row.top1;
  const auto [low, high] = regnet::wilson_interval(counts.top1_correct, counts.n);
  const bool whole = counts.n == published_images;
  const bool equal = std::abs(difference) <= (whole ? rounding : 0);
  const bool compatible = equal || (!whole && 100 * low <= row.top1 && row.top1 <= 100 * high);
  const std::string expected_digest = digest_in_name(std::string(row.file));
  const std::string digest = outcome.provenance.value("weights_sha256", "");
  const Json same_file = expected_digest.empty() || digest.empty() ? Json(nullptr) : Json(digest.starts_with(expected_digest));
  const bool changed =
      outcome.preset.is_object() && (outcome.preset["source"] != "chosen" || outcome.preset["name"] != std::string(regnet::preset_of(row)));
  std::string explanation;
  if (same_file.is_boolean() && !same_file.get<bool>())
    explanation = "the weights are not the published file, whose sha256 begins with " + expected_digest;
  else if (changed) explanation = "the preprocessing was changed, which moves accuracies by 0.1 to 0.3 points";
  else if (!compatible && std::abs(difference) <= 0.3) explanation = "of the size that preprocessing alone explains";
  return {{"config", std::string(row.source) + "/" + std::string(row.model)},
          {"published_top1", row.top1},
          {"published_top5", row.top5},
          {"published_file", row.file},
          {"sha256_matches", same_file},
          {"measured_top1", measured},
          {"difference", difference},
          {"verdict", !compatible ? "not reproduced"
                      : whole     ? "reproduced"
                                  : "compatible"},
          {"explanation", explanation}};
}

void print_verdict(const Json& verdict, const regnet::Counts& counts) {
  std::cout << std::fixed << std::setprecision(3) << "published " << verdict["published_top1"].get<double>() << "%, measured "
            << verdict["measured_top1"].get<double>() << "%: " << verdict["verdict"].get<std::string>() << " (" << std::showpos
            << verdict["difference"].get<double>() << std::noshowpos << " points on " << counts.n << " images)";
  if (const std::string explanation = verdict["explanation"]; !explanation.empty()) std::cout << "; " << explanation;
  std::cout << '\n';
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

int run(EvalOptions& options) {
  const regnet::PublishedAccuracy* row = options.config.empty() ? nullptr : &published_row(options.config);
  if (row) options.model.expect(std::string(row->model), std::string(regnet::preset_of(*row)));
  check_writable(options.predictions);
  check_writable(options.confusion);
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
  std::optional<regnet::RealCounts> real;
  if (!options.real.empty()) real = count_real(outcome.predictions.images, regnet::read_real_labels(options.real));
  warn_of_chance(outcome, counts);
  Json json = report_json(options, outcome, counts, real);
  if (row) json["published"] = verdict(*row, outcome, counts);
  if (options.output == "json") print(json);
  else print_text(options, outcome, counts, real);
  if (row && options.output != "json") print_verdict(json["published"], counts);
  if (outcome.partial) return exit_interrupted;
  if (row && json["published"]["verdict"] == "not reproduced") return exit_failed_check;
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
      "it the demo's 1,000 images");
  app->add_option(
      "--labels", options->labels,
      "Labels of images without class folders: 'name label' or 'name,label' (a number or a WordNet id), Kaggle's CSV, or a list in the order of the "
      "images, such as ILSVRC's ground truth");
  app->add_option("--labels-order", options->order, "What bare numbers are: classes (indices from 0), ilsvrc (ids of the development kit)")
      ->check(CLI::IsMember({"auto", "classes", "ilsvrc"}))
      ->capture_default_str();
  app->add_option("--batch", options->evaluate.batch, "Images per run of one thread")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--threads", options->evaluate.threads,
                  "Threads, each decoding and classifying batches; by default as many as this process may use")
      ->check(CLI::Range(1, 4096));
  app->add_option("--config", options->config,
                  "A published row, such as mmcls/regnetx_400mf: its network and preset, and a verdict against its accuracy");
  app->add_option("--limit", options->limit, "Use only so many images, spread evenly over the list")->check(CLI::Range(1, 1'000'000));
  app->add_option("--shard", options->shard, "I/N: only every N-th image from the I-th on, to be merged with the other shards");
  app->add_option("--journal", options->journal, "File that grows with the run: a run that was killed goes on where it was, to the same numbers");
  app->add_option("--predictions", options->predictions, "CSV file to write: image, label, five classes with their logits");
  app->add_option("--confusion", options->confusion, "CSV file to write: label, predicted class, count");
  app->add_flag("--per-class", options->per_class, "Accuracy of each class, and the pairs confused most");
  app->add_flag("--subset-logits", options->subset_logits, "Choose answers only among the classes that the data set has");
  app->add_option("--real", options->real,
                  "ReaL labels (real.json): the share of ImageNet validation images whose answer is one of the classes people saw");
  CLI::Option* from = app->add_option("--from", options->from, "Count again from a predictions file, without network and images");
  app->add_option("--merge", options->merge, "Join the predictions files of all shards")->excludes(from);
  app->add_flag("--skip-errors", options->evaluate.skip_errors,
                "Leave images that cannot be read out of the count instead of counting them as wrong");
  app->add_flag("-q,--quiet", options->quiet, "No progress and no notes");
  app->add_option("-o,--output", options->output, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  return {app, [options] { return run(*options); }};
}
