// preprocess: an Image, or an image file, and a Recipe in, the network's input out.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/image.hpp>
#include <regnet/image/recipe.hpp>

namespace regnet {

// Resizes, crops and normalises into `dst`, 3 x crop x crop floats, channel planes in the recipe's order.
// Throws invalid_argument when dst has another size, the recipe breaks validate or the image has no pixels; unsupported when the image is so
// elongated that its resized long side would pass 2^30 pixels. Called from many threads at once.
REGNET_API void preprocess(const Image& image, const Recipe& recipe, std::span<float> dst);

// The steps on the way, for comparison with another implementation; pixels are interleaved red, green, blue in grey levels 0..255, whatever the recipe's range.
struct PreprocessSteps {
  int width = 0, height = 0;      // after resizing
  std::vector<float> resized;     // height x width x 3
  std::vector<float> cropped;     // crop x crop x 3
  std::vector<float> normalised;  // what preprocess gives
};

// Throws as preprocess does, and unsupported when the whole resized image would have more than 2^26 pixels.
REGNET_API PreprocessSteps preprocess_steps(const Image& image, const Recipe& recipe);

// The same for the bytes of an image file that is called `name` in messages. Throws as decode_image does too, always with the name in front.
REGNET_API void preprocess_bytes(std::span<const std::byte> bytes, const std::string& name, const Recipe& recipe, Exif exif, std::span<float> dst);

// The same for a file. Throws as load_image does too, always with the path in front.
REGNET_API void preprocess_file(const std::filesystem::path& path, const Recipe& recipe, Exif exif, std::span<float> dst);

}  // namespace regnet
