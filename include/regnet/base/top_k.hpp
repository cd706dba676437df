// top_k: which classes a network finds likeliest. In: logits; out: indices, best first.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include <regnet/base/error.hpp>

namespace regnet {

// Indices of the k largest values, or of all when there are fewer; of equal values the lower index comes first.
// Throws numeric when a value is NaN or infinite: the network has overflowed, and an order would be an accident.
inline std::vector<int> top_k(std::span<const float> logits, int k) {
  for (std::size_t i = 0; i < logits.size(); ++i)
    if (!std::isfinite(logits[i])) fail(Code::numeric, "logit of class ", i, " is ", std::isnan(logits[i]) ? "NaN" : "infinite");
  std::vector<int> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const auto count = std::min(order.size(), static_cast<std::size_t>(std::max(k, 0)));
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(), [&](int a, int b) {
    const float left = logits[static_cast<std::size_t>(a)], right = logits[static_cast<std::size_t>(b)];
    return left != right ? left > right : a < b;
  });
  order.resize(count);
  return order;
}

}  // namespace regnet
