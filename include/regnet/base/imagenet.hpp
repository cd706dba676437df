// imagenet: the 1000 classes of ImageNet-1k in the one order that all published checkpoints use. Data from configs/imagenet/classes.tsv.
#pragma once

#include <span>
#include <string_view>

#include <regnet/base/export.hpp>

namespace regnet {

// One of the 1000; its index is its place in imagenet_classes().
struct ImagenetClass {
  std::string_view wnid;  // WordNet id, such as "n01440764"
  std::string_view name;  // "tench, Tinca_tinca"; not unique: two classes are a crane
  int devkit_id = 0;      // ILSVRC2012_ID, 1 to 1000: what the development kit's ground truth holds, in an order of its own
};

// By class index, which is also the order of the WordNet ids.
REGNET_API std::span<const ImagenetClass> imagenet_classes();

}  // namespace regnet
