// verify: this program held against another implementation of the same network, stage by stage, from the decoded image to the logits.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <map>

#include <regnet/base/foreign_text.hpp>
#include <regnet/image/preprocess.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "model_choice.hpp"
#include "npy.hpp"
#include "text_file.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct VerifyOptions {
  ModelChoice model;
  std::string reference, output = "text";
  double tolerance = 1e-4;
  int threads = 0;
  bool quiet = false, partial = false;
};

struct VerifiedStage {
  std::string name;
  regnet::Shape shape;
  std::vector<float> values;
  bool image = false;  // grey levels, which both sides have to agree on; else anything, measured by its standard deviation
};

constexpr double level_tolerance = 0.01;  // grey levels of 255

// What the folder says of itself, as far as it does.
Json read_description(const std::filesystem::path& folder) {
  Json json = read_file(folder / "reference.json", parse_json);
  if (!json.is_object() || !json.contains("image") || !json["image"].is_string())
    regnet::fail(regnet::Code::bad_format, (folder / "reference.json").string(), ": expected a JSON object with the name of the image");
  const std::filesystem::path image = json["image"].get<std::string>();
  if (image.has_parent_path() || !image.has_filename() || image == "..")
    regnet::fail(regnet::Code::bad_format, (folder / "reference.json").string(), ": image: expected the name of a file beside it");
  return json;
}

std::vector<VerifiedStage> image_stages(const regnet::Image& image, const regnet::Recipe& recipe) {
  const regnet::PreprocessSteps steps = preprocess_steps(image, recipe);
  const std::int64_t crop = recipe.crop;
  return {{"decoded", {image.height, image.width, 3}, {image.rgb.begin(), image.rgb.end()}, true},
          {"resized", {steps.height, steps.width, 3}, steps.resized, true},
          {"cropped", {crop, crop, 3}, steps.cropped, true},
          {"normalised", {1, 3, crop, crop}, steps.normalised, false}};
}

// Layers are named "stem.conv", "s1.b1.f.a", ..., "head.fc"; the last of a stage holds its result.
std::vector<VerifiedStage> network_stages(const regnet::Model& model, const std::vector<float>& input, int threads) {
  regnet::Session session(model.plan, {.batch = 1, .threads = threads});
  std::vector<VerifiedStage> stages;
  std::vector<float> logits(static_cast<std::size_t>(model.plan.classes()));
  session.run(input, logits, [&](const regnet::LayerReport& layer, const std::function<std::vector<float>()>& values) {
    const std::string name = layer.name.substr(0, layer.name.find('.'));
    if (name != "stem" && (name.size() < 2 || name[0] != 's')) return;
    VerifiedStage stage{name, {1, layer.dims.channels, layer.dims.height, layer.dims.width}, values()};
    if (!stages.empty() && stages.back().name == name) stages.back() = std::move(stage);
    else stages.push_back(std::move(stage));
  });
  stages.push_back({"logits", {1, model.plan.classes()}, logits});
  return stages;
}

double standard_deviation(const std::vector<float>& values) {
  double sum = 0, squares = 0;
  for (const float value : values) sum += value;
  const double mean = sum / static_cast<double>(values.size());
  for (const float value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size()));
}

double largest_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double largest = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    const double difference = std::abs(double{a[i]} - b[i]);
    if (!(difference <= largest)) largest = difference;  // NaN stays
  }
  return largest;
}

// The likely reason for a departure at this stage.
std::string hint(const VerifiedStage& stage, const NpyArray& reference) {
  if (stage.name == "decoded") return "the decoders differ, or one of them turns the image by its EXIF orientation";
  if (reference.shape != stage.shape && reference.shape.size() == 3 && stage.name != "decoded") {
    const std::int64_t side = std::min(reference.shape[0], reference.shape[1]);
    return regnet::text("another size: the reference has ", side, stage.name == "resized" ? " (--resize)" : " (--crop)");
  }
  if (stage.name == "resized") return "another interpolation, or a rounding of it (--interpolation)";
  if (stage.name == "cropped") return "another offset of the crop (--crop-offset)";
  if (stage.name != "normalised" || reference.shape != stage.shape) return "";
  const auto plane = static_cast<std::ptrdiff_t>(stage.values.size() / 3);
  std::vector<float> turned = stage.values;
  std::swap_ranges(turned.begin(), turned.begin() + plane, turned.begin() + 2 * plane);
  return largest_difference(turned, reference.values) < 0.05 ? "the channels are in the other order (--channels)"
                                                             : "another mean or standard deviation";
}

Json compare(const VerifiedStage& stage, const NpyArray& reference, double tolerance) {
  Json row{{"stage", stage.name}, {"shape", stage.shape}};
  if (reference.shape != stage.shape) {
    row.update({{"departs", true}, {"expected_shape", reference.shape}, {"hint", hint(stage, reference)}});
    return row;
  }
  const double difference = largest_difference(stage.values, reference.values), scale = stage.image ? 1 : standard_deviation(reference.values);
  const double bound = stage.image ? level_tolerance : tolerance * scale;
  const bool departs = !(difference <= bound);
  row.update({{"largest_difference", difference}, {"tolerance", bound}, {"unit", stage.image ? "grey levels" : "absolute"}, {"departs", departs}});
  if (!stage.image) row["of_standard_deviation"] = scale > 0 ? Json(difference / scale) : Json(nullptr);
  if (departs) row["hint"] = hint(stage, reference);
  return row;
}

void print_text(const Json& rows, const Json& first) {
  std::cout << std::left << std::setw(12) << "stage" << std::setw(20) << "shape" << std::right << std::setw(14) << "difference" << std::setw(14)
            << "tolerance" << '\n';
  for (const Json& row : rows) {
    std::cout << std::left << std::setw(12) << row["stage"].get<std::string>() << std::setw(20) << row["shape"].dump() << std::right;
    if (row.contains("missing")) std::cout << std::setw(28) << "no reference" << '\n';
    else if (row.contains("expected_shape")) std::cout << "  departs: the reference has shape " << row["expected_shape"].dump() << '\n';
    else
      std::cout << std::scientific << std::setprecision(2) << std::setw(14) << row["largest_difference"].get<double>() << std::setw(14)
                << row["tolerance"].get<double>() << (row["departs"] == true ? "  departs" : "") << '\n';
  }
  if (first.is_null()) {
    const auto missing = std::count_if(rows.begin(), rows.end(), [](const Json& row) { return row.contains("missing"); });
    if (missing == 0) std::cout << "all stages agree\n";
    else
      std::cout << "the " << static_cast<std::ptrdiff_t>(rows.size()) - missing << " stages that have a reference agree, " << missing
                << " have none\n";
    return;
  }
  std::cout << "the first stage that departs is " << first["stage"].get<std::string>();
  if (const std::string why = first["hint"]; !why.empty()) std::cout << ": " << why;
  std::cout << '\n';
}

int run(const VerifyOptions& options) {
  const std::filesystem::path folder = options.reference;
  const Json description = read_description(folder);
  const regnet::Model model = options.model.load(options.quiet, {.batch = 1, .threads = options.threads});
  const std::string preset = description.contains("preset") && description["preset"].is_string() ? description["preset"].get<std::string>() : "";
  if (description.contains("classes") && description["classes"] != model.plan.classes())
    regnet::fail(regnet::Code::mismatch, folder.string(), ": the reference is of ", description["classes"].dump(), " classes, the weights of ",
                 model.plan.classes());
  if (!options.quiet && !preset.empty() && preset != model.recipe.name)
    std::cerr << "the reference was made with preset " << regnet::one_line(preset) << ", this run uses " << model.recipe.name << '\n';
  const regnet::Image image = regnet::load_image(folder / description["image"].get<std::string>(), options.model.exif());
  std::vector<VerifiedStage> stages = image_stages(image, model.recipe);
  for (VerifiedStage& stage : network_stages(model, stages.back().values, options.threads)) stages.push_back(std::move(stage));
  Json rows = Json::array(), first = nullptr;
  std::size_t missing = 0;
  for (const VerifiedStage& stage : stages) {
    const std::filesystem::path file = folder / (stage.name + ".npy");
    if (!std::filesystem::exists(file)) {
      rows.push_back({{"stage", stage.name}, {"shape", stage.shape}, {"missing", true}});
      ++missing;
      continue;
    }
    rows.push_back(compare(stage, read_npy(file), options.tolerance));
    if (first.is_null() && rows.back()["departs"] == true) first = rows.back();
  }
  if (missing == stages.size()) regnet::fail(regnet::Code::not_found, folder.string(), ": no reference: expected decoded.npy, ..., logits.npy");
  const bool complete = missing == 0 || options.partial;
  if (options.output == "json")
    print(
        {{"missing", missing}, {"stages", rows}, {"first_departure", first.is_null() ? Json(nullptr) : first["stage"]}, {"reference", description}});
  else print_text(rows, first);
  return first.is_null() && complete ? exit_done : exit_failed_check;
}

}  // namespace

Command add_verify(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("verify", "Compare with another implementation stage by stage, from the decoded image to the logits");
  auto options = std::make_shared<VerifyOptions>();
  options->model.add_options(*app);
  app->add_option("--reference", options->reference,
                  "Folder with reference.json, the image, and decoded, resized, cropped, normalised, stem, s1, ..., logits as .npy "
                  "(tools/golden/dump_stages.py writes such)")
      ->type_name("FOLDER")
      ->required();
  app->add_option("--tolerance", options->tolerance, "Largest difference of a network's stage, in standard deviations of the reference")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app->add_option("--threads", options->threads, "Threads; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app->add_flag("--partial", options->partial, "Stages without a reference are no failure")->capture_default_str();
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"text", "json"});
  return {app, [options] { return run(*options); }};
}
