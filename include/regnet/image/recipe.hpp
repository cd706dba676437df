// Recipe: everything between a decoded image and the numbers a network sees, as data. The presets are the
// pipelines behind the published accuracies; each differs from the others in ways that cost tenths of a point.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <regnet/base/export.hpp>

namespace regnet {

// How pictures are resized: by whose rules, and in what kind of numbers (resize.hpp).
enum class Interpolation { opencv_bilinear_u8, opencv_bilinear_f32, pillow_bilinear, pillow_bicubic };
enum class CropOffset { half_even, ceil };  // how (size - crop) / 2 is rounded
enum class ChannelOrder { rgb, bgr };       // of the planes a network sees

struct Recipe {
  std::string name;
  int resize = 256;  // short side after resizing, in pixels; the long side is truncated
  int crop = 224;    // side of the centred square
  Interpolation interpolation = Interpolation::pillow_bilinear;
  CropOffset crop_offset = CropOffset::half_even;
  ChannelOrder channels = ChannelOrder::rgb;  // order into the network
  float value_range = 1;                      // pixels are scaled to 0..value_range (1 or 255) before the next two
  std::array<float, 3> mean{};                // of red, green, blue, whatever the channel order
  std::array<float, 3> std{1, 1, 1};

  friend bool operator==(const Recipe&, const Recipe&) = default;
};

// The presets: pycls, mmcls, torchvision-v1, torchvision-v2, timm (for its pycls_in1k weights). Valid for the whole program.
REGNET_API std::span<const Recipe> presets();

// The preset of this name; valid for the whole program. Throws not_found, listing the names there are.
REGNET_API const Recipe& find_preset(std::string_view name);

// Throws invalid_argument, naming the field: resize and crop must be positive and at most 16384, crop not above resize (frameworks then pad with black or
// return a smaller image, and no published number was measured so), value_range 1 or 255, mean finite, std finite and positive.
REGNET_API void validate(const Recipe& recipe);

// Fields to change in a recipe; those left empty stay.
struct REGNET_API RecipeOverrides {
  std::optional<int> resize, crop;
  std::optional<Interpolation> interpolation;
  std::optional<CropOffset> crop_offset;
  std::optional<ChannelOrder> channels;
  std::optional<std::array<float, 3>> mean, std;  // red, green, blue, in the recipe's value range

  // The changed recipe; its name says so ("pycls, changed") when a value really differs. Throws as validate does.
  [[nodiscard]] Recipe applied_to(Recipe recipe) const;
};

// As recipes in JSON and the command spell it.
constexpr std::string_view name_of(Interpolation interpolation) {
  switch (interpolation) {
    case Interpolation::opencv_bilinear_u8: return "opencv-bilinear-u8";
    case Interpolation::opencv_bilinear_f32: return "opencv-bilinear-f32";
    case Interpolation::pillow_bilinear: return "pillow-bilinear";
    case Interpolation::pillow_bicubic: return "pillow-bicubic";
  }
  return "?";
}

// As recipes and the command spell them: "ceil" or "half-even", "rgb" or "bgr".
constexpr std::string_view name_of(CropOffset offset) { return offset == CropOffset::ceil ? "ceil" : "half-even"; }
constexpr std::string_view name_of(ChannelOrder order) { return order == ChannelOrder::bgr ? "bgr" : "rgb"; }

// The inverse of name_of. Throws invalid_argument, listing the names there are.
REGNET_API Interpolation parse_interpolation(std::string_view name);
REGNET_API CropOffset parse_crop_offset(std::string_view name);
REGNET_API ChannelOrder parse_channel_order(std::string_view name);

// One JSON object with the keys name, resize, crop, interpolation, crop_offset, channels, value_range, mean, std, on one line. Both ways lossless.
REGNET_API std::string to_json(const Recipe& recipe);

// The inverse of to_json. Strict: throws bad_format, naming the key, when one is missing, unknown, of another type, or breaks validate.
REGNET_API Recipe recipe_from_json(std::string_view json);

}  // namespace regnet
