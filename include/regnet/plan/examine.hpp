// examine: bound weights in, what is wrong or odd about them out. Compiling finds the same on its way; this looks without compiling.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/weights/bind.hpp>

namespace regnet {

// In order of gravity. With one of the first three the logits would be NaN, infinite or wrong; compile refuses such weights.
enum class Flaw {
  not_finite,            // values that are NaN, infinite or, as float64, beyond the range of float
  impossible_variance,   // running variances of -epsilon or less, whose square root is NaN
  overflow,              // values that become infinite when batch normalisation is folded into them
  negative_variance,     // running variances below zero that epsilon makes positive again
  untrained_statistics,  // running means of 0 and variances of 1 throughout: no image ever went through in training mode
  flushed                // values below 2^-126, folding done, which become 0: subnormals slow every kernel and add nothing
};

// Whether compile refuses such weights.
constexpr bool is_error(Flaw flaw) { return flaw <= Flaw::overflow; }

// One flaw of one tensor.
struct Finding {
  Flaw flaw = Flaw::not_finite;
  std::string tensor;      // its canonical name
  std::int64_t count = 0;  // of the values concerned
};

// One line for each kind, worst first, with the names of up to four tensors and the number of values in each.
REGNET_API std::vector<std::string> describe(const std::vector<Finding>& findings);

// Folds layer by layer and keeps nothing; pages of a mapped file are given back.
REGNET_API std::vector<Finding> examine(const BoundWeights& weights);

}  // namespace regnet
