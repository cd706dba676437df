#include <regnet/image/resize.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <regnet/base/error.hpp>

namespace regnet {

namespace {

constexpr std::size_t channels = 3;

std::size_t size(int value) { return static_cast<std::size_t>(value); }

void check(const Image& src, int width, int height, const Window& window) {
  if (src.width < 1 || src.height < 1 || src.rgb.size() != size(src.width) * size(src.height) * channels)
    fail(Code::invalid_argument, "resize: expected width x height x 3 bytes, found ", src.rgb.size(), " bytes for ", src.width, " x ", src.height);
  const auto inside = [](int first, int count, int whole) { return first >= 0 && count >= 1 && first < whole && count <= whole - first; };
  if (!inside(window.x, window.width, width) || !inside(window.y, window.height, height))
    fail(Code::invalid_argument, "resize: expected a window inside ", width, " x ", height, ", found ", window.width, " x ", window.height, " at ",
         window.x, ", ", window.y);
}

const std::uint8_t* row_of(const Image& image, int y) { return image.rgb.data() + size(y) * size(image.width) * channels; }

Image image_of(int width, int height) { return {width, height, std::vector<std::uint8_t>(size(width) * size(height) * channels)}; }

Image part_of(const Image& src, const Window& window) {
  Image dst = image_of(window.width, window.height);
  const std::size_t row_bytes = size(window.width) * channels;
  for (int y = 0; y < window.height; ++y)
    std::copy_n(row_of(src, window.y + y) + size(window.x) * channels, row_bytes, dst.rgb.data() + size(y) * row_bytes);
  return dst;
}

// ---- Pillow ----

// Weights have 22 fractional bits: 32 less the 8 of a pixel and 2 for sums of negative lobes and for the overshoot.
constexpr int weight_bits = 32 - 8 - 2;
constexpr std::int32_t half = 1 << (weight_bits - 1);

double triangle(double x) { return std::max(0.0, 1 - std::abs(x)); }

double cubic(double x) {
  constexpr double a = -0.5;
  x = std::abs(x);
  if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return (((x - 5) * x + 8) * x - 4) * a;
  return 0;
}

// Which source pixels make up each target pixel of one axis, and by how much.
struct Taps {
  std::vector<int> first, count;      // per target pixel
  std::size_t stride = 0;             // places per target pixel in weights
  std::vector<std::int32_t> weights;  // fixed point

  [[nodiscard]] const std::int32_t* of(int i) const { return weights.data() + size(i) * stride; }
  [[nodiscard]] int first_pixel() const { return first.front(); }
  [[nodiscard]] int end_pixel() const { return first.back() + count.back(); }
};

// For the target pixels from, ..., from + count - 1 of an axis that goes from `src` to `dst` pixels.
Taps pillow_taps(int src, int dst, int from, int count, PillowFilter filter) {
  const double scale = static_cast<double>(src) / dst;
  const double stretch = std::max(scale, 1.0);  // antialiasing: when shrinking, the filter covers what one target pixel covers
  const double support = (filter == PillowFilter::bilinear ? 1.0 : 2.0) * stretch;
  const double inverse = 1.0 / stretch;
  Taps taps;
  taps.stride = static_cast<std::size_t>(std::ceil(support)) * 2 + 1;
  taps.weights.resize(size(count) * taps.stride);
  std::vector<double> exact(taps.stride);
  for (int i = 0; i < count; ++i) {
    const double centre = (from + i + 0.5) * scale;
    const int first = std::max(0, static_cast<int>(centre - support + 0.5));
    const int last = std::min(src, static_cast<int>(centre + support + 0.5));
    double sum = 0;
    for (int x = first; x < last; ++x) {
      const double distance = (x - centre + 0.5) * inverse;
      sum += exact[size(x - first)] = filter == PillowFilter::bilinear ? triangle(distance) : cubic(distance);
    }
    std::int32_t* weights = taps.weights.data() + size(i) * taps.stride;
    for (int x = 0; x < last - first; ++x) {
      const double scaled = (sum != 0 ? exact[size(x)] / sum : exact[size(x)]) * (1 << weight_bits);
      weights[x] = static_cast<std::int32_t>(scaled < 0 ? scaled - 0.5 : scaled + 0.5);
    }
    taps.first.push_back(first);
    taps.count.push_back(last - first);
  }
  return taps;
}

std::uint8_t to_pixel(std::int32_t sum) { return static_cast<std::uint8_t>(std::clamp(sum >> weight_bits, 0, 255)); }

// `src` is pixel `origin` of the axis that the taps speak of.
void resample_row(const std::uint8_t* src, int origin, const Taps& taps, std::uint8_t* dst) {
  for (std::size_t i = 0; i < taps.first.size(); ++i) {
    const std::uint8_t* pixel = src + size(taps.first[i] - origin) * channels;
    const std::int32_t* weight = taps.weights.data() + i * taps.stride;
    std::int32_t red = half, green = half, blue = half;
    for (const std::int32_t* end = weight + taps.count[i]; weight != end; ++weight, pixel += channels) {
      red += *weight * pixel[0];
      green += *weight * pixel[1];
      blue += *weight * pixel[2];
    }
    dst[i * channels] = to_pixel(red);
    dst[i * channels + 1] = to_pixel(green);
    dst[i * channels + 2] = to_pixel(blue);
  }
}

// Rows first_row, first_row + 1, ... of the source, resampled along x. Column 0 of `src` is pixel `origin` of the taps' axis.
Image resample_rows(const Image& src, const Taps& taps, int origin, int first_row, int row_count) {
  Image dst = image_of(static_cast<int>(taps.first.size()), row_count);
  for (int y = 0; y < row_count; ++y) resample_row(row_of(src, first_row + y), origin, taps, dst.rgb.data() + size(y) * size(dst.width) * channels);
  return dst;
}

// All columns, resampled along y. Row 0 of `src` is pixel `origin` of the taps' axis.
Image resample_columns(const Image& src, const Taps& taps, int origin) {
  Image dst = image_of(src.width, static_cast<int>(taps.first.size()));
  const std::size_t values = size(src.width) * channels;
  std::vector<std::int32_t> sums(values);
  for (int y = 0; y < dst.height; ++y) {
    std::fill(sums.begin(), sums.end(), half);
    for (int tap = 0; tap < taps.count[size(y)]; ++tap) {
      const std::int32_t weight = taps.of(y)[tap];
      const std::uint8_t* row = row_of(src, taps.first[size(y)] + tap - origin);
      for (std::size_t i = 0; i < values; ++i) sums[i] += weight * row[i];
    }
    std::uint8_t* row = dst.rgb.data() + size(y) * values;
    for (std::size_t i = 0; i < values; ++i) row[i] = to_pixel(sums[i]);
  }
  return dst;
}

// Pillow 13 shortens columns before rows when the height shrinks by more than twice what the width does. Earlier releases always began with the rows; of the
// pictures in a data set, only those more than twice as tall as wide come out differently, by one grey level here and there.
bool columns_first(const Image& src, int width, int height) {
  const std::int64_t shorter = std::int64_t{src.height} - height, narrower = std::int64_t{src.width} - width;
  return shorter > 0 && shorter > narrower * 2;
}

// ---- OpenCV ----

// The two source pixels of each target pixel of one axis; the second one's share is `fraction`.
struct Pairs {
  std::vector<int> first, second;
  std::vector<float> fraction;
};

enum class Axis { columns, rows };

// Coordinates are rounded to float before they are split, as in OpenCV; in double, some fractions would differ in their last bits. Beyond the border,
// OpenCV drops the fraction of a column but blends the border row with itself, which shows in the last bit of a float.
Pairs opencv_pairs(Axis axis, int src, int dst, int from, int count) {
  const double scale = 1.0 / (static_cast<double>(dst) / src);
  Pairs pairs;
  for (int i = 0; i < count; ++i) {
    const auto at = static_cast<float>((from + i + 0.5) * scale - 0.5);
    const int floor = static_cast<int>(std::floor(at));
    const bool outside = floor < 0 || floor >= src - 1;
    pairs.first.push_back(std::clamp(floor, 0, src - 1));
    pairs.second.push_back(std::clamp(floor + 1, 0, src - 1));
    pairs.fraction.push_back(outside && axis == Axis::columns ? 0.0f : at - static_cast<float>(floor));
  }
  return pairs;
}

// Calls blend(upper row, lower row, y) for each target row, where both have been through make_row(source row, dst). A row is made once for all the target rows
// that follow each other and use it.
template <class Value, class MakeRow, class Blend>
void for_each_row(const Pairs& rows, std::size_t values, MakeRow make_row, Blend blend) {
  std::array<std::vector<Value>, 2> made{std::vector<Value>(values), std::vector<Value>(values)};
  std::array<int, 2> held{-1, -1};
  for (std::size_t y = 0; y < rows.first.size(); ++y) {
    const std::array<int, 2> wanted{rows.first[y], rows.second[y]};
    if (held[1] == wanted[0]) {
      std::swap(made[0], made[1]);
      std::swap(held[0], held[1]);
    }
    for (std::size_t k = 0; k < 2; ++k) {
      if (held[k] == wanted[k]) continue;
      make_row(wanted[k], made[k].data());
      held[k] = wanted[k];
    }
    blend(made[0].data(), made[1].data(), y);
  }
}

constexpr int tap_bits = 11;

using Levels = std::array<float, 256>;  // the float pixel of each grey level

// What OpenCV does when both sides are halved exactly: the four pixels are added one by one, which rounds differently than pairs do.
std::vector<float> halve(const Image& src, const Window& window, const Levels& level) {
  const std::size_t values = size(window.width) * channels;
  std::vector<float> dst(values * size(window.height));
  for (int y = 0; y < window.height; ++y) {
    const std::uint8_t* upper = row_of(src, 2 * (window.y + y)) + 2 * size(window.x) * channels;
    const std::uint8_t* lower = upper + size(src.width) * channels;
    float* row = dst.data() + size(y) * values;
    for (std::size_t i = 0; i < values; ++i) {
      const std::size_t left = i / channels * 2 * channels + i % channels, right = left + channels;
      row[i] = (((level[upper[left]] + level[upper[right]]) + level[lower[left]]) + level[lower[right]]) * 0.25f;
    }
  }
  return dst;
}

std::int16_t fixed(float share) { return static_cast<std::int16_t>(std::nearbyint(share * (1 << tap_bits))); }

}  // namespace

Image resize_pillow(const Image& src, int width, int height, PillowFilter filter, const Window& window) {
  check(src, width, height, window);
  if (width == src.width && height == src.height) return part_of(src, window);
  const auto columns = [&] { return pillow_taps(src.width, width, window.x, window.width, filter); };
  if (height == src.height) return resample_rows(src, columns(), 0, window.y, window.height);
  const Taps rows = pillow_taps(src.height, height, window.y, window.height, filter);
  const int first = rows.first_pixel(), count = rows.end_pixel() - first;
  if (width == src.width) return resample_columns(part_of(src, {window.x, first, window.width, count}), rows, first);
  if (!columns_first(src, width, height)) return resample_columns(resample_rows(src, columns(), 0, first, count), rows, first);
  const Taps across = columns();
  const int left = across.first_pixel();
  return resample_rows(resample_columns(part_of(src, {left, first, across.end_pixel() - left, count}), rows, first), across, left, 0, window.height);
}

Image resize_pillow(const Image& src, int width, int height, PillowFilter filter) {
  return resize_pillow(src, width, height, filter, {0, 0, width, height});
}

// When both sides are halved exactly, OpenCV averages 2 x 2 pixels instead; on integers that is what this gives too.
Image resize_opencv(const Image& src, int width, int height, const Window& window) {
  check(src, width, height, window);
  const Pairs columns = opencv_pairs(Axis::columns, src.width, width, window.x, window.width);
  const Pairs rows = opencv_pairs(Axis::rows, src.height, height, window.y, window.height);
  std::vector<std::int16_t> left, right;
  for (const float fraction : columns.fraction) {
    left.push_back(fixed(1 - fraction));
    right.push_back(fixed(fraction));
  }
  Image dst = image_of(window.width, window.height);
  const std::size_t values = size(window.width) * channels;
  const auto make_row = [&](int y, std::int16_t* row) {
    const std::uint8_t* pixels = row_of(src, y);
    for (std::size_t i = 0; i < left.size(); ++i) {
      const std::uint8_t* a = pixels + size(columns.first[i]) * channels;
      const std::uint8_t* b = pixels + size(columns.second[i]) * channels;
      for (std::size_t c = 0; c < channels; ++c) row[i * channels + c] = static_cast<std::int16_t>((a[c] * left[i] + b[c] * right[i]) >> 4);
    }
  };
  const auto blend = [&](const std::int16_t* upper, const std::int16_t* lower, std::size_t y) {
    const std::int16_t lower_share = fixed(rows.fraction[y]), upper_share = fixed(1 - rows.fraction[y]);
    std::uint8_t* row = dst.rgb.data() + y * values;
    for (std::size_t i = 0; i < values; ++i) {
      const int sum = ((upper[i] * upper_share) >> 16) + ((lower[i] * lower_share) >> 16);
      row[i] = static_cast<std::uint8_t>(std::clamp((sum + 2) >> 2, 0, 255));
    }
  };
  for_each_row<std::int16_t>(rows, values, make_row, blend);
  return dst;
}

Image resize_opencv(const Image& src, int width, int height) { return resize_opencv(src, width, height, {0, 0, width, height}); }

std::vector<float> resize_opencv_float(const Image& src, int width, int height, const Window& window, float divisor) {
  check(src, width, height, window);
  Levels level;
  for (std::size_t i = 0; i < level.size(); ++i) level[i] = static_cast<float>(i) / divisor;
  if (src.width % 2 == 0 && src.height % 2 == 0 && width == src.width / 2 && height == src.height / 2) return halve(src, window, level);
  const Pairs columns = opencv_pairs(Axis::columns, src.width, width, window.x, window.width);
  const Pairs rows = opencv_pairs(Axis::rows, src.height, height, window.y, window.height);
  const std::size_t values = size(window.width) * channels;
  std::vector<float> dst(values * size(window.height));
  const auto make_row = [&](int y, float* row) {
    const std::uint8_t* pixels = row_of(src, y);
    for (std::size_t i = 0; i < columns.first.size(); ++i) {
      const std::uint8_t* a = pixels + size(columns.first[i]) * channels;
      const std::uint8_t* b = pixels + size(columns.second[i]) * channels;
      const float right = columns.fraction[i], left = 1 - right;
      for (std::size_t c = 0; c < channels; ++c) row[i * channels + c] = level[a[c]] * left + level[b[c]] * right;
    }
  };
  const auto blend = [&](const float* upper, const float* lower, std::size_t y) {
    const float lower_share = rows.fraction[y], upper_share = 1 - lower_share;
    float* row = dst.data() + y * values;
    for (std::size_t i = 0; i < values; ++i) row[i] = upper[i] * upper_share + lower[i] * lower_share;
  };
  for_each_row<float>(rows, values, make_row, blend);
  return dst;
}

std::vector<float> resize_opencv_float(const Image& src, int width, int height) {
  return resize_opencv_float(src, width, height, {0, 0, width, height});
}

}  // namespace regnet
