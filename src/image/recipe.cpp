#include <regnet/image/recipe.hpp>

#include <cmath>

#include <nlohmann/json.hpp>

#include <regnet/base/decimal.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>

namespace regnet {

namespace {

using Json = nlohmann::ordered_json;

constexpr int largest_side = 16384;            // keeps every later size product far from overflow
constexpr std::size_t largest_json = 1 << 12;  // a recipe takes 300 bytes; the bound keeps hostile nesting shallow

constexpr std::array<float, 3> imagenet_mean{0.485f, 0.456f, 0.406f};
constexpr std::array<float, 3> imagenet_std{0.229f, 0.224f, 0.225f};

constexpr std::array interpolations{Interpolation::opencv_bilinear_u8, Interpolation::opencv_bilinear_f32, Interpolation::pillow_bilinear,
                                    Interpolation::pillow_bicubic};
constexpr std::array crop_offsets{CropOffset::half_even, CropOffset::ceil};
constexpr std::array channel_orders{ChannelOrder::rgb, ChannelOrder::bgr};

template <class Values>
auto parse(std::string_view what, std::string_view name, const Values& values) {
  std::string known;
  for (const auto value : values) {
    if (name_of(value) == name) return value;
    known.append(known.empty() ? "" : ", ").append(name_of(value));
  }
  fail(Code::invalid_argument, what, ": expected one of ", known, ", found ", in_quotes(name));
}

void check_side(const char* field, int side) {
  if (side < 1 || side > largest_side) fail(Code::invalid_argument, field, ": expected 1 to ", largest_side, ", found ", side);
}

Json as_json(const std::array<float, 3>& values) { return {as_written(values[0]), as_written(values[1]), as_written(values[2])}; }

[[noreturn]] void fail_key(const char* key, const char* expected, const Json& found) {
  fail(Code::bad_format, "recipe: ", key, ": expected ", expected, ", found ", printable(found.dump(-1, ' ', true, Json::error_handler_t::replace)));
}

// Takes values out of the object, so that what is left at the end is unknown.
class Fields {
 public:
  explicit Fields(Json object) : x_object(std::move(object)) {
    if (!x_object.is_object()) fail(Code::bad_format, "recipe: expected a JSON object, found ", x_object.type_name());
  }

  std::string take_string(const char* key) {
    const Json value = take(key);
    if (!value.is_string()) fail_key(key, "a string", value);
    return value.get<std::string>();
  }

  int take_side(const char* key) {
    const Json value = take(key);
    if (!value.is_number_integer() || value < 1 || value > largest_side) fail_key(key, "a number of pixels", value);
    return value.get<int>();
  }

  float take_number(const char* key) {
    const Json value = take(key);
    if (!value.is_number()) fail_key(key, "a number", value);
    return value.get<float>();
  }

  std::array<float, 3> take_triple(const char* key) {
    const Json value = take(key);
    if (!value.is_array() || value.size() != 3) fail_key(key, "3 numbers", value);
    for (const Json& element : value)
      if (!element.is_number()) fail_key(key, "3 numbers", value);
    return value.get<std::array<float, 3>>();
  }

  void expect_none_left() const {
    if (!x_object.empty()) fail(Code::bad_format, "recipe: unknown key ", in_quotes(x_object.begin().key()));
  }

 private:
  Json take(const char* key) {
    const auto found = x_object.find(key);
    if (found == x_object.end()) fail(Code::bad_format, "recipe: key '", key, "' is missing");
    Json value = *found;
    x_object.erase(found);
    return value;
  }

  Json x_object;
};

}  // namespace

std::span<const Recipe> presets() {
  static const std::array<Recipe, 5> all{{
      // pycls/datasets/imagenet.py: float pixels, the offset rounded up.
      {"pycls", 256, 224, Interpolation::opencv_bilinear_f32, CropOffset::ceil, ChannelOrder::bgr, 1, imagenet_mean, imagenet_std},
      // mmcls configs/regnet: to_rgb=False, so blue comes first in the network although mean and std here are red first.
      {"mmcls",
       256,
       224,
       Interpolation::opencv_bilinear_u8,
       CropOffset::half_even,
       ChannelOrder::bgr,
       255,
       {123.675f, 116.28f, 103.53f},
       {58.395f, 57.12f, 57.375f}},
      // torchvision models/regnet.py, IMAGENET1K_V1 and IMAGENET1K_V2.
      {"torchvision-v1", 256, 224, Interpolation::pillow_bilinear, CropOffset::half_even, ChannelOrder::rgb, 1, imagenet_mean, imagenet_std},
      {"torchvision-v2", 232, 224, Interpolation::pillow_bilinear, CropOffset::half_even, ChannelOrder::rgb, 1, imagenet_mean, imagenet_std},
      // timm's pycls_in1k tags: crop_pct 0.875, and a stem turned to RGB.
      {"timm", 256, 224, Interpolation::pillow_bicubic, CropOffset::half_even, ChannelOrder::rgb, 1, imagenet_mean, imagenet_std},
  }};
  return all;
}

const Recipe& find_preset(std::string_view name) {
  std::string known;
  for (const Recipe& recipe : presets()) {
    if (recipe.name == name) return recipe;
    known.append(known.empty() ? "" : ", ").append(recipe.name);
  }
  fail(Code::not_found, "preset: expected one of ", known, ", found ", in_quotes(name));
}

void validate(const Recipe& recipe) {
  constexpr std::size_t longest_name = 100;
  if (recipe.name.empty() || recipe.name != printable(recipe.name, longest_name))
    fail(Code::invalid_argument, "name: expected 1 to ", longest_name, " characters of ASCII, found ", in_quotes(recipe.name));
  check_side("resize", recipe.resize);
  check_side("crop", recipe.crop);
  if (recipe.crop > recipe.resize) fail(Code::invalid_argument, "crop: expected at most resize (", recipe.resize, "), found ", recipe.crop);
  if (recipe.value_range != 1 && recipe.value_range != 255)
    fail(Code::invalid_argument, "value_range: expected 1 or 255, found ", recipe.value_range);
  for (const float value : recipe.mean)
    if (!std::isfinite(value)) fail(Code::invalid_argument, "mean: expected finite numbers, found ", value);
  for (const float value : recipe.std)
    if (!std::isfinite(value) || value <= 0) fail(Code::invalid_argument, "std: expected finite numbers above 0, found ", value);
}

Recipe RecipeOverrides::applied_to(Recipe recipe) const {
  const Recipe before = recipe;
  recipe.resize = resize.value_or(recipe.resize);
  recipe.crop = crop.value_or(recipe.crop);
  recipe.interpolation = interpolation.value_or(recipe.interpolation);
  recipe.crop_offset = crop_offset.value_or(recipe.crop_offset);
  recipe.channels = channels.value_or(recipe.channels);
  recipe.mean = mean.value_or(recipe.mean);
  recipe.std = std.value_or(recipe.std);
  if (recipe != before && !recipe.name.ends_with(", changed")) recipe.name += ", changed";
  validate(recipe);
  return recipe;
}

Interpolation parse_interpolation(std::string_view name) { return parse("interpolation", name, interpolations); }
CropOffset parse_crop_offset(std::string_view name) { return parse("crop offset", name, crop_offsets); }
ChannelOrder parse_channel_order(std::string_view name) { return parse("channels", name, channel_orders); }

std::string to_json(const Recipe& recipe) {
  Json json;
  json["name"] = recipe.name;
  json["resize"] = recipe.resize;
  json["crop"] = recipe.crop;
  json["interpolation"] = name_of(recipe.interpolation);
  json["crop_offset"] = name_of(recipe.crop_offset);
  json["channels"] = name_of(recipe.channels);
  json["value_range"] = as_written(recipe.value_range);
  json["mean"] = as_json(recipe.mean);
  json["std"] = as_json(recipe.std);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Recipe recipe_from_json(std::string_view json) {
  if (json.size() > largest_json) fail(Code::bad_format, "recipe: expected at most ", largest_json, " bytes of JSON, found ", json.size());
  const Json parsed = Json::parse(json, nullptr, false);
  if (parsed.is_discarded()) fail(Code::bad_format, "recipe: expected a JSON object, found bytes that are no JSON");
  Fields fields(parsed);
  Recipe recipe;
  try {
    recipe.name = fields.take_string("name");
    recipe.resize = fields.take_side("resize");
    recipe.crop = fields.take_side("crop");
    recipe.interpolation = parse_interpolation(fields.take_string("interpolation"));
    recipe.crop_offset = parse_crop_offset(fields.take_string("crop_offset"));
    recipe.channels = parse_channel_order(fields.take_string("channels"));
    recipe.value_range = fields.take_number("value_range");
    recipe.mean = fields.take_triple("mean");
    recipe.std = fields.take_triple("std");
    fields.expect_none_left();
    validate(recipe);
  } catch (const Error& error) {
    if (error.code() != Code::invalid_argument) throw;
    fail(Code::bad_format, "recipe: ", error.what());
  }
  return recipe;
}

}  // namespace regnet
