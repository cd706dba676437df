// compile: a checkpoint in, a plan file out that loads at once on CPUs with the same instruction set.
#include <filesystem>
#include <iostream>

#include <regnet/model.hpp>
#include <regnet/plan/plan_file.hpp>

#include "commands.hpp"
#include "model_choice.hpp"

namespace {

struct CompileChoice {
  std::string in, out, weights_key, dtype = "f32";
  RecipeChoice recipe;
  bool compact = false, force = false, quiet = false;
};

int run(const CompileChoice& options) {
  std::error_code error;
  if (std::filesystem::equivalent(options.in, options.out, error))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": the file to write is the file to read");
  if (!options.force && std::filesystem::exists(std::filesystem::symlink_status(options.out, error)))
    regnet::fail(regnet::Code::invalid_argument, options.out, ": exists already; --force replaces it");
  if (regnet::is_plan_file(options.in))
    regnet::fail(regnet::Code::invalid_argument, options.in, ": expected a checkpoint, found a plan, which is compiled already");
  regnet::LoadOptions load{"", options.weights_key, 0, options.recipe.preset(), options.recipe.overrides(), {}};
  load.compile.backend = regnet::Backend::own;
  load.compile.compact = options.compact;
  load.compile.precision = *regnet::precision_of(options.dtype);
  const regnet::Model model = regnet::load_model(std::filesystem::path(options.in), load);
  for (const std::string& warning : model.warnings) std::cerr << "regnet: warning: " << options.in << ": " << warning << '\n';
  regnet::save_model(model, options.out, options.force ? regnet::Existing::replace : regnet::Existing::keep);
  if (!options.quiet)
    std::cerr << options.out << ": " << model.name << ", " << model.plan.classes() << " classes, "
              << std::filesystem::file_size(options.out) / 1'000'000 << " MB for " << std::filesystem::file_size(options.in) / 1'000'000
              << " MB, preprocessing " << model.recipe.name << '\n';
  return exit_done;
}

}  // namespace

Command add_compile(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("compile", "A checkpoint to a plan file, which loads at once where the instruction set is the same");
  auto options = std::make_shared<CompileChoice>();
  app->add_option("in", options->in, "A checkpoint, as predict takes it")->type_name("FILE")->required();
  app->add_option("out", options->out, "The plan file to write; predict and eval take it as --weights")->type_name("FILE")->required();
  app->add_option("--weights-key", options->weights_key, weights_key_help)->type_name("KEY");
  app->add_option("--dtype", options->dtype, dtype_help)->check(CLI::IsMember(dtype_names));
  app->add_flag("--compact", options->compact, "Weights at their own size: up to half the memory, about 5% slower from 3.2GF up, more in bf16");
  app->add_flag("--force", options->force, "Replace a file that exists");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  options->recipe.add_options(*app);
  return {app, [options] { return run(*options); }};
}
