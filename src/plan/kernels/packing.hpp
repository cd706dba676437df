// packing: weights as frameworks store them in, weights as the kernels read them out. Done once, when a plan is made.
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/kernels/kernels.hpp"

namespace regnet::kernels {

// Where the runs of channels begin that a kernel x kernel convolution reads, in words from its first.
inline std::vector<std::int64_t> direct_taps(int kernel, std::int64_t row, std::int64_t pixel) {
  std::vector<std::int64_t> taps;
  for (int y = 0; y < kernel; ++y)
    for (int x = 0; x < kernel; ++x) taps.push_back(y * row + x * pixel);
  return taps;
}

// The same for whole rows of the kernel: the order of the weights stays.
inline std::vector<std::int64_t> row_taps(int kernel, std::int64_t row) {
  std::vector<std::int64_t> taps;
  for (int y = 0; y < kernel; ++y) taps.push_back(y * row);
  return taps;
}

// Source weights: [groups * out][in][kernel][kernel]. Order: group, panel, tap, input channel, channel of the panel.
inline void pack_direct(const Kernels& kernels, const float* weights, int groups, int out, int in, int kernel, float* dst) {
  const int area = kernel * kernel;
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(out, nullptr)) + 1);
  kernels.panels(out, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel)
      for (int tap = 0; tap < area; ++tap)
        for (int i = 0; i < in; ++i)
          for (int c = begins[panel]; c < begins[panel + 1]; ++c) *dst++ = weights[(std::int64_t{group * out + c} * in + i) * area + tap];
}

inline std::vector<float> pack_direct(const Kernels& kernels, const std::vector<float>& weights, int groups, int out, int in, int kernel) {
  std::vector<float> packed(weights.size());
  pack_direct(kernels, weights.data(), groups, out, in, kernel, packed.data());
  return packed;
}

// How many groups are best given to a direct kernel as one, so that its taps are as long as it reads anyway.
inline int groups_at_once(const Kernels& kernels, int groups, int channels) {
  return std::clamp(kernels.depth_multiple * per_word(kernels.source) / channels, 1, groups);
}

// Of a direct convolution, with what is filled up.
inline std::size_t packed_words(const Kernels& kernels, int groups, int channels, int taps, int tap_length) {
  const auto up = [](int value, int multiple) { return static_cast<std::size_t>((value + multiple - 1) / multiple * multiple); };
  return static_cast<std::size_t>(groups) * static_cast<std::size_t>(taps) * up(tap_length, kernels.depth_multiple) *
         up(channels, kernels.width_multiple);
}

// The nearest bf16 of a finite value, to even in the middle; the largest for what lies beyond it.
inline std::uint32_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value), nearest = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  return (nearest & 0x7fff) == 0x7f80 ? nearest - 1 : nearest;
}
inline float from_bf16(std::uint32_t bits) { return std::bit_cast<float>(bits << 16); }

struct WeightShape {
  int groups, out, in, kernel;  // channels of a group
};

// Weights in rows, one for each output channel, as bf16. What rounding takes from a weight is given to the next of its row: activations are positive, so that errors of one sign would
// add up, and shift the channel's mean. On a network trained on CIFAR-10 the logits' distance to those of floats (1 - cosine) is 9e-6 so, and 32e-6 when each weight is rounded to the
// nearest.
inline std::vector<std::uint16_t> bf16_codes(const std::vector<float>& weights, int rows) {
  std::vector<std::uint16_t> codes;
  codes.reserve(weights.size());
  const std::size_t row = weights.size() / static_cast<std::size_t>(rows);
  float carried = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (i % row == 0) carried = 0;
    const float wanted = weights[i] + carried;
    codes.push_back(static_cast<std::uint16_t>(to_bf16(wanted)));
    carried = wanted - from_bf16(codes.back());
  }
  return codes;
}

struct Int8Codes {
  std::vector<std::uint16_t> codes;  // the lower byte, as two's complement
  std::vector<float> scales;         // by row
};

// Kernels that add products in 16 bits (Kernels::together) take them of an even input channel and the next, or of the same pairs of two words that follow each other. The positive of
// weights that meet there may add up to at most so much, and the negative to no less below zero: 255 times that fits.
inline constexpr int most_together = 128;

// Of one output channel's weights [in][kernel][kernel]: where those lie that meet, one sum after the other, and how many are in each, which is less where the channels fill no word.
struct Meetings {
  std::vector<std::size_t> places, counts;

  Meetings(const WeightShape& shape, int together) {
    const int area = shape.kernel * shape.kernel, words = together / 2;
    for (int first = 0; first < shape.in; first += 4 * words)
      for (int tap = 0; tap < area; ++tap)
        for (const int pair : {0, 2}) {
          std::size_t count = 0;
          for (int word = 0; word < words; ++word)
            for (const int channel : {first + 4 * word + pair, first + 4 * word + pair + 1})
              if (channel < shape.in) {
                places.push_back(static_cast<std::size_t>(channel * area + tap));
                ++count;
              }
          if (count > 0) counts.push_back(count);
        }
  }
};

// The largest sum of positive or of negative weights that meet, without its sign, of any number of output channels.
inline float largest_together(std::span<const float> weights, const Meetings& meetings) {
  float largest = 0;
  for (std::size_t begin = 0; begin < weights.size(); begin += meetings.places.size()) {
    std::size_t at = 0;
    for (const std::size_t count : meetings.counts) {
      float above = 0, below = 0;
      for (std::size_t i = 0; i < count; ++i) {
        const float value = weights[begin + meetings.places[at++]];
        (value > 0 ? above : below) += std::abs(value);
      }
      largest = std::max({largest, above, below});
    }
  }
  return largest;
}

// Takes from the positive, and from the negative, by turns what is too much.
inline void reduce_range(std::span<float> codes) {
  for (const float sign : {1.0f, -1.0f}) {
    float excess = -most_together;
    for (const float code : codes) excess += std::max(0.0f, sign * code);
    for (std::size_t i = 0; excess > 0; i = (i + 1) % codes.size())
      if (sign * codes[i] > 0) {
        codes[i] -= sign;
        --excess;
      }
  }
}

// Weights [groups * out][in][kernel][kernel] as s8, with a scale for each output channel: that of those tried which loses least. Rounding errors are carried as for bf16, but none beyond
// the largest code. `together`: 2 or 4 weights that leave room. On a network trained on CIFAR-10 logits are 1.8% of their deviation from those of floats for 2, as without, and 2.4% for 4.
inline Int8Codes int8_codes(const std::vector<float>& weights, const WeightShape& shape, int together) {
  constexpr int candidates = 24;  // from 1 down to half of what the largest weights need
  Int8Codes result;
  result.codes.resize(weights.size());
  const Meetings meetings(shape, together);
  const std::size_t row = meetings.places.size();
  std::vector<float> values(row), codes(row);
  for (std::size_t begin = 0; begin < weights.size(); begin += row) {
    for (std::size_t i = 0; i < row; ++i) values[i] = weights[begin + meetings.places[i]];
    float largest = 0;
    for (const float value : values) largest = std::max(largest, std::abs(value));
    // Sets `codes`; returns the sum of squared errors.
    const auto round_all = [&](float scale, bool carry) {
      double lost = 0;
      float carried = 0;
      std::size_t first = 0;
      for (const std::size_t count : meetings.counts) {
        for (std::size_t i = first; i < first + count; ++i) {
          const float wanted = values[i] + carried;
          codes[i] = std::clamp(std::nearbyint(wanted / scale), -127.0f, 127.0f);
          if (carry) carried = std::clamp(wanted - codes[i] * scale, -scale / 2, scale / 2);
        }
        reduce_range(std::span(codes).subspan(first, count));
        for (const std::size_t end = first + count; first < end; ++first) {
          const double error = values[first] - scale * codes[first];
          lost += error * error;
        }
      }
      return lost;
    };
    // Cuts nothing off.
    const float widest = std::max(largest / 127, largest_together(std::span(weights).subspan(begin, row), meetings) / most_together);
    float best = largest > 0 ? widest : 1;
    double least = -1;
    for (int i = 0; i < candidates && largest > 0; ++i) {
      const float scale = widest * (1 - 0.5f * static_cast<float>(i) / candidates);
      if (const double lost = round_all(scale, false); least < 0 || lost < least) least = lost, best = scale;
    }
    round_all(best, true);
    for (std::size_t i = 0; i < row; ++i) result.codes[begin + meetings.places[i]] = static_cast<std::uint8_t>(static_cast<std::int8_t>(codes[i]));
    result.scales.push_back(best);
  }
  return result;
}

// Weights that are codes already; `folded` are those times what batch normalisation makes of them, which is the scale.
inline Int8Codes int8_codes(const std::vector<float>& folded, const std::vector<float>& codes, int rows) {
  Int8Codes result;
  const std::size_t row = codes.size() / static_cast<std::size_t>(rows);
  for (std::size_t begin = 0; begin < codes.size(); begin += row) {
    std::size_t largest = begin;
    for (std::size_t i = begin; i < begin + row; ++i)
      if (std::abs(codes[i]) > std::abs(codes[largest])) largest = i;
    result.scales.push_back(codes[largest] == 0 ? 1 : folded[largest] / codes[largest]);
    for (std::size_t i = begin; i < begin + row; ++i) result.codes.push_back(static_cast<std::uint8_t>(static_cast<std::int8_t>(codes[i])));
  }
  return result;
}

// Codes in the order of pack_direct's source weights. `groups` is how many the kernel sees, each of several of the network's; a tap is one of the kernel's pixels, or one of its rows.
// `dst` is zeroed. Order: group, panel, tap, word of the tap, channel of the panel.
inline void pack_codes(const Kernels& kernels, const std::vector<std::uint16_t>& codes, const WeightShape& shape, int groups, int taps,
                       int tap_length, float* dst) {
  const int together = (shape.groups + groups - 1) / groups, channels = together * shape.out, area = shape.kernel * shape.kernel;
  const auto up = [](int value, int multiple) { return (value + multiple - 1) / multiple * multiple; };
  const int depth = up(tap_length, kernels.depth_multiple), pixels = area / taps, pixel = tap_length / pixels;  // words
  const int in_word = per_word(kernels.source), bits = 32 / in_word;
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(channels, nullptr)) + 1);
  kernels.panels(channels, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel) {
      const int width = up(begins[panel + 1] - begins[panel], kernels.width_multiple);
      for (int c = begins[panel]; c < begins[panel + 1]; ++c) {
        const int inner = c / shape.out, channel = group * channels + c;
        if (channel >= shape.groups * shape.out) break;
        const std::uint16_t* of_channel = codes.data() + std::int64_t{channel} * shape.in * area;
        for (int k = 0; k < area; ++k)
          for (int i = 0; i < shape.in; ++i) {
            const int at = inner * shape.in + i, tap = k / pixels, word = tap * depth + k % pixels * pixel + at / in_word;
            float& packed = dst[std::int64_t{word} * width + c - begins[panel]];
            packed = std::bit_cast<float>(std::bit_cast<std::uint32_t>(packed) | std::uint32_t{of_channel[i * area + k]} << (at % in_word * bits));
          }
      }
      dst += std::int64_t{taps} * depth * width;
    }
}

// Source weights: [groups * channels][channels][3][3]. Order: group, panel, input channel, tap, channel of the panel.
inline void pack_winograd(const Kernels& kernels, const float* weights, int groups, int channels, float* dst) {
  std::vector<int> begins(static_cast<std::size_t>(kernels.panels(channels, nullptr)) + 1);
  kernels.panels(channels, begins.data());
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel)
      for (int i = 0; i < channels; ++i)
        for (int tap = 0; tap < 9; ++tap)
          for (int c = begins[panel]; c < begins[panel + 1]; ++c) *dst++ = weights[((std::int64_t{group} * channels + c) * channels + i) * 9 + tap];
}

inline std::vector<float> pack_winograd(const Kernels& kernels, const std::vector<float>& weights, int groups, int channels) {
  std::vector<float> packed(weights.size());
  pack_winograd(kernels, weights.data(), groups, channels, packed.data());
  return packed;
}

// Winograd's transformed weights for kernels of bf16. `floats` transforms, and has panels as wide; `dst` is zeroed. What rounding takes from a weight is given to the next input channel's at the one
// point whose inputs have a mean that is not 0, that of the sum of all nine weights.
inline void pack_winograd_bf16(const Kernels& floats, const std::vector<float>& weights, int groups, int channels, float* dst) {
  constexpr int sum_of_all = 1 * 6 + 1;
  const std::vector<float> panels = pack_winograd(floats, weights, groups, channels);
  std::vector<float> transformed(4 * weights.size());
  floats.winograd_weights(panels.data(), groups, channels, 1, transformed.data());
  std::vector<int> begins(static_cast<std::size_t>(floats.panels(channels, nullptr)) + 1);
  floats.panels(channels, begins.data());
  const float* src = transformed.data();
  for (int group = 0; group < groups; ++group)
    for (std::size_t panel = 0; panel + 1 < begins.size(); ++panel) {
      const int width = begins[panel + 1] - begins[panel];
      for (int point = 0; point < winograd_points; ++point, src += channels * width, dst += channels / 2 * width)
        for (int c = 0; c < width; ++c) {
          float carried = 0;
          for (int i = 0; i < channels; ++i) {
            const float wanted = src[i * width + c] + carried;
            const std::uint32_t code = to_bf16(wanted);
            if (point == sum_of_all) carried = wanted - from_bf16(code);
            float& packed = dst[i / 2 * width + c];
            packed = std::bit_cast<float>(std::bit_cast<std::uint32_t>(packed) | code << (i % 2 * 16));
          }
        }
    }
}

}  // namespace regnet::kernels
