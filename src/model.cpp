#include <regnet/model.hpp>

#include <algorithm>
#include <cmath>

#include <regnet/base/imagenet.hpp>
#include <regnet/base/top_k.hpp>
#include <regnet/design/published.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/weights/open.hpp>

namespace regnet {

namespace {

constexpr int usual_stem_width = 32;  // of all published networks

std::string describe(const NetworkShape& network) {
  std::string depths, widths, groups;
  for (const Stage& stage : network.stages) {
    const char* comma = depths.empty() ? "" : ",";
    depths += text(comma, stage.depth);
    widths += text(comma, stage.width);
    groups += text(comma, stage.group_width);
  }
  return text("RegNetX depths ", depths, " widths ", widths, " group widths ", groups,
              network.stem_width == usual_stem_width ? std::string() : text(" stem width ", network.stem_width));
}

// torchvision trained each network twice; the two sets want different resizing, and only the file's name tells them apart.
std::string torchvision_preset(const std::string& origin, std::string& source) {
  const std::string file = std::filesystem::path(origin).filename().string();
  for (const PublishedAccuracy& row : published_accuracies)
    if (row.file == file && row.source.starts_with("torchvision")) {
      source = text("by the published file name ", file);
      return std::string(row.source);
    }
  source = "by the file's naming (torchvision; its current weights assumed, choose torchvision-v1 for the first ones)";
  return "torchvision-v2";
}

}  // namespace

std::string network_name(const NetworkShape& network, const Checkpoint& checkpoint) {
  if (network.stem_width != usual_stem_width) return describe(network);
  if (const ZooEntry* entry = find_in_zoo(network.stages)) return std::string(entry->name);
  if (const auto stored = checkpoint.metadata.find("regnet.model"); stored != checkpoint.metadata.end()) {
    const Design design = find_design(stored->second);
    if (to_stages(design.params) == network.stages) return design.name;
    fail(Code::mismatch, "metadata regnet.model says ", stored->second, ", but the tensors are a ", describe(network));
  }
  return describe(network);
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

Model load_model(const Checkpoint& checkpoint, const std::string& origin, const LoadOptions& options) {
  const CanonicalTensors canonical = to_canonical(checkpoint.tensors);
  const NetworkShape shape = recognise(canonical.tensors);
  std::string name = network_name(shape, checkpoint);
  std::vector<Stage> stages = shape.stages;
  if (!options.model.empty()) {
    const Design asked = find_design(options.model);
    if (stages != to_stages(asked.params) || shape.stem_width != usual_stem_width)
      fail(Code::mismatch, "expected ", asked.name, ", found ", name, find_in_zoo(stages) ? text(" (", describe(shape), ")") : std::string());
    name = asked.name;
  }
  std::string source = "chosen";
  const Recipe recipe =
      options.recipe.applied_to(options.preset.empty() ? default_recipe(checkpoint, canonical.naming, origin, source) : find_preset(options.preset));
  if (options.classes > 0 && options.classes != shape.classes)
    fail(Code::mismatch, "expected a last layer of ", options.classes, " classes, found ", shape.classes);
  std::vector<std::string> warnings;
  std::vector<std::string> class_names = class_names_of(checkpoint, shape.classes, warnings);
  const NetworkOptions network{recipe.crop, shape.classes, shape.stem_width};
  Plan plan = compile(bind(build(stages, network), canonical.tensors), options.compile);
  for (std::string& line : describe(plan.findings())) warnings.push_back(std::move(line));
  return {std::move(name),
          stages,
          canonical.naming,
          checkpoint.container,
          checkpoint.weights_key,
          checkpoint.weights_reason,
          checkpoint.other_weights_keys,
          recipe,
          source,
          std::move(class_names),
          std::move(warnings),
          std::move(plan)};
}

Model load_model(const std::filesystem::path& weights, const LoadOptions& options) {
  const Checkpoint checkpoint = open_checkpoint(weights, options.weights_key);
  try {
    return load_model(checkpoint, weights.string(), options);
  } catch (const Error& error) {
    fail(error.code(), weights.string(), ": ", error.what());
  }
}

std::vector<Prediction> predictions(const Model& model, std::span<const float> logits, int k) {
  const std::vector<int> best = top_k(logits, k);
  if (best.empty()) return {};
  const double largest = logits[static_cast<std::size_t>(best[0])];
  double sum = 0;
  for (const float logit : logits) sum += std::exp(logit - largest);
  std::vector<Prediction> result;
  for (const int index : best) {
    const float logit = logits[static_cast<std::size_t>(index)];
    result.push_back(
        {index, model.class_names.empty() ? "" : model.class_names[static_cast<std::size_t>(index)], logit, std::exp(logit - largest) / sum});
  }
  return result;
}

std::vector<Prediction> classify(const Model& model, Session& session, const Image& image, int k) {
  std::vector<float> input(static_cast<std::size_t>(model.plan.input_dims().count())), logits(static_cast<std::size_t>(model.plan.classes()));
  preprocess(image, model.recipe, input);
  session.run(input, logits);
  return predictions(model, logits, k);
}

}  // namespace regnet
