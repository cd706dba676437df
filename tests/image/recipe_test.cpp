#include <regnet/image/recipe.hpp>

#include <gtest/gtest.h>

#include <limits>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

constexpr auto pycls_json =
    R"({"name":"pycls","resize":256,"crop":224,"interpolation":"opencv-bilinear-f32","crop_offset":"ceil","channels":"bgr","value_range":1.0,)"
    R"("mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]})";

std::string with(const std::string& from, const std::string& to) {
  std::string json = pycls_json;
  return json.replace(json.find(from), from.size(), to);
}

TEST(Recipe, PresetsAreTheFivePublishedPipelines) {
  std::string names;
  for (const Recipe& recipe : presets()) names += recipe.name + " ";
  EXPECT_EQ(names, "pycls mmcls torchvision-v1 torchvision-v2 timm ");
  EXPECT_EQ(find_preset("torchvision-v1").resize, 256);
  EXPECT_EQ(find_preset("torchvision-v2").resize, 232);
  EXPECT_EQ(find_preset("timm").interpolation, Interpolation::pillow_bicubic);
  EXPECT_EQ(find_preset("torchvision-v2").interpolation, Interpolation::pillow_bilinear);
  for (const Recipe& recipe : presets()) {
    EXPECT_NO_THROW(validate(recipe)) << recipe.name;
    EXPECT_EQ(recipe.crop, 224);
    EXPECT_EQ(recipe.channels, recipe.name == "pycls" || recipe.name == "mmcls" ? ChannelOrder::bgr : ChannelOrder::rgb) << recipe.name;
    EXPECT_EQ(recipe.crop_offset, recipe.name == "pycls" ? CropOffset::ceil : CropOffset::half_even) << recipe.name;
  }
}

TEST(Recipe, MmclsGivesMeanAndStdRedFirstOnTheScaleOf255) {
  const Recipe& mmcls = find_preset("mmcls");
  EXPECT_EQ(mmcls.value_range, 255);
  EXPECT_EQ(mmcls.mean, (std::array<float, 3>{123.675f, 116.28f, 103.53f}));
  EXPECT_EQ(mmcls.std, (std::array<float, 3>{58.395f, 57.12f, 57.375f}));
}

TEST(Recipe, UnknownPresetListsTheNames) {
  EXPECT_REGNET_ERROR(find_preset("torchvision"), Code::not_found, "pycls, mmcls, torchvision-v1, torchvision-v2, timm, found 'torchvision'");
}

TEST(Recipe, NamesOfChoicesAreReadBack) {
  for (const Interpolation value :
       {Interpolation::opencv_bilinear_u8, Interpolation::opencv_bilinear_f32, Interpolation::pillow_bilinear, Interpolation::pillow_bicubic})
    EXPECT_EQ(parse_interpolation(name_of(value)), value);
  for (const CropOffset value : {CropOffset::half_even, CropOffset::ceil}) EXPECT_EQ(parse_crop_offset(name_of(value)), value);
  for (const ChannelOrder value : {ChannelOrder::rgb, ChannelOrder::bgr}) EXPECT_EQ(parse_channel_order(name_of(value)), value);
  EXPECT_REGNET_ERROR(parse_interpolation("bilinear"), Code::invalid_argument,
                      "opencv-bilinear-u8, opencv-bilinear-f32, pillow-bilinear, pillow-bicubic");
  EXPECT_REGNET_ERROR(parse_crop_offset("floor"), Code::invalid_argument, "half-even, ceil");
  EXPECT_REGNET_ERROR(parse_channel_order("RGB"), Code::invalid_argument, "rgb, bgr");
}

TEST(Recipe, JsonShowsNumbersAsPeopleWriteThem) { EXPECT_EQ(to_json(find_preset("pycls")), pycls_json); }

TEST(Recipe, JsonBringsBackEveryField) {
  for (const Recipe& recipe : presets()) EXPECT_EQ(recipe_from_json(to_json(recipe)), recipe) << recipe.name;
  Recipe odd{"an \"odd\" one",     300, 299, Interpolation::pillow_bicubic, CropOffset::ceil, ChannelOrder::bgr, 255, {0.1f, -3e-8f, 1e7f},
             {1e-30f, 1.0f / 3, 7}};
  EXPECT_EQ(recipe_from_json(to_json(odd)), odd);
}

TEST(Recipe, JsonMissesAndSurplusKeysAreNamed) {
  EXPECT_REGNET_ERROR(recipe_from_json(with(R"("crop":224,)", "")), Code::bad_format, "'crop' is missing");
  EXPECT_REGNET_ERROR(recipe_from_json(with(R"("crop":224,)", R"("crop":224,"to_rgb":true,)")), Code::bad_format, "unknown key 'to_rgb'");
}

TEST(Recipe, JsonOfAnotherTypeIsNamedByItsKey) {
  EXPECT_REGNET_ERROR(recipe_from_json(with("256", "256.5")), Code::bad_format, "resize");
  EXPECT_REGNET_ERROR(recipe_from_json(with("256", "1e400")), Code::bad_format, "no JSON");
  EXPECT_REGNET_ERROR(recipe_from_json(with("256", "-1")), Code::bad_format, "resize");
  EXPECT_REGNET_ERROR(recipe_from_json(with("256", "99999999999999999999")), Code::bad_format, "resize");
  EXPECT_REGNET_ERROR(recipe_from_json(with(R"("bgr")", "7")), Code::bad_format, "channels");
  EXPECT_REGNET_ERROR(recipe_from_json(with(R"("bgr")", R"("grb")")), Code::bad_format, "rgb, bgr");
  EXPECT_REGNET_ERROR(recipe_from_json(with("[0.229,0.224,0.225]", "[0.229,0.224]")), Code::bad_format, "std");
  EXPECT_REGNET_ERROR(recipe_from_json(with("0.229", "0")), Code::bad_format, "std");
  EXPECT_REGNET_ERROR(recipe_from_json(with("0.485", "\"0.485\"")), Code::bad_format, "mean");
}

TEST(Recipe, BytesThatAreNoRecipeAreRefused) {
  EXPECT_REGNET_ERROR(recipe_from_json(""), Code::bad_format, "no JSON");
  EXPECT_REGNET_ERROR(recipe_from_json("{"), Code::bad_format, "no JSON");
  EXPECT_REGNET_ERROR(recipe_from_json("[1]"), Code::bad_format, "array");
  // Used to be a danger of its own: copying a value recurses once per level of nesting.
  EXPECT_REGNET_ERROR(recipe_from_json(with("256", std::string(1'000'000, '['))), Code::bad_format, "bytes of JSON");
}

TEST(Recipe, ValidateNamesTheFieldThatCannotWork) {
  const auto changed = [](auto change) {
    Recipe recipe = find_preset("timm");
    change(recipe);
    return recipe;
  };
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.resize = 0; })), Code::invalid_argument, "resize");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.crop = -224; })), Code::invalid_argument, "crop");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.crop = 257; })), Code::invalid_argument, "at most resize (256), found 257");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.resize = 1 << 20; })), Code::invalid_argument, "resize");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.value_range = 256; })), Code::invalid_argument, "value_range");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.mean[1] = std::numeric_limits<float>::quiet_NaN(); })), Code::invalid_argument, "mean");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.std[2] = 0; })), Code::invalid_argument, "std");
  EXPECT_REGNET_ERROR(validate(changed([](Recipe& r) { r.std[0] = std::numeric_limits<float>::infinity(); })), Code::invalid_argument, "std");
}

TEST(Recipe, OverridesChangeWhatTheyNameAndTheNameSaysSo) {
  RecipeOverrides overrides;
  EXPECT_EQ(overrides.applied_to(find_preset("pycls")), find_preset("pycls"));
  overrides.resize = 256;
  EXPECT_EQ(overrides.applied_to(find_preset("pycls")).name, "pycls");
  overrides.channels = ChannelOrder::rgb;
  const Recipe changed = overrides.applied_to(find_preset("pycls"));
  EXPECT_EQ(changed.channels, ChannelOrder::rgb);
  EXPECT_EQ(changed.interpolation, Interpolation::opencv_bilinear_f32);
  EXPECT_EQ(changed.name, "pycls, changed");
  overrides.resize = 200;
  EXPECT_REGNET_ERROR(static_cast<void>(overrides.applied_to(find_preset("pycls"))), Code::invalid_argument, "crop");
}

}  // namespace
}  // namespace regnet
