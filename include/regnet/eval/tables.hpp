// tables: answers to images in, where the right and the wrong ones lie out.
#pragma once

#include <filesystem>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/eval/predictions.hpp>

namespace regnet {

// How well one class is told.
struct ClassCount {
  int label = 0;
  int n = 0;  // images that are listed, read or not
  int top1_correct = 0;
};

// One for each label that occurs, by label.
REGNET_API std::vector<ClassCount> per_class(const std::vector<ImageResult>& images);

// Labels after "Are we done with ImageNet?": for each validation image, by its number, the classes that people saw in it; none for images that nobody agreed on.
using RealLabels = std::vector<std::vector<int>>;

// Reads real.json, a list of lists of class indices. Throws not_found, io or bad_format.
REGNET_API RealLabels read_real_labels(const std::filesystem::path& path);

// Numbers of images, by RealLabels: an answer is right when it is any of an image's classes.
struct RealCounts {
  int n = 0;  // images with at least one class
  int top1_correct = 0;
};

// Images are matched by the number in names like ILSVRC2012_val_00000001. Throws mismatch for a name without one and a number beyond the list.
REGNET_API RealCounts count_real(const std::vector<ImageResult>& images, const RealLabels& labels);

// How often images of one class were taken for another, or for what they are.
struct Confusion {
  int label = 0;
  int predicted = 0;  // -1: could not be read
  int count = 0;
};

// The entries of the confusion matrix that are not zero, by label, then by predicted class.
REGNET_API std::vector<Confusion> confusion(const std::vector<ImageResult>& images);

// The entries off the diagonal, the largest first; equal ones by label, then by predicted class.
REGNET_API std::vector<Confusion> most_confused(const std::vector<ImageResult>& images, std::size_t limit);

}  // namespace regnet
