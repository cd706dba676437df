// Division: how the steps of a program are divided among a number of threads: which rows and channels each of them writes, and reads for that.
#pragma once

#include <vector>

#include "plan/own_steps.hpp"

namespace regnet::detail {

// So many parts by rows times so many by panels.
struct Split {
  int by_rows = 1, by_panels = 1;
};

// Which part of a tensor: rows, and words of each pixel.
struct Region {
  kernels::Range rows, words;
};

class Division {
 public:
  // The program must outlive it.
  Division(const Program& program, int threads);

  [[nodiscard]] int threads() const { return x_threads; }
  [[nodiscard]] Split split(const Step& step) const { return x_splits[static_cast<std::size_t>(step.node)]; }
  // Whether a step is done together with the next, band by band.
  [[nodiscard]] bool is_banded(const Step& step) const;

  // What a thread writes of a step's output; and what it reads of its source, for a convolution.
  [[nodiscard]] Region written(const Step& step, int thread) const;
  [[nodiscard]] Region read(const Step& step, int thread) const;

 private:
  const Program& x_program;
  int x_threads;
  std::vector<Split> x_splits;  // by node
};

}  // namespace regnet::detail
