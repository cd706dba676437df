// A model as a plan file: the plan, and what the facade knows about it as JSON.
#include "model_file.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/plan/plan_file.hpp>

namespace regnet {

namespace {

using Json = nlohmann::json;

template <class Values>
auto named(const Values& values, const std::string& name) {
  for (const auto value : values)
    if (name_of(value) == name) return value;
  fail(Code::bad_format, "unknown name ", in_quotes(name));
}

Json json_of(const Model& model) {
  Json stages = Json::array();
  for (const Stage& stage : model.stages) stages.push_back({stage.depth, stage.width, stage.bottleneck_width, stage.group_width, stage.stride});
  return {{"name", model.name},
          {"stages", stages},
          {"naming", name_of(model.naming)},
          {"container", name_of(model.container)},
          {"weights_key", model.weights_key},
          {"weights_reason", model.weights_reason},
          {"recipe", to_json(model.recipe)},
          {"recipe_source", model.recipe_source},
          {"class_names", model.class_names},
          {"warnings", model.warnings}};
}

// Text of the file that will be shown.
std::string shown(const Json& json, const char* key) { return one_line(json.at(key).get<std::string>()); }

Model model_of(const Json& json, Plan plan) {
  std::vector<std::string> warnings;
  for (const Json& warning : json.at("warnings")) warnings.push_back(one_line(warning.get<std::string>()));
  std::vector<Stage> stages;
  for (const Json& stage : json.at("stages"))
    stages.push_back({stage.at(0).get<int>(), stage.at(1).get<int>(), stage.at(2).get<int>(), stage.at(3).get<int>(), stage.at(4).get<int>()});
  Model model{shown(json, "name"),
              std::move(stages),
              named(all_namings, json.at("naming").get<std::string>()),
              named(std::array{Container::safetensors, Container::torch_zip, Container::torch_legacy}, json.at("container").get<std::string>()),
              shown(json, "weights_key"),
              shown(json, "weights_reason"),
              {},
              recipe_from_json(json.at("recipe").get<std::string>()),
              shown(json, "recipe_source"),
              json.at("class_names").get<std::vector<std::string>>(),
              std::move(warnings),
              std::move(plan)};
  if (!model.class_names.empty() && model.class_names.size() != static_cast<std::size_t>(model.plan.classes()))
    fail(Code::bad_format, "expected ", model.plan.classes(), " names of classes, found ", model.class_names.size());
  return model;
}

void check_options(const Model& model, const LoadOptions& options) {
  if (!options.weights_key.empty())
    fail(Code::invalid_argument, "a plan holds one set of weights, chosen when it was compiled; expected no weights key");
  if (options.compile.backend != Backend::automatic && options.compile.backend != Backend::own)
    fail(Code::invalid_argument, "a plan runs on the own kernels, not on ", name_of(options.compile.backend));
  if (options.compile.compact || !options.compile.ways.empty())
    fail(Code::invalid_argument, "a plan's kernels were chosen when it was compiled; expected neither compact nor ways");
  if (!options.model.empty() && find_design(options.model).stages != model.stages)
    fail(Code::mismatch, "expected ", options.model, ", found ", model.name);
  if (options.classes > 0 && options.classes != model.plan.classes())
    fail(Code::mismatch, "expected a last layer of ", options.classes, " classes, found ", model.plan.classes());
  if (const Dims dims = model.plan.input_dims(); dims != Dims{3, model.recipe.crop, model.recipe.crop})
    fail(Code::mismatch, "the plan is for images of ", to_string(dims), ", the preprocessing crops to ", model.recipe.crop);
}

}  // namespace

void save_model(const Model& model, const std::filesystem::path& path, Existing existing) {
  std::string about;
  try {
    about = json_of(model).dump();
  } catch (const Json::exception&) {
    fail(Code::unsupported, path.string(), ": a name of a class or of an entry is no UTF-8, which a plan file needs");
  }
  save_plan(model.plan, path, about, existing);
}

Model load_compiled_model(const std::filesystem::path& path, const LoadOptions& options) {
  PlanFile file = load_plan(path);
  try {
    Model model = model_of(Json::parse(file.about), std::move(file.plan));
    if (!options.preset.empty()) {
      model.recipe = find_preset(options.preset);
      model.recipe_source = "chosen";
    }
    model.recipe = options.recipe.applied_to(model.recipe);
    check_options(model, options);
    return model;
  } catch (const Json::exception&) {
    fail(Code::bad_format, path.string(), ": expected the plan of a model, found a plan without one");
  } catch (const Error& error) {
    fail(error.code(), path.string(), ": ", error.what());
  }
}

}  // namespace regnet
