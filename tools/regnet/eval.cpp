#include <iomanip>
#include <iostream>
#include <sstream>

#include <regnet/base/threads.hpp>
#include <regnet/eval/evaluate.hpp>
#include <regnet/eval/metrics.hpp>
#include <regnet/version.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "model_choice.hpp"
#include "progress.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct EvalOptions {
  ModelChoice model;
  std::string data, labels, output = "text";
  int limit = 0;
  bool quiet = false;
  regnet::EvaluateOptions evaluate;
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

Json report_json(const regnet::Report& report, const regnet::Model& model) {
  const auto [low, high] = regnet::wilson_interval(report.top1_correct, report.n);
  return {{"n", report.n},
          {"top1_correct", report.top1_correct},
          {"top5_correct", report.top5_correct},
          {"top1", share(report.top1_correct, report.n)},
          {"top5", share(report.top5_correct, report.n)},
          {"top1_ci95", {low, high}},
          {"errors", report.errors},
          {"skipped", report.skipped},
          {"seconds", report.seconds},
          {"images_per_s", report.seconds > 0 ? report.n / report.seconds : 0},
          {"decode_seconds", report.decode_seconds},
          {"forward_seconds", report.forward_seconds},
          {"preset", recipe_json(model.recipe, model.recipe_source)}};
}

void print_text(const regnet::Report& report) {
  const auto [low, high] = regnet::wilson_interval(report.top1_correct, report.n);
  const double busy = report.decode_seconds + report.forward_seconds;
  std::cout << "top-1  " << percent(share(report.top1_correct, report.n)) << "  (" << report.top1_correct << " of " << report.n << "; 95% interval "
            << percent(low) << " to " << percent(high) << ")\n"
            << "top-5  " << percent(share(report.top5_correct, report.n)) << "  (" << report.top5_correct << " of " << report.n << ")\n"
            << std::fixed << std::setprecision(0) << "speed  " << report.n / report.seconds << " images/s  (" << std::setprecision(2)
            << report.seconds << " s; decoding " << percent(busy > 0 ? report.decode_seconds / busy : 0) << " of the work, network "
            << percent(busy > 0 ? report.forward_seconds / busy : 0) << ")\n";
  if (report.errors > 0)
    std::cout << "errors " << report.errors << " images could not be read, " << (report.skipped ? "left out of the count" : "counted as wrong")
              << '\n';
}

int run(EvalOptions& options) {
  const regnet::ThreadCount threads =
      options.evaluate.threads > 0 ? regnet::ThreadCount{options.evaluate.threads, "--threads"} : regnet::default_threads();
  options.evaluate.threads = threads.count;
  options.evaluate.exif = options.model.exif();
  if (options.data.empty() && !options.model.is_demo())
    regnet::fail(regnet::Code::invalid_argument, "eval: --weights without --data: name the folder of images");
  const regnet::Model model = options.model.load(options.quiet, {.batch = options.evaluate.batch, .threads = 1});
  const std::string data = options.data.empty() ? demo_images().string() : options.data;
  regnet::Dataset dataset = regnet::open_dataset(data, {options.labels, model.plan.classes(), model.class_names});
  if (options.limit > 0 && dataset.samples.size() > static_cast<std::size_t>(options.limit))
    dataset.samples.resize(static_cast<std::size_t>(options.limit));
  if (!options.quiet)
    std::cerr << "data: " << dataset.samples.size() << " images in " << data << " (" << dataset.labelling << ", " << dataset.ignored
              << " other files ignored), " << threads.count << " threads (" << threads.source << ")\n";
  ProgressLine progress("eval", options.quiet);
  const regnet::Report report = regnet::evaluate(model.plan, model.recipe, dataset, options.evaluate, [&](int done, int total, int correct) {
    progress.update(done, total, "top-1 so far " + percent(share(correct, done)));
  });
  Json failed = Json::array();
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    if (report.answers[i].error.empty()) continue;
    std::cerr << "regnet: " << report.answers[i].error << '\n';
    failed.push_back({{"image", dataset.samples[i].path.string()}, {"error", report.answers[i].error}});
  }
  if (report.n == 0) regnet::fail(regnet::Code::invalid_argument, data, ": none of the ", report.errors, " images could be read");
  if (options.output == "json") {
    Json json = report_json(report, model);
    json["failed_images"] = failed;
    json["provenance"] = provenance(options, model, data, dataset, threads);
    print(json);
  } else {
    print_text(report);
  }
  return report.errors > 0 && !options.evaluate.skip_errors ? exit_some_failed : exit_done;
}

}  // namespace

Command add_eval(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("eval", "Top-1 and top-5 accuracy over exactly the images listed");
  auto options = std::make_shared<EvalOptions>();
  options->model.add_options(*app);
  app->add_option("--data", options->data,
                  "Folder of class folders (WordNet ids, numbers, or names), or of images with --labels; without it the demo's 1,000 images");
  app->add_option("--labels", options->labels, "Labels of a flat folder: lines 'name label', the label a number or a WordNet id");
  app->add_option("--batch", options->evaluate.batch, "Images per run of one thread")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--threads", options->evaluate.threads,
                  "Threads, each decoding and classifying batches; by default as many as this process may use")
      ->check(CLI::Range(1, 4096));
  app->add_option("--limit", options->limit, "Use only the first images of the list")->check(CLI::Range(1, 1'000'000));
  app->add_flag("--skip-errors", options->evaluate.skip_errors,
                "Leave images that cannot be read out of the count instead of counting them as wrong");
  app->add_flag("-q,--quiet", options->quiet, "No progress and no notes");
  app->add_option("-o,--output", options->output, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  return {app, [options] { return run(*options); }};
}
