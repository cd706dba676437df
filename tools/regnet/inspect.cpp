#include <iomanip>
#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/identify.hpp>
#include <regnet/plan/examine.hpp>
#include <regnet/weights/open.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "sha256.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct InspectOptions {
  std::string file, weights_key, output = "text";
};

std::string dtypes_of(const regnet::TensorMap& tensors) {
  std::set<std::string_view> names;
  for (const regnet::NamedTensor& tensor : tensors)
    if (!tensor.name.ends_with("num_batches_tracked")) names.insert(name_of(tensor.view.dtype));
  std::string out;
  for (const std::string_view name : names) out += (out.empty() ? "" : ", ") + std::string(name);
  return out;
}

void inspect_recipe(const regnet::Checkpoint& checkpoint, regnet::Naming naming, const std::string& file, Json& json,
                    std::vector<std::string>& problems) {
  try {
    std::string source;
    json["preset"] = regnet::default_recipe(checkpoint, naming, file, source).name;
    json["preset_source"] = source;
  } catch (const regnet::Error& error) {
    problems.push_back(std::string("metadata regnet.preset: ") + error.what());
  }
}

// Adds what can be said of the network; what cannot becomes a problem, not an error. Problems come worst first.
void inspect_network(const regnet::Checkpoint& checkpoint, const std::string& file, Json& json, std::vector<std::string>& problems) {
  std::vector<std::string> warnings;
  try {
    const regnet::CanonicalTensors canonical = regnet::to_canonical(checkpoint.tensors);
    json["naming"] = name_of(canonical.naming);
    inspect_recipe(checkpoint, canonical.naming, file, json, problems);
    const regnet::NetworkShape network = regnet::recognise(canonical.tensors);
    json["model"] = regnet::network_name(network, checkpoint);
    json["classes"] = network.classes;
    const regnet::Graph graph = regnet::build(network.stages, {.classes = network.classes, .stem_width = network.stem_width});
    json["params"] = regnet::complexity(graph).params;
    json["class_names"] = regnet::class_names_of(checkpoint, network.classes, warnings);
    json["class_names_source"] = json["class_names"].empty() ? "none" : checkpoint.class_names.empty() ? "ImageNet" : "the file";
    for (const std::string& line : describe(examine(regnet::bind(graph, canonical.tensors)))) problems.push_back(line);
  } catch (const regnet::Error& error) {
    problems.push_back(error.what());
  }
  problems.insert(problems.end(), warnings.begin(), warnings.end());
}

Json inspect(const InspectOptions& options) {
  const regnet::Checkpoint checkpoint = regnet::open_checkpoint(options.file, options.weights_key);
  const regnet::MappedFile file(options.file);
  const std::string digest = sha256(file.bytes(), &file), expected = digest_in_name(options.file);
  const auto or_null = [](const std::string& text) { return text.empty() ? Json(nullptr) : Json(text); };
  Json json{{"file", options.file},
            {"bytes", file.bytes().size()},
            {"sha256", digest},
            {"sha256_in_name", or_null(expected)},
            {"container", name_of(checkpoint.container)},
            {"naming", nullptr},
            {"weights_key", checkpoint.weights_key},
            {"weights_reason", or_null(checkpoint.weights_reason)},
            {"model", nullptr},
            {"classes", nullptr},
            {"dtype", dtypes_of(checkpoint.tensors)},
            {"tensors", checkpoint.tensors.size()},
            {"params", nullptr},
            {"ema", or_null(checkpoint.ema_key)},
            {"other_weights_keys", checkpoint.other_weights_keys},
            {"class_names", checkpoint.class_names},
            {"class_names_source", checkpoint.class_names.empty() ? "none" : "the file"},
            {"preset", nullptr},
            {"preset_source", nullptr},
            {"refused_globals", checkpoint.refused_globals}};
  std::vector<std::string> problems;
  if (!digest.starts_with(expected))
    problems.push_back("the file's name says that its sha256 begins with " + expected + ", but it does not: damaged, or saved again");
  inspect_network(checkpoint, options.file, json, problems);
  json["problems"] = problems;
  return json;
}

// For people

std::string grouped(std::uint64_t number) {
  std::string digits = std::to_string(number);
  for (std::size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string listed(const Json& list, std::size_t limit, const std::string& none) {
  std::string out;
  for (std::size_t i = 0; i < list.size() && i < limit; ++i) out += (i ? ", " : "") + list[i].get<std::string>();
  if (list.size() > limit) out += ", ...";
  return out.empty() ? none : out;
}

void print_for_people(const Json& json) {
  const auto row = [](const char* name, const std::string& value) {
    std::cout << std::left << std::setw(15) << name << regnet::one_line(value) << '\n';
  };
  const auto text_of = [&](const char* key) { return json[key].is_null() ? std::string("unknown") : json[key].get<std::string>(); };
  row("file", text_of("file") + ", " + grouped(json["bytes"]) + " bytes");
  const bool named = !json["sha256_in_name"].is_null();
  const bool agrees = named && text_of("sha256").starts_with(text_of("sha256_in_name"));
  row("sha256", text_of("sha256") + (agrees ? " (as the file's name says)" : ""));
  row("container", text_of("container"));
  row("framework", json["naming"].is_null() ? "unknown" : text_of("naming") + " names");
  row("network", text_of("model") + (json["params"].is_null() ? "" : ", " + grouped(json["params"]) + " parameters"));
  row("classes", (json["classes"].is_null() ? "unknown" : json["classes"].dump()) +
                     (json["class_names"].empty() ? ", without names"
                                                  : ", names from " + text_of("class_names_source") + ": " + listed(json["class_names"], 3, "")));
  const std::string key = text_of("weights_key"), reason = json["weights_reason"].is_null() ? "" : " (" + text_of("weights_reason") + ")";
  row("weights", json["tensors"].dump() + " tensors of " + text_of("dtype") + (key.empty() ? "" : " from " + key + reason));
  row("not used", listed(json["other_weights_keys"], 8, "-"));
  row("averaged (EMA)", json["ema"].is_null() ? "none" : text_of("ema"));
  row("preprocessing", text_of("preset") + (json["preset_source"].is_null() ? "" : ", " + text_of("preset_source")));
  row("refused", json["refused_globals"].empty() ? "-" : listed(json["refused_globals"], 8, "") + " (named by the file, never called)");
  row("problems", json["problems"].empty() ? "none" : json["problems"][0].get<std::string>());
  for (std::size_t i = 1; i < json["problems"].size(); ++i) row("", json["problems"][i].get<std::string>());
}

int run(const InspectOptions& options) {
  const Json json = inspect(options);
  if (options.output == "json") print(json);
  else print_for_people(json);
  return exit_done;
}

}  // namespace

Command add_inspect(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("inspect", "What a checkpoint file holds, without running it");
  auto options = std::make_shared<InspectOptions>();
  app->add_option("file", options->file, "A safetensors file, or a PyTorch file in the zip or the legacy format")->type_name("FILE")->required();
  app->add_option("--weights-key", options->weights_key, weights_key_help)->type_name("KEY");
  add_output(*app, options->output, {"text", "json"});
  return {app, [options] { return run(*options); }};
}
