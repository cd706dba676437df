// The own backend: steps over our own kernels (plan/kernels), run by a team of threads (plan/team.hpp).
#pragma once

#include <memory>

#include "plan/impl.hpp"

namespace regnet::detail {

// Whether there is a kernel for every layer: convolutions of 1x1 and 3x3 whose groups have a multiple of 8 output channels, as every RegNetX does.
bool own_supports(const Graph& graph);

// Whether this CPU has the instructions for which the own kernels were measured to be faster than oneDNN's.
bool own_is_faster();

// Precondition: own_supports. The plan keeps no hold of the weights.
std::shared_ptr<const PlanImpl> make_own_plan(BoundWeights weights, bool compact);

}  // namespace regnet::detail
