// complexity: what a node, or a whole graph before rewriting, costs per image, in the counts that papers and tools
// print. MACs are multiply-adds: the papers' "FLOPs", half of the arithmetic operations.
#pragma once

#include <cstdint>

#include <regnet/graph/graph.hpp>

namespace regnet {

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

inline Complexity complexity(const Graph& graph, const Node& node) {
  const std::int64_t outputs = node.dims.count();
  return std::visit(Overloaded{
                        [](const Input&) { return Complexity{}; },
                        [&](const Conv& conv) {
                          const std::int64_t per_output = std::int64_t{conv.kernel} * conv.kernel * (conv.in_channels / conv.groups);
                          return Complexity{per_output * conv.out_channels, per_output * outputs, outputs, per_output * outputs};
                        },
                        [&](const BatchNorm& norm) {
                          return Complexity{2 * std::int64_t{norm.channels}, 0, 0, 2 * outputs};
                        },
                        [&](const Relu&) {
                          return Complexity{0, 0, 0, outputs};
                        },
                        [](const Add&) { return Complexity{}; },
                        [&](const GlobalAveragePool&) {
                          return Complexity{0, 0, 0, graph.node(node.inputs[0]).dims.count()};
                        },
                        [](const Linear& linear) {
                          const std::int64_t products = std::int64_t{linear.in_features} * linear.out_features;
                          return Complexity{products + linear.out_features, products + linear.out_features, linear.out_features, 0};
                        },
                    },
                    node.op);
}

inline Complexity complexity(const Graph& graph) {
  Complexity total;
  for (const Node& node : graph.nodes()) total += complexity(graph, node);
  return total;
}

}  // namespace regnet
