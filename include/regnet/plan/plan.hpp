// Plan: bound weights in, a network ready to run on this CPU out. Immutable and cheap to copy; any number of
// threads may open sessions on one plan.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/plan/examine.hpp>
#include <regnet/plan/options.hpp>
#include <regnet/weights/bind.hpp>

namespace regnet {

// What runs a layer.
struct LayerReport {
  std::string name;            // of the graph's node
  std::string kind;            // what it computes, as kind_of says: "conv 3x3/2 grouped"
  Dims dims;                   // of its output, per image
  std::string implementation;  // oneDNN's name of its kernel, or ours
  bool slow = false;           // a reference kernel: right, but orders of magnitude slower than the others
};

class Plan;

namespace detail {
class PlanImpl;
const PlanImpl& impl_of(const Plan& plan);
Plan plan_of(std::shared_ptr<const PlanImpl> impl);
}  // namespace detail

class REGNET_API Plan {
 public:
  [[nodiscard]] Dims input_dims() const;      // of an image: 3, height, width
  [[nodiscard]] int classes() const;          // logits per image
  [[nodiscard]] Backend backend() const;      // never automatic
  [[nodiscard]] Precision precision() const;  // never automatic

  // Layers of the session the plan was compiled for, in execution order. Check `slow`: the plan runs such layers but does not hide them.
  [[nodiscard]] const std::vector<LayerReport>& layers() const;

  // What is odd about the weights though not wrong: worth a warning (describe makes lines of them).
  [[nodiscard]] const std::vector<Finding>& findings() const;

 private:
  friend Plan compile(BoundWeights, const CompileOptions&);
  friend const detail::PlanImpl& detail::impl_of(const Plan&);
  friend Plan detail::plan_of(std::shared_ptr<const detail::PlanImpl>);
  friend class Session;
  explicit Plan(std::shared_ptr<const detail::PlanImpl> impl) : x_impl(std::move(impl)) {}
  std::shared_ptr<const detail::PlanImpl> x_impl;
};

// Folds, fuses, creates the kernels and packs the weights. A plan of oneDNN keeps the mapped checkpoint for sessions of other batch sizes, one of the own kernels does not.
// Throws invalid_argument when the graph does not end in a linear layer or int8 lacks a scale, numeric when weights are or become NaN or infinite (naming the tensors), unsupported when
// this CPU has no instructions for the precision or oneDNN has no kernel at all.
REGNET_API Plan compile(BoundWeights weights, const CompileOptions& options = {});

// "oneDNN 3.2.0, AVX-512 ..., OMP": the library and instruction set that plans run on in this process.
REGNET_API std::string engine_description();

// The OpenMP runtimes loaded in this process, the one that plans of oneDNN run on first. More than one give right answers too, but each that is used has its own threads, which compete for the cores.
REGNET_API std::vector<std::string> openmp_runtimes();

}  // namespace regnet
