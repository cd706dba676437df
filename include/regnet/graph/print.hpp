// print: a graph as text for people (a table) and for graphviz (dot).
#pragma once

#include <iomanip>
#include <ostream>
#include <string>

#include <regnet/graph/complexity.hpp>
#include <regnet/graph/graph.hpp>

namespace regnet {

// "conv 3x3 /2 g16": kernel, stride, groups, and what was fused into it.
inline std::string describe(const Op& op) {
  const auto* conv = std::get_if<Conv>(&op);
  if (!conv) return std::string(name_of(op));
  std::string out = text("conv ", conv->kernel, "x", conv->kernel);
  if (conv->stride != 1) out += text(" /", conv->stride);
  if (conv->groups != 1) out += text(" groups ", conv->groups);
  if (!conv->batch_norm.empty()) out += " + batch_norm";
  if (conv->add) out += " + add";
  if (conv->relu) out += " + relu";
  return out;
}

// One line per node with output shape and cost, and a line of totals. The costs are those of complexity().
inline void print_table(std::ostream& out, const Graph& graph) {
  const auto row = [&](const std::string& name, const std::string& op, const std::string& dims, const auto& params, const auto& macs,
                       const auto& activations) {
    out << std::left << std::setw(16) << name << std::setw(24) << op << std::right << std::setw(18) << dims << std::setw(12) << params
        << std::setw(15) << macs << std::setw(13) << activations << '\n';
  };
  row("layer", "operation", "output", "params", "MACs", "activations");
  for (const Node& node : graph.nodes()) {
    const Complexity cost = complexity(graph, node);
    row(node.name, describe(node.op), to_string(node.dims), cost.params, cost.macs, cost.activations);
  }
  const Complexity total = complexity(graph);
  row("total", "", "", total.params, total.macs, total.activations);
}

// The nodes with their operations and output shapes, and the edges, for graphviz.
inline void print_dot(std::ostream& out, const Graph& graph) {
  out << "digraph regnet {\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (std::size_t i = 0; i < graph.nodes().size(); ++i) {
    const Node& node = graph.nodes()[i];
    out << "  n" << i << " [label=\"" << node.name << "\\n" << describe(node.op) << "\\n" << to_string(node.dims) << "\"];\n";
    for (const NodeId src : node.inputs) out << "  n" << src << " -> n" << i << ";\n";
  }
  out << "}\n";
}

}  // namespace regnet
