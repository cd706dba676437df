// The options that choose a network and its preprocessing, shared by the subcommands that run a network, and the built-in demo that stands in when there are none.
#pragma once

#include <filesystem>
#include <string>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <regnet/design/published.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/model.hpp>

class RecipeChoice {
 public:
  void add_options(CLI::App& app);
  // Throws regnet::Error for a value that is none.
  [[nodiscard]] std::string preset() const { return x_preset; }
  [[nodiscard]] regnet::RecipeOverrides overrides() const;
  void choose_if_free(const regnet::PublishedAccuracy& row) {
    if (!x_preset.empty()) return;
    x_preset = row.preset;
    if (x_resize == 0) x_resize = row.resize;
  }
  [[nodiscard]] regnet::Exif exif() const { return x_exif == "apply" ? regnet::Exif::apply : regnet::Exif::ignore; }

 private:
  std::string x_preset, x_interpolation, x_crop_offset, x_channels, x_mean, x_std, x_exif = "ignore";
  int x_resize = 0, x_crop = 0;
};

class ModelChoice {
 public:
  void add_options(CLI::App& app);
  [[nodiscard]] bool is_demo() const { return x_weights.empty(); }
  // Of a published row: the network the weights must be and the preprocessing, where the user chose neither; and the checkpoint, unless it is chosen already.
  void expect(const regnet::PublishedAccuracy& row, const std::string& weights = "") {
    if (x_model.empty()) x_model = row.model;
    if (!weights.empty()) x_weights = weights;
    x_recipe.choose_if_free(row);
  }
  // The same weights with the preprocessing that is their own.
  [[nodiscard]] ModelChoice without_recipe() const {
    ModelChoice plain = *this;
    plain.x_recipe = {};
    return plain;
  }
  void choose_weights_key(const std::string& key) { x_weights_key = key; }
  // Loads the chosen file or the demo, and says on stderr, unless quiet, which network and preprocessing it is and why.
  [[nodiscard]] regnet::Model load(bool quiet, const regnet::SessionOptions& expected) const;
  [[nodiscard]] regnet::Exif exif() const { return x_recipe.exif(); }
  // For the provenance of results.
  [[nodiscard]] std::string weights_name() const { return is_demo() ? "built-in demo" : x_weights; }
  [[nodiscard]] std::string weights_sha256() const;

 private:
  [[nodiscard]] regnet::Backend backend() const { return regnet::backend_of(x_backend).value_or(regnet::Backend::reference); }  // "eigen"
  std::string x_weights, x_model, x_weights_key, x_tuning, x_backend = "auto", x_dtype;
  int x_classes = 0;
  RecipeChoice x_recipe;
};

// The demo's test images: beside an installed command, else in the source tree. Throws regnet::Error not_found.
std::filesystem::path demo_images();

nlohmann::ordered_json recipe_json(const regnet::Recipe& recipe, const std::string& source);
