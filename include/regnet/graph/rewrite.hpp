// rewrite: graph in, a smaller graph with the same meaning out. BatchNorm goes into the convolution before
// it, then residual adds and ReLUs too. Pure: the weights are folded by fold_batch_norm when a plan is compiled.
#pragma once

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include <regnet/graph/graph.hpp>

namespace regnet {

// What fold_batch_norm leaves beside the weights.
struct FoldedBatchNorm {
  std::vector<float> bias;   // one per output channel
  std::int64_t flushed = 0;  // constants that became 0 so
};

// Folds y = gamma (conv(x) - mean) / sqrt(var + epsilon) + beta into the convolution, in double, rounded once at the end.
// `weights` holds one row per output channel and is scaled in place. A constant that would be subnormal becomes 0: it cannot matter to a result and would
// slow every kernel it meets.
inline FoldedBatchNorm fold_batch_norm(std::span<float> weights, std::span<const float> gamma, std::span<const float> beta,
                                       std::span<const float> mean, std::span<const float> var, double epsilon) {
  int flushed_in_row = 0;
  const auto rounded = [&flushed_in_row](double value) {
    const bool flush = std::abs(value) < 0x1p-126;
    flushed_in_row += flush && value != 0;
    return flush ? 0.0f : static_cast<float>(value);
  };
  const std::size_t channels = gamma.size();
  const std::size_t row = weights.size() / channels;
  FoldedBatchNorm folded{std::vector<float>(channels)};
  for (std::size_t c = 0; c < channels; ++c) {
    const double scale = gamma[c] / std::sqrt(double{var[c]} + epsilon);
    for (float& weight : weights.subspan(c * row, row)) weight = rounded(weight * scale);
    folded.bias[c] = rounded(beta[c] - mean[c] * scale);
    folded.flushed += std::exchange(flushed_in_row, 0);
  }
  return folded;
}

namespace detail {

// How many nodes use each node's output.
inline std::vector<int> use_counts(const Graph& graph) {
  std::vector<int> uses(graph.nodes().size(), 0);
  for (const Node& node : graph.nodes())
    for (const NodeId id : node.inputs) ++uses[static_cast<std::size_t>(id)];
  return uses;
}

// Copies `graph` node by node. `absorb(node, inputs, dst)` may return the node of dst that already stands for it.
template <class Absorb>
Graph copy_absorbing(const Graph& graph, Absorb absorb) {
  // Absorbing edits a convolution that was copied before, so the nodes are collected first and appended, and so checked, at the end.
  std::vector<Node> kept;
  std::vector<NodeId> renamed;
  for (const Node& node : graph.nodes()) {
    Node copy = node;
    for (NodeId& id : copy.inputs) id = renamed[static_cast<std::size_t>(id)];
    const std::optional<NodeId> into = absorb(node, copy, kept);
    if (!into) kept.push_back(std::move(copy));
    renamed.push_back(into ? *into : static_cast<NodeId>(kept.size()) - 1);
  }
  Graph out;
  for (Node& node : kept) out.append(std::move(node.name), std::move(node.op), std::move(node.inputs));
  return out;
}

}  // namespace detail

// A BatchNorm that alone uses a convolution's output becomes part of it (Conv::batch_norm names it).
inline Graph fold_batch_norms(const Graph& graph) {
  const std::vector<int> uses = detail::use_counts(graph);
  return detail::copy_absorbing(graph, [&](const Node& node, const Node& copy, std::vector<Node>& kept) -> std::optional<NodeId> {
    if (!std::holds_alternative<BatchNorm>(node.op) || uses[static_cast<std::size_t>(node.inputs[0])] != 1) return {};
    auto* conv = std::get_if<Conv>(&kept[static_cast<std::size_t>(copy.inputs[0])].op);
    if (!conv || !conv->batch_norm.empty() || conv->add || conv->relu) return {};
    conv->batch_norm = node.name;
    conv->epsilon = std::get<BatchNorm>(node.op).epsilon;
    return copy.inputs[0];
  });
}

// A ReLU or an Add that alone uses a convolution's output becomes part of it. The Add goes into the operand that comes later in
// the graph, since only that one can read the other's result.
inline Graph fuse_activations(const Graph& graph) {
  const std::vector<int> uses = detail::use_counts(graph);
  return detail::copy_absorbing(graph, [&](const Node& node, const Node& copy, std::vector<Node>& kept) -> std::optional<NodeId> {
    const bool relu = std::holds_alternative<Relu>(node.op);
    if (!relu && !std::holds_alternative<Add>(node.op)) return {};
    const std::size_t later = !relu && copy.inputs[1] > copy.inputs[0] ? 1 : 0;
    if (uses[static_cast<std::size_t>(node.inputs[later])] != 1) return {};
    const NodeId into = copy.inputs[later];
    auto* conv = std::get_if<Conv>(&kept[static_cast<std::size_t>(into)].op);
    if (!conv || conv->relu || (!relu && (conv->add || copy.inputs[0] == copy.inputs[1]))) return {};
    if (relu) {
      conv->relu = true;
    } else {
      conv->add = true;
      kept[static_cast<std::size_t>(into)].inputs.push_back(copy.inputs[1 - later]);
    }
    return into;
  });
}

// All rewrites a plan wants: one node per convolution, pooling and linear layer is left of a RegNetX.
inline Graph fuse(const Graph& graph) { return fuse_activations(fold_batch_norms(graph)); }

}  // namespace regnet
