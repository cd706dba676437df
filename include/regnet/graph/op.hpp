// op: what a node of the graph computes. Plain structs in a variant: a new operation is a struct here, a
// shape rule, a cost rule and one case in each backend, and the compiler names every place that is missing.
#pragma once

#include <string>
#include <string_view>
#include <variant>

#include <regnet/base/error.hpp>
#include <regnet/base/shape.hpp>

namespace regnet {

// Where the images come in.
struct Input {
  Dims dims;
};

// 2D convolution, square kernel, padding kernel / 2. Rewrites fold the following operations into it; they then happen in this
// order: convolution, bias, + second input, ReLU.
struct Conv {
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;
  int stride = 1;
  int groups = 1;
  std::string batch_norm = {};  // name of the BatchNorm folded into weights and bias; empty: none
  double epsilon = 0;           // of that BatchNorm
  bool add = false;             // adds the node's second input
  bool relu = false;
};

// Batch normalisation with running statistics, per channel.
struct BatchNorm {
  int channels = 0;
  double epsilon = 1e-5;  // in all four frameworks
};

struct Relu {};               // max(x, 0)
struct Add {};                // the sum of two inputs of one shape
struct GlobalAveragePool {};  // each channel's mean over all pixels

// y = W x + b, with W out_features x in_features.
struct Linear {
  int in_features = 0;
  int out_features = 0;
};

// Any operation.
using Op = std::variant<Input, Conv, BatchNorm, Relu, Add, GlobalAveragePool, Linear>;

// Builds one visitor out of a lambda per operation.
template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
// Overloaded{...} knows its cases.
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

// "conv", "batch_norm", ...
inline std::string_view name_of(const Op& op) {
  return std::visit(Overloaded{[](const Input&) { return "input"; }, [](const Conv&) { return "conv"; },
                               [](const BatchNorm&) { return "batch_norm"; }, [](const Relu&) { return "relu"; }, [](const Add&) { return "add"; },
                               [](const GlobalAveragePool&) { return "global_average_pool"; }, [](const Linear&) { return "linear"; }},
                    op);
}

// "conv 1x1", "conv 3x3/2 grouped", else the name of the op: what a kernel is chosen by.
inline std::string kind_of(const Op& op) {
  const auto* conv = std::get_if<Conv>(&op);
  if (!conv) return std::string(name_of(op));
  return text("conv ", conv->kernel, 'x', conv->kernel, conv->stride > 1 ? text('/', conv->stride) : "", conv->groups > 1 ? " grouped" : "");
}

}  // namespace regnet
