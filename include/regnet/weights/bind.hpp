// bind: a graph and a checkpoint's tensors under canonical names in, weights that fit the graph exactly out. The only header of this
// folder that knows the graph. Also reads the network off the tensor shapes.
#pragma once

#include <string>
#include <vector>

#include <regnet/graph/build.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Tensors by parameter name; one for each of parameters(graph), of its shape.
struct BoundWeights {
  Graph graph;
  TensorMap tensors;
};

// A network as a checkpoint's shapes describe it.
struct NetworkShape {
  std::vector<Stage> stages;
  int classes = 0;
  int stem_width = 0;
};

namespace detail {

// At most `limit` of the lines, and how many more there are.
inline std::string abridged(const std::vector<std::string>& lines, std::size_t limit = 8) {
  std::string out;
  for (std::size_t i = 0; i < lines.size() && i < limit; ++i) out += (i ? "; " : "") + lines[i];
  if (lines.size() > limit) out += text("; and ", lines.size() - limit, " more");
  return out;
}

inline std::int64_t extent_of(const TensorMap& tensors, const std::string& name, std::size_t axis, std::size_t rank) {
  const TensorView* view = tensors.find(name);
  if (!view) fail(Code::mismatch, "no tensor ", name, ", which every RegNetX has");
  if (view->shape.size() != rank || element_count(view->shape) == 0 || view->shape[axis] > 1 << 20)
    fail(Code::mismatch, name, ": expected ", rank, " extents from 1 to 2^20, found shape ", to_string(view->shape));
  return view->shape[axis];
}

}  // namespace detail

// Throws mismatch with one line that names the missing, unexpected and misshapen tensors. Nothing is skipped, converted or initialised.
// The result keeps the tensors' bytes alive.
inline BoundWeights bind(const Graph& graph, const TensorMap& canonical) {
  std::vector<std::string> missing, misshapen, unexpected;
  BoundWeights bound{graph, {}};
  bound.tensors.keep_alive_with(canonical);
  for (const Parameter& parameter : parameters(graph)) {
    const TensorView* view = canonical.find(parameter.name);
    if (!view) missing.push_back(parameter.name);
    else if (view->shape != parameter.shape)
      misshapen.push_back(parameter.name + ": expected " + to_string(parameter.shape) + ", found " + to_string(view->shape));
    else bound.tensors.add(parameter.name, *view);
  }
  TensorMap expected;
  for (const Parameter& parameter : parameters(graph)) expected.add(parameter.name, {});
  for (const NamedTensor& tensor : canonical)
    if (!expected.find(tensor.name)) unexpected.push_back(tensor.name);
  if (missing.empty() && misshapen.empty() && unexpected.empty()) return bound;
  std::string message = "weights do not fit the network";
  const auto list = [&](const char* what, const std::vector<std::string>& lines) {
    if (!lines.empty()) message += text(" | ", lines.size(), " ", what, ": ", detail::abridged(lines));
  };
  list("missing", missing);
  list("of another shape", misshapen);
  list("unexpected", unexpected);
  fail(Code::mismatch, message);
}

// Reads depths, widths, group widths, classes and stem width off the shapes. Only the tensors it needs must be there: bind complains
// about the rest. Throws mismatch when they describe no RegNetX.
inline NetworkShape recognise(const TensorMap& canonical) {
  NetworkShape network;
  network.stem_width = static_cast<int>(detail::extent_of(canonical, "stem.conv.weight", 0, 4));
  if (const Shape& stem = canonical.find("stem.conv.weight")->shape; stem[2] == 7 && stem[3] == 7)
    fail(Code::mismatch, "looks like a ResNet: the first convolution's weights are ", to_string(stem), ", and a RegNetX begins with [32, 3, 3, 3]");
  if (!canonical.find("head.fc.weight") && !canonical.find("head.fc.bias"))
    fail(Code::mismatch, "looks like a backbone without a classifier, as detectors begin from: no tensor head.fc.weight");
  network.classes = static_cast<int>(detail::extent_of(canonical, "head.fc.weight", 0, 2));
  const auto has = [&](const std::string& block) { return canonical.find(block + ".f.a.weight") || canonical.find(block + ".f.c.weight"); };
  for (int s = 1; has("s" + std::to_string(s) + ".b1"); ++s) {
    const std::string stage_name = "s" + std::to_string(s);
    const std::string f = stage_name + ".b1.f.";
    Stage stage;
    while (has(stage_name + ".b" + std::to_string(stage.depth + 1))) ++stage.depth;
    stage.width = static_cast<int>(detail::extent_of(canonical, f + "c.weight", 0, 4));
    stage.bottleneck_width = static_cast<int>(detail::extent_of(canonical, f + "b.weight", 0, 4));
    stage.group_width = static_cast<int>(detail::extent_of(canonical, f + "b.weight", 1, 4));
    if (stage.bottleneck_width % stage.group_width != 0)
      fail(Code::mismatch, f, "b.weight: ", stage.bottleneck_width, " channels cannot be divided into groups of ", stage.group_width);
    network.stages.push_back(stage);
  }
  if (network.stages.empty()) fail(Code::mismatch, "no tensor s1.b1.f.a.weight, which every RegNetX has");
  return network;
}

}  // namespace regnet
