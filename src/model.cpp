#include <regnet/model.hpp>

#include <algorithm>
#include <cmath>

#include <regnet/base/top_k.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/identify.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/plan/plan_file.hpp>
#include <regnet/weights/open.hpp>

#include "model_file.hpp"

namespace regnet {

namespace {

void warn_of_several_runtimes(const std::vector<std::string>& runtimes, std::vector<std::string>& warnings) {
  if (runtimes.size() < 2) return;
  std::string files;
  for (const std::string& file : runtimes) files += file + ", ";
  warnings.push_back(
      text("several OpenMP runtimes are loaded, ", files,
           "of which oneDNN runs on the first: answers are right, but where more than one is used their threads compete for the cores"));
}

}  // namespace

Model load_model(const Checkpoint& checkpoint, const std::string& origin, const LoadOptions& options) {
  const CanonicalTensors canonical = to_canonical(checkpoint.tensors);
  const NetworkShape shape = recognise(canonical.tensors);
  std::string name = network_name(shape, checkpoint);
  std::vector<Stage> stages = shape.stages;
  if (!options.model.empty()) {
    const Design asked = find_design(options.model);
    if (stages != asked.stages || shape.stem_width != default_stem_width)
      fail(Code::mismatch, "expected ", asked.name, ", found ", name, find_in_zoo(stages) ? text(" (", in_words(shape), ")") : std::string());
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
  CompileOptions compiling = options.compile;
  if (compiling.quantization.scales.empty()) compiling.quantization = quantization_of(checkpoint);
  Plan plan = compile(bind(build(stages, network), canonical.tensors), compiling);
  for (std::string& line : describe(plan.findings())) warnings.push_back(std::move(line));
  if (plan.backend() == Backend::onednn) warn_of_several_runtimes(openmp_runtimes(), warnings);
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
  if (is_plan_file(weights)) return load_compiled_model(weights, options);
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
