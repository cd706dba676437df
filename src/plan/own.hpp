// The own backend: steps over our own kernels (plan/kernels), run by a team of threads (plan/team.hpp).
#pragma once

#include <memory>

#include "plan/impl.hpp"
#include "plan/own_program.hpp"

namespace regnet::detail {

struct PackedWeights {
  const float* data = nullptr;
  std::shared_ptr<const void> owner;
};

class OwnPlan final : public PlanImpl {
 public:
  // `network` is what the program was made from.
  OwnPlan(Graph network, Program program, PackedWeights weights)
      : PlanImpl(std::move(network)), x_program(std::move(program)), x_weights(std::move(weights)) {}

  std::unique_ptr<SessionImpl> open(const SessionOptions& options) const override;
  Backend backend() const override { return Backend::own; }
  Precision precision() const override { return x_program.precision; }
  const std::vector<LayerReport>& layers() const override { return x_program.layers; }

  const Program& program() const { return x_program; }
  const float* packed() const { return x_weights.data; }

 private:
  Program x_program;
  PackedWeights x_weights;
};

// Whether the own backend can run it: convolutions of 1x1 and 3x3 whose groups have a multiple of 8 output channels, put together as in RegNetX.
bool own_supports(const Graph& graph);

// Whether this CPU has the instructions for which the own kernels were measured to be faster than oneDNN's.
bool own_is_faster();

// Throws unsupported when own plans cannot have that precision, which is not automatic, on this CPU or for this graph.
void require(Precision precision, const Graph& graph);

// Precondition: own_supports. The plan keeps no hold of the weights.
std::shared_ptr<const PlanImpl> make_own_plan(BoundWeights weights, const CompileOptions& options);

}  // namespace regnet::detail
