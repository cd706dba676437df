// dataset: a folder in, the exact list of images with their labels out. What is listed here is what accuracy is counted over.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace regnet {

struct Sample {
  std::filesystem::path path;
  int label = 0;
};

struct Dataset {
  std::vector<Sample> samples;  // by label, then by path
  std::string labelling;        // how labels were found: "class folders, numbered", ...
  int ignored = 0;              // hidden files and files that are no images
};

// The image files below a folder, told by their extensions, sorted. Adds the number of other and hidden files to `ignored`.
std::vector<std::filesystem::path> images_in(const std::filesystem::path& folder, int& ignored);

struct DatasetOptions {
  std::filesystem::path labels;          // for a flat folder: a file of lines "name label"
  int classes = 0;                       // of the network; every label must be below
  std::vector<std::string> class_names;  // folder names that equal these are matched by name
};

// Folder names are read, in this order, as: WordNet ids (the fixed ImageNet order, whatever folders are missing; in sorted order when the network has exactly as many
// classes as there are folders, but not 1000), numbers, class names, or else sorted names when there is one per class.
// Throws not_found, invalid_argument (no images; a flat folder without labels; folders that fit no rule), mismatch (a label beyond the classes, naming file and label),
// bad_format (a labels file's line).
Dataset open_dataset(const std::filesystem::path& path, const DatasetOptions& options);

}  // namespace regnet
