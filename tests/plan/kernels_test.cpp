// Each kernel of each instruction set against plain loops in double, over random shapes: odd sizes, remainders, borders, one pixel.
#include "plan/kernels/kernels.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "plan/kernels/packing.hpp"

namespace regnet::kernels {
namespace {

struct Shape {
  int rows, columns, groups, in, out, kernel, stride;  // rows and columns of the output, channels of a group
  bool add, relu;
};

std::string name_of(const Shape& shape) {
  return std::to_string(shape.rows) + 'x' + std::to_string(shape.columns) + " groups " + std::to_string(shape.groups) + ' ' +
         std::to_string(shape.in) + "->" + std::to_string(shape.out) + " kernel " + std::to_string(shape.kernel) + '/' + std::to_string(shape.stride);
}

std::vector<float> random_floats(std::size_t count, std::mt19937& generator, float scale = 1) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = scale * normal(generator);
  return values;
}

float to_precision(float value, Precision precision) { return precision == Precision::bf16 ? std::bit_cast<float>(to_bf16(value) << 16) : value; }

std::vector<const Kernels*> runnable_kernels(Precision precision) {
  std::vector<const Kernels*> all;
  for (const Kernels* kernels : kernels::runnable_kernels())
    if (kernels->precision == precision) all.push_back(kernels);
  return all;
}

int words_of(int channels, const Kernels& kernels) { return (channels + kernels.per_word() - 1) / kernels.per_word(); }

// Pixels of so many channels as words, and behind them what tiles may read in vain.
std::vector<float> to_words(const std::vector<float>& values, int channels, const Kernels& kernels) {
  if (kernels.per_word() == 1) return values;
  const auto pixels = values.size() / static_cast<std::size_t>(channels), pixel = static_cast<std::size_t>(words_of(channels, kernels));
  std::vector<float> words(pixels * pixel + (kernels.depth_multiple > 1 ? 64 * pixel + 64 : 0));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const auto channel = i % static_cast<std::size_t>(channels);
    float& word = words[i / static_cast<std::size_t>(channels) * pixel + channel / 2];
    word = std::bit_cast<float>(std::bit_cast<std::uint32_t>(word) | to_bf16(values[i]) << (channel % 2 * 16));
  }
  return words;
}

std::vector<float> from_words(const std::vector<float>& words, std::size_t count, int channels, const Kernels& kernels) {
  if (kernels.per_word() == 1) return words;
  const auto pixel = static_cast<std::size_t>(words_of(channels, kernels));
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    const auto channel = i % static_cast<std::size_t>(channels);
    const auto bits = std::bit_cast<std::uint32_t>(words[i / static_cast<std::size_t>(channels) * pixel + channel / 2]);
    values[i] = std::bit_cast<float>(channel % 2 == 0 ? bits << 16 : bits & 0xffff0000);
  }
  return values;
}

// A layer with a source that has its border, and what it must give.
struct Case {
  Shape shape;
  int padding, src_rows, src_columns, src_channels, channels;
  std::vector<float> src, weights, bias, residual;
  std::vector<double> expected, magnitude;  // and the sum of the absolute values of what was added

  Case(const Shape& s, int extra, std::mt19937& generator, Precision precision = Precision::f32)
      : shape(s),
        padding(s.kernel / 2),
        src_rows((s.rows - 1) * s.stride + s.kernel + extra),
        src_columns((s.columns - 1) * s.stride + s.kernel + extra),
        src_channels(s.in * s.groups),
        channels(s.out * s.groups),
        src(random_floats(static_cast<std::size_t>(src_rows * src_columns * src_channels), generator)),
        weights(random_floats(static_cast<std::size_t>(channels * s.in * s.kernel * s.kernel), generator,
                              1 / std::sqrt(static_cast<float>(s.in * s.kernel * s.kernel)))),
        bias(random_floats(static_cast<std::size_t>(channels), generator)),
        residual(random_floats(static_cast<std::size_t>(s.rows * s.columns * channels), generator)) {
    for (std::vector<float>* values : {&src, &weights, &residual})
      for (float& value : *values) value = to_precision(value, precision);
    for (int y = 0; y < s.rows; ++y)
      for (int x = 0; x < s.columns; ++x)
        for (int c = 0; c < channels; ++c) {
          double sum = bias[static_cast<std::size_t>(c)], absolute = std::abs(sum);
          for (int i = 0; i < s.in; ++i)
            for (int ky = 0; ky < s.kernel; ++ky)
              for (int kx = 0; kx < s.kernel; ++kx) {
                const double product = double{at(y * s.stride + ky, x * s.stride + kx, c / s.out * s.in + i)} *
                                       weights[static_cast<std::size_t>(((c * s.in + i) * s.kernel + ky) * s.kernel + kx)];
                sum += product;
                absolute += std::abs(product);
              }
          if (s.add) {
            sum += residual[expected.size()];
            absolute += std::abs(double{residual[expected.size()]});
          }
          expected.push_back(s.relu ? std::max(sum, 0.0) : sum);
          magnitude.push_back(absolute);
        }
  }

  // In units of `scale`.
  double largest_error(const std::vector<float>& dst, const std::vector<double>& scale) const {
    double worst = 0;
    for (std::size_t i = 0; i < dst.size(); ++i) worst = std::max(worst, std::abs(dst[i] - expected[i]) / scale[i]);
    return worst;
  }

  float at(int y, int x, int c) const { return src[static_cast<std::size_t>((y * src_columns + x) * src_channels + c)]; }
};

// What a direct kernel gives.
std::vector<float> run_direct(const Kernels& kernels, const Case& test) {
  const Shape& s = test.shape;
  const int most = groups_at_once(kernels, s.groups, s.in), groups = (s.groups + most - 1) / most, together = (s.groups + groups - 1) / groups;
  const std::int64_t pixel = words_of(test.src_channels, kernels), row = pixel * test.src_columns;
  const std::vector<std::int64_t> taps = direct_taps(s.kernel, row, pixel);
  const int tap_length = words_of(together * s.in, kernels);
  std::vector<float> packed(packed_words(kernels, groups, together * s.out, static_cast<int>(taps.size()), tap_length));
  if (kernels.per_word() > 1)
    pack_bf16(kernels, test.weights.data(), {s.groups, s.out, s.in, s.kernel}, groups, static_cast<int>(taps.size()), tap_length, packed.data());
  else pack_direct(kernels, test.weights.data(), s.groups, s.out, s.in, s.kernel, packed.data());
  const std::vector<float> src = to_words(test.src, test.src_channels, kernels);
  std::vector<float> dst = to_words(test.residual, test.channels, kernels);
  Convolution layer;
  layer.src = src.data();
  layer.src_pixel = s.stride * pixel;
  layer.src_row = s.stride * row;
  layer.src_group = words_of(together * s.in, kernels);
  layer.taps = taps.data();
  layer.tap_count = static_cast<int>(taps.size());
  layer.tap_length = tap_length;
  layer.weights = packed.data();
  layer.bias = test.bias.data();
  layer.residual = s.add ? dst.data() : nullptr;  // in place, as plans do
  layer.dst = dst.data();
  layer.dst_pixel = words_of(test.channels, kernels);
  layer.dst_row = s.columns * layer.dst_pixel;
  layer.columns = s.columns;
  layer.groups = groups;
  layer.channels = together * s.out;
  layer.out_channels = test.channels;
  layer.relu = s.relu;
  // In two parts each way, as two threads would.
  const int panels = kernels.panels(layer.channels, nullptr) * groups;
  for (const Range rows : {Range{0, s.rows / 2}, Range{s.rows / 2, s.rows}})
    for (const Range range : {Range{0, panels / 2}, Range{panels / 2, panels}}) kernels.convolve(layer, rows, range);
  return from_words(dst, test.expected.size(), test.channels, kernels);
}

// The largest error of outputs of about 1, which is what a bound for Winograd can be about.
double run_winograd(const Kernels& kernels, const Case& test, int tiles_at_once, bool transformed) {
  const Shape& s = test.shape;
  std::vector<float> packed = pack_winograd(kernels, test.weights, s.groups, s.out);
  if (transformed) {
    std::vector<float> points(4 * packed.size());
    kernels.winograd_weights(packed.data(), s.groups, s.out, points.data());
    packed = std::move(points);
  }
  std::vector<float> dst(test.residual.size(), -1000), scratch(static_cast<std::size_t>(kernels.winograd_scratch(s.out, tiles_at_once, transformed)));
  Winograd layer;
  layer.src = test.src.data();
  layer.src_pixel = test.src_channels;
  layer.src_row = std::int64_t{test.src_columns} * test.src_channels;
  layer.weights = packed.data();
  layer.transformed = transformed;
  layer.bias = test.bias.data();
  layer.dst = dst.data();
  layer.dst_pixel = test.channels;
  layer.dst_row = std::int64_t{s.columns} * test.channels;
  layer.rows = s.rows;
  layer.columns = s.columns;
  layer.groups = s.groups;
  layer.channels = s.out;
  layer.tiles_at_once = tiles_at_once;
  layer.relu = s.relu;
  const int tiles = winograd_tiles(s.rows) * winograd_tiles(s.columns), blocks = (tiles + tiles_at_once - 1) / tiles_at_once * s.groups;
  kernels.winograd(layer, {0, blocks / 2}, scratch.data());
  kernels.winograd(layer, {blocks / 2, blocks}, scratch.data());
  return test.largest_error(dst, std::vector<double>(dst.size(), 1));
}

TEST(Kernels, DirectConvolutionsOfManyShapes) {
  std::mt19937 generator(1);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); };
  for (int i = 0; i < 150; ++i) {
    const int kernel = any(0, 1) ? 3 : 1, groups = any(1, 4);
    const Shape shape{any(1, 9), any(1, 30),     groups,        i % 5 == 0 ? 3 : 8 * any(1, 6), 8 * any(1, 14), kernel,
                      any(1, 2), any(0, 1) != 0, any(0, 1) != 0};
    const Case test(shape, 0, generator);
    // In sums of the absolute values of what was added: how often that was rounded, times 6e-8.
    for (const Kernels* kernels : runnable_kernels(Precision::f32))
      EXPECT_LT(test.largest_error(run_direct(*kernels, test), test.magnitude), 1e-6) << kernels->name << ' ' << name_of(shape);
  }
}

// Products of bf16 are exact, so that sums err as those of floats do; what is written is rounded once.
TEST(Kernels, DirectConvolutionsOfBf16) {
  const std::vector<const Kernels*> all = runnable_kernels(Precision::bf16);
  if (all.empty()) GTEST_SKIP() << "this CPU has no instructions for bf16";
  std::mt19937 generator(4);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); };
  for (int i = 0; i < 200; ++i) {
    const bool images = i % 10 == 0;  // of three channels
    const Shape shape{any(1, 9), any(1, 40),     images ? 1 : any(1, 11), images ? 3 : 8 * any(1, 9), 8 * any(1, 9), any(0, 1) ? 3 : 1,
                      any(1, 2), any(0, 1) != 0, any(0, 1) != 0};
    const Case test(shape, 0, generator, Precision::bf16);
    std::vector<double> bound;
    for (std::size_t k = 0; k < test.expected.size(); ++k) bound.push_back(std::abs(test.expected[k]) / 256 + 1e-6 * test.magnitude[k]);
    for (const Kernels* kernels : all) EXPECT_LT(test.largest_error(run_direct(*kernels, test), bound), 1) << kernels->name << ' ' << name_of(shape);
  }
}

TEST(Kernels, PlanesAreWovenAndPixelsAveragedInBf16) {
  std::mt19937 generator(5);
  for (const Kernels* kernels : runnable_kernels(Precision::bf16))
    for (const int pixels : {1, 7, 8, 9, 15, 16, 17, 31, 224}) {
      const std::int64_t plane = pixels + 5;
      const std::vector<float> planes = random_floats(static_cast<std::size_t>(3 * plane), generator);
      std::vector<float> words(static_cast<std::size_t>(2 * pixels) + 1, -1000);
      kernels->weave(planes.data(), plane, pixels, words.data());
      EXPECT_EQ(words.back(), -1000) << kernels->name << ' ' << pixels;
      words.pop_back();
      const std::vector<float> woven = from_words(words, static_cast<std::size_t>(4 * pixels), 4, *kernels);
      for (int x = 0; x < pixels; ++x)
        for (int c = 0; c < 4; ++c)
          EXPECT_EQ(woven[static_cast<std::size_t>(4 * x + c)],
                    c == 3 ? 0 : to_precision(planes[static_cast<std::size_t>(c * plane + x)], Precision::bf16))
              << kernels->name << ' ' << pixels;
      std::vector<float> src = random_floats(static_cast<std::size_t>(pixels) * 40, generator), means(40, -1000);
      for (float& value : src) value = to_precision(value, Precision::bf16);
      kernels->average(to_words(src, 40, *kernels).data(), pixels, 20, {8, 32}, means.data());
      for (int c = 0; c < 40; ++c) {
        double sum = 0;
        for (int x = 0; x < pixels; ++x) sum += src[static_cast<std::size_t>(40 * x + c)];
        EXPECT_NEAR(means[static_cast<std::size_t>(c)], c < 8 || c >= 32 ? -1000 : sum / pixels, 1e-5) << kernels->name << ' ' << pixels;
      }
    }
}

TEST(Kernels, PlanesAreWovenAndPixelsAveraged) {
  std::mt19937 generator(3);
  for (const Kernels* kernels : runnable_kernels(Precision::f32))
    for (const int pixels : {1, 2, 7, 8, 15, 16, 17, 31, 224}) {
      const std::int64_t plane = pixels + 5;
      const std::vector<float> planes = random_floats(static_cast<std::size_t>(3 * plane), generator);
      std::vector<float> woven(static_cast<std::size_t>(3 * pixels) + 1, -1000);
      kernels->weave(planes.data(), plane, pixels, woven.data());
      for (int x = 0; x < pixels; ++x)
        for (int c = 0; c < 3; ++c)
          EXPECT_EQ(woven[static_cast<std::size_t>(3 * x + c)], planes[static_cast<std::size_t>(c * plane + x)]) << kernels->name << ' ' << pixels;
      EXPECT_EQ(woven.back(), -1000) << kernels->name << ' ' << pixels;
      const std::vector<float> src = random_floats(static_cast<std::size_t>(pixels) * 40, generator);
      std::vector<float> means(40, -1000);
      kernels->average(src.data(), pixels, 40, {8, 32}, means.data());
      for (int c = 0; c < 40; ++c) {
        double sum = 0;
        for (int x = 0; x < pixels; ++x) sum += src[static_cast<std::size_t>(40 * x + c)];
        EXPECT_NEAR(means[static_cast<std::size_t>(c)], c < 8 || c >= 32 ? -1000 : sum / pixels, 1e-5) << kernels->name << ' ' << pixels;
      }
    }
}

TEST(Kernels, EveryGroupWidthOfTheZooByWinograd) {
  std::mt19937 generator(2);
  for (const int width : {8, 16, 24, 32, 40, 48, 56, 64, 112, 120, 128, 168})
    for (const auto& [rows, columns] : {std::pair(7, 7), {14, 14}, {4, 9}, {1, 1}, {3, 17}}) {
      const Shape shape{rows, columns, 2, width, width, 3, 1, false, true};
      const Case test(shape, 3, generator);
      for (const Kernels* kernels : runnable_kernels(Precision::f32))
        for (const int tiles_at_once : {1, 5, 16})
          for (const bool transformed : {false, true})
            EXPECT_LT(run_winograd(*kernels, test, tiles_at_once, transformed), 2e-5)
                << kernels->name << ' ' << width << ' ' << rows << 'x' << columns << (transformed ? " transformed" : "");
    }
}

}  // namespace
}  // namespace regnet::kernels
