#include <array>
#include <filesystem>
#include <iostream>
#include <optional>

#include <regnet/identify.hpp>
#include <regnet/weights/convert.hpp>
#include <regnet/weights/open.hpp>

#include "commands.hpp"

namespace {

struct ConvertOptions {
  std::string in, out, naming, weights_key;
  bool force = false, quiet = false;
};

std::optional<regnet::Naming> asked_naming(const std::string& name) {
  for (const regnet::Naming naming : regnet::all_namings)
    if (name_of(naming) == name) return naming;
  return std::nullopt;
}

// The framework whose names the file uses. Without --naming any tensors will do, so names of no RegNetX are no error then.
std::optional<regnet::Naming> naming_of(const regnet::Checkpoint& checkpoint, bool needed) {
  try {
    return regnet::to_canonical(checkpoint.tensors).naming;
  } catch (const regnet::Error&) {
    if (needed) throw;
    return std::nullopt;
  }
}

// Names, and the name of a published file, decide the preprocessing; where the new ones would decide otherwise, the recipe is written down.
void keep_recipe(const regnet::Checkpoint& source, regnet::Naming from, regnet::Naming to, const ConvertOptions& options,
                 regnet::Checkpoint& target) {
  std::string reason;
  const regnet::Recipe recipe = regnet::default_recipe(source, from, options.in, reason);
  if (recipe == regnet::default_recipe(target, to, options.out, reason)) return;
  target.metadata["regnet.preset"] = regnet::to_json(recipe);
}

regnet::Checkpoint converted(const regnet::Checkpoint& source, const ConvertOptions& options, std::optional<regnet::Naming>& from) {
  const std::optional<regnet::Naming> to = asked_naming(options.naming);
  from = naming_of(source, to.has_value());
  regnet::Checkpoint target = regnet::as_safetensors(source);
  if (to) target.tensors = regnet::with_naming(source.tensors, *to);
  if (from) keep_recipe(source, *from, to.value_or(*from), options, target);
  return target;
}

int run(const ConvertOptions& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.in, options.out, error))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": the file to write is the file to read");
  const regnet::Checkpoint source = regnet::open_checkpoint(options.in, options.weights_key);
  std::optional<regnet::Naming> from;
  regnet::Checkpoint target;
  try {
    target = converted(source, options, from);
  } catch (const regnet::Error& refused) {
    regnet::fail(refused.code(), options.in, ": ", refused.what());
  }
  if (!options.force && std::filesystem::exists(std::filesystem::symlink_status(options.out, error)))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": exists already; --force replaces it");
  save_safetensors(target, options.out, options.force ? regnet::Existing::replace : regnet::Existing::keep);
  if (options.quiet) return exit_done;
  std::cerr << options.out << ": " << target.tensors.size() << " tensors";
  if (!source.weights_key.empty()) std::cerr << " of " << regnet::one_line(source.weights_key);
  if (!options.naming.empty()) std::cerr << ", names of " << name_of(*from) << " changed to those of " << options.naming;
  if (target.metadata.contains("regnet.preset") && !source.metadata.contains("regnet.preset")) std::cerr << ", preprocessing recorded";
  std::cerr << '\n';
  return exit_done;
}

}  // namespace

Command add_convert(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("convert", "Any checkpoint to safetensors, bit by bit, in the names of any framework");
  auto options = std::make_shared<ConvertOptions>();
  app->add_option("in", options->in, "A safetensors file, or a PyTorch file in the zip or the legacy format")->type_name("FILE")->required();
  app->add_option("out", options->out, "The safetensors file to write")->type_name("FILE")->required();
  std::vector<std::string> namings;
  for (const regnet::Naming naming : regnet::all_namings) namings.emplace_back(name_of(naming));
  app->add_option("--naming", options->naming, "Whose names; without it they stay as they are")->type_name("NAMING")->check(CLI::IsMember(namings));
  app->add_option("--weights-key", options->weights_key, weights_key_help)->type_name("KEY");
  app->add_flag("--force", options->force, "Replace a file that exists");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  return {app, [options] { return run(*options); }};
}
