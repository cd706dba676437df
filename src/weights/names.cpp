#include <regnet/weights/names.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <vector>

#include <regnet/base/foreign_text.hpp>

namespace regnet {

namespace {

constexpr std::size_t naming_count = all_namings.size();
constexpr std::array<std::string_view, naming_count> naming_names{"pycls", "mmcls", "timm", "torchvision", "transformers", "vissl"};

enum class Layer { conv, batch_norm, linear };

// One layer of the network as each framework spells it, in the order of Naming. {S} is the stage and {B} the block in it, from 1;
// {s} and {b} are the same from 0, and {R} is the stage from 2. Sources: pycls models/anynet.py, mmcls models/backbones/regnet.py, timm models/regnet.py,
// torchvision models/regnet.py, transformers models/regnet/modeling_regnet.py, and for VISSL what timm's _filter_fn accepts of it.
// Three spellings mislead: mmcls's conv1 is the stem in the backbone and the first 1x1 in a block; pycls's s1.b1.bn belongs to the
// shortcut; torchvision's f.a.1 is a batch norm where pycls's f.a is the convolution.
struct Row {
  Layer layer;
  std::array<std::string_view, naming_count> spelled;
};

constexpr Row table[] = {
    {Layer::conv,
     {"stem.conv", "backbone.conv1", "stem.conv", "stem.0", "regnet.embedder.embedder.convolution", "trunk._feature_blocks.conv1.stem.0"}},
    {Layer::batch_norm,
     {"stem.bn", "backbone.bn1", "stem.bn", "stem.1", "regnet.embedder.embedder.normalization", "trunk._feature_blocks.conv1.stem.1"}},
    {Layer::conv,
     {"s{S}.b{B}.proj", "backbone.layer{S}.{b}.downsample.0", "s{S}.b{B}.downsample.conv", "trunk_output.block{S}.block{S}-{b}.proj.0",
      "regnet.encoder.stages.{s}.layers.{b}.shortcut.convolution", "trunk._feature_blocks.res{R}.block{S}-{b}.proj"}},
    {Layer::batch_norm,
     {"s{S}.b{B}.bn", "backbone.layer{S}.{b}.downsample.1", "s{S}.b{B}.downsample.bn", "trunk_output.block{S}.block{S}-{b}.proj.1",
      "regnet.encoder.stages.{s}.layers.{b}.shortcut.normalization", "trunk._feature_blocks.res{R}.block{S}-{b}.bn"}},
    {Layer::conv,
     {"s{S}.b{B}.f.a", "backbone.layer{S}.{b}.conv1", "s{S}.b{B}.conv1.conv", "trunk_output.block{S}.block{S}-{b}.f.a.0",
      "regnet.encoder.stages.{s}.layers.{b}.layer.0.convolution", "trunk._feature_blocks.res{R}.block{S}-{b}.f.a.0"}},
    {Layer::batch_norm,
     {"s{S}.b{B}.f.a_bn", "backbone.layer{S}.{b}.bn1", "s{S}.b{B}.conv1.bn", "trunk_output.block{S}.block{S}-{b}.f.a.1",
      "regnet.encoder.stages.{s}.layers.{b}.layer.0.normalization", "trunk._feature_blocks.res{R}.block{S}-{b}.f.a.1"}},
    {Layer::conv,
     {"s{S}.b{B}.f.b", "backbone.layer{S}.{b}.conv2", "s{S}.b{B}.conv2.conv", "trunk_output.block{S}.block{S}-{b}.f.b.0",
      "regnet.encoder.stages.{s}.layers.{b}.layer.1.convolution", "trunk._feature_blocks.res{R}.block{S}-{b}.f.b.0"}},
    {Layer::batch_norm,
     {"s{S}.b{B}.f.b_bn", "backbone.layer{S}.{b}.bn2", "s{S}.b{B}.conv2.bn", "trunk_output.block{S}.block{S}-{b}.f.b.1",
      "regnet.encoder.stages.{s}.layers.{b}.layer.1.normalization", "trunk._feature_blocks.res{R}.block{S}-{b}.f.b.1"}},
    {Layer::conv,
     {"s{S}.b{B}.f.c", "backbone.layer{S}.{b}.conv3", "s{S}.b{B}.conv3.conv", "trunk_output.block{S}.block{S}-{b}.f.c.0",
      "regnet.encoder.stages.{s}.layers.{b}.layer.2.convolution", "trunk._feature_blocks.res{R}.block{S}-{b}.f.c"}},
    {Layer::batch_norm,
     {"s{S}.b{B}.f.c_bn", "backbone.layer{S}.{b}.bn3", "s{S}.b{B}.conv3.bn", "trunk_output.block{S}.block{S}-{b}.f.c.1",
      "regnet.encoder.stages.{s}.layers.{b}.layer.2.normalization", "trunk._feature_blocks.res{R}.block{S}-{b}.f.final_bn"}},
    {Layer::linear, {"head.fc", "head.fc", "head.fc", "fc", "classifier.1", "heads.0.clf.0"}},
};

std::span<const std::string_view> attributes_of(Layer layer) {
  static constexpr std::string_view batch_norm[] = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"};
  if (layer == Layer::conv) return std::span(batch_norm).first(1);
  if (layer == Layer::linear) return std::span(batch_norm).first(2);
  return batch_norm;
}

constexpr std::string_view counter_suffix = ".num_batches_tracked";

// Stage and block from 1; 0 where the name has none.
struct Place {
  int stage = 0;
  int block = 0;
};

// How far the number in a name is ahead of the stage or block.
int ahead(char letter) { return letter == 'R' ? 1 : letter == 's' || letter == 'b' ? -1 : 0; }
bool is_stage(char letter) { return letter == 's' || letter == 'S' || letter == 'R'; }

// Consumes a decimal number without leading zeros, which no framework writes: each tensor has one spelling.
bool consume_number(std::string_view& text, int& number) {
  const char* const begin = text.data();
  const auto [end, error] = std::from_chars(begin, begin + std::min<std::size_t>(text.size(), 5), number);
  if (error != std::errc{} || *begin == '-' || (*begin == '0' && end - begin > 1)) return false;
  text.remove_prefix(static_cast<std::size_t>(end - begin));
  return true;
}

std::optional<Place> match(std::string_view spelled, std::string_view layer_name) {
  Place place;
  while (!spelled.empty()) {
    if (spelled[0] != '{') {
      if (layer_name.empty() || layer_name[0] != spelled[0]) return std::nullopt;
      layer_name.remove_prefix(1);
      spelled.remove_prefix(1);
      continue;
    }
    const char letter = spelled[1];
    int number = 0;
    if (!consume_number(layer_name, number)) return std::nullopt;
    number -= ahead(letter);
    int& known = is_stage(letter) ? place.stage : place.block;
    if (number <= 0 || (known != 0 && known != number)) return std::nullopt;
    known = number;
    spelled.remove_prefix(3);
  }
  return layer_name.empty() ? std::optional(place) : std::nullopt;
}

std::string spell(std::string_view spelled, const Place& place) {
  std::string out;
  for (std::size_t i = 0; i < spelled.size(); ++i) {
    if (spelled[i] != '{') {
      out += spelled[i];
      continue;
    }
    const char letter = spelled[i + 1];
    out += std::to_string((is_stage(letter) ? place.stage : place.block) + ahead(letter));
    i += 2;
  }
  return out;
}

// The name in `to` of the tensor that `from` spells so.
std::optional<std::string> respell(std::size_t from, std::size_t to, std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return std::nullopt;
  const std::string_view layer_name = name.substr(0, dot), attribute = name.substr(dot + 1);
  for (const Row& row : table) {
    const std::optional<Place> place = match(row.spelled[from], layer_name);
    if (!place) continue;
    const auto attributes = attributes_of(row.layer);
    if (std::find(attributes.begin(), attributes.end(), attribute) == attributes.end()) return std::nullopt;
    return spell(row.spelled[to], *place) + "." + std::string(attribute);
  }
  return std::nullopt;
}

// Without the parts that mmcls files may lack: converted files and backbones of detectors begin at conv1 and end in fc.
std::string with_mmcls_parts(std::string_view name) {
  if (name.starts_with("fc.")) return "head." + std::string(name);
  if (name.starts_with("conv1.") || name.starts_with("bn1.") || name.starts_with("layer")) return "backbone." + std::string(name);
  return std::string(name);
}

// A trunk alone, or a head's own dict.
std::string with_vissl_parts(std::string_view name) {
  if (name.starts_with("_feature_blocks.")) return "trunk." + std::string(name);
  if (name.starts_with("0.clf.")) return "heads." + std::string(name);
  return std::string(name);
}

// Lists of names in messages

struct Names {
  std::vector<std::string_view> all;

  [[nodiscard]] std::string examples() const {
    constexpr std::size_t limit = 5;
    std::string out;
    for (std::size_t i = 0; i < all.size() && i < limit; ++i) out += (i ? ", " : "") + in_quotes(all[i]);
    return all.size() > limit ? text(out, " and ", all.size() - limit, " more") : out;
  }
};

// Throws when only some of the names begin with the prefix; returns whether all do.
bool all_begin_with(std::string_view prefix, const std::vector<std::string_view>& names) {
  Names with, without;
  for (const std::string_view name : names) (name.starts_with(prefix) ? with : without).all.push_back(name);
  if (with.all.empty()) return false;
  if (without.all.empty()) return true;
  fail(Code::mismatch, with.all.size(), " names begin with ", in_quotes(prefix), " (", in_quotes(with.all[0]), ") and ", without.all.size(),
       " do not: ", without.examples());
}

// Removes, again and again, what wrappers put in front of every name: DataParallel, a module around the network, torch.compile.
void strip_wrappers(std::vector<std::string_view>& names) {
  constexpr std::string_view prefixes[] = {"module.", "model.", "_orig_mod."};
  for (bool stripped = true; stripped;) {
    stripped = false;
    for (const std::string_view prefix : prefixes) {
      if (!all_begin_with(prefix, names)) continue;
      for (std::string_view& name : names) name.remove_prefix(prefix.size());
      stripped = true;
    }
  }
}

// Deciding which framework it is

Names unknown_to(Naming naming, const std::vector<std::string_view>& names) {
  Names unknown;
  for (const std::string_view name : names)
    if (!canonical_name(naming, name)) unknown.all.push_back(name);
  return unknown;
}

bool of_regnet_y(std::string_view name) { return name.find(".se.") != std::string_view::npos || name.find(".attention.") != std::string_view::npos; }

// Heads of self-supervised training (SwAV, SEER), which give no classes.
bool of_self_supervision(std::string_view name) {
  return name.find(".projection_head.") != std::string_view::npos || name.find(".prototypes") != std::string_view::npos;
}

[[noreturn]] void refuse_names(Naming nearest, const Names& unknown, std::size_t count) {
  if (unknown.all.size() == count)
    fail(Code::mismatch, "no RegNetX names of pycls, mmcls, timm, torchvision, transformers or VISSL: ", unknown.examples());
  if (const auto se = std::find_if(unknown.all.begin(), unknown.all.end(), of_regnet_y); se != unknown.all.end())
    fail(Code::mismatch, "looks like a RegNetY: ", in_quotes(*se), " belongs to squeeze-and-excitation, which a RegNetX does not have");
  if (const auto ssl = std::find_if(unknown.all.begin(), unknown.all.end(), of_self_supervision); ssl != unknown.all.end())
    fail(Code::mismatch, "looks like a trunk of self-supervised training, without a classifier: ", in_quotes(*ssl));
  for (std::size_t i = 0; i < naming_count; ++i) {
    const auto other = static_cast<Naming>(i);
    for (const std::string_view name : unknown.all)
      if (canonical_name(other, name))
        fail(Code::mismatch, "names of two frameworks are mixed: ", in_quotes(name), " is one of ", name_of(other), ", while most are of ",
             name_of(nearest));
  }
  fail(Code::mismatch, unknown.all.size(), " of ", count, " names are not those of a RegNetX in ", name_of(nearest), ": ", unknown.examples());
}

// timm and pycls share the names of stem and head, so all names are asked; of two namings that know them all the first is as good.
Naming decide(const std::vector<std::string_view>& names) {
  Naming nearest = Naming::pycls;
  Names fewest{names};
  for (std::size_t i = 0; i < naming_count; ++i) {
    const auto naming = static_cast<Naming>(i);
    Names unknown = unknown_to(naming, names);
    if (unknown.all.empty()) return naming;
    if (unknown.all.size() < fewest.all.size()) {
      nearest = naming;
      fewest = std::move(unknown);
    }
  }
  refuse_names(nearest, fewest, names.size());
}

// In one file of mmcls either all layers of the backbone have the prefix or none.
void check_mmcls_backbone(const std::vector<std::string_view>& names) {
  std::vector<std::string_view> body;
  for (const std::string_view name : names)
    if (!name.starts_with("head.") && !name.starts_with("fc.")) body.push_back(name);
  all_begin_with("backbone.", body);
}

}  // namespace

bool is_averaging_counter(const NamedTensor& tensor) { return (tensor.name == "n_averaged" || tensor.name == "steps") && tensor.view.shape.empty(); }

std::string_view name_of(Naming naming) { return naming_names[static_cast<std::size_t>(naming)]; }

std::optional<std::string> canonical_name(Naming naming, std::string_view name) {
  const auto from = static_cast<std::size_t>(naming), pycls = static_cast<std::size_t>(Naming::pycls);
  if (naming == Naming::mmcls) return respell(from, pycls, with_mmcls_parts(name));
  if (naming == Naming::vissl) return respell(from, pycls, with_vissl_parts(name));
  return respell(from, pycls, name);
}

std::string foreign_name(Naming naming, std::string_view canonical) {
  const std::optional<std::string> name = respell(static_cast<std::size_t>(Naming::pycls), static_cast<std::size_t>(naming), canonical);
  if (!name) fail(Code::invalid_argument, in_quotes(canonical), ": no canonical name of a RegNetX tensor");
  return *name;
}

CanonicalTensors to_canonical(const TensorMap& tensors) {
  std::vector<std::string_view> names;
  std::vector<const TensorView*> views;
  for (const NamedTensor& tensor : tensors) {
    if (is_averaging_counter(tensor)) continue;
    names.push_back(tensor.name);
    views.push_back(&tensor.view);
  }
  if (names.empty()) fail(Code::mismatch, "there are no tensors");
  strip_wrappers(names);
  CanonicalTensors out;
  out.naming = decide(names);
  if (out.naming == Naming::mmcls) check_mmcls_backbone(names);
  for (std::size_t i = 0; i < names.size(); ++i)
    if (!names[i].ends_with(counter_suffix)) out.tensors.add(*canonical_name(out.naming, names[i]), *views[i]);
  out.tensors.keep_alive_with(tensors);
  return out;
}

}  // namespace regnet
