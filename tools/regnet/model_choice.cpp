#include "model_choice.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <iostream>
#include <span>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>
#include <regnet/plan/plan_file.hpp>
#include <regnet/weights/open.hpp>
#include <regnet/weights/safetensors.hpp>

#include "commands.hpp"
#include "sha256.hpp"
#include "tuning.hpp"

extern "C" const std::byte regnet_demo_weights[];
extern "C" const std::byte regnet_demo_weights_end[];

namespace {

std::span<const std::byte> demo_bytes() { return {regnet_demo_weights, regnet_demo_weights_end}; }

// Three numbers with commas between them, as one argument: a list of arguments would swallow the images that follow.
std::optional<std::array<float, 3>> triple(const char* option, const std::string& value) {
  if (value.empty()) return {};
  std::array<float, 3> numbers{};
  const char *at = value.data(), *end = at + value.size();
  for (std::size_t i = 0; i < 3; ++i) {
    const auto [rest, error] = std::from_chars(at, end, numbers[i]);
    const bool complete = i == 2 ? rest == end : rest != end && *rest == ',';
    if (error != std::errc{} || !complete)
      regnet::fail(regnet::Code::invalid_argument, option, ": expected 3 numbers such as 0.485,0.456,0.406, found '", value, "'");
    at = rest + 1;
  }
  return numbers;
}

}  // namespace

void RecipeChoice::add_options(CLI::App& app) {
  app.option_defaults()->group("Preprocessing");
  std::string names;
  for (const regnet::Recipe& preset : regnet::presets()) names += (names.empty() ? "" : ", ") + preset.name;
  app.add_option("--preset", x_preset, "Whose preprocessing: " + names)->type_name("PRESET");
  app.add_option("--resize", x_resize, "Short side after resizing, in pixels")->check(CLI::Range(1, 1'000'000));
  app.add_option("--crop", x_crop, "Side of the centre crop, in pixels")->check(CLI::Range(1, 1'000'000));
  app.add_option("--interpolation", x_interpolation, "How images are resized")
      ->check(CLI::IsMember({"opencv-bilinear-u8", "opencv-bilinear-f32", "pillow-bilinear", "pillow-bicubic"}));
  app.add_option("--crop-offset", x_crop_offset, "How the crop's place is rounded when it falls between two pixels")
      ->check(CLI::IsMember({"half-even", "ceil"}));
  app.add_option("--channels", x_channels, "The order in which the network takes red, green and blue")->check(CLI::IsMember({"rgb", "bgr"}));
  app.add_option("--mean", x_mean, "Mean of red, green, blue, in the preset's value range: three numbers with commas")->type_name("R,G,B");
  app.add_option("--std", x_std, "Standard deviation of red, green, blue")->type_name("R,G,B");
  app.add_option("--exif", x_exif, "Whether the orientation in a file is ignored, or applied, as cv2.imread under pycls and mmcls does")
      ->check(CLI::IsMember({"ignore", "apply"}))
      ->capture_default_str();
  app.option_defaults()->group("Options");
}

regnet::RecipeOverrides RecipeChoice::overrides() const {
  regnet::RecipeOverrides overrides;
  if (x_resize > 0) overrides.resize = x_resize;
  if (x_crop > 0) overrides.crop = x_crop;
  if (!x_interpolation.empty()) overrides.interpolation = regnet::parse_interpolation(x_interpolation);
  if (!x_crop_offset.empty()) overrides.crop_offset = regnet::parse_crop_offset(x_crop_offset);
  if (!x_channels.empty()) overrides.channels = regnet::parse_channel_order(x_channels);
  overrides.mean = triple("--mean", x_mean);
  overrides.std = triple("--std", x_std);
  return overrides;
}

void ModelChoice::add_options(CLI::App& app) {
  app.option_defaults()->group("Network");
  app.add_option("--weights", x_weights,
                 "Checkpoint of pycls, mmcls, timm, torchvision, transformers or VISSL, or a plan of regnet compile; without it the built-in demo "
                 "network is used")
      ->type_name("FILE");
  app.add_option("--model", x_model, "The network that the weights must be; without it, it is recognised from their shapes")->type_name("MODEL");
  app.add_option("--classes", x_classes, "The number of classes that the weights must have")->check(CLI::Range(1, 1 << 20));
  app.add_option("--weights-key", x_weights_key, weights_key_help)->type_name("KEY");
  app.add_option("--backend", x_backend, "own or onednn (kernels), auto (the faster), or reference (double precision, slow; also called eigen)")
      ->check(CLI::IsMember({"auto", "own", "onednn", "reference", "eigen"}))
      ->capture_default_str();
  app.add_option("--dtype", x_dtype, dtype_help)->check(CLI::IsMember(dtype_names));
  app.add_option("--tuning", x_tuning, tuning_help)->type_name("FILE");
  x_recipe.add_options(app);
}

regnet::Model ModelChoice::load(bool quiet, const regnet::SessionOptions& expected) const {
  regnet::LoadOptions options{x_model, x_weights_key, x_classes, x_recipe.preset(), x_recipe.overrides(), {}};
  if (!x_tuning.empty() && !is_demo() && regnet::is_plan_file(x_weights))
    regnet::fail(regnet::Code::invalid_argument, x_weights, ": --tuning: a plan's kernels were chosen when it was compiled");
  if (!x_dtype.empty() && !is_demo() && regnet::is_plan_file(x_weights))
    regnet::fail(regnet::Code::invalid_argument, x_weights, ": --dtype: a plan's was chosen when it was compiled");
  options.compile = {backend(), expected, false, tuned_ways(x_tuning, expected, quiet), *regnet::precision_of(x_dtype.empty() ? "f32" : x_dtype)};
  regnet::Model model = is_demo() ? regnet::load_model(regnet::read_safetensors(demo_bytes(), nullptr), "built-in demo", options)
                                  : regnet::load_model(std::filesystem::path(x_weights), options);
  for (const std::string& warning : model.warnings) std::cerr << "regnet: warning: " << weights_name() << ": " << warning << '\n';
  for (const regnet::LayerReport& layer : model.plan.layers())
    if (layer.slow) std::cerr << "regnet: warning: layer " << layer.name << " runs the slow implementation " << layer.implementation << '\n';
  if (quiet) return model;
  if (is_demo()) std::cerr << "no --weights: using the built-in demo network, trained on Fashion-MNIST\n";
  std::cerr << "network: " << model.name << ", " << model.plan.classes() << " classes, " << name_of(model.naming) << " names in "
            << name_of(model.container);
  if (!model.weights_key.empty()) std::cerr << ", weights from " << regnet::one_line(model.weights_key);
  if (!model.weights_reason.empty()) std::cerr << " (" << model.weights_reason << ')';
  for (std::size_t i = 0; i < model.other_weights_keys.size(); ++i)
    std::cerr << (i ? ", " : "; not used, though weights too (--weights-key): ") << regnet::one_line(model.other_weights_keys[i]);
  std::cerr << "\npreprocessing: " << model.recipe.name << " (" << model.recipe_source << "): resize " << model.recipe.resize << ", crop "
            << model.recipe.crop << ", " << name_of(model.recipe.interpolation) << ", " << name_of(model.recipe.channels) << '\n';
  if (model.plan.precision() != regnet::Precision::f32) std::cerr << "dtype: " << name_of(model.plan.precision()) << '\n';
  else if (x_dtype == "auto") std::cerr << "dtype: f32, since bf16 is no faster on this CPU or backend\n";
  return model;
}

std::string ModelChoice::weights_sha256() const {
  if (is_demo()) return sha256(demo_bytes());
  const regnet::MappedFile file(x_weights);
  return sha256(file.bytes(), &file);
}

std::filesystem::path demo_images() {
  const std::filesystem::path installed = std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "share/regnet/demo/images";
  const auto by_length = [](const std::filesystem::path& a, const std::filesystem::path& b) { return a.native().size() < b.native().size(); };
  for (const std::filesystem::path& candidate : {installed, std::filesystem::path(REGNET_DEMO_IMAGES)})
    if (std::filesystem::is_directory(candidate))
      return std::min(candidate, candidate.lexically_proximate(std::filesystem::current_path()), by_length);
  regnet::fail(regnet::Code::not_found, "the demo's images are neither in ", installed.string(), " nor in ", REGNET_DEMO_IMAGES,
               "; name a data set with --data");
}

nlohmann::ordered_json recipe_json(const regnet::Recipe& recipe, const std::string& source) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(regnet::to_json(recipe));
  json["source"] = source;
  return json;
}
