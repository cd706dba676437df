#include <regnet/plan/plan.hpp>

#include <regnet/base/finite.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/plan/session.hpp>

#include "plan/impl.hpp"
#include "plan/own.hpp"

namespace regnet {

namespace {

SessionOptions checked(SessionOptions options) {
  if (options.batch < 1 || options.batch > 4096) fail(Code::invalid_argument, "session: expected a batch from 1 to 4096, found ", options.batch);
  if (options.threads < 0 || options.threads > 4096) fail(Code::invalid_argument, "session: expected 0 to 4096 threads, found ", options.threads);
  if (options.threads == 0) options.threads = default_threads().count;
  return options;
}

}  // namespace

Plan compile(BoundWeights weights, const CompileOptions& options) {
  detail::require_matching_onednn();
  const SessionOptions expected = checked(options.expected);
  // A session writes one number per class and nothing may be there before: what follows a linear layer or a pooling would break both.
  const std::vector<Node>& nodes = weights.graph.nodes();
  if (nodes.empty() || !std::holds_alternative<Linear>(nodes.back().op))
    fail(Code::invalid_argument, "compile: expected a graph that ends in a linear layer, found ", nodes.empty() ? "nothing" : nodes.back().name);
  if ((options.backend == Backend::onednn || options.backend == Backend::reference) && (options.compact || !options.ways.empty()))
    fail(Code::invalid_argument, "compile: compact and ways are the own backend's; expected neither for ", name_of(options.backend));
  if ((options.backend == Backend::onednn || options.backend == Backend::reference) &&
      (options.precision == Precision::bf16 || options.precision == Precision::int8))
    fail(Code::unsupported, "compile: ", name_of(options.precision), " is the own backend's; ", name_of(options.backend), " computes with f32");
  if (options.backend == Backend::reference) return Plan(detail::make_reference_plan(std::move(weights)));
  const bool own = options.backend == Backend::own || (options.backend == Backend::automatic && detail::own_is_faster());
  if (own && detail::own_supports(weights.graph)) return Plan(detail::make_own_plan(std::move(weights), options));
  if (options.precision == Precision::bf16 || options.precision == Precision::int8) detail::require(options.precision, weights.graph);
  if (options.backend == Backend::own)
    fail(Code::unsupported,
         "compile: the own backend runs 1x1 and 3x3 convolutions in groups of a multiple of 8 channels, put together as in RegNetX; oneDNN runs "
         "others");
  return Plan(detail::make_onednn_plan(std::move(weights), expected));
}

const detail::PlanImpl& detail::impl_of(const Plan& plan) { return *plan.x_impl; }
Plan detail::plan_of(std::shared_ptr<const PlanImpl> impl) { return Plan(std::move(impl)); }

Dims Plan::input_dims() const { return x_impl->graph.input_dims(); }
int Plan::classes() const { return x_impl->graph.classes(); }
Backend Plan::backend() const { return x_impl->backend(); }
Precision Plan::precision() const { return x_impl->precision(); }
const std::vector<LayerReport>& Plan::layers() const { return x_impl->layers(); }
const std::vector<Finding>& Plan::findings() const { return x_impl->findings; }

// The plan is part of the session: its weights must outlive the kernels that read them.
struct Session::State {
  SessionOptions options;
  std::shared_ptr<const detail::PlanImpl> plan;
  std::unique_ptr<detail::SessionImpl> impl;
};

Session::Session(const Plan& plan, const SessionOptions& options) {
  const SessionOptions used = checked(options);
  x_state = std::make_unique<State>(State{used, plan.x_impl, plan.x_impl->open(used)});
}

Session::~Session() = default;
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;

void Session::run(std::span<const float> images, std::span<float> logits) { run(images, logits, {}); }

void Session::run(std::span<const float> images, std::span<float> logits, const LayerObserver& observe) {
  const Graph& graph = x_state->plan->graph;
  const auto batch = static_cast<std::size_t>(x_state->options.batch);
  const std::size_t expected_images = batch * static_cast<std::size_t>(graph.input_dims().count());
  const std::size_t expected_logits = batch * static_cast<std::size_t>(graph.classes());
  if (images.size() != expected_images)
    fail(Code::invalid_argument, "session: expected ", batch, " images of ", to_string(graph.input_dims()), " = ", expected_images, " floats, found ",
         images.size());
  if (logits.size() != expected_logits)
    fail(Code::invalid_argument, "session: expected room for ", batch, " x ", graph.classes(), " logits, found ", logits.size());
  if (!x_state->impl->checks_images() && !all_finite(images)) detail::refuse_image();
  x_state->impl->run(images.data(), logits.data(), observe ? &observe : nullptr);
}

int Session::batch() const { return x_state->options.batch; }
int Session::threads() const { return x_state->impl->threads(); }
std::size_t Session::arena_bytes() const { return x_state->impl->arena_bytes(); }
const std::vector<LayerReport>& Session::layers() const { return x_state->impl->layers(); }

}  // namespace regnet
