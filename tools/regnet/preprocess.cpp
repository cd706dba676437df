#include <iostream>

#include <regnet/image/preprocess.hpp>

#include "commands.hpp"
#include "image_list.hpp"
#include "model_choice.hpp"
#include "npy.hpp"

namespace {

struct PreprocessOptions {
  std::vector<std::string> images;
  std::string dump;
  RecipeChoice recipe;
};

int run(const PreprocessOptions& options) {
  if (options.recipe.preset().empty())
    regnet::fail(regnet::Code::invalid_argument, "preprocess: --preset is required, or nothing says what the network expects");
  const regnet::Recipe recipe = options.recipe.overrides().applied_to(regnet::find_preset(options.recipe.preset()));
  const std::vector<std::string> images = expand_images(options.images);
  const auto side = static_cast<std::size_t>(recipe.crop), size = 3 * side * side;
  std::vector<float> values(images.size() * size);
  for (std::size_t i = 0; i < images.size(); ++i)
    regnet::preprocess_file(images[i], recipe, options.recipe.exif(), std::span(values).subspan(i * size, size));
  write_npy(options.dump, {static_cast<std::int64_t>(images.size()), 3, recipe.crop, recipe.crop}, values);
  std::cerr << images.size() << " images as float32 [" << images.size() << ", 3, " << side << ", " << side << "] in " << options.dump << ", preset "
            << recipe.name << '\n';
  return exit_done;
}

}  // namespace

Command add_preprocess(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("preprocess", "Write exactly what the network would see");
  auto options = std::make_shared<PreprocessOptions>();
  app->add_option("image", options->images, "Images, folders, or - for a list of paths on stdin")->type_name("PATH")->required();
  app->add_option("--dump", options->dump, "The .npy file to write, float32 [images, 3, h, w]")->type_name("FILE")->required();
  options->recipe.add_options(*app);
  return {app, [options] { return run(*options); }};
}
