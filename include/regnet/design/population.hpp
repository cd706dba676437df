// population: what a set of trained networks says of the space they were drawn from: the distribution of their errors, and the value of a number that the best of them share.
// Sources: arXiv 2003.13678, sections 3.1 and 3.2; pycls sweep/analysis.py.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include <regnet/base/error.hpp>

namespace regnet {

// The legend of the paper's figures: n | min | mean.
struct ErrorSummary {
  std::size_t n = 0;
  double min = 0, mean = 0;
};

// An empirical distribution function: the part of a population below an error.
class Edf {
 public:
  // Errors in any order and unit. Throws invalid_argument for none, and for what is not finite.
  explicit Edf(std::vector<double> errors) : x_errors(std::move(errors)) {
    if (x_errors.empty()) fail(Code::invalid_argument, "population: expected at least one error, found none");
    for (const double error : x_errors)
      if (!std::isfinite(error)) fail(Code::invalid_argument, "population: expected finite errors, found ", error);
    std::sort(x_errors.begin(), x_errors.end());
  }
  // F(e): the part of the population whose error is less than e, as in the paper. pycls plots "at most e".
  double operator()(double e) const {
    return static_cast<double>(std::lower_bound(x_errors.begin(), x_errors.end(), e) - x_errors.begin()) / static_cast<double>(x_errors.size());
  }
  // The errors, ascending.
  [[nodiscard]] const std::vector<double>& sorted_errors() const { return x_errors; }
  // Number, least and mean of the errors.
  [[nodiscard]] ErrorSummary summary() const {
    return {x_errors.size(), x_errors.front(), std::accumulate(x_errors.begin(), x_errors.end(), 0.0) / static_cast<double>(x_errors.size())};
  }

 private:
  std::vector<double> x_errors;
};

// Percentile q (0 to 100) of sorted values, with linear interpolation, as numpy.percentile has it.
inline double percentile(const std::vector<double>& sorted, double q) {
  const double at = q / 100 * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(at);
  const double next = sorted[std::min(below + 1, sorted.size() - 1)];
  return sorted[below] + (next - sorted[below]) * (at - static_cast<double>(below));
}

// How best_value draws. Equal seeds give equal results everywhere.
struct BootstrapOptions {
  double fraction = 0.25;  // of the population in each draw, with replacement
  int repeats = 10000;     // the paper's; pycls takes 2,500
  double alpha = 5;        // percent outside the interval
  std::uint32_t seed = 0;
};

// The median of the best networks' values, and the ends of the interval around it.
struct BestValue {
  double low = 0, median = 0, high = 0;
};

// The empirical bootstrap: draws a part of the population again and again, notes the value of the network with the least error, and returns the median and the interval of what it noted.
// Throws invalid_argument for lists of unlike lengths, empty ones, and options out of range.
inline BestValue best_value(std::span<const double> values, std::span<const double> errors, const BootstrapOptions& options = {}) {
  const auto expect = [](bool holds, const char* expected, double found) {
    if (!holds) fail(Code::invalid_argument, "bootstrap: expected ", expected, ", found ", found);
  };
  expect(!errors.empty() && values.size() == errors.size(), "as many values as errors, at least one", static_cast<double>(values.size()));
  expect(options.fraction > 0 && options.fraction <= 1, "a part above 0, at most 1", options.fraction);
  expect(options.repeats >= 1, "at least one repeat", options.repeats);
  expect(options.alpha > 0 && options.alpha < 100, "between 0 and 100 percent outside", options.alpha);
  const std::size_t n = errors.size(), drawn = std::max<std::size_t>(1, static_cast<std::size_t>(static_cast<double>(n) * options.fraction));
  std::mt19937 engine(options.seed);
  std::vector<double> best;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    std::size_t least = n;
    for (std::size_t i = 0; i < drawn; ++i) {
      const auto at = static_cast<std::size_t>(std::uint64_t{engine()} * n >> 32);  // the same in every library
      if (least == n || errors[at] < errors[least]) least = at;
    }
    best.push_back(values[least]);
  }
  std::sort(best.begin(), best.end());
  return {percentile(best, options.alpha / 2), percentile(best, 50), percentile(best, 100 - options.alpha / 2)};
}

}  // namespace regnet
