#include <iostream>
#include <set>

#include <nlohmann/json.hpp>

#include <regnet/base/mapped_file.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/model.hpp>
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

// What can be said of the network; what cannot becomes a problem, not an error.
void inspect_network(const regnet::Checkpoint& checkpoint, const std::string& file, Json& json) {
  Json& problems = json["problems"];
  try {
    const regnet::CanonicalTensors canonical = regnet::to_canonical(checkpoint.tensors);
    json["naming"] = name_of(canonical.naming);
    std::string source;
    json["preset"] = regnet::default_recipe(checkpoint, canonical.naming, file, source).name;
    json["preset_source"] = source;
    const regnet::NetworkShape network = regnet::recognise(canonical.tensors);
    json["model"] = regnet::network_name(network.stages, checkpoint);
    json["classes"] = network.classes;
    const regnet::Graph graph = regnet::build(network.stages, {.classes = network.classes, .stem_width = network.stem_width});
    json["params"] = regnet::complexity(graph).params;
    regnet::bind(graph, canonical.tensors);
  } catch (const regnet::Error& error) {
    problems.push_back(error.what());
  }
}

Json inspect(const InspectOptions& options) {
  const regnet::Checkpoint checkpoint = regnet::open_checkpoint(options.file, options.weights_key);
  const regnet::MappedFile file(options.file);
  Json ema = nullptr;
  for (const std::string& key : checkpoint.other_weights_keys)
    if (key.find("ema") != std::string::npos) ema = key;
  Json json{{"file", options.file},
            {"bytes", file.bytes().size()},
            {"sha256", sha256(file.bytes())},
            {"container", name_of(checkpoint.container)},
            {"naming", nullptr},
            {"weights_key", checkpoint.weights_key},
            {"model", nullptr},
            {"classes", nullptr},
            {"dtype", dtypes_of(checkpoint.tensors)},
            {"tensors", checkpoint.tensors.size()},
            {"params", nullptr},
            {"ema", ema},
            {"other_weights_keys", checkpoint.other_weights_keys},
            {"class_names", checkpoint.class_names},
            {"preset", nullptr},
            {"preset_source", nullptr},
            {"refused_globals", checkpoint.refused_globals},
            {"problems", Json::array()}};
  inspect_network(checkpoint, options.file, json);
  return json;
}

std::string shown(const std::string& key, const Json& value) {
  if (value.is_null()) return key == "ema" ? "none" : "unknown";
  if (value.is_string()) return value.get<std::string>().empty() ? "-" : value.get<std::string>();
  if (!value.is_array()) return value.dump();
  std::string out;
  for (const Json& item : value) out += (out.empty() ? "" : ", ") + item.get<std::string>();
  return out.empty() ? "none" : out;
}

int run(const InspectOptions& options) {
  const Json json = inspect(options);
  if (options.output == "json") {
    print(json);
    return exit_done;
  }
  for (const auto& [key, value] : json.items()) std::cout << key << std::string(20 - key.size(), ' ') << shown(key, value) << '\n';
  return exit_done;
}

}  // namespace

Command add_inspect(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("inspect", "What a checkpoint file holds, without running it");
  auto options = std::make_shared<InspectOptions>();
  app->add_option("file", options->file, "A safetensors file, or a PyTorch file in the zip or the legacy format")->required();
  app->add_option("--weights-key", options->weights_key, "Entry of a PyTorch file, such as model_state or ema_state");
  app->add_option("-o,--output", options->output, "text or json")->check(CLI::IsMember({"text", "json"}))->capture_default_str();
  return {app, [options] { return run(*options); }};
}
