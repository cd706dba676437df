// Toy networks whose classes are colours or directions, with weights set by hand: what each must answer is known without training, so that every mistake around
// them shows. They are of one stage with one block, which passes its input on.
#pragma once

#include <array>
#include <string>
#include <utility>
#include <vector>

#include <regnet/image/recipe.hpp>
#include <regnet/weights/bind.hpp>

#include "image/png_file.hpp"

namespace regnet::toy {

using Colour = std::array<int, 3>;  // red, green, blue

// A tap of a 3x3 stem filter: the plane of the input, the row and column, its weight.
struct Tap {
  int plane, row, column;
  float weight;
};

inline constexpr int features = 8;  // channels of the stage, of which the first are those of the stem's filters

// The network whose stem has these filters. Of what they give beyond the threshold, averaged over the image, class k has the logit sum of weights[k][f] feature[f] + biases[k].
inline TensorMap network(const std::vector<std::vector<Tap>>& filters, const std::vector<std::vector<float>>& weights,
                         const std::vector<float>& biases, float threshold = 0) {
  const int classes = static_cast<int>(weights.size());
  const Graph graph = build({{1, features, features, features}}, {.resolution = 224, .classes = classes});
  TensorMap tensors;
  for (const Parameter& parameter : parameters(graph)) {
    std::vector<float> values(static_cast<std::size_t>(element_count(parameter.shape)), 0.0f);
    const auto fill = [&](float value) { values.assign(values.size(), value); };
    if (parameter.name == "stem.conv.weight") {
      for (std::size_t f = 0; f < filters.size(); ++f)
        for (const Tap& tap : filters[f]) values[f * 27 + static_cast<std::size_t>(tap.plane * 9 + tap.row * 3 + tap.column)] += tap.weight;
    } else if (parameter.name == "s1.b1.proj.weight") {
      for (std::size_t f = 0; f < features; ++f) values[f * static_cast<std::size_t>(parameter.shape[1]) + f] = 1;
    } else if (parameter.name == "head.fc.weight") {
      for (std::size_t k = 0; k < weights.size(); ++k)
        for (std::size_t f = 0; f < weights[k].size(); ++f) values[k * features + f] = weights[k][f];
    } else if (parameter.name == "stem.bn.bias") {
      fill(-threshold);
    } else if (parameter.name == "head.fc.bias") {
      values = biases;
    } else if (parameter.name.ends_with("running_var")) {
      fill(1 - 1e-5f);  // so that batch norm does nothing
    } else if (parameter.shape.size() == 1 && parameter.name.ends_with(".weight")) {
      fill(1);
    }
    tensors.add(parameter.name, std::move(values), parameter.shape);
  }
  return tensors;
}

// Answers the colour that is nearest to the image's mean, as the recipe normalises both.
inline TensorMap nearest_colour(const std::vector<Colour>& colours, const Recipe& recipe) {
  std::vector<std::vector<Tap>> filters;  // the positive and the negative part of each plane, since a ReLU follows
  for (const float sign : {1.0f, -1.0f})
    for (int plane = 0; plane < 3; ++plane) filters.push_back({{plane, 1, 1, sign}});
  std::vector<std::vector<float>> weights;
  std::vector<float> biases;
  for (const Colour& colour : colours) {
    std::array<float, 3> mean{};
    float square = 0;
    for (std::size_t plane = 0; plane < 3; ++plane) {
      const std::size_t channel = recipe.channels == ChannelOrder::rgb ? plane : 2 - plane;
      mean[plane] = (static_cast<float>(colour[channel]) * recipe.value_range / 255 - recipe.mean[channel]) / recipe.std[channel];
      square += mean[plane] * mean[plane];
    }
    weights.push_back({2 * mean[0], 2 * mean[1], 2 * mean[2], -2 * mean[0], -2 * mean[1], -2 * mean[2]});
    biases.push_back(-square);
  }
  return network(filters, weights, biases);
}

// Answers 0 to 3 for a saw that rises slowly to the right, to the left, downwards, upwards, by its steep falls: saw_level of the pixel in that direction. Its period of 7
// pixels has no factor in common with the network's stride.
inline TensorMap direction() {
  const std::vector<std::vector<Tap>> filters{
      {{1, 1, 0, 1}, {1, 1, 2, -1}}, {{1, 1, 2, 1}, {1, 1, 0, -1}}, {{1, 0, 1, 1}, {1, 2, 1, -1}}, {{1, 2, 1, 1}, {1, 0, 1, -1}}};
  return network(filters, {{1, 0, 0, 0}, {0, 1, 0, 0}, {0, 0, 1, 0}, {0, 0, 0, 1}}, {0, 0, 0, 0}, 1.2f);
}
inline int saw_level(int along) { return 40 + 24 * (along % 7); }

// A PNG of a colour for each pixel. Its rows together stay below 64 kB.
template <class ColourAt>
std::string png(int width, int height, ColourAt colour_at, int orientation = 1) {
  PngFile file(static_cast<std::uint32_t>(width), static_cast<std::uint32_t>(height), 8, 2);
  if (orientation != 1)
    file.chunk("eXIf",
               {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, static_cast<std::uint8_t>(orientation), 0, 0, 0, 0, 0, 0});
  std::vector<std::vector<std::uint8_t>> rows;
  for (int y = 0; y < height; ++y) {
    rows.emplace_back();
    for (int x = 0; x < width; ++x)
      for (const int level : colour_at(x, y)) rows.back().push_back(static_cast<std::uint8_t>(level));
  }
  const std::vector<std::uint8_t> bytes = file.with_rows(rows);
  return {bytes.begin(), bytes.end()};
}

}  // namespace regnet::toy
