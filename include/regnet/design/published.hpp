// published: the accuracies that were published for RegNetX checkpoints, on the 50,000 validation images of ImageNet, single crop. The rows are the files
// configs/imagenet/SOURCE/MODEL.json, which are part of the binary; a row of one's own is read from a file of the same form.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include <regnet/base/export.hpp>

namespace regnet {

// A checkpoint that was published, and how well its publisher says it does.
struct PublishedAccuracy {
  std::string name;    // "mmcls/regnetx_400mf": the file's folder and stem
  std::string model;   // zoo name
  std::string preset;  // that the source evaluates with
  int resize = 0;      // pixels, where they are not the preset's; else 0
  std::string file;    // the checkpoint's file name as published
  double top1 = 0;     // percent
  double top5 = 0;
  std::string source;  // where the numbers stand

  // The part of the name that says who published: pycls, mmcls, mmcls-converted, torchvision-v1, torchvision-v2, timm, timm-tv2.
  [[nodiscard]] std::string_view origin() const { return std::string_view(name).substr(0, name.find('/')); }
};

// All rows, by model from the smallest to the largest. Valid for the whole program.
REGNET_API std::span<const PublishedAccuracy> published_accuracies();

// The row with this name, or nullptr.
REGNET_API const PublishedAccuracy* find_published(std::string_view name);

// Reads a row. Throws bad_format, naming `name` and the key, for what is no JSON object of exactly these keys (resize may be missing) or no percentage, and
// not_found for a model that does not exist; the preset is a name that nothing here knows.
REGNET_API PublishedAccuracy parse_published(std::string_view name, std::string_view json);

}  // namespace regnet
