// compare: two runs over the same images in, whether they differ more than chance would make them out.
#pragma once

#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/eval/predictions.hpp>

namespace regnet {

// Two runs, a and b, over the images they share, in numbers of images.
struct Comparison {
  int images = 0;     // in both runs
  int only_in_a = 0;  // and not in b
  int only_in_b = 0;
  int agree = 0;      // have the same first class
  int a_correct = 0;  // of `images`
  int b_correct = 0;
  int a_alone = 0;     // right in a, wrong in b
  int b_alone = 0;     // the other way round
  double p_value = 1;  // McNemar's exact test, two-sided
  // An image about which the runs disagree.
  struct Change {
    std::string image;
    int label = 0, a = -1, b = -1;  // first classes; -1: could not be read
  };
  std::vector<Change> changes;  // images whose first class differs
};

// Images are matched by name. Throws mismatch when a name has different labels or comes twice in a run, invalid_argument when no image is in both.
REGNET_API Comparison compare(const Predictions& a, const Predictions& b);

// The probability, for two runs of equal accuracy, of a split at least as uneven as `a_alone` to `b_alone`: twice the binomial tail at 1/2, at most 1.
REGNET_API double mcnemar_exact(int a_alone, int b_alone);

}  // namespace regnet
