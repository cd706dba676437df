#include "eval.hpp"

#include <algorithm>
#include <atomic>
#include <csignal>
#include <iostream>
#include <map>
#include <optional>
#include <set>

#include <regnet/base/threads.hpp>
#include <regnet/version.hpp>

#include "journal.hpp"
#include "progress.hpp"
#include "sha256.hpp"
#include "shard.hpp"

namespace {

// The implementations that run each kind of layer, and how many layers each: "jit:avx512_core": 12.
Json kernels_of(const regnet::Plan& plan) {
  std::map<std::string, std::map<std::string, int>> counts;
  for (const regnet::LayerReport& layer : plan.layers()) ++counts[layer.kind][layer.implementation];
  return counts;
}

// Of the whole list of images and their labels, whatever part of it this run does.
std::string list_sha256(const regnet::Dataset& dataset) {
  std::string list;
  for (const regnet::Sample& sample : dataset.samples) list += sample.name + '\n' + std::to_string(sample.label) + '\n';
  return sha256(std::as_bytes(std::span(list)));
}

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
          {"images_sha256", list_sha256(dataset)},
          {"subset_logits", options.subset_logits},
          {"shard", options.shard.empty() ? "1/1" : options.shard},
          {"dtype", name_of(model.plan.precision())},
          {"backend", name_of(model.plan.backend())},
          {"batch", options.evaluate.batch},
          {"threads", threads.count},
          {"threads_from", threads.source},
          {"engine", regnet::engine_description()},
          {"decoders", regnet::decoder_versions()},
          {"exif", options.model.exif() == regnet::Exif::apply ? "apply" : "ignore"},
          {"kernels", kernels_of(model.plan)},
          {"version", regnet::version()},
          {"commit", regnet::commit()}};
}

// Every N-th image, so that each shard has a like share of every class.
std::vector<int> indices_of(int total, const Shard& shard) {
  std::vector<int> indices;
  for (int i = shard.number - 1; i < total; i += shard.of) indices.push_back(i);
  return indices;
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

// What must be equal for two runs to be one: everything that an answer depends on, and the list of images. Threads and batch are not part of it, nor is why the
// preprocessing was chosen.
Json journal_identity(const Outcome& outcome) {
  Json preset = outcome.preset;
  preset.erase("source");
  Json run{{"images", outcome.predictions.total}, {"preset", preset}};
  for (const char* key :
       {"images_sha256", "weights_sha256", "weights_key", "shard", "subset_logits", "dtype", "backend", "engine", "decoders", "exif", "version"})
    run[key] = outcome.provenance[key];
  return run;
}

}  // namespace

Outcome run_network(EvalOptions options) {
  const Shard shard = parse_shard(options.shard);
  const regnet::ThreadCount threads =
      options.evaluate.threads > 0 ? regnet::ThreadCount{options.evaluate.threads, "--threads"} : regnet::default_threads();
  options.evaluate.threads = threads.count;
  options.evaluate.exif = options.model.exif();
  if (options.data.empty() && !options.model.is_demo())
    regnet::fail(regnet::Code::invalid_argument, "eval: --weights without --data: name the folder of images");
  const regnet::Model model = options.model.load(options.quiet, {.batch = options.evaluate.batch, .threads = 1});
  const std::string data = options.data.empty() ? demo_images().string() : options.data;
  regnet::Dataset dataset =
      regnet::open_dataset(data, {options.labels, model.plan.classes(), model.class_names, regnet::parse_label_order(options.order)});
  if (options.limit > 0) dataset = spread_sample(std::move(dataset), options.limit);
  Outcome outcome;
  outcome.predictions.total = static_cast<int>(dataset.samples.size());
  std::vector<int> indices = indices_of(outcome.predictions.total, shard);
  if (indices.empty())
    regnet::fail(regnet::Code::invalid_argument, data, ": of ", outcome.predictions.total, " images none is in shard ", options.shard);
  outcome.provenance = provenance(options, model, data, dataset, threads);
  outcome.preset = recipe_json(model.recipe, model.recipe_source);
  std::optional<Journal> journal;
  if (!options.journal.empty()) {
    journal.emplace(options.journal, journal_identity(outcome), outcome.predictions.total);
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
                   {"forward_seconds", report.forward_seconds},
                   {"busy", report.seconds > 0 ? (report.decode_seconds + report.forward_seconds) / (report.seconds * threads.count) : 0},
                   {"bound", report.decode_seconds > report.forward_seconds ? "decode-bound" : "compute-bound"}};
  outcome.dataset = std::move(dataset);
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
