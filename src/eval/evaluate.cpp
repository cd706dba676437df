#include <regnet/eval/evaluate.hpp>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <mutex>

#include <regnet/base/parallel.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/base/top_k.hpp>
#include <regnet/image/preprocess.hpp>

namespace regnet {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// What the workers share: the next batch to take, and the tallies.
class Evaluation {
 public:
  Evaluation(const Plan& plan, const Recipe& recipe, const Dataset& dataset, const EvaluateOptions& options, const Progress& progress)
      : x_plan(plan), x_recipe(recipe), x_samples(dataset.samples), x_options(options), x_progress(progress) {
    x_report.answers.resize(x_samples.size());
  }

  Report run(int workers) {
    const Clock::time_point start = Clock::now();
    const auto batch = static_cast<std::size_t>(x_options.batch);
    parallel_for((x_samples.size() + batch - 1) / batch, workers, [this] { return Worker(*this); });
    x_report.partial = x_done < static_cast<int>(x_samples.size());
    x_report.seconds = seconds_since(start);
    return std::move(x_report);
  }

 private:
  // One thread's session and memory. One thread per session: with several, each layer would wait for whichever core decodes at the moment.
  class Worker {
   public:
    explicit Worker(Evaluation& evaluation)
        : x_evaluation(evaluation),
          x_session(evaluation.x_plan, {.batch = evaluation.x_options.batch, .threads = 1}),
          x_input(static_cast<std::size_t>(evaluation.x_options.batch) * static_cast<std::size_t>(evaluation.x_plan.input_dims().count())),
          x_logits(static_cast<std::size_t>(evaluation.x_options.batch) * static_cast<std::size_t>(evaluation.x_plan.classes())) {}

    void operator()(std::size_t number) {
      Evaluation& all = x_evaluation;
      if (all.x_options.stop && *all.x_options.stop) return;
      const auto batch = static_cast<std::size_t>(all.x_options.batch), classes = static_cast<std::size_t>(all.x_plan.classes());
      const std::size_t first = number * batch, count = std::min(batch, all.x_samples.size() - first);
      const Clock::time_point start = Clock::now();
      all.decode(first, count, x_input);
      const double decoded = seconds_since(start);
      x_session.run(x_input, x_logits);  // in a short last batch, the other places still hold earlier images
      const double forwarded = seconds_since(start) - decoded;
      for (std::size_t i = 0; i < count; ++i) all.answer(first + i, std::span(x_logits).subspan(i * classes, classes));
      all.tally(first, count, decoded, forwarded);
    }

   private:
    Evaluation& x_evaluation;
    Session x_session;
    std::vector<float> x_input, x_logits;
  };

  void decode(std::size_t first, std::size_t count, std::span<float> input) {
    const auto image_size = static_cast<std::size_t>(x_plan.input_dims().count());
    for (std::size_t i = 0; i < count; ++i) {
      const std::span<float> dst = input.subspan(i * image_size, image_size);
      try {
        const Sample& sample = x_samples[first + i];
        if (sample.bytes) preprocess_bytes(*sample.bytes, sample.path.string(), x_recipe, x_options.exif, dst);
        else preprocess_file(sample.path, x_recipe, x_options.exif, dst);
      } catch (const Error& error) {
        x_report.answers[first + i].error = error.what();
        std::fill(dst.begin(), dst.end(), 0.0f);
      }
    }
  }

  void answer(std::size_t sample, std::span<const float> logits) {
    Answer& answer = x_report.answers[sample];
    if (!answer.error.empty()) return;
    try {
      choose(logits, answer);
    } catch (const Error& error) {
      fail(error.code(), x_samples[sample].path.string(), ": ", error.what());
    }
  }

  // Among some classes only, the logits of these are ranked; of equal ones still the lower class comes first.
  void choose(std::span<const float> logits, Answer& answer) const {
    const std::vector<int>& only = x_options.only_classes;
    std::vector<float> chosen;
    for (const int index : only) chosen.push_back(logits[static_cast<std::size_t>(index)]);
    const std::span<const float> ranked = only.empty() ? logits : std::span<const float>(chosen);
    answer.top = top_k(ranked, 5);
    for (const int place : answer.top) answer.logits.push_back(ranked[static_cast<std::size_t>(place)]);
    double sum = 0;
    for (const float logit : ranked) sum += std::exp(double{logit} - answer.logits[0]);
    answer.probability = static_cast<float>(1 / sum);
    if (only.empty()) return;
    for (int& place : answer.top) place = only[static_cast<std::size_t>(place)];
  }

  void tally(std::size_t first, std::size_t count, double decode_seconds, double forward_seconds) {
    const std::lock_guard lock(x_mutex);
    x_report.decode_seconds += decode_seconds;
    x_report.forward_seconds += forward_seconds;
    for (std::size_t i = first; i < first + count; ++i) x_report.add(x_report.answers[i], x_samples[i].label, x_options.skip_errors);
    if (x_options.on_answers) x_options.on_answers(first, std::span(x_report.answers).subspan(first, count));
    x_done += static_cast<int>(count);
    if (x_progress) x_progress(x_done, static_cast<int>(x_samples.size()), x_report.top1_correct);
  }

  const Plan& x_plan;
  const Recipe& x_recipe;
  const std::vector<Sample>& x_samples;
  const EvaluateOptions& x_options;
  const Progress& x_progress;
  std::mutex x_mutex;  // guards what follows, but for the answers, each of which one worker writes
  Report x_report;
  int x_done = 0;
};

}  // namespace

Report evaluate(const Plan& plan, const Recipe& recipe, const Dataset& dataset, const EvaluateOptions& options, const Progress& progress) {
  if (options.batch < 1 || options.threads < 0)
    fail(Code::invalid_argument, "evaluate: expected a positive batch and thread count, found ", options.batch, " and ", options.threads);
  if (!std::is_sorted(options.only_classes.begin(), options.only_classes.end(), std::less_equal<>{}) ||
      (!options.only_classes.empty() && (options.only_classes.front() < 0 || options.only_classes.back() >= plan.classes())))
    fail(Code::invalid_argument, "evaluate: expected classes from 0 to ", plan.classes() - 1, " in rising order to choose among");
  if (dataset.samples.empty()) fail(Code::invalid_argument, "evaluate: expected images, found none");
  const Dims dims = plan.input_dims();
  if (dims != Dims{3, recipe.crop, recipe.crop})
    fail(Code::invalid_argument, "evaluate: the network takes ", to_string(dims), " values, but preset ", recipe.name, " makes ", recipe.crop, " x ",
         recipe.crop);
  const auto batch = static_cast<std::size_t>(options.batch);
  const std::size_t batches = (dataset.samples.size() + batch - 1) / batch;
  const int threads = options.threads ? options.threads : default_threads().count;
  return Evaluation(plan, recipe, dataset, options, progress).run(static_cast<int>(std::min(static_cast<std::size_t>(threads), batches)));
}

}  // namespace regnet
