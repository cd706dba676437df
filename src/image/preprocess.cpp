#include <regnet/image/preprocess.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include <regnet/base/decimal.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/mapped_file.hpp>
#include <regnet/image/resize.hpp>

namespace regnet {

namespace {

constexpr std::int64_t longest_side = std::int64_t{1} << 30;

struct Size {
  int width = 0;
  int height = 0;
};

// pycls multiplies a rounded quotient, the others divide a product. For most sizes that is the same.
std::int64_t long_side(const Recipe& recipe, int short_side, int long_side) {
  if (recipe.interpolation == Interpolation::opencv_bilinear_f32)
    return static_cast<std::int64_t>(std::floor(static_cast<double>(long_side) / short_side * recipe.resize));
  return std::int64_t{recipe.resize} * long_side / short_side;
}

// The whole image's size after resizing.
Size resized(const Image& image, const Recipe& recipe) {
  const auto [short_side, whole] = std::minmax(image.width, image.height);
  if (short_side < 1) fail(Code::invalid_argument, "preprocess: expected an image, found ", image.width, " x ", image.height, " pixels");
  if (short_side == recipe.resize) return {image.width, image.height};
  const std::int64_t other = long_side(recipe, short_side, whole);
  if (other > longest_side) fail(Code::unsupported, "preprocess: an image of ", image.width, " x ", image.height, " pixels is too elongated");
  return image.width < image.height ? Size{recipe.resize, static_cast<int>(other)} : Size{static_cast<int>(other), recipe.resize};
}

int offset(int whole, const Recipe& recipe) {
  const int spare = whole - recipe.crop, floor = spare / 2;
  if (spare % 2 == 0) return floor;
  return recipe.crop_offset == CropOffset::ceil ? floor + 1 : floor + floor % 2;  // x.5 goes to the even neighbour
}

// As the frameworks compute it, to the last bit: mmcv, which works on grey levels, multiplies by the reciprocal in double; the others divide in float.
float normalised(float pixel, const Recipe& recipe, std::size_t colour) {
  const float centred = pixel - recipe.mean[colour];
  if (recipe.value_range == 255) return static_cast<float>(centred * (1 / as_written(recipe.std[colour])));
  return centred / recipe.std[colour];
}

// Splits interleaved red, green and blue into planes in the recipe's order.
template <class Pixel, class Convert>
void to_planes(const std::vector<Pixel>& src, const Recipe& recipe, std::span<float> dst, Convert convert) {
  const std::size_t area = dst.size() / 3;
  for (std::size_t colour = 0; colour < 3; ++colour) {
    float* plane = dst.data() + (recipe.channels == ChannelOrder::rgb ? colour : 2 - colour) * area;
    for (std::size_t i = 0; i < area; ++i) plane[i] = convert(src[i * 3 + colour], colour);
  }
}

Image resize_levels(const Image& image, const Recipe& recipe, const Size& size, const Window& window) {
  switch (recipe.interpolation) {
    case Interpolation::pillow_bilinear: return resize_pillow(image, size.width, size.height, PillowFilter::bilinear, window);
    case Interpolation::pillow_bicubic: return resize_pillow(image, size.width, size.height, PillowFilter::bicubic, window);
    default: return resize_opencv(image, size.width, size.height, window);
  }
}

}  // namespace

void preprocess(const Image& image, const Recipe& recipe, std::span<float> dst) {
  validate(recipe);
  const auto crop = static_cast<std::size_t>(recipe.crop);
  if (dst.size() != 3 * crop * crop)
    fail(Code::invalid_argument, "preprocess: expected room for 3 x ", crop, " x ", crop, " floats, found ", dst.size());
  const Size size = resized(image, recipe);
  const Window window{offset(size.width, recipe), offset(size.height, recipe), recipe.crop, recipe.crop};
  const float divisor = 255 / recipe.value_range;
  if (recipe.interpolation == Interpolation::opencv_bilinear_f32) {
    // pycls scales to 0..1 before it resizes; the other order would round differently.
    const std::vector<float> pixels = resize_opencv_float(image, size.width, size.height, window, divisor);
    to_planes(pixels, recipe, dst, [&](float pixel, std::size_t colour) { return normalised(pixel, recipe, colour); });
    return;
  }
  std::array<std::array<float, 256>, 3> table{};
  for (std::size_t colour = 0; colour < 3; ++colour)
    for (std::size_t level = 0; level < 256; ++level) table[colour][level] = normalised(static_cast<float>(level) / divisor, recipe, colour);
  to_planes(resize_levels(image, recipe, size, window).rgb, recipe, dst,
            [&](std::uint8_t level, std::size_t colour) { return table[colour][level]; });
}

PreprocessSteps preprocess_steps(const Image& image, const Recipe& recipe) {
  constexpr std::int64_t most_pixels = std::int64_t{1} << 26;
  PreprocessSteps steps;
  const auto side = static_cast<std::size_t>(recipe.crop);
  steps.normalised.resize(3 * side * side);
  preprocess(image, recipe, steps.normalised);
  const Size size = resized(image, recipe);
  if (std::int64_t{size.width} * size.height > most_pixels)
    fail(Code::unsupported, "preprocess: the resized image of ", size.width, " x ", size.height, " pixels is too large to show");
  steps.width = size.width;
  steps.height = size.height;
  const Window whole{0, 0, size.width, size.height};
  if (recipe.interpolation == Interpolation::opencv_bilinear_f32) {
    steps.resized = resize_opencv_float(image, size.width, size.height, whole, 255 / recipe.value_range);
    for (float& pixel : steps.resized) pixel *= 255 / recipe.value_range;
  } else {
    const Image levels = resize_levels(image, recipe, size, whole);
    steps.resized.assign(levels.rgb.begin(), levels.rgb.end());
  }
  const auto x = static_cast<std::size_t>(offset(size.width, recipe)), y = static_cast<std::size_t>(offset(size.height, recipe));
  const auto row = 3 * static_cast<std::size_t>(size.width);
  for (std::size_t i = 0; i < side; ++i) {
    const auto begin = steps.resized.begin() + static_cast<std::ptrdiff_t>((y + i) * row + 3 * x);
    steps.cropped.insert(steps.cropped.end(), begin, begin + static_cast<std::ptrdiff_t>(3 * side));
  }
  return steps;
}

void preprocess_bytes(std::span<const std::byte> bytes, const std::string& name, const Recipe& recipe, Exif exif, std::span<float> dst) {
  try {
    preprocess(decode_image(bytes, exif), recipe, dst);
  } catch (const Error& error) {
    fail(error.code(), name, ": ", error.what());
  }
}

void preprocess_file(const std::filesystem::path& path, const Recipe& recipe, Exif exif, std::span<float> dst) {
  const MappedFile file(path);  // names the path itself
  preprocess_bytes(file.bytes(), path.string(), recipe, exif, dst);
}

}  // namespace regnet
