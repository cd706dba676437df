// complexity: what a node, or a whole graph before rewriting, costs per image.
#pragma once

#include <cstdint>

#include <regnet/design/complexity.hpp>
#include <regnet/graph/graph.hpp>

namespace regnet {

// What one node of the graph costs.
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

// What all nodes cost together. Throws as Complexity's sum does.
inline Complexity complexity(const Graph& graph) {
  Complexity total;
  for (const Node& node : graph.nodes()) total += complexity(graph, node);
  return total;
}

}  // namespace regnet
