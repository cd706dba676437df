// pareto: which designs no other design beats.
#pragma once

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <span>
#include <vector>

#include <regnet/base/error.hpp>

namespace regnet {

// Whether each design is on the front of cost and error, both the less the better: no other has as little of both and less of one. Throws invalid_argument for lists of unlike lengths.
inline std::vector<bool> pareto_front(std::span<const double> costs, std::span<const double> errors) {
  if (costs.size() != errors.size())
    fail(Code::invalid_argument, "front: expected as many costs as errors, found ", costs.size(), " and ", errors.size());
  std::vector<std::size_t> order(costs.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return costs[a] != costs[b] ? costs[a] < costs[b] : errors[a] < errors[b]; });
  std::vector<bool> on_front(costs.size(), false);
  double least = 0, least_cost = 0;
  bool first = true;
  for (const std::size_t i : order) {
    if (!first && !(errors[i] < least) && !(errors[i] == least && costs[i] == least_cost)) continue;
    on_front[i] = true;
    least = errors[i], least_cost = costs[i];
    first = false;
  }
  return on_front;
}

}  // namespace regnet
