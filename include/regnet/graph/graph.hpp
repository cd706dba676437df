// Graph: the network as an append-only list of nodes in execution order. A node may only use earlier nodes,
// so there are no cycles; its output shape is inferred and checked when it is appended.
#pragma once

#include <span>
#include <string>
#include <vector>

#include <regnet/base/error.hpp>
#include <regnet/base/shape.hpp>
#include <regnet/graph/op.hpp>

namespace regnet {

using NodeId = int;  // position in Graph::nodes()

// An operation, and which nodes' outputs it takes.
struct Node {
  std::string name;  // canonical (pycls) name of the module: "s1.b1.f.a"; names its parameters
  Op op;
  std::vector<NodeId> inputs;
  Dims dims;  // of the output, per image
};

// A tensor that a checkpoint must provide.
struct Parameter {
  std::string name;
  Shape shape;
};

class Graph {
 public:
  // Returns the new node's id. Throws invalid_argument when an input does not exist or the shapes do not fit.
  NodeId append(std::string name, Op op, std::vector<NodeId> inputs);

  // In the order in which they are computed.
  [[nodiscard]] const std::vector<Node>& nodes() const { return x_nodes; }
  // Throws std::out_of_range when there is no such node.
  [[nodiscard]] const Node& node(NodeId id) const { return x_nodes.at(static_cast<std::size_t>(id)); }

  [[nodiscard]] NodeId last() const { return static_cast<NodeId>(x_nodes.size()) - 1; }  // -1 when the graph is empty

  // Of an image: channels, height, width. Precondition: the graph is not empty.
  [[nodiscard]] Dims input_dims() const { return x_nodes.front().dims; }

  // Number of logits. Precondition: the graph is not empty.
  [[nodiscard]] int classes() const { return x_nodes.back().dims.channels; }

 private:
  std::vector<Node> x_nodes;
};

// Output of a convolution or pooling along one axis: "same" padding, as (size - 1) / stride + 1.
constexpr int strided(int size, int stride) { return (size - 1) / stride + 1; }

// The parameters of a node before any rewrite, in the order frameworks store them. num_batches_tracked is not one.
inline std::vector<Parameter> parameters(const Node& node) {
  const auto named = [&](const char* leaf, Shape shape) { return Parameter{node.name + "." + leaf, std::move(shape)}; };
  if (const auto* conv = std::get_if<Conv>(&node.op))
    return {named("weight", {conv->out_channels, conv->in_channels / conv->groups, conv->kernel, conv->kernel})};
  if (const auto* norm = std::get_if<BatchNorm>(&node.op))
    return {named("weight", {norm->channels}), named("bias", {norm->channels}), named("running_mean", {norm->channels}),
            named("running_var", {norm->channels})};
  if (const auto* linear = std::get_if<Linear>(&node.op))
    return {named("weight", {linear->out_features, linear->in_features}), named("bias", {linear->out_features})};
  return {};
}

// Those of all nodes, in their order.
inline std::vector<Parameter> parameters(const Graph& graph) {
  std::vector<Parameter> all;
  for (const Node& node : graph.nodes())
    for (Parameter& parameter : parameters(node)) all.push_back(std::move(parameter));
  return all;
}

namespace detail {

inline void expect_input(bool holds, const std::string& name, const char* expected, const std::string& found) {
  if (!holds) fail(Code::invalid_argument, "node ", name, ": expected ", expected, ", found ", found);
}

inline Dims infer(const std::string& name, const Op& op, const std::vector<Dims>& src) {
  const auto arity = [&](std::size_t count) { expect_input(src.size() == count, name, "another number of inputs", text(src.size())); };
  return std::visit(
      Overloaded{
          [&](const Input& input) {
            arity(0);
            expect_input(input.dims.channels > 0 && input.dims.height > 0 && input.dims.width > 0, name, "a positive size", to_string(input.dims));
            return input.dims;
          },
          [&](const Conv& conv) {
            arity(conv.add ? 2 : 1);
            expect_input(conv.kernel >= 1 && conv.kernel % 2 == 1, name, "an odd kernel", text(conv.kernel));
            expect_input(conv.stride >= 1 && conv.groups >= 1, name, "positive stride and groups", text(conv.stride, " and ", conv.groups));
            expect_input(conv.in_channels % conv.groups == 0 && conv.out_channels % conv.groups == 0, name, "channels divisible by the groups",
                         text(conv.in_channels, " -> ", conv.out_channels, " in ", conv.groups, " groups"));
            expect_input(src[0].channels == conv.in_channels, name, text(conv.in_channels, " channels").c_str(), to_string(src[0]));
            const Dims dims{conv.out_channels, strided(src[0].height, conv.stride), strided(src[0].width, conv.stride)};
            if (conv.add) expect_input(src[1] == dims, name, text("a second input of ", to_string(dims)).c_str(), to_string(src[1]));
            return dims;
          },
          [&](const BatchNorm& norm) {
            arity(1);
            expect_input(src[0].channels == norm.channels, name, text(norm.channels, " channels").c_str(), to_string(src[0]));
            return src[0];
          },
          [&](const Relu&) { return arity(1), src[0]; },
          [&](const Add&) {
            arity(2);
            expect_input(src[0] == src[1], name, "two inputs of one shape", to_string(src[0]) + " and " + to_string(src[1]));
            return src[0];
          },
          [&](const GlobalAveragePool&) {
            return arity(1), Dims{src[0].channels, 1, 1};
          },
          [&](const Linear& linear) {
            arity(1);
            expect_input(src[0].count() == linear.in_features, name, text(linear.in_features, " features").c_str(), to_string(src[0]));
            return Dims{linear.out_features, 1, 1};
          },
      },
      op);
}

}  // namespace detail

inline NodeId Graph::append(std::string name, Op op, std::vector<NodeId> inputs) {
  std::vector<Dims> src;
  for (const NodeId id : inputs) {
    if (id < 0 || id > last()) fail(Code::invalid_argument, "node ", name, ": input ", id, " does not exist");
    src.push_back(node(id).dims);
  }
  const Dims dims = detail::infer(name, op, src);
  x_nodes.push_back({std::move(name), std::move(op), std::move(inputs), dims});
  return last();
}

}  // namespace regnet
