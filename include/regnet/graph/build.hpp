// build: stages in, the graph of a RegNetX out: stem, stages of residual bottleneck blocks, head.
// Names are pycls's, and so is the order of nodes. Source: pycls models/anynet.py, arXiv 2003.13678 figure 3.
#pragma once

#include <string>
#include <vector>

#include <regnet/design/stages.hpp>
#include <regnet/graph/graph.hpp>

namespace regnet {

namespace detail {

inline NodeId conv_bn(Graph& graph, const std::string& conv_name, const std::string& bn_name, NodeId src, Conv conv) {
  conv.in_channels = graph.node(src).dims.channels;
  const int channels = conv.out_channels;
  const NodeId out = graph.append(conv_name, std::move(conv), {src});
  return graph.append(bn_name, BatchNorm{channels}, {out});
}

}  // namespace detail

// Appends layers after x and returns the last, as the next three do. These: 3x3, stride 2, BN, ReLU. There is no max-pooling.
inline NodeId append_stem(Graph& graph, NodeId x, int width) {
  const NodeId out = detail::conv_bn(graph, "stem.conv", "stem.bn", x, {.out_channels = width, .kernel = 3, .stride = 2});
  return graph.append("stem.af", Relu{}, {out});
}

// x -> 1x1, 3x3 grouped (carries the stride), 1x1, each with BN; plus x, projected when its shape changes; ReLU.
inline NodeId append_block(Graph& graph, const std::string& name, NodeId x, const Stage& stage, int stride) {
  NodeId shortcut = x;
  if (graph.node(x).dims.channels != stage.width || stride != 1)
    shortcut = detail::conv_bn(graph, name + ".proj", name + ".bn", x, {.out_channels = stage.width, .stride = stride});
  const std::string f = name + ".f.";
  NodeId out = detail::conv_bn(graph, f + "a", f + "a_bn", x, {.out_channels = stage.bottleneck_width});
  out = graph.append(f + "a_af", Relu{}, {out});
  out = detail::conv_bn(graph, f + "b", f + "b_bn", out,
                        {.out_channels = stage.bottleneck_width, .kernel = 3, .stride = stride, .groups = stage.groups()});
  out = graph.append(f + "b_af", Relu{}, {out});
  out = detail::conv_bn(graph, f + "c", f + "c_bn", out, {.out_channels = stage.width});
  out = graph.append(name + ".add", Add{}, {out, shortcut});
  return graph.append(name + ".af", Relu{}, {out});
}

// `depth` blocks, named NAME.b1 and so on; the first carries the stage's stride.
inline NodeId append_stage(Graph& graph, const std::string& name, NodeId x, const Stage& stage) {
  for (int block = 1; block <= stage.depth; ++block)
    x = append_block(graph, name + ".b" + std::to_string(block), x, stage, block == 1 ? stage.stride : 1);
  return x;
}

// Global average pooling and one linear layer.
inline NodeId append_head(Graph& graph, NodeId x, int classes) {
  const NodeId pooled = graph.append("head.avg_pool", GlobalAveragePool{}, {x});
  return graph.append("head.fc", Linear{graph.node(pooled).dims.channels, classes}, {pooled});
}

// The whole network, for images of 3 x resolution x resolution. Throws invalid_argument as validate does.
inline Graph build(const std::vector<Stage>& stages, const NetworkOptions& options = {}) {
  validate(stages, options);
  Graph graph;
  NodeId x = graph.append("input", Input{{3, options.resolution, options.resolution}}, {});
  x = append_stem(graph, x, options.stem_width);
  for (std::size_t i = 0; i < stages.size(); ++i) x = append_stage(graph, "s" + std::to_string(i + 1), x, stages[i]);
  append_head(graph, x, options.classes);
  return graph;
}

}  // namespace regnet
