// Session: the mutable half of a network: activations and scratch memory for one batch size and thread count. One caller at a time; open one per
// thread. May be created in one thread and used in another.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include <regnet/plan/plan.hpp>

namespace regnet {

class Session {
 public:
  // Throws invalid_argument for a batch outside 1..4096 or a negative thread count, unsupported when no kernel can run a layer, std::bad_alloc.
  explicit Session(const Plan& plan, const SessionOptions& options = {});
  ~Session();
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;

  // images: batch x 3 x height x width; logits: batch x classes; row-major. Allocates nothing of its own and creates no kernel.
  // Throws invalid_argument when a span has another size, numeric when an image holds NaN or infinity. Activations that overflow inside the network
  // are not found: ReLU hides them.
  void run(std::span<const float> images, std::span<float> logits);

  [[nodiscard]] int batch() const;
  [[nodiscard]] int threads() const;
  [[nodiscard]] std::size_t arena_bytes() const;  // activations and scratch; 0 for the reference backend, which allocates as it goes
  [[nodiscard]] const std::vector<LayerReport>& layers() const;

 private:
  struct State;
  std::unique_ptr<State> x_state;
};

}  // namespace regnet
