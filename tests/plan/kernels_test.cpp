// Each kernel of each instruction set against plain loops in double, over random shapes: odd sizes, remainders, borders, one pixel.
#include "plan/kernels/kernels.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "plan/kernels/packing.hpp"
#include "plan/own_steps.hpp"

namespace regnet::kernels {
namespace {

using detail::part;

struct Shape {
  int rows, columns, groups, in, out, kernel, stride;  // rows and columns of the output, channels of a group
  bool add, relu;
};

std::vector<float> random_floats(std::size_t count, std::mt19937& generator, float scale = 1) {
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = scale * normal(generator);
  return values;
}

std::vector<const Kernels*> float_kernels() {
  std::vector<const Kernels*> all;
  for (const Kernels* kernels : runnable_kernels())
    if (kernels->source == Element::f32) all.push_back(kernels);
  return all;
}

// A layer with a source that has its border, and what it must give.
struct Case {
  Shape shape;
  int padding, src_rows, src_columns, src_channels, channels;
  std::vector<float> src, weights, bias, residual;
  std::vector<double> expected, magnitude;  // and the sum of the absolute values of what was added

  Case(const Shape& s, int extra, std::mt19937& generator)
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

// In so many parts each way, as threads divide a layer.
std::vector<float> run_direct(const Kernels& kernels, const Case& test, int by_rows, int by_panels) {
  const Shape& s = test.shape;
  const std::vector<float> packed = pack_direct(kernels, test.weights, s.groups, s.out, s.in, s.kernel);
  const std::vector<std::int64_t> taps = direct_taps(s.kernel, std::int64_t{test.src_columns} * test.src_channels, test.src_channels);
  std::vector<float> dst = test.residual;
  Convolution layer;
  layer.src = test.src.data();
  layer.src_pixel = std::int64_t{s.stride} * test.src_channels;
  layer.src_row = std::int64_t{s.stride} * test.src_columns * test.src_channels;
  layer.src_group = s.in;
  layer.taps = taps.data();
  layer.tap_count = static_cast<int>(taps.size());
  layer.tap_length = s.in;
  layer.weights = packed.data();
  layer.bias = test.bias.data();
  layer.residual = s.add ? dst.data() : nullptr;  // in place, as plans do
  layer.dst = dst.data();
  layer.dst_pixel = test.channels;
  layer.dst_row = std::int64_t{s.columns} * test.channels;
  layer.columns = s.columns;
  layer.groups = s.groups;
  layer.channels = s.out;
  layer.out_channels = test.channels;
  layer.relu = s.relu;
  const int panels = kernels.panels(s.out, nullptr) * s.groups;
  for (int row = 0; row < by_rows; ++row)
    for (int panel = 0; panel < by_panels; ++panel) kernels.convolve(layer, part(s.rows, by_rows, row), part(panels, by_panels, panel));
  return dst;
}

// The largest error, in sums of the absolute values of what was added: how often that was rounded, times 6e-8.
double error_of_direct(const Kernels& kernels, const Case& test) { return test.largest_error(run_direct(kernels, test, 2, 2), test.magnitude); }

// The largest error of outputs of about 1, which is what a bound for Winograd can be about.
double run_winograd(const Kernels& kernels, const Case& test, int tiles_at_once, bool transformed) {
  const Shape& s = test.shape;
  std::vector<float> packed = pack_winograd(kernels, test.weights, s.groups, s.out);
  if (transformed) {
    std::vector<float> points(4 * packed.size());
    kernels.winograd_weights(packed.data(), s.groups, s.out, s.stride, points.data());
    packed = std::move(points);
  }
  std::vector<float> dst(test.residual.size(), -1000),
      scratch(static_cast<std::size_t>(kernels.winograd_scratch(s.out, s.stride, tiles_at_once, transformed)));
  Winograd layer;
  layer.src = test.src.data();
  layer.src_pixel = test.src_channels;
  layer.src_row = std::int64_t{test.src_columns} * test.src_channels;
  layer.stride = s.stride;
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
    for (const Kernels* kernels : float_kernels())
      EXPECT_LT(error_of_direct(*kernels, test), 1e-6) << kernels->name << ' ' << shape.rows << 'x' << shape.columns << " groups " << groups << ' '
                                                       << shape.in << "->" << shape.out << " kernel " << kernel << '/' << shape.stride;
  }
}

// Panels of less than two vectors, whose tiles read a row's words once for three taps: each number of pixels has its own code.
TEST(Kernels, EveryTileOfEveryNarrowPanel) {
  std::mt19937 generator(3);
  for (const int out : {8, 16, 24, 56})
    for (const int kernel : {1, 3})
      for (const int stride : {1, 2})
        for (int columns = 1; columns <= 14; ++columns) {
          const Shape shape{2, columns, 2, 8 * (1 + columns % 3), out, kernel, stride, columns % 4 == 0, columns % 2 == 0};
          const Case test(shape, 0, generator);
          for (const Kernels* kernels : float_kernels())
            EXPECT_LT(error_of_direct(*kernels, test), 1e-6)
                << kernels->name << ' ' << columns << " columns, " << out << " channels, kernel " << kernel << '/' << stride;
        }
}

// To the bit: a thread that rests, or one more, changes what the tiles are, and must not change the answer.
TEST(Kernels, AnOutputIsTheSameInWhateverPart) {
  std::mt19937 generator(6);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); };
  for (int i = 0; i < 150; ++i) {
    const int kernel = any(0, 1) ? 3 : 1, stride = any(1, 2), groups = any(1, 3);
    const Shape shape{any(1, 9), any(1, 30), groups, 8 * any(1, 6), 8 * any(1, 14), kernel, stride, any(0, 1) != 0, any(0, 1) != 0};
    const Case test(shape, 0, generator);
    for (const Kernels* kernels : float_kernels()) {
      const std::vector<float> whole = run_direct(*kernels, test, 1, 1);
      const int panels = kernels->panels(shape.out, nullptr) * groups;
      for (const auto& [by_rows, by_panels] : {std::pair(shape.rows, panels), {1, panels}, {shape.rows, 1}, {any(1, shape.rows), any(1, panels)}})
        EXPECT_EQ(run_direct(*kernels, test, by_rows, by_panels), whole)
            << kernels->name << ' ' << shape.rows << 'x' << shape.columns << " groups " << groups << ' ' << shape.in << "->" << shape.out
            << " kernel " << kernel << '/' << stride << ", by " << by_rows << " rows and " << by_panels << " panels";
    }
  }
}

TEST(Kernels, PlanesAreWovenAndPixelsAveraged) {
  std::mt19937 generator(3);
  for (const Kernels* kernels : float_kernels())
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
    for (const auto& [rows, columns] : {std::pair(7, 7), {14, 14}, {4, 9}, {1, 1}, {3, 17}})
      for (const int stride : {1, 2}) {
        const Shape shape{rows, columns, 2, width, width, 3, stride, false, true};
        const Case test(shape, stride == 1 ? 3 : 6, generator);  // tiles are whole
        for (const Kernels* kernels : float_kernels())
          for (const int tiles_at_once : {1, 5, 16})
            for (const bool transformed : {false, true})
              EXPECT_LT(run_winograd(*kernels, test, tiles_at_once, transformed), 2e-5)
                  << kernels->name << ' ' << width << '/' << stride << ' ' << rows << 'x' << columns << (transformed ? " transformed" : "");
      }
}

}  // namespace
}  // namespace regnet::kernels
