// metrics: answers to images in, counts of right ones and their uncertainty out.
#pragma once

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace regnet {

// What the network said about one image.
struct Answer {
  std::vector<int> top;       // up to five classes, best first; empty when the image could not be read
  std::vector<float> logits;  // of these classes
  std::string error;          // why the image could not be read
  float probability = 0;      // of the first class: softmax over all that could have been chosen
};

// Numbers of images. Each is a sum over images, so it depends on neither order nor batches.
struct Counts {
  int n = 0;  // counted: all, or with skip_errors all that could be read
  int top1_correct = 0;
  int top5_correct = 0;
  int errors = 0;   // that could not be read
  int skipped = 0;  // of those, left out of n

  // An image that could not be read is wrong, or with `skip_errors` left out.
  void add(const Answer& answer, int label, bool skip_errors) {
    const auto found = std::find(answer.top.begin(), answer.top.end(), label);
    const bool failed = !answer.error.empty(), left_out = failed && skip_errors;
    n += !left_out;
    skipped += left_out;
    errors += failed;
    top5_correct += found != answer.top.end();
    top1_correct += found == answer.top.begin() && found != answer.top.end();
  }
};

// Wilson's score interval for a proportion, 95%. Returns {lower, upper} in 0..1; {0, 1} for no trials.
inline std::pair<double, double> wilson_interval(int hits, int trials) {
  if (trials == 0) return {0, 1};
  constexpr double z = 1.959963984540054;  // 97.5% quantile of the normal distribution
  const double n = trials, p = hits / n;
  const double centre = p + z * z / (2 * n), spread = z * std::sqrt(p * (1 - p) / n + z * z / (4 * n * n)), scale = 1 + z * z / n;
  return {hits == 0 ? 0 : (centre - spread) / scale, hits == trials ? 1 : (centre + spread) / scale};
}

}  // namespace regnet
