// names: how each framework spells the tensors of a RegNetX, as data. In: a file's tensors; out: the same
// tensors under canonical names, which are pycls's (stem.conv.weight, s1.b1.f.a.weight, head.fc.bias).
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include <regnet/base/export.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Whose names the tensors of a checkpoint have.
enum class Naming { pycls, mmcls, timm, torchvision, transformers, vissl };

// All of them, in that order.
inline constexpr std::array all_namings{Naming::pycls, Naming::mmcls, Naming::timm, Naming::torchvision, Naming::transformers, Naming::vissl};

// "pycls", "mmcls", ...: as the command spells it.
REGNET_API std::string_view name_of(Naming naming);

// The canonical name of `name`, or nothing when `naming` has no such tensor. num_batches_tracked is spelled too; mmcls's names are known with and
// without "backbone." and "head.", those of VISSL (classy-vision) with and without "trunk." and "heads.".
REGNET_API std::optional<std::string> canonical_name(Naming naming, std::string_view name);

// The inverse: the spelling of a canonical name. Throws invalid_argument when it is none.
REGNET_API std::string foreign_name(Naming naming, std::string_view canonical);

// Counters of averaged models (torch's AveragedModel, mmengine's), which stand beside the wrapped network and are none of its tensors.
REGNET_API bool is_averaging_counter(const NamedTensor& tensor);

// A checkpoint's tensors under canonical names, and whose names they had.
struct CanonicalTensors {
  Naming naming = Naming::pycls;
  TensorMap tensors;
};

// Strips prefixes that all names share (module., model., _orig_mod., again and again), recognises the naming by all names, drops num_batches_tracked and the
// counters of averaged models (n_averaged, steps), and renames. Names that pycls and timm share, and nothing else, are called pycls's.
// Throws mismatch, naming examples, when only some names carry a prefix, when names of two frameworks are mixed, when some are unknown, when they are those
// of a RegNetY or of no RegNet at all. The result keeps the tensors' bytes alive.
// A torchvision ResNet with bottlenecks has exactly the names of mmcls without "backbone."; its shapes give it away (bind).
REGNET_API CanonicalTensors to_canonical(const TensorMap& tensors);

}  // namespace regnet
