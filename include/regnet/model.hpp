// model: the facade. A checkpoint's path in, a compiled network with its preprocessing and class names out; an image in, predictions out.
#pragma once

#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/existing.hpp>
#include <regnet/base/export.hpp>
#include <regnet/image/image.hpp>
#include <regnet/image/recipe.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// What may be chosen when a checkpoint is loaded. A plan file is compiled already: what it is must agree with what is asked for.
struct LoadOptions {
  std::string model;        // a name or design the weights must fit; empty: recognised from their shapes
  std::string weights_key;  // auto, model, ema or an entry of a torch file (torch_file.hpp)
  int classes = 0;          // that the weights must have; 0: any
  std::string preset;       // empty: the file's own recipe, else the preset of the framework whose names it uses
  RecipeOverrides recipe;   // fields of the recipe to change
  CompileOptions compile;
};

// A network that can run, and all about it. Nothing in this library changes one: any number of threads may use it at once.
struct Model {
  std::string name;                              // zoo name, or the design as a string, or "RegNetX" with its stages
  std::vector<Stage> stages;                     // as the tensors' shapes tell them
  Naming naming = Naming::pycls;                 // whose names the tensors had
  Container container = Container::safetensors;  // what kind of file they were in
  std::string weights_key;                       // the entry of a torch file that was taken
  std::string weights_reason;                    // why, when it is not the usual one
  std::vector<std::string> other_weights_keys;   // entries that were not
  Recipe recipe;                                 // how pictures become its input
  std::string recipe_source;                     // why this recipe: "chosen", "stored in the file", "by the file's naming (mmcls)", ...
  std::vector<std::string> class_names;          // one per logit, or empty
  std::vector<std::string> warnings;             // lines about what is odd in the file or the process, though it runs
  Plan plan;                                     // what sessions are opened on
};

// Reads, recognises, binds and compiles; of a plan file (save_model) there is only the mapping left to do. Throws Error as the stations do, with the path in front.
REGNET_API Model load_model(const std::filesystem::path& weights, const LoadOptions& options = {});

// The same for a checkpoint that is already open; `origin` names it in messages and helps to tell torchvision's two recipes apart.
REGNET_API Model load_model(const Checkpoint& checkpoint, const std::string& origin, const LoadOptions& options = {});

// Writes a plan file (plan/plan_file.hpp) with all that is here; load_model reads it. Throws as save_plan, and unsupported when a name is no UTF-8.
REGNET_API void save_model(const Model& model, const std::filesystem::path& path, Existing existing = Existing::keep);

// A class and how likely it is.
struct Prediction {
  int class_index = 0;
  std::string name;  // empty when the class has none
  float logit = 0;
  double probability = 0;  // softmax, in double
};

// The k likeliest classes, best first. Throws numeric when a logit is NaN or infinite.
REGNET_API std::vector<Prediction> predictions(const Model& model, std::span<const float> logits, int k);

// Preprocesses, runs and ranks one image. The session must be of the model's plan and have batch 1. Throws as preprocess, Session::run and predictions do.
REGNET_API std::vector<Prediction> classify(const Model& model, Session& session, const Image& image, int k = 5);

}  // namespace regnet
