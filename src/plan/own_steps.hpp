// The work of a program's steps on the memory of one image. A part of a step is some rows, panels or blocks; who does which part is the session's affair (plan/own.cpp).
#pragma once

#include "plan/own_program.hpp"

namespace regnet::detail {

class OwnSteps {
 public:
  // Both must outlive it.
  OwnSteps(const Program& program, const float* weights) : x_program(program), x_weights(weights) {}

  // Before, beside and behind so many rows of a node's output: zero.
  void clear_border(float* arena, NodeId id, kernels::Range rows) const;
  // Images come as planes, activations are pixels. False: there is NaN or infinity among them.
  bool copy_input(float* arena, const Step& step, kernels::Range rows, const float* image) const;
  // Panels of all groups are counted through. `shared`: other threads write to this arena too.
  void convolve(float* arena, const Step& step, kernels::Range rows, kernels::Range panels, bool shared) const;
  // Rows of the second of two steps that are banded; of the first as much as those need, in `band`: band_floats of the first step, and
  // the thread's own.
  void convolve_banded(float* arena, const Step& first, const Step& second, kernels::Range rows, float* band, bool shared) const;
  void winograd(float* arena, const Step& step, kernels::Range blocks, float* scratch) const;
  void average(float* arena, const Step& step, kernels::Range eights) const;
  void linear(float* arena, const Step& step, kernels::Range panels, float* logits) const;

  // A node's output from one arena to another.
  void copy_output(const float* from, float* to, NodeId id) const;
  // A node's output, as planes.
  [[nodiscard]] std::vector<float> values_of(const float* arena, NodeId id) const;

 private:
  [[nodiscard]] kernels::Convolution convolution(float* arena, const Step& step) const;
  void in_chunks(const Step& step, const kernels::Convolution& layer, kernels::Range rows, kernels::Range panels) const;

  const Program& x_program;
  const float* x_weights;
};

// Part `index` of `parts` nearly equal ones.
constexpr kernels::Range part(int count, int parts, int index) {
  return {static_cast<int>(std::int64_t{count} * index / parts), static_cast<int>(std::int64_t{count} * (index + 1) / parts)};
}

// Blocks of tiles, of all groups.
inline int winograd_blocks(const Program& program, const Step& step) { return step.blocks_per_group * std::get<Conv>(program.node(step).op).groups; }

}  // namespace regnet::detail
