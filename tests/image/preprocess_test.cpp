#include <regnet/image/preprocess.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"
#include "pictures.hpp"

namespace regnet {
namespace {

std::vector<float> preprocessed(const Image& image, const Recipe& recipe) {
  std::vector<float> dst(static_cast<std::size_t>(3 * recipe.crop * recipe.crop), std::nanf(""));
  preprocess(image, recipe, dst);
  return dst;
}

// Grey levels in, grey levels out, red first: what is left to see is the geometry.
Recipe plain(int resize, int crop, CropOffset offset, Interpolation interpolation = Interpolation::opencv_bilinear_u8) {
  return {"plain", resize, crop, interpolation, offset, ChannelOrder::rgb, 255, {0, 0, 0}, {1, 1, 1}};
}

// Red counts columns and green counts rows.
Image coordinates(int width, int height) {
  Image image = picture(width, height);
  for (int i = 0; i < width * height; ++i) {
    image.rgb[static_cast<std::size_t>(3 * i)] = static_cast<std::uint8_t>(i % width);
    image.rgb[static_cast<std::size_t>(3 * i + 1)] = static_cast<std::uint8_t>(i / width);
  }
  return image;
}

TEST(Preprocess, GoldenInputsOfAllPresetsAreMet) {
  const nlohmann::json golden = read_golden("preprocess.json");
  const SyntheticStream sample("sample");
  for (const nlohmann::json& row : golden["cases"]) {
    const std::string preset = row["preset"], name = text(preset, " on ", row["image"], " ", row["width"], " x ", row["height"]);
    const Image image = row["image"] == "noise" ? noise(row["width"], row["height"]) : smooth(row["width"], row["height"]);
    const std::vector<float> found = preprocessed(image, find_preset(preset));
    double sum = 0;
    for (const float value : found) sum += value;
    EXPECT_NEAR(sum / static_cast<double>(found.size()), row["mean"].get<double>(), 1e-7) << name;
    for (std::size_t i = 0; i < row["values"].size(); ++i) {
      const auto position = static_cast<std::size_t>(std::floor(sample(i) * static_cast<double>(found.size())));
      // Two units in the last place of the largest values; one grey level is 0.017.
      ASSERT_NEAR(found[position], row["values"][i].get<float>(), 5e-7) << name << " at " << position;
    }
  }
}

TEST(Preprocess, OddMarginsAreRoundedAsTheRecipeSays) {
  const Image image = coordinates(51, 30);
  const auto first_column = [&](int crop, CropOffset offset) { return preprocessed(image, plain(30, crop, offset))[0]; };
  EXPECT_EQ(first_column(30, CropOffset::half_even), 10);  // 10.5
  EXPECT_EQ(first_column(30, CropOffset::ceil), 11);
  EXPECT_EQ(first_column(28, CropOffset::half_even), 12);  // 11.5
  EXPECT_EQ(first_column(28, CropOffset::ceil), 12);
  EXPECT_EQ(first_column(29, CropOffset::half_even), 11);  // 11, and 0.5 of the rows
  EXPECT_EQ(preprocessed(image, plain(30, 29, CropOffset::half_even))[29 * 29], 0);
  EXPECT_EQ(preprocessed(image, plain(30, 29, CropOffset::ceil))[29 * 29], 1);
}

TEST(Preprocess, AnImageWhoseShortSideFitsIsNotResized) {
  for (const Recipe& recipe : presets()) {
    const Interpolation interpolation = recipe.interpolation;
    // In double, 207 / 225 * 225 falls below 207 or not, depending on the numbers: the size must not be computed at all.
    const std::vector<float> found = preprocessed(coordinates(225, 254), plain(225, 1, CropOffset::half_even, interpolation));
    EXPECT_EQ(found, (std::vector<float>{112, 126, 0})) << name_of(interpolation);
  }
}

TEST(Preprocess, TheFirstPlaneIsBlueForBgr) {
  const Image red = uniform(300, 260, 255, 0, 0);
  const std::vector<float> pycls = preprocessed(red, find_preset("pycls")), torchvision = preprocessed(red, find_preset("torchvision-v1"));
  constexpr std::size_t plane = 224 * 224;
  EXPECT_EQ(pycls[2 * plane], torchvision[0]);
  EXPECT_EQ(pycls[0], torchvision[2 * plane]);
  EXPECT_FLOAT_EQ(torchvision[0], (1 - 0.485f) / 0.229f);
  EXPECT_FLOAT_EQ(pycls[0], -0.406f / 0.225f);
}

TEST(Preprocess, BothTorchvisionRecipesSeeDifferentPictures) {
  const Image image = smooth(500, 375);
  EXPECT_NE(preprocessed(image, find_preset("torchvision-v1")), preprocessed(image, find_preset("torchvision-v2")));
}

// What is shown of the way is the way: the crop, normalised by hand, is the input.
TEST(Preprocess, ItsStepsLeadToItsResult) {
  const Image image = coordinates(211, 173);
  for (const Recipe& recipe : presets()) {
    const PreprocessSteps steps = preprocess_steps(image, recipe);
    EXPECT_EQ(std::min(steps.width, steps.height), recipe.resize) << recipe.name;
    EXPECT_EQ(steps.resized.size(), static_cast<std::size_t>(3 * steps.width * steps.height)) << recipe.name;
    const auto area = static_cast<std::size_t>(recipe.crop * recipe.crop);
    ASSERT_EQ(steps.cropped.size(), 3 * area) << recipe.name;
    ASSERT_EQ(steps.normalised, preprocessed(image, recipe)) << recipe.name;
    double worst = 0;
    for (std::size_t i = 0; i < area; ++i)
      for (std::size_t colour = 0; colour < 3; ++colour) {
        const double level = double{steps.cropped[3 * i + colour]} * double{recipe.value_range} / 255;
        const std::size_t plane = recipe.channels == ChannelOrder::bgr ? 2 - colour : colour;
        worst = std::max(worst,
                         std::abs((level - double{recipe.mean[colour]}) / double{recipe.std[colour]} - double{steps.normalised[plane * area + i]}));
      }
    EXPECT_LT(worst, 1e-5) << recipe.name;
  }
  EXPECT_REGNET_ERROR(preprocess_steps(picture(20'000, 1), find_preset("timm")), Code::unsupported, "too large to show");
}

// The whole resized image would take 12 GB.
TEST(Preprocess, AStripOfOnePixelCostsNoMoreThanItsCrop) {
  for (const Recipe& recipe : presets()) {
    const std::vector<float> expected = preprocessed(uniform(256, 256, 9, 9, 9), recipe);
    for (const Image& strip : {uniform(1, 60000, 9, 9, 9), uniform(60000, 1, 9, 9, 9)}) {
      const std::vector<float> found = preprocessed(strip, recipe);
      for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 5e-7) << recipe.name;
    }
  }
}

TEST(Preprocess, ASinglePixelFillsTheInput) {
  for (const Recipe& recipe : presets()) {
    const std::vector<float> found = preprocessed(uniform(1, 1, 200, 100, 50), recipe);
    EXPECT_TRUE(std::all_of(found.begin(), found.begin() + 224 * 224, [&](float value) { return std::abs(value - found[0]) < 5e-7f; }))
        << recipe.name;
  }
}

TEST(Preprocess, WhatCannotBePreprocessedIsRefused) {
  std::vector<float> dst(3 * 224 * 224);
  const Recipe& recipe = find_preset("timm");
  EXPECT_REGNET_ERROR(preprocess(Image{}, recipe, dst), Code::invalid_argument, "0 x 0");
  EXPECT_REGNET_ERROR(preprocess(Image{4, 4, {}}, recipe, dst), Code::invalid_argument, "4 x 4");
  EXPECT_REGNET_ERROR(preprocess(noise(4, 4), recipe, std::span(dst).first(9)), Code::invalid_argument, "found 9");
  EXPECT_REGNET_ERROR(preprocess(uniform(1, 1 << 23, 0, 0, 0), recipe, dst), Code::unsupported, "elongated");
  Recipe wrong = recipe;
  wrong.std[0] = 0;
  EXPECT_REGNET_ERROR(preprocess(noise(4, 4), wrong, dst), Code::invalid_argument, "std");
}

}  // namespace
}  // namespace regnet
