// The kernels for bf16, u8 and s8, and those for floats between them, against plain loops in double, over random shapes and every mixture of what they read, add and write.
#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "plan/kernels/kernels.hpp"
#include "plan/kernels/packing.hpp"
#include "plan/own_steps.hpp"

namespace regnet::kernels {
namespace {

using detail::part;

struct Shape {
  int rows, columns, groups, in, out, kernel, stride;  // rows and columns of the output, channels of a group
  bool relu;
};

std::string name_of(const Shape& s) {
  return std::to_string(s.rows) + 'x' + std::to_string(s.columns) + " groups " + std::to_string(s.groups) + ' ' + std::to_string(s.in) + "->" +
         std::to_string(s.out) + " kernel " + std::to_string(s.kernel) + '/' + std::to_string(s.stride);
}

std::string name_of(Element element) {
  return element == Element::bf16 ? "bf16" : element == Element::u8 ? "u8" : element == Element::s8 ? "s8" : "f32";
}

// Of floats only those whose outputs are narrow.
std::vector<const Kernels*> kernels_of(Element source) {
  std::vector<const Kernels*> all;
  for (const Kernels* kernels : runnable_kernels()) {
    if (kernels->source == source && source != Element::f32) all.push_back(kernels);
    if (source == Element::f32 && kernels->floats && std::find(all.begin(), all.end(), kernels->floats) == all.end()) all.push_back(kernels->floats);
  }
  return all;
}

// What such kernels have beside integers.
Element wide_of(const Kernels& kernels) { return kernels.floats || kernels.source == Element::f32 ? Element::f32 : Element::bf16; }

// Values that the element can hold, of about 1, or of all sizes for integers.
std::vector<float> random_values(Element element, std::size_t count, std::mt19937& generator) {
  std::normal_distribution<float> normal;
  std::uniform_int_distribution<int> u8(0, 255), s8(-127, 127);
  std::vector<float> values(count);
  for (float& value : values) {
    switch (element) {
      case Element::f32: value = normal(generator); break;
      case Element::bf16: value = from_bf16(to_bf16(normal(generator))); break;
      case Element::u8: value = static_cast<float>(u8(generator)); break;
      case Element::s8: value = static_cast<float>(s8(generator)); break;
    }
  }
  return values;
}

// Codes that leave room where the kernels add so many products in 16 bits, most of them all that there is.
void leave_room(std::vector<float>& codes, const WeightShape& shape, int together) {
  const Meetings meetings(shape, together);
  std::vector<float> meeting;
  for (std::size_t begin = 0; begin < codes.size(); begin += meetings.places.size()) {
    std::size_t at = 0;
    for (const std::size_t count : meetings.counts) {
      meeting.clear();
      for (std::size_t i = 0; i < count; ++i) meeting.push_back(codes[begin + meetings.places[at + i]]);
      reduce_range(meeting);
      for (const float code : meeting) codes[begin + meetings.places[at++]] = code;
    }
  }
}

std::uint32_t bits_of(Element element, float value) {
  if (element == Element::f32) return std::bit_cast<std::uint32_t>(value);
  return element == Element::bf16 ? to_bf16(value) : static_cast<std::uint32_t>(static_cast<int>(value)) & 0xff;
}

std::uint32_t mask_of(Element element) { return element == Element::f32 ? 0xffffffff : element == Element::bf16 ? 0xffff : 0xff; }

float value_of(Element element, std::uint32_t bits) {
  if (element == Element::f32) return std::bit_cast<float>(bits);
  if (element == Element::bf16) return from_bf16(bits);
  return element == Element::u8 ? static_cast<float>(static_cast<std::uint8_t>(bits)) : static_cast<float>(static_cast<std::int8_t>(bits));
}

constexpr float sentinel = 7;  // what lies between pixels and must stay

// Pixels of so many channels as words, `pixel` words apart; behind them what tiles may read in vain.
std::vector<float> to_words(Element element, const std::vector<float>& values, int channels, int pixel) {
  std::vector<float> words(
      values.size() / static_cast<std::size_t>(channels) * static_cast<std::size_t>(pixel) + static_cast<std::size_t>(64 * pixel + 64), sentinel);
  const int in_word = per_word(element), bits = 32 / in_word;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const int channel = static_cast<int>(i % static_cast<std::size_t>(channels));
    float& word = words[i / static_cast<std::size_t>(channels) * static_cast<std::size_t>(pixel) + static_cast<std::size_t>(channel / in_word)];
    if (channel % in_word == 0) word = 0;
    word = std::bit_cast<float>(std::bit_cast<std::uint32_t>(word) | bits_of(element, values[i]) << (channel % in_word * bits));
  }
  return words;
}

std::vector<float> from_words(Element element, const std::vector<float>& words, std::size_t count, int channels, int pixel) {
  std::vector<float> values;
  const int in_word = per_word(element), bits = 32 / in_word;
  for (std::size_t i = 0; i < count; ++i) {
    const int channel = static_cast<int>(i % static_cast<std::size_t>(channels));
    const float word = words[i / static_cast<std::size_t>(channels) * static_cast<std::size_t>(pixel) + static_cast<std::size_t>(channel / in_word)];
    values.push_back(value_of(element, std::bit_cast<std::uint32_t>(word) >> (channel % in_word * bits) & mask_of(element)));
  }
  return values;
}

// How far the outputs are from what they must be, in units of what rounding may do.
double largest_error(const Kernels& kernels, const Shape& s, Element dst_element, std::optional<Element> added, std::mt19937& generator) {
  const Element src_element = kernels.source, weights_element = src_element == Element::u8 ? Element::s8 : src_element;
  const int src_columns = (s.columns - 1) * s.stride + s.kernel, src_rows = (s.rows - 1) * s.stride + s.kernel;
  const int src_channels = s.in * s.groups, channels = s.out * s.groups, area = s.kernel * s.kernel;
  const auto size = [](auto... extents) { return (static_cast<std::size_t>(extents) * ...); };
  const std::vector<float> src = random_values(src_element, size(src_rows, src_columns, src_channels), generator),
                           weights = random_values(weights_element, size(channels, s.in, area), generator),
                           residual = random_values(added.value_or(Element::bf16), size(s.rows, s.columns, channels), generator);
  std::vector<float> bias = random_values(Element::bf16, size(channels), generator);
  const bool steps = dst_element == Element::u8 || dst_element == Element::s8;
  if (steps) {  // what 32 bits do not hold, and no number, which becomes the least
    for (const float value : {1e12f, -1e12f, std::numeric_limits<float>::quiet_NaN()})
      bias[std::uniform_int_distribution<std::size_t>(0, bias.size() - 1)(generator)] = value;
  }
  // Sums of about this size come to about 40.
  const double typical = std::sqrt(static_cast<double>(s.in * area)) * (src_element == Element::u8 ? 148 * 73 : 1);
  const float residual_scale = 0.75f;
  std::vector<float> scales, scaled_weights = weights;
  if (kernels.together > 1) leave_room(scaled_weights, {s.groups, s.out, s.in, s.kernel}, kernels.together);
  for (int c = 0; c < channels; ++c) scales.push_back(src_element == Element::u8 ? static_cast<float>((1 + c % 3) * 20 / typical) : 1.0f);
  if (src_element != Element::u8)
    for (float& weight : scaled_weights)
      weight =
          src_element == Element::f32 ? weight * static_cast<float>(40 / typical) : from_bf16(to_bf16(weight * static_cast<float>(40 / typical)));
  // The layer, as a plan makes it.
  const int most = groups_at_once(kernels, s.groups, s.in), groups = (s.groups + most - 1) / most, together = (s.groups + groups - 1) / groups;
  const int pixel = words_of(src_element, src_channels), dst_pixel = words_of(dst_element, channels) + 3,
            residual_pixel = added ? words_of(*added, channels) + (per_word(*added) == per_word(dst_element) ? 3 : 5) : 0;
  const std::vector<std::int64_t> taps = direct_taps(s.kernel, std::int64_t{pixel} * src_columns, pixel);
  const int tap_length = words_of(src_element, together * s.in);
  std::vector<float> packed(packed_words(kernels, groups, together * s.out, static_cast<int>(taps.size()), tap_length) + 64);
  std::vector<std::uint16_t> codes;
  for (const float weight : scaled_weights) codes.push_back(static_cast<std::uint16_t>(bits_of(weights_element, weight)));
  if (src_element == Element::f32) pack_direct(kernels, scaled_weights.data(), s.groups, s.out, s.in, s.kernel, packed.data());
  else pack_codes(kernels, codes, {s.groups, s.out, s.in, s.kernel}, groups, static_cast<int>(taps.size()), tap_length, packed.data());
  const std::vector<float> src_words = to_words(src_element, src, src_channels, pixel),
                           residual_words = added ? to_words(*added, residual, channels, residual_pixel) : std::vector<float>();
  std::vector<float> dst(size(s.rows, s.columns, dst_pixel), sentinel);
  Convolution layer;
  layer.src = src_words.data();
  layer.src_pixel = s.stride * pixel;
  layer.src_row = s.stride * pixel * src_columns;
  layer.src_group = tap_length;
  layer.taps = taps.data();
  layer.tap_count = static_cast<int>(taps.size());
  layer.tap_length = tap_length;
  layer.weights = packed.data();
  layer.bias = bias.data();
  layer.scales = scales.data();
  layer.residual = added ? residual_words.data() : nullptr;
  layer.residual_scale = residual_scale;
  layer.residual_pixel = residual_pixel;
  if (added) layer.residual_element = *added;
  layer.dst = dst.data();
  layer.dst_element = dst_element;
  layer.dst_pixel = dst_pixel;
  layer.dst_row = s.columns * dst_pixel;
  layer.columns = s.columns;
  layer.groups = groups;
  layer.channels = together * s.out;
  layer.out_channels = channels;
  layer.relu = s.relu;
  // In so many parts each way, as threads divide a layer: the same to the bit.
  const int panels = kernels.panels(layer.channels, nullptr) * groups;
  const auto run = [&](int by_rows, int by_panels) {
    std::fill(dst.begin(), dst.end(), sentinel);
    for (int row = 0; row < by_rows; ++row)
      for (int panel = 0; panel < by_panels; ++panel) kernels.convolve(layer, part(s.rows, by_rows, row), part(panels, by_panels, panel));
  };
  run(1, 1);
  const std::vector<float> whole = dst;
  for (const auto& [by_rows, by_panels] : {std::pair(2, 2), {s.rows, panels}}) {
    run(by_rows, by_panels);
    if (std::memcmp(dst.data(), whole.data(), dst.size() * sizeof(float)) != 0) return 1e6;
  }
  const std::vector<float> found = from_words(dst_element, dst, residual.size(), channels, dst_pixel);
  double worst = 0;
  for (int y = 0; y < s.rows; ++y)
    for (int x = 0; x < s.columns; ++x) {
      for (int c = 0; c < channels; ++c) {
        double sum = 0, absolute = 0;
        for (int i = 0; i < s.in; ++i)
          for (int k = 0; k < area; ++k) {
            const int at = ((y * s.stride + k / s.kernel) * src_columns + x * s.stride + k % s.kernel) * src_channels + c / s.out * s.in + i;
            const double product = double{src[static_cast<std::size_t>(at)]} * scaled_weights[static_cast<std::size_t>((c * s.in + i) * area + k)];
            sum += product;
            absolute += std::abs(product);
          }
        const auto place = static_cast<std::size_t>((y * s.columns + x) * channels + c), channel = static_cast<std::size_t>(c);
        double value = sum * scales[channel] + bias[channel];
        if (added) value += double{residual[place]} * residual_scale;
        const double least = dst_element == Element::u8 || s.relu ? 0.0 : -127.0;
        if (s.relu) value = std::max(value, 0.0);
        if (steps) value = std::isnan(value) ? least : std::clamp(value, least, dst_element == Element::u8 ? 255.0 : 127.0);
        const double rounding = (absolute * scales[channel] + 200) * 1e-6 + (dst_element == Element::f32    ? 0
                                                                             : dst_element == Element::bf16 ? std::abs(value) / 256
                                                                                                            : 0.5);
        worst = std::max(worst, std::abs(found[place] - value) / rounding);
      }
      for (int word = words_of(dst_element, channels); word < dst_pixel; ++word)
        if (dst[static_cast<std::size_t>((y * s.columns + x) * dst_pixel + word)] != sentinel) return 1e9;
    }
  return worst;
}

class NarrowKernels : public testing::TestWithParam<Element> {};

TEST_P(NarrowKernels, ConvolutionsOfManyShapesAndElements) {
  const std::vector<const Kernels*> all = kernels_of(GetParam());
  if (all.empty()) GTEST_SKIP() << "this CPU has no instructions for it";
  std::mt19937 generator(4);
  const auto any = [&](int low, int high) { return std::uniform_int_distribution<int>(low, high)(generator); };
  for (int i = 0; i < 120; ++i) {
    const bool images = GetParam() != Element::u8 && i % 12 == 0;             // of three channels
    const int in = images ? 3 : i % 10 == 5 ? 4 * any(1, 5) : 8 * any(1, 9);  // also an odd number of words
    const Shape shape{any(1, 9), any(1, 40), images ? 1 : any(1, 11), in, 8 * any(1, 9), any(0, 1) ? 3 : 1, any(1, 2), any(0, 1) != 0};
    for (const Kernels* kernels : all) {
      const Element elements[] = {wide_of(*kernels), Element::u8, Element::s8}, dst = elements[i % 3];
      const std::optional<Element> added = i / 3 % 4 == 3 ? std::nullopt : std::optional(elements[i / 3 % 4]);
      EXPECT_LT(largest_error(*kernels, shape, dst, added, generator), 1.001)
          << kernels->name << ' ' << name_of(shape) << " to " << name_of(dst) << (added ? " plus " + name_of(*added) : "");
    }
  }
}

TEST_P(NarrowKernels, EveryTileOfEveryNarrowPanel) {
  const std::vector<const Kernels*> all = kernels_of(GetParam());
  if (all.empty()) GTEST_SKIP() << "this CPU has no instructions for it";
  std::mt19937 generator(5);
  int run = 0;
  for (const int out : {8, 16, 24, 56})
    for (const int kernel : {1, 3})
      for (const int stride : {1, 2})
        for (int columns = 1; columns <= 14; ++columns, ++run) {
          const Shape shape{2, columns, 2, 8 * (1 + columns % 3), out, kernel, stride, columns % 2 == 0};
          for (const Kernels* kernels : all) {
            const Element elements[] = {wide_of(*kernels), Element::u8, Element::s8}, dst = elements[run % 3];
            const std::optional<Element> added = run / 3 % 4 == 3 ? std::nullopt : std::optional(elements[run / 3 % 4]);
            EXPECT_LT(largest_error(*kernels, shape, dst, added, generator), 1.001)
                << kernels->name << ' ' << name_of(shape) << " to " << name_of(dst) << (added ? " plus " + name_of(*added) : "");
          }
        }
}

INSTANTIATE_TEST_SUITE_P(Sources, NarrowKernels, testing::Values(Element::f32, Element::bf16, Element::u8),
                         [](const auto& source) { return name_of(source.param); });

// Errors of outputs of deviation 1: the largest, and the root of the mean of their squares.
struct Errors {
  double largest = 0, usual = 0;
};

// Grouped 3x3, in blocks of so many tiles.
Errors winograd_errors(const Kernels& kernels, const Shape& s, int tiles_at_once, std::mt19937& generator) {
  const int channels = s.groups * s.in, columns = (s.columns + 3) / 4 * 4 + 2, rows = (s.rows + 3) / 4 * 4 + 2, dst_pixel = channels / 2 + 3;
  const auto count = [](auto... extents) { return (static_cast<std::size_t>(extents) * ...); };
  // As activations are: none below 0.
  std::vector<float> src = random_values(Element::bf16, count(rows, columns, channels), generator);
  for (float& value : src) value = std::abs(value);
  std::vector<float> weights = random_values(Element::f32, count(channels, s.in, 9), generator);
  for (float& weight : weights) weight /= std::sqrt(static_cast<float>(9 * s.in));
  const std::vector<float> bias = random_values(Element::f32, count(channels), generator);
  std::vector<float> packed(count(channels, s.in / 2, 36));
  pack_winograd_bf16(*avx512_kernels(), weights, s.groups, s.in, packed.data());
  const std::vector<float> words = to_words(Element::bf16, src, channels, channels / 2);
  std::vector<float> dst(count(s.rows, s.columns, dst_pixel), sentinel), scratch(count(kernels.winograd_scratch(s.in, 1, tiles_at_once, true)));
  Winograd layer;
  layer.src = words.data();
  layer.src_pixel = channels / 2;
  layer.src_row = std::int64_t{columns} * channels / 2;
  layer.weights = packed.data();
  layer.transformed = true;
  layer.bias = bias.data();
  layer.dst = dst.data();
  layer.dst_pixel = dst_pixel;
  layer.dst_row = std::int64_t{s.columns} * dst_pixel;
  layer.rows = s.rows;
  layer.columns = s.columns;
  layer.groups = s.groups;
  layer.channels = s.in;
  layer.tiles_at_once = tiles_at_once;
  layer.relu = s.relu;
  const int tiles = winograd_tiles(s.rows) * winograd_tiles(s.columns), blocks = (tiles + tiles_at_once - 1) / tiles_at_once * s.groups;
  kernels.winograd(layer, {0, blocks / 2}, scratch.data());
  kernels.winograd(layer, {blocks / 2, blocks}, scratch.data());
  const std::vector<float> found = from_words(Element::bf16, dst, count(s.rows, s.columns, channels), channels, dst_pixel);
  Errors errors;
  for (int y = 0; y < s.rows; ++y)
    for (int x = 0; x < s.columns; ++x) {
      for (int c = 0; c < channels; ++c) {
        double value = bias[static_cast<std::size_t>(c)];
        for (int i = 0; i < s.in; ++i)
          for (int k = 0; k < 9; ++k)
            value += double{src[count((y + k / 3) * columns + x + k % 3, channels) + count(c / s.in * s.in + i)]} *
                     weights[count(c * s.in + i, 9) + count(k)];
        if (s.relu) value = std::max(value, 0.0);
        const double error = std::abs(found[count(y * s.columns + x, channels) + count(c)] - value);
        errors.largest = std::max(errors.largest, error);
        errors.usual += error * error;
      }
      for (int word = channels / 2; word < dst_pixel; ++word)
        if (dst[count(y * s.columns + x, dst_pixel) + count(word)] != sentinel) return {1e9, 1e9};
    }
  errors.usual = std::sqrt(errors.usual / static_cast<double>(found.size()));
  return errors;
}

// Of outputs of deviation 1, what direct convolutions of weights that are rounded to bf16 lose is 0.002.
TEST(NarrowKernelsToo, EveryGroupWidthOfTheZooByWinograd) {
  std::mt19937 generator(5);
  int run = 0;
  for (const Kernels* kernels : kernels_of(Element::bf16)) {
    if (!kernels->winograd) continue;
    for (const int width : {8, 24, 40, 48, 56, 64, 112, 120, 168})
      for (const auto& [rows, columns] : {std::pair(7, 7), {4, 9}, {1, 1}, {3, 17}})
        for (const int tiles_at_once : {1, 5, 16}) {
          const Shape shape{rows, columns, 2, width, width, 3, 1, columns % 2 == 0};
          const Errors errors = winograd_errors(*kernels, shape, tiles_at_once, generator);
          EXPECT_LT(errors.largest, 0.12) << kernels->name << ' ' << name_of(shape) << ", " << tiles_at_once << " tiles at once";
          EXPECT_LT(errors.usual, 0.03) << kernels->name << ' ' << name_of(shape) << ", " << tiles_at_once << " tiles at once";
          ++run;
        }
  }
  if (run == 0) GTEST_SKIP() << "no kernels for bf16 that this CPU can run have Winograd";
}

// Instructions that add products of u8 and s8 in 16 bits first give 2 x 32,767 for codes that leave no room.
TEST(NarrowKernelsToo, TheLargestProductsOfInt8DoNotSaturate) {
  const auto result = [](const Kernels& kernels, const std::vector<int>& codes_of_channel, float scale) {
    std::vector<float> packed(packed_words(kernels, 1, 8, 1, 2)), src(1024), bias(16), scales(16, scale), dst(16);
    std::vector<std::uint16_t> codes(8 * 8, 0);
    for (std::size_t c = 0; c < 8; ++c)
      for (std::size_t i = 0; i < 8; ++i) codes[8 * c + i] = static_cast<std::uint8_t>(codes_of_channel[i]);
    pack_codes(kernels, codes, {1, 8, 8, 1}, 1, 1, 2, packed.data());
    src[0] = src[1] = std::bit_cast<float>(0xffffffffu);
    constexpr std::int64_t taps[] = {0};
    Convolution layer;
    layer.src = src.data();
    layer.src_pixel = layer.src_row = 2;
    layer.taps = taps;
    layer.tap_count = 1;
    layer.tap_length = 2;
    layer.weights = packed.data();
    layer.bias = bias.data();
    layer.scales = scales.data();
    layer.dst = dst.data();
    layer.dst_element = wide_of(kernels);
    layer.dst_pixel = layer.dst_row = words_of(layer.dst_element, 8);
    layer.columns = 1;
    layer.channels = layer.out_channels = 8;
    kernels.convolve(layer, {0, 1}, {0, 1});
    std::vector<float> values = from_words(layer.dst_element, dst, 8, 8, static_cast<int>(layer.dst_pixel));
    for (const float value : values) EXPECT_EQ(value, values[0]) << kernels.name;
    return values[0];
  };
  for (const Kernels* kernels : kernels_of(Element::u8)) {
    std::vector<std::vector<int>> all{
        {64, 0, 127, 1, 0, 64, 0, 0}, {-64, 0, -127, -1, 0, -64, 0, 0}, {127, -127, -127, 127, 0, 0, 0, 0}, {32, 32, 32, 32, 32, 32, 32, 32}};
    if (kernels->together <= 2) all.insert(all.end(), {{127, 1, 64, 64, 127, 1, 64, 64}, {-127, -1, -64, -64, -127, -1, -64, -64}});
    if (kernels->together <= 1) all.insert(all.end(), {{127, 127, 127, 127, 0, 0, 0, 0}, {-127, -127, -127, -127, -127, -127, -127, -127}});
    for (const std::vector<int>& codes : all) {
      const float expected = 255.0f * static_cast<float>(std::accumulate(codes.begin(), codes.end(), 0)) / 1024;  // of four times 127: 129,540 / 1024
      EXPECT_EQ(result(*kernels, codes, 1 / 1024.0f), wide_of(*kernels) == Element::f32 ? expected : from_bf16(to_bf16(expected))) << kernels->name;
    }
  }
}

TEST(NarrowKernelsToo, PlanesAreWovenAndPixelsAveraged) {
  std::mt19937 generator(5);
  for (const Element element : {Element::f32, Element::bf16, Element::u8})
    for (const Kernels* kernels : kernels_of(element))
      for (const int pixels : {1, 7, 8, 9, 15, 16, 17, 31, 224}) {
        const std::vector<float> src = random_values(element, static_cast<std::size_t>(pixels) * 40, generator);
        std::vector<float> means(40, -1000);
        const int pixel = words_of(element, 40) + 3;
        kernels->average(to_words(element, src, 40, pixel).data(), pixels, pixel, {8, 32}, means.data());
        for (int c = 0; c < 40; ++c) {
          double sum = 0;
          for (int x = 0; x < pixels; ++x) sum += src[static_cast<std::size_t>(40 * x + c)];
          EXPECT_NEAR(means[static_cast<std::size_t>(c)], c < 8 || c >= 32 ? -1000 : sum / pixels, 1e-4) << kernels->name << ' ' << pixels;
        }
        if (!kernels->weave) continue;
        const std::int64_t plane = pixels + 5;
        std::normal_distribution<float> normal;
        std::vector<float> planes(static_cast<std::size_t>(3 * plane)), words(static_cast<std::size_t>(2 * pixels) + 1, sentinel);
        for (float& value : planes) value = normal(generator);
        kernels->weave(planes.data(), plane, pixels, words.data());
        EXPECT_EQ(words.back(), sentinel) << kernels->name << ' ' << pixels;
        const std::vector<float> woven = from_words(Element::bf16, words, static_cast<std::size_t>(4 * pixels), 4, 2);
        for (int x = 0; x < pixels; ++x)
          for (int c = 0; c < 4; ++c)
            EXPECT_EQ(woven[static_cast<std::size_t>(4 * x + c)], c == 3 ? 0 : from_bf16(to_bf16(planes[static_cast<std::size_t>(c * plane + x)])))
                << kernels->name << ' ' << pixels;
      }
}

}  // namespace
}  // namespace regnet::kernels
