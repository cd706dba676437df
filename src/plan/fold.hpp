// fold: the weights of one layer as a kernel wants them: floats in row-major order with batch normalisation folded in, and examined on the way.
#pragma once

#include <vector>

#include <regnet/graph/graph.hpp>
#include <regnet/plan/examine.hpp>

namespace regnet::detail {

// Both in row-major order; kept by the caller from layer to layer, so that their memory is.
struct FoldedLayer {
  std::vector<float> weights;
  std::vector<float> bias;
};

// `node` is a convolution or linear layer of a fused graph. Adds to `findings`.
void fold_layer(const BoundWeights& bound, const Node& node, FoldedLayer& layer, std::vector<Finding>& findings);

// Throws numeric, with all of the first kind, when there is an error among the findings.
void refuse_errors(const std::vector<Finding>& findings);

}  // namespace regnet::detail
