// dataset: a folder or tar in, the exact list of images with their labels out. What is listed here is what accuracy is counted over.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/byte_owner.hpp>
#include <regnet/base/export.hpp>

namespace regnet {

// An image that is listed, not read yet, with its label.
struct Sample {
  std::filesystem::path path;                            // of the file; of a member of a tar the tar's path and its name
  int label = 0;                                         // class index of the network, from 0
  std::string name = {};                                 // in the data set, with folders: what it is called in results
  std::optional<std::span<const std::byte>> bytes = {};  // of a member; the data set keeps them
};

// The images accuracy is counted over. Immutable once opened, and shared by threads.
struct Dataset {
  std::vector<Sample> samples;                                // by name, so that a folder and a tar of it give the same list
  std::string labelling;                                      // how labels were found: "class folders, numbered", ...
  int ignored = 0;                                            // hidden files and files that are no images
  std::vector<std::shared_ptr<const ByteOwner>> owners = {};  // what keeps the bytes of tars alive
};

// The image files below a folder, told by their extensions, sorted. Adds the number of other and hidden files to `ignored`.
REGNET_API std::vector<std::filesystem::path> images_in(const std::filesystem::path& folder, int& ignored);

// What numbers are that stand for classes: class indices from 0, or ids of ILSVRC's development kit, which count from 1 in an order of their own.
enum class LabelOrder { automatic, classes, ilsvrc };

// "auto", "classes" or "ilsvrc". Throws invalid_argument.
REGNET_API LabelOrder parse_label_order(std::string_view name);

// What is known of a data set beside its files.
struct DatasetOptions {
  std::filesystem::path labels = {};          // for images without class folders: a labels file
  int classes = 0;                            // of the network; every label must be below
  std::vector<std::string> class_names = {};  // folder names that equal these are matched by name
  LabelOrder order = LabelOrder::automatic;
  bool allow_beyond = false;  // labels beyond the classes are no error: nothing can be right about such images
};

// `path` is a folder of images, a tar (plain, or compressed by gzip, zstd, xz or bzip2), or a folder of tars. Hidden files (and "._*") are ignored.
//
// Class folders are read, in this order, as: WordNet ids (the fixed ImageNet order, whatever folders are missing; in sorted order when the network has exactly as
// many classes as there are folders, but not 1000), numbers, class names, or else sorted names when there is one per class.
// With a labels file folders do not matter. Its forms: "name label" or "name,label", Kaggle's name,wnid with boxes, a WordNet id per line, a class index per
// line, or an ILSVRC2012_ID per line; lists follow the numbers in names like ILSVRC2012_val_00000001, else the sorted names.
// Tars with .cls files are WebDataset shards: key.jpg has its label in key.cls, and names need be unique in a shard only.
// A folder around all others in a tar does not count.
//
// Throws not_found, invalid_argument (no images; no labels; folders or numbers that fit no rule or several), mismatch (a label beyond the classes, naming file and
// label; labels and images that do not match), bad_format (a labels file's line, a damaged tar).
REGNET_API Dataset open_dataset(const std::filesystem::path& path, const DatasetOptions& options);

// So many of the samples, or all when there are fewer, spread evenly over the list, and so over the classes.
REGNET_API Dataset spread_sample(Dataset dataset, int count);

}  // namespace regnet
