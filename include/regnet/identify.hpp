// identify: what a checkpoint says of itself. An open checkpoint in; the name of its network, its preprocessing and its class names out.
#pragma once

#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/image/recipe.hpp>
#include <regnet/weights/bind.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// "RegNetX depths 1,2 widths ..." for networks without a name.
REGNET_API std::string in_words(const NetworkShape& network);

// The zoo's name for a network, else the design stored in the file ("regnet.model" in the metadata), else the stages in words.
// Throws mismatch when the stored design gives other stages, bad_format when it is none.
REGNET_API std::string network_name(const NetworkShape& network, const Checkpoint& checkpoint);

// The names of the classes: the file's, or ImageNet's for a thousand; none, with a warning added, when the file has another number of names than classes.
REGNET_API std::vector<std::string> class_names_of(const Checkpoint& checkpoint, int classes, std::vector<std::string>& warnings);

// The recipe for a file: its own ("regnet.preset" in the metadata), else by naming. `source` receives the reason.
REGNET_API Recipe default_recipe(const Checkpoint& checkpoint, Naming naming, const std::string& origin, std::string& source);

}  // namespace regnet
