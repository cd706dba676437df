// Session: the mutable half of a network: activations and scratch memory for one batch size and thread count. One caller at a time; open one per
// thread. May be created in one thread and used in another.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/plan/plan.hpp>

namespace regnet {

// Called after each layer; values() copies its outputs, batch x channels x height x width, row-major. What one layer is depends on the backend: the fast ones' hold what is
// fused into them (batch norm, addition, ReLU), and the last of a block gives the block's result in all. The own backend calls it for one image after the other.
using LayerObserver = std::function<void(const LayerReport& layer, const std::function<std::vector<float>()>& values)>;

class REGNET_API Session {
 public:
  // Throws invalid_argument for a batch outside 1..4096 or threads outside 0..4096, unsupported when no kernel can run a layer, std::bad_alloc.
  explicit Session(const Plan& plan, const SessionOptions& options = {});
  ~Session();
  // A session that was moved from can only be destroyed or assigned to.
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // images: batch x 3 x height x width; logits: batch x classes; row-major. Allocates nothing of its own and creates no kernel.
  // Throws invalid_argument when a span has another size, numeric when an image holds NaN or infinity (the logits are then undefined). Activations that overflow inside the network
  // are not found: ReLU hides them.
  void run(std::span<const float> images, std::span<float> logits);

  // The same, showing each layer's outputs. Allocates, and runs as fast as the observer looks. In a forked process oneDNN's
  // layers are shown in another thread than the caller's.
  void run(std::span<const float> images, std::span<float> logits, const LayerObserver& observe);

  [[nodiscard]] int batch() const;                // images a run
  [[nodiscard]] int threads() const;              // that a run uses: as asked for (0: default_threads()), or fewer where the system gave no more
  [[nodiscard]] std::size_t arena_bytes() const;  // activations and scratch; 0 for the reference backend, which allocates as it goes
  [[nodiscard]] const std::vector<LayerReport>& layers() const;  // in execution order

 private:
  struct State;
  std::unique_ptr<State> x_state;
};

}  // namespace regnet
