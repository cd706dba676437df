// tables: answers to images in, where the right and the wrong ones lie out.
#pragma once

#include <vector>

#include <regnet/eval/predictions.hpp>

namespace regnet {

struct ClassCount {
  int label = 0;
  int n = 0;  // images that are listed, read or not
  int top1_correct = 0;
};

// One for each label that occurs, by label.
std::vector<ClassCount> per_class(const std::vector<ImageResult>& images);

struct Confusion {
  int label = 0;
  int predicted = 0;  // -1: could not be read
  int count = 0;
};

// The entries of the confusion matrix that are not zero, by label, then by predicted class.
std::vector<Confusion> confusion(const std::vector<ImageResult>& images);

// The entries off the diagonal, the largest first; equal ones by label, then by predicted class.
std::vector<Confusion> most_confused(const std::vector<ImageResult>& images, std::size_t limit);

}  // namespace regnet
