#include <regnet/model.hpp>

#include <gtest/gtest.h>

#include <regnet/image/decode.hpp>
#include <regnet/plan/plan_file.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

const std::string demo = REGNET_TEST_DIR "/../demo/";

Model load_demo(Backend backend = Backend::own) {
  LoadOptions options;
  options.compile.backend = backend;
  return load_model(demo + "regnetx_fashion.safetensors", options);
}

LoadOptions with_preset(const std::string& preset) {
  LoadOptions options;
  options.preset = preset;
  return options;
}

std::vector<Prediction> answers(const Model& model) {
  Session session(model.plan, {.batch = 1, .threads = 1});
  return classify(model, session, load_image(demo + "images/9/00000.png"), 10);
}

class SavedModel : public testing::Test {
 protected:
  SavedModel() { save_model(x_model, x_path); }

  TemporaryFolder x_folder;
  std::filesystem::path x_path = x_folder.path() / "demo.plan";
  Model x_model = load_demo();
};

// What a checkpoint told about itself is lost to nobody who loads the plan.
TEST_F(SavedModel, IsAllThatItsCheckpointWas) {
  const Model loaded = load_model(x_path);
  EXPECT_EQ(loaded.name, x_model.name);
  EXPECT_EQ(loaded.stages, x_model.stages);
  EXPECT_EQ(loaded.naming, x_model.naming);
  EXPECT_EQ(loaded.container, x_model.container);
  EXPECT_EQ(loaded.recipe, x_model.recipe);
  EXPECT_EQ(loaded.recipe_source, x_model.recipe_source);
  EXPECT_EQ(loaded.class_names, x_model.class_names);
  EXPECT_EQ(loaded.warnings, x_model.warnings);
  const std::vector<Prediction> expected = answers(x_model), found = answers(loaded);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(found[i].class_index, expected[i].class_index);
    EXPECT_EQ(found[i].name, expected[i].name);
    EXPECT_EQ(found[i].logit, expected[i].logit);
  }
}

TEST_F(SavedModel, IsNotReplacedUnasked) {
  EXPECT_REGNET_ERROR(save_model(x_model, x_path), Code::io, x_path.string());
  save_model(x_model, x_path, Existing::replace);
}

// A plan is made for one size of images: another preprocessing is fine while its crop is the same.
TEST_F(SavedModel, TakesOptionsThatFitAndRefusesOthers) {
  LoadOptions resized;
  resized.recipe.resize = 80;
  EXPECT_EQ(load_model(x_path, resized).recipe.resize, 80);
  LoadOptions classes;
  classes.classes = 1000;
  EXPECT_REGNET_ERROR(load_model(x_path, classes), Code::mismatch, x_path.string() + ": expected a last layer of 1000 classes, found 10");
  EXPECT_REGNET_ERROR(load_model(x_path, with_preset("pycls")), Code::mismatch, "the preprocessing crops to 224");
  EXPECT_REGNET_ERROR(load_model(x_path, with_preset("none")), Code::not_found, "none");
  LoadOptions model;
  model.model = "regnetx_400mf";
  EXPECT_REGNET_ERROR(load_model(x_path, model), Code::mismatch, "regnetx_400mf");
  LoadOptions backend;
  backend.compile.backend = Backend::onednn;
  EXPECT_REGNET_ERROR(load_model(x_path, backend), Code::invalid_argument, x_path.string());
}

TEST_F(SavedModel, APlanWithoutAModelIsNamed) {
  const std::filesystem::path bare = x_folder.path() / "bare.plan";
  save_plan(x_model.plan, bare, "{}");
  EXPECT_REGNET_ERROR(load_model(bare), Code::bad_format, bare.string() + ": expected the plan of a model");
}

TEST(Model, OnlyOwnPlansAreSaved) {
  const TemporaryFolder folder;
  EXPECT_REGNET_ERROR(save_model(load_demo(Backend::onednn), folder.path() / "x.plan"), Code::invalid_argument, "own backend, found one of onednn");
}

TEST(Model, OptionsAreHeldAgainstTheCheckpoint) {
  const std::string weights = demo + "regnetx_fashion.safetensors";
  LoadOptions model;
  model.model = "regnetx_200mf";
  EXPECT_REGNET_ERROR(load_model(weights, model), Code::mismatch, "expected regnetx_200mf, found ");
  LoadOptions classes;
  classes.classes = 1000;
  EXPECT_REGNET_ERROR(load_model(weights, classes), Code::mismatch, "1000 classes, found 10");
  EXPECT_EQ(load_model(weights, with_preset("pycls")).plan.input_dims(), (Dims{3, 224, 224}));
}

}  // namespace
}  // namespace regnet
