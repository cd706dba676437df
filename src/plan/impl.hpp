// What Plan and Session hide: the two classes a backend implements.
#pragma once

#include <memory>
#include <vector>

#include <regnet/plan/plan.hpp>
#include <regnet/plan/session.hpp>

namespace regnet::detail {

// A kernel's ReLU turns NaN into 0, so a broken image would get an answer like any other.
[[noreturn]] inline void refuse_image() { fail(Code::numeric, "session: expected finite values in the images, found NaN or infinity"); }

class SessionImpl {
 public:
  virtual ~SessionImpl() = default;
  // `observe` may be nullptr.
  virtual void run(const float* images, float* logits, const LayerObserver* observe) = 0;
  [[nodiscard]] virtual const std::vector<LayerReport>& layers() const = 0;
  [[nodiscard]] virtual std::size_t arena_bytes() const = 0;
  [[nodiscard]] virtual int threads() const = 0;
  // Whether run itself calls refuse_image for an image that is not finite.
  [[nodiscard]] virtual bool checks_images() const { return false; }
};

class PlanImpl {
 public:
  explicit PlanImpl(Graph network) : graph(std::move(network)) {}
  virtual ~PlanImpl() = default;
  [[nodiscard]] virtual std::unique_ptr<SessionImpl> open(const SessionOptions& options) const = 0;
  [[nodiscard]] virtual Backend backend() const = 0;
  [[nodiscard]] virtual Precision precision() const { return Precision::f32; }
  [[nodiscard]] virtual const std::vector<LayerReport>& layers() const = 0;

  const Graph graph;              // as it was given, not fused
  std::vector<Finding> findings;  // about the weights; complete once the plan is made
};

// Throws unsupported, naming the file, when the oneDNN that the loader found is an older one than that of the build, or has another threading runtime: either would end
// in a crash or in a number of threads that nobody asked for.
void require_matching_onednn();

std::shared_ptr<const PlanImpl> make_onednn_plan(BoundWeights weights, const SessionOptions& expected);
std::shared_ptr<const PlanImpl> make_reference_plan(BoundWeights weights);

// The values of a bound parameter, row-major.
inline std::vector<float> values_of(const BoundWeights& weights, const std::string& parameter) { return to_floats(*weights.tensors.find(parameter)); }

}  // namespace regnet::detail
