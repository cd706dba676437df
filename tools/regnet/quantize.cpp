// quantize: a checkpoint and images in, a checkpoint with 8-bit weights and the scales of all activations out.
#include <filesystem>
#include <iomanip>
#include <iostream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/eval/dataset.hpp>
#include <regnet/identify.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/plan/quantization.hpp>
#include <regnet/version.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/open.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "model_choice.hpp"
#include "npy.hpp"
#include "sha256.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct QuantizeOptions {
  std::string weights, weights_key, data, out, output = "text";
  RecipeChoice recipe;
  int images = 200, threads = 0, judged = 32;
  double max_error = 0;  // 0: none
  bool reduce_range = false, sensitivity = false, force = false, quiet = false;
};

// Preprocessed images, one after the other.
struct Images {
  std::vector<float> values;
  std::size_t size = 0;  // of one
  int unreadable = 0;

  [[nodiscard]] std::size_t count() const { return values.size() / size; }
  [[nodiscard]] std::span<const float> first(int most) const {
    return std::span(values).first(std::min(values.size(), static_cast<std::size_t>(most) * size));
  }
};

void add_array(const std::string& path, int most, const regnet::Dims& dims, Images& images) {
  const NpyArray array = read_npy_images(path, dims);
  const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(most), static_cast<std::size_t>(array.shape[0]));
  images.values.assign(array.values.begin(), array.values.begin() + static_cast<std::ptrdiff_t>(count * images.size));
}

// The list is spread evenly over the data, which need have no labels.
regnet::Dataset dataset_of(const QuantizeOptions& options, int classes) {
  regnet::Dataset dataset;
  if (std::filesystem::is_directory(options.data)) {
    for (const std::filesystem::path& file : regnet::images_in(options.data, dataset.ignored)) dataset.samples.push_back({file});
    if (dataset.samples.empty()) regnet::fail(regnet::Code::invalid_argument, options.data, ": no images");
  } else {
    dataset = regnet::open_dataset(options.data, {.classes = classes, .allow_beyond = true});
  }
  return spread_sample(std::move(dataset), options.images);
}

Images read_images(const QuantizeOptions& options, const regnet::Recipe& recipe, const regnet::Graph& graph) {
  Images images;
  images.size = static_cast<std::size_t>(graph.input_dims().count());
  if (options.data.ends_with(".npy")) {
    add_array(options.data, options.images, graph.input_dims(), images);
    return images;
  }
  std::vector<float> image(images.size);
  const regnet::Dataset dataset = dataset_of(options, graph.classes());
  for (const regnet::Sample& sample : dataset.samples) {
    try {
      if (sample.bytes) regnet::preprocess_bytes(*sample.bytes, sample.path.string(), recipe, options.recipe.exif(), image);
      else regnet::preprocess_file(sample.path, recipe, options.recipe.exif(), image);
      images.values.insert(images.values.end(), image.begin(), image.end());
    } catch (const regnet::Error& error) {
      ++images.unreadable;
      std::cerr << "regnet: warning: left out: " << regnet::one_line(error.what()) << '\n';
    }
  }
  if (images.values.empty()) regnet::fail(regnet::Code::invalid_argument, options.data, ": no image that can be read");
  return images;
}

void print_result(const Json& json) {
  if (!json["sensitivity"].empty()) {
    std::cout << "Error of the logits with one layer's outputs in 8 bits, the others wide:\n";
    for (const Json& layer : json["sensitivity"])
      std::cout << "  " << std::left << std::setw(16) << layer["layer"].get<std::string>() << std::right << std::fixed << std::setprecision(5)
                << layer["error"].get<double>() << '\n';
  }
  std::cout << "error of the logits   " << std::fixed << std::setprecision(5) << json["logit_error"].get<double>()
            << " of their standard deviation, over " << json["judged_images"] << " images\n"
            << "layers kept wide      " << json["wide"].size();
  for (const Json& layer : json["wide"]) std::cout << ' ' << layer.get<std::string>();
  std::cout << '\n';
}

int run(const QuantizeOptions& options) {
  std::error_code error;
  if (!options.out.empty() && std::filesystem::equivalent(options.weights, options.out, error))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": the file to write is the file to read");
  if (!options.out.empty() && !options.force && std::filesystem::exists(std::filesystem::symlink_status(options.out, error)))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": exists already; --force replaces it");
  const regnet::Checkpoint checkpoint = regnet::open_checkpoint(options.weights, options.weights_key);
  const regnet::CanonicalTensors canonical = regnet::to_canonical(checkpoint.tensors);
  const regnet::NetworkShape shape = regnet::recognise(canonical.tensors);
  std::string source = "chosen";
  const regnet::Recipe recipe =
      options.recipe.overrides().applied_to(options.recipe.preset().empty() ? default_recipe(checkpoint, canonical.naming, options.weights, source)
                                                                            : regnet::find_preset(options.recipe.preset()));
  const regnet::Graph graph = regnet::build(shape.stages, {recipe.crop, shape.classes, shape.stem_width});
  const regnet::BoundWeights weights = regnet::bind(graph, canonical.tensors);
  if (!regnet::quantization_of(checkpoint).scales.empty()) regnet::fail(regnet::Code::invalid_argument, options.weights, ": quantised already");
  const Images images = read_images(options, recipe, graph);
  if (!options.quiet)
    std::cerr << "network: " << network_name(shape, checkpoint) << "\npreprocessing: " << recipe.name << " (" << source << ")\ncalibrating on "
              << images.count() << " images\n";
  std::size_t next = 0;
  regnet::Quantization quantization = regnet::calibrate(
      weights,
      [&](std::span<float> image) {
        if (next == images.count()) return false;
        std::copy_n(images.values.begin() + static_cast<std::ptrdiff_t>(next++ * images.size), images.size, image.begin());
        return true;
      },
      options.threads);
  quantization.reduced_range = options.reduce_range;
  const std::span<const float> judged = images.first(options.judged);
  Json json{{"images", images.count()}, {"unreadable", images.unreadable}, {"judged_images", judged.size() / images.size}};
  json["sensitivity"] = Json::array();
  if (options.sensitivity)
    for (const regnet::Sensitivity& layer : regnet::sensitivity(weights, quantization, judged, options.threads))
      json["sensitivity"].push_back({{"layer", layer.layer}, {"error", layer.error}});
  if (options.max_error > 0) quantization = regnet::widened(weights, std::move(quantization), judged, options.max_error, options.threads);
  json["logit_error"] = regnet::logit_error(weights, quantization, judged, options.threads);
  json["wide"] = quantization.wide;
  if (!options.out.empty()) {
    regnet::Checkpoint target = regnet::quantised(checkpoint, graph, quantization);
    target.metadata["regnet.preset"] = regnet::to_json(recipe);
    target.metadata["regnet.calibration"] = Json{
        {"images", images.count()},
        {"pixels_sha256", sha256(std::as_bytes(std::span(images.values)))},
        {"ranges", "least mean square error"},
        {"reduced_range", options.reduce_range},
        {"logit_error", json["logit_error"]},
        {"max_error", options.max_error},
        {"version", regnet::version()}}.dump();
    save_safetensors(target, options.out, options.force ? regnet::Existing::replace : regnet::Existing::keep);
    if (!options.quiet)
      std::cerr << options.out << ": " << std::filesystem::file_size(options.out) / 1'000'000 << " MB for "
                << std::filesystem::file_size(options.weights) / 1'000'000 << " MB\n";
  }
  if (options.output == "json") print(json);
  else print_result(json);
  return exit_done;
}

}  // namespace

Command add_quantize(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("quantize", "A checkpoint to one with 8-bit weights and the scales of all activations, for --dtype int8");
  auto options = std::make_shared<QuantizeOptions>();
  app->add_option("--weights", options->weights, "A checkpoint, as predict takes it")->type_name("FILE")->required();
  app->add_option("--weights-key", options->weights_key, weights_key_help)->type_name("KEY");
  app->add_option("--data", options->data,
                  "Images to calibrate on: a folder, a tar with class folders, or a .npy file of float32 [n, 3, h, w] that is preprocessed")
      ->type_name("PATH")
      ->required();
  app->add_option("-n,--images", options->images, "How many images of --data to calibrate on, spread evenly over them")
      ->check(CLI::Range(1, 100'000))
      ->capture_default_str();
  app->add_option("out", options->out, "The safetensors file to write; without it the errors are only printed")->type_name("FILE");
  app->add_option("--judged", options->judged, "How many of these images the errors are measured on")
      ->check(CLI::Range(1, 10'000))
      ->capture_default_str();
  app->add_flag("--reduce-range", options->reduce_range,
                "Weights of about 7 bits, which CPUs with AVX2 alone multiply faster; the logits' error grows by a third");
  app->add_flag("--sensitivity", options->sensitivity, "The error that each layer makes alone");
  app->add_option(
         "--max-error", options->max_error,
         "Keep the worst layers wide (bf16, or f32 on CPUs without) until the logits' error is at most this part of their standard deviation")
      ->check(CLI::Range(1e-6, 10.0));
  app->add_option("-t,--threads", options->threads, "Threads; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app->add_flag("--force", options->force, "Replace a file that exists");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"text", "json"});
  options->recipe.add_options(*app);
  return {app, [options] { return run(*options); }};
}
