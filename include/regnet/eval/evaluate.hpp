// evaluate: a plan, a recipe and a data set in, exact counts of right answers out.
#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/eval/dataset.hpp>
#include <regnet/eval/metrics.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/recipe.hpp>
#include <regnet/plan/session.hpp>

namespace regnet {

// How evaluate works; but for skip_errors, exif and only_classes nothing here changes the counts.
struct EvaluateOptions {
  int batch = 8;             // images per run of one worker
  int threads = 0;           // workers; 0: default_threads()
  bool skip_errors = false;  // leave images that cannot be read out of the count, instead of counting them as wrong
  Exif exif = Exif::ignore;
  std::vector<int> only_classes = {};       // answers are chosen among these, each once; empty: among all
  const std::atomic<bool>* stop = nullptr;  // once true, no new batch is begun: the report is partial
  // Called with the place of the first image of a batch and the batch's answers when they are there, one thread at a time. What it throws ends the run.
  std::function<void(std::size_t first, std::span<const Answer> answers)> on_answers = {};
};

// What evaluate found.
struct Report : Counts {
  double seconds = 0;           // of wall time
  double decode_seconds = 0;    // summed over workers: reading, decoding and preprocessing
  double forward_seconds = 0;   // summed over workers: the network
  bool partial = false;         // it was stopped; counts are over the images that were done
  std::vector<Answer> answers;  // one per sample of the data set, in its order; one that was not done has neither classes nor an error
};

// Called from worker threads, one at a time: images done, of how many, right answers so far.
using Progress = std::function<void(int done, int total, int top1_correct)>;

// Every worker decodes and classifies batches of its own, so that decoding of one runs beside computing of another and no thread ever waits for another.
// The result depends neither on the number of workers nor on their timing. Throws numeric, naming the image, when a logit is NaN.
REGNET_API Report evaluate(const Plan& plan, const Recipe& recipe, const Dataset& dataset, const EvaluateOptions& options = {},
                           const Progress& progress = {});

}  // namespace regnet
