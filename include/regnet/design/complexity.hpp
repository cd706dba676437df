// complexity: what a network of some stages costs per image, from the stages alone, in the counts that papers and tools print. MACs are multiply-adds: the papers' "FLOPs",
// half of the arithmetic operations. graph/complexity.hpp counts the same node by node.
#pragma once

#include <cstdint>
#include <vector>

#include <regnet/base/error.hpp>
#include <regnet/design/stages.hpp>

namespace regnet {

// What an image costs, of a node, a stage or a network; such counts add up.
struct Complexity {
  std::int64_t params = 0;       // weights and biases, 2 per BN channel; running statistics are not parameters
  std::int64_t macs = 0;         // pycls: convolutions, and the head with its bias adds; nothing else
  std::int64_t activations = 0;  // pycls: output elements of convolutions and of the head
  std::int64_t mmcv_flops =
      0;  // mmcv 1.x as mmcls runs it: convolutions, 2 per BN element, 1 per ReLU element and pooled input; its tool stops before the head

  // Throws invalid_argument when a count passes 2^63: a network that nobody can run.
  Complexity& operator+=(const Complexity& other) {
    for (const auto count : {&Complexity::params, &Complexity::macs, &Complexity::activations, &Complexity::mmcv_flops})
      if (__builtin_add_overflow(this->*count, other.*count, &(this->*count)))
        fail(Code::invalid_argument, "network: its cost is above 2^63, expected a smaller resolution, width or depth");
    return *this;
  }
  friend bool operator==(const Complexity&, const Complexity&) = default;
};

// The whole network's, as complexity(build(stages, options)) has it, in a few nanoseconds per block. Throws invalid_argument as build and as the sum do.
inline Complexity complexity(const std::vector<Stage>& stages, const NetworkOptions& options = {}) {
  validate(stages, options);
  // A convolution with batch normalisation; `relus` after it.
  const auto conv = [](std::int64_t kernel, std::int64_t in, std::int64_t out, std::int64_t groups, std::int64_t side, int relus) {
    const std::int64_t outputs = out * side * side, per_output = kernel * kernel * (in / groups);
    return Complexity{per_output * out + 2 * out, per_output * outputs, outputs, per_output * outputs + (2 + relus) * outputs};
  };
  const auto strided = [](std::int64_t side, int stride) { return (side - 1) / stride + 1; };
  std::int64_t side = strided(options.resolution, 2), in = options.stem_width;
  Complexity total = conv(3, 3, in, 1, side, 1);
  for (const Stage& stage : stages) {
    const std::int64_t w = stage.width, b = stage.bottleneck_width;
    for (int block = 0; block < stage.depth; ++block) {
      const int stride = block == 0 ? stage.stride : 1;
      const std::int64_t out_side = strided(side, stride);
      Complexity sum = conv(1, in, b, 1, side, 1);
      sum += conv(3, b, b, stage.groups(), out_side, 1);
      sum += conv(1, b, w, 1, out_side, 1);  // its ReLU comes after the addition
      if (in != w || stride != 1) sum += conv(1, in, w, 1, out_side, 0);
      total += sum;
      in = w;
      side = out_side;
    }
  }
  const std::int64_t head = in * options.classes + options.classes;
  total += {head, head, options.classes, in * side * side};
  return total;
}

}  // namespace regnet
