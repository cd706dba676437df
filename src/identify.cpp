#include <regnet/identify.hpp>

#include <filesystem>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/imagenet.hpp>
#include <regnet/design/published.hpp>
#include <regnet/design/zoo.hpp>

namespace regnet {

namespace {

// torchvision trained each network twice; the two sets want different resizing, and only the file's name tells them apart.
std::string torchvision_preset(const std::string& origin, std::string& source) {
  const std::string file = std::filesystem::path(origin).filename().string();
  for (const PublishedAccuracy& row : published_accuracies())
    if (row.file == file && row.preset.starts_with("torchvision")) {
      source = text("by the published file name ", file);
      return row.preset;
    }
  source = "by the file's naming (torchvision; its current weights assumed, choose torchvision-v1 for the first ones)";
  return "torchvision-v2";
}

Design stored_design(const std::string& name) {
  try {
    return find_design(name);
  } catch (const Error& error) {
    fail(Code::bad_format, "metadata regnet.model: ", error.what());
  }
}

}  // namespace

std::string in_words(const NetworkShape& network) {
  std::string depths, widths, groups;
  for (const Stage& stage : network.stages) {
    const char* comma = depths.empty() ? "" : ",";
    depths += text(comma, stage.depth);
    widths += text(comma, stage.width);
    groups += text(comma, stage.group_width);
  }
  return text("RegNetX depths ", depths, " widths ", widths, " group widths ", groups,
              network.stem_width == default_stem_width ? std::string() : text(" stem width ", network.stem_width));
}

std::string network_name(const NetworkShape& network, const Checkpoint& checkpoint) {
  if (network.stem_width != default_stem_width) return in_words(network);
  if (const ZooEntry* entry = find_in_zoo(network.stages)) return std::string(entry->name);
  if (const auto stored = checkpoint.metadata.find("regnet.model"); stored != checkpoint.metadata.end()) {
    const Design design = stored_design(stored->second);
    if (design.stages == network.stages) return design.name;
    fail(Code::mismatch, "metadata regnet.model says ", in_quotes(stored->second), ", but the tensors are a ", in_words(network));
  }
  return in_words(network);
}

std::vector<std::string> class_names_of(const Checkpoint& checkpoint, int classes, std::vector<std::string>& warnings) {
  std::vector<std::string> names = checkpoint.class_names;
  if (names.empty() && classes == static_cast<int>(imagenet_classes().size()))
    for (const ImagenetClass& imagenet : imagenet_classes()) names.emplace_back(imagenet.name);
  if (names.empty() || static_cast<int>(names.size()) == classes) return names;
  warnings.push_back(text("the file names ", names.size(), " classes, but its last layer has ", classes, "; the names are not used"));
  return {};
}

Recipe default_recipe(const Checkpoint& checkpoint, Naming naming, const std::string& origin, std::string& source) {
  if (const auto stored = checkpoint.metadata.find("regnet.preset"); stored != checkpoint.metadata.end()) {
    source = "stored in the file";
    return recipe_from_json(stored->second);
  }
  source = text("by the file's naming (", name_of(naming), ")");
  switch (naming) {
    case Naming::pycls: return find_preset("pycls");
    case Naming::mmcls: return find_preset("mmcls");
    case Naming::torchvision: return find_preset(torchvision_preset(origin, source));
    case Naming::vissl: return find_preset("torchvision-v1");  // the same transforms
    case Naming::timm:
    case Naming::transformers: break;
  }
  return find_preset("timm");
}

}  // namespace regnet
