// The own backend: a network as a list of steps over our kernels, run by threads that stay together. Activations are NHWC; what a 3x3 convolution reads has a border of
// zeros, which is written once. A thread does its share of a step, by rows where there are many and by output channels where there are few, and waits for the others.
#include "plan/own.hpp"

#include <algorithm>
#include <map>
#include <optional>

#include <regnet/base/aligned_buffer.hpp>
#include <regnet/base/parallel.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/memory.hpp>

#include "plan/fold.hpp"
#include "plan/kernels/kernels.hpp"
#include "plan/kernels/packing.hpp"
#include "plan/subnormals.hpp"
#include "plan/team.hpp"

namespace regnet::detail {

namespace {

using kernels::Kernels;
using kernels::Range;

constexpr std::size_t chunk_bytes = 256 * 1024;  // of input that a thread goes through for each panel of weights, so that it stays in its cache
constexpr std::size_t tiles_bytes = 400 * 1024;  // of Winograd's transformed tiles

constexpr int rounded_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }

// Where a node's output lies in the arena, in floats. `origin` is its first pixel, inside the border where there is one.
struct Place {
  std::size_t begin = 0, origin = 0;
  std::int64_t pixel = 0, row = 0;
};

enum class Kind { input, direct, winograd, average, linear };

struct Step {
  Kind kind = Kind::input;
  NodeId node = 0, src = -1, residual = -1;
  std::size_t weights = 0, bias = 0;  // in the packed weights, in floats
  std::vector<std::int64_t> taps;
  int tiles_at_once = 0, panels = 0;
};

// How a step is divided among `threads`: so many parts by rows times so many by panels.
struct Split {
  int by_rows = 1, by_panels = 1;
};

Split split_evenly(int rows, int panels, int threads) {
  Split best;
  std::int64_t least = -1;
  for (int by_rows = threads; by_rows >= 1; --by_rows) {
    if (threads % by_rows != 0) continue;
    const int by_panels = threads / by_rows;
    const std::int64_t longest = std::int64_t{(rows + by_rows - 1) / by_rows} * ((panels + by_panels - 1) / by_panels);
    if (least < 0 || longest < least) {
      least = longest;
      best = {by_rows, by_panels};
    }
  }
  return best;
}

Range part(int count, int parts, int index) {
  return {static_cast<int>(std::int64_t{count} * index / parts), static_cast<int>(std::int64_t{count} * (index + 1) / parts)};
}

class OwnPlan final : public PlanImpl {
 public:
  explicit OwnPlan(BoundWeights bound) : PlanImpl(std::move(bound)), x_kernels(kernels::best_kernels()), x_fused(fuse(weights.graph)) {
    place_outputs();
    std::size_t floats = 0;
    for (NodeId id = 0; id <= x_fused.last(); ++id) add_step(id, floats);
    x_weights = AlignedBuffer(floats);
    pack();
  }

  std::unique_ptr<SessionImpl> open(const SessionOptions& options) const override;
  Backend backend() const override { return Backend::own; }
  const std::vector<LayerReport>& layers() const override { return x_layers; }

  const Kernels& kernels() const { return x_kernels; }
  const Graph& fused() const { return x_fused; }
  const std::vector<Step>& steps() const { return x_steps; }
  const Place& place(NodeId id) const { return x_places[static_cast<std::size_t>(id)]; }
  const float* packed(std::size_t at) const { return x_weights.data() + at; }
  std::size_t arena_floats() const { return x_arena_floats; }
  std::size_t scratch_floats() const { return x_scratch_floats; }
  // Of the last layer: a multiple of 8 logits.
  int padded_classes() const { return rounded_up(x_fused.classes(), 8); }

 private:
  void place_outputs();
  void add_step(NodeId id, std::size_t& floats);
  void pack();
  [[nodiscard]] bool by_winograd(const Conv& conv) const {
    return conv.kernel == 3 && conv.stride == 1 && !conv.add && conv.in_channels / conv.groups >= least_winograd;
  }

  static constexpr int least_winograd = 24;  // channels of a group: with fewer the transforms cost more than they save

  const Kernels& x_kernels;
  Graph x_fused;
  std::vector<Place> x_places;
  std::vector<Step> x_steps;
  std::vector<LayerReport> x_layers;
  AlignedBuffer x_weights;
  std::size_t x_arena_floats = 0, x_scratch_floats = 0;
};

// Nodes that 3x3 convolutions read get a buffer with a border that no other shape of node shares, so that its zeros stay. The others share memory as their lifetimes allow;
// a convolution that adds writes over what it adds.
void OwnPlan::place_outputs() {
  const auto count = static_cast<std::size_t>(x_fused.last()) + 1;
  std::vector<int> last_use(count, 0), border(count, 0);
  for (NodeId id = 0; id < static_cast<NodeId>(count); ++id)
    for (const NodeId src : x_fused.node(id).inputs) {
      last_use[static_cast<std::size_t>(src)] = id;
      if (const auto* conv = std::get_if<Conv>(&x_fused.node(id).op); conv && conv->kernel > 1 && src == x_fused.node(id).inputs[0])
        border[static_cast<std::size_t>(src)] = conv->kernel / 2;
    }
  x_places.resize(count);
  std::vector<Lifetime> lifetimes;
  std::vector<int> buffer_of(count, -1);
  std::map<std::vector<int>, std::size_t> bordered;  // by shape: where it begins
  std::size_t border_floats = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const Node& node = x_fused.node(static_cast<NodeId>(i));
    const Dims& dims = node.dims;
    Place& place = x_places[i];
    place.pixel = i == static_cast<std::size_t>(x_fused.last()) ? padded_classes() : dims.channels;
    // Pixels that lie 2 or 4 KiB apart would fall into the same lines of the first cache, where a tile needs 14 of them at once.
    if (dims.channels % 512 == 0) place.pixel += 16;
    if (border[i] > 0) {
      // Winograd reads whole tiles, up to three rows and columns more.
      const int rows = std::max(dims.height, rounded_up(dims.height, 4)) + 2 * border[i],
                columns = std::max(dims.width, rounded_up(dims.width, 4)) + 2 * border[i];
      place.row = place.pixel * columns;
      const auto [known, is_new] = bordered.emplace(std::vector<int>{dims.height, dims.width, dims.channels}, border_floats);
      if (is_new) border_floats += static_cast<std::size_t>(rounded_up(static_cast<int>(place.row), 16)) * static_cast<std::size_t>(rows) + 16;
      place.begin = known->second;
      place.origin = place.begin + static_cast<std::size_t>(border[i] * (place.row + place.pixel));
      continue;
    }
    place.row = place.pixel * dims.width;
    const auto* conv = std::get_if<Conv>(&node.op);
    if (conv && conv->add) {
      buffer_of[i] = buffer_of[static_cast<std::size_t>(node.inputs[1])];
    } else {
      buffer_of[i] = static_cast<int>(lifetimes.size());
      lifetimes.push_back(
          {static_cast<std::size_t>(place.row) * static_cast<std::size_t>(dims.height) * sizeof(float), static_cast<int>(i), static_cast<int>(i)});
    }
    Lifetime& life = lifetimes[static_cast<std::size_t>(buffer_of[i])];
    life.last = std::max(life.last, last_use[i]);
  }
  const MemoryLayout layout = plan_memory(lifetimes);
  const std::size_t first = (border_floats + 15) / 16 * 16;
  for (std::size_t i = 0; i < count; ++i)
    if (buffer_of[i] >= 0) x_places[i].begin = x_places[i].origin = first + layout.offsets[static_cast<std::size_t>(buffer_of[i])] / sizeof(float);
  x_arena_floats = first + layout.bytes / sizeof(float);
}

void OwnPlan::add_step(NodeId id, std::size_t& floats) {
  const Node& node = x_fused.node(id);
  Step step;
  step.node = id;
  if (!node.inputs.empty()) step.src = node.inputs[0];
  std::string how = "copy";
  const auto reserve = [&](std::size_t weights_count, std::size_t bias_count) {
    step.weights = floats;
    floats += (weights_count + 15) / 16 * 16;
    step.bias = floats;
    floats += (bias_count + 15) / 16 * 16;
  };
  if (const auto* conv = std::get_if<Conv>(&node.op)) {
    const int in = conv->in_channels / conv->groups, out = conv->out_channels / conv->groups;
    const auto count = static_cast<std::size_t>(conv->out_channels) * static_cast<std::size_t>(in * conv->kernel * conv->kernel);
    const Place& src = place(step.src);
    if (conv->add) step.residual = node.inputs[1];
    if (by_winograd(*conv)) {
      step.kind = Kind::winograd;
      how = "winograd";
      const int tiles = kernels::winograd_tiles(node.dims.height) * kernels::winograd_tiles(node.dims.width);
      const int most = std::max(16, static_cast<int>(tiles_bytes / (kernels::winograd_points * sizeof(float)) / static_cast<std::size_t>(in)));
      const int blocks = (tiles + most - 1) / most;
      step.tiles_at_once = (tiles + blocks - 1) / blocks;
      x_scratch_floats = std::max(x_scratch_floats, static_cast<std::size_t>(x_kernels.winograd_scratch(in, step.tiles_at_once)));
      reserve(count, static_cast<std::size_t>(conv->out_channels));
    } else {
      step.kind = Kind::direct;
      how = "direct";
      step.taps = kernels::direct_taps(conv->kernel, src.row, src.pixel);
      step.panels = x_kernels.panels(out, nullptr) * conv->groups;
      reserve(count, static_cast<std::size_t>(conv->out_channels));
    }
  } else if (const auto* linear = std::get_if<Linear>(&node.op)) {
    step.kind = Kind::linear;
    how = "direct";
    step.taps = {0};
    step.panels = x_kernels.panels(padded_classes(), nullptr);
    reserve(static_cast<std::size_t>(padded_classes()) * static_cast<std::size_t>(linear->in_features), static_cast<std::size_t>(padded_classes()));
  } else if (std::holds_alternative<GlobalAveragePool>(node.op)) {
    step.kind = Kind::average;
    how = "average";
  }
  x_layers.push_back({node.name, kind_of(node.op), node.dims, text("own:", x_kernels.name, ':', how), false});
  x_steps.push_back(std::move(step));
}

void OwnPlan::pack() {
  std::vector<std::vector<Finding>> found(x_steps.size());
  parallel_for(x_steps.size(), default_threads().count, [&] {
    return [&, layer = FoldedLayer()](std::size_t i) mutable {
      const Step& step = x_steps[i];
      const Node& node = x_fused.node(step.node);
      const auto* conv = std::get_if<Conv>(&node.op);
      if (!conv && step.kind != Kind::linear) return;
      fold_layer(weights, node, layer, found[i]);
      float* packed = x_weights.data() + step.weights;
      if (conv) {
        const int in = conv->in_channels / conv->groups, out = conv->out_channels / conv->groups;
        if (step.kind == Kind::winograd) pack_winograd(x_kernels, layer.weights.data(), conv->groups, out, packed);
        else pack_direct(x_kernels, layer.weights.data(), conv->groups, out, in, conv->kernel, packed);
      } else {
        const int in = std::get<Linear>(node.op).in_features;
        layer.weights.resize(static_cast<std::size_t>(padded_classes()) * static_cast<std::size_t>(in), 0.0f);
        pack_direct(x_kernels, layer.weights.data(), 1, padded_classes(), in, 1, packed);
      }
      std::copy(layer.bias.begin(), layer.bias.end(), x_weights.data() + step.bias);
    };
  });
  for (const std::vector<Finding>& of_layer : found) findings.insert(findings.end(), of_layer.begin(), of_layer.end());
  refuse_errors(findings);
}

// The memory of one image on its way through the network.
struct Lane {
  AlignedBuffer arena;
  std::vector<AlignedBuffer> scratch;  // of each thread
};

class OwnSession final : public SessionImpl {
 public:
  OwnSession(const OwnPlan& plan, const SessionOptions& options)
      : x_plan(plan), x_batch(options.batch), x_threads(options.threads), x_team(options.threads), x_barrier(options.threads) {
    // Images side by side, one for each thread, where there are enough of them; else all threads on one image.
    x_lanes.resize(static_cast<std::size_t>(options.batch >= options.threads ? options.threads : 1));
    for (Lane& lane : x_lanes) lane.arena = AlignedBuffer(plan.arena_floats());
    for (int i = 0; i < options.threads; ++i) x_lanes[0].scratch.push_back(AlignedBuffer(plan.scratch_floats()));
    for (std::size_t i = 1; i < x_lanes.size(); ++i) x_lanes[i].scratch.push_back(AlignedBuffer(plan.scratch_floats()));
    for (const Step& step : plan.steps()) x_splits.push_back(split_of(step));
  }

  void run(const float* images, float* logits, const LayerObserver* observe) override {
    const FlushesSubnormals flushed;
    const auto image_floats = static_cast<std::size_t>(x_plan.fused().input_dims().count()),
               classes = static_cast<std::size_t>(x_plan.fused().classes());
    const int lanes = observe ? 1 : static_cast<int>(x_lanes.size());
    // In a forked child the team is the caller alone, and its part is the whole.
    const bool whole = x_team.size() == x_threads;
    int image = 0;
    if (lanes > 1 && whole) {
      const int rounds = x_batch / lanes;
      const auto body = [&](int thread) {
        for (int round = 0; round < rounds; ++round) {
          const auto i = static_cast<std::size_t>(round * lanes + thread);
          run_alone(x_lanes[static_cast<std::size_t>(thread)], images + i * image_floats, logits + i * classes);
        }
      };
      x_team.run(lanes, body);
      image = rounds * lanes;
    }
    for (; image < x_batch; ++image) {
      const float* src = images + static_cast<std::size_t>(image) * image_floats;
      float* dst = logits + static_cast<std::size_t>(image) * classes;
      if (observe) {
        for (std::size_t i = 0; i < x_plan.steps().size(); ++i) {
          const auto body = [&](int thread) { do_step(x_lanes[0], i, thread, whole ? x_threads : 1, src, dst); };
          x_team.run(whole ? x_threads : 1, body);
          (*observe)(x_plan.layers()[i], [&] { return values_of(x_plan.steps()[i].node); });
        }
      } else if (!whole || x_threads == 1) {
        run_alone(x_lanes[0], src, dst);
      } else {
        const auto body = [&](int thread) {
          for (std::size_t i = 0; i < x_plan.steps().size(); ++i) {
            do_step(x_lanes[0], i, thread, x_threads, src, dst);
            x_barrier.wait();
          }
        };
        x_team.run(x_threads, body);
      }
    }
  }

  const std::vector<LayerReport>& layers() const override { return x_plan.layers(); }
  std::size_t arena_bytes() const override {
    std::size_t floats = 0;
    for (const Lane& lane : x_lanes) floats += lane.arena.size() + lane.scratch.size() * x_plan.scratch_floats();
    return floats * sizeof(float);
  }

 private:
  Split split_of(const Step& step) const {
    const Dims& dims = x_plan.fused().node(step.node).dims;
    switch (step.kind) {
      case Kind::direct: return split_evenly(dims.height, step.panels, x_threads);
      case Kind::linear: return {1, x_threads};
      default: return {x_threads, 1};
    }
  }

  void run_alone(Lane& lane, const float* image, float* logits) const {
    for (std::size_t i = 0; i < x_plan.steps().size(); ++i) do_step(lane, i, 0, 1, image, logits);
  }

  // Thread `thread` of `threads` does its part.
  void do_step(Lane& lane, std::size_t index, int thread, int threads, const float* image, float* logits) const {
    const Step& step = x_plan.steps()[index];
    float* arena = lane.arena.data();
    switch (step.kind) {
      case Kind::input: return copy_input(arena, step, part(x_plan.fused().node(step.node).dims.height, threads, thread), image);
      case Kind::direct: return convolve(arena, step, threads == 1 ? Split{} : x_splits[index], thread);
      case Kind::winograd: return winograd(arena, step, threads, thread, lane.scratch[static_cast<std::size_t>(thread)].data());
      case Kind::average: return average(arena, step, threads, thread);
      case Kind::linear: return linear(arena, step, threads, thread, logits);
    }
  }

  // From planes to pixels.
  void copy_input(float* arena, const Step& step, Range rows, const float* image) const {
    const Dims& dims = x_plan.fused().node(step.node).dims;
    const Place& dst = x_plan.place(step.node);
    const std::int64_t area = std::int64_t{dims.height} * dims.width;
    for (int y = rows.begin; y < rows.end; ++y)
      for (int c = 0; c < dims.channels; ++c) {
        const float* from = image + c * area + std::int64_t{y} * dims.width;
        float* to = arena + dst.origin + static_cast<std::size_t>(y * dst.row + c);
        for (int x = 0; x < dims.width; ++x, to += dst.pixel) *to = from[x];
      }
  }

  void convolve(float* arena, const Step& step, Split split, int thread) const {
    const Node& node = x_plan.fused().node(step.node);
    const Conv& conv = std::get<Conv>(node.op);
    const Place &src = x_plan.place(step.src), &dst = x_plan.place(step.node);
    kernels::Convolution layer;
    layer.src = arena + (conv.kernel > 1 ? src.begin : src.origin);
    layer.src_pixel = conv.stride * src.pixel;
    layer.src_row = conv.stride * src.row;
    layer.src_group = conv.in_channels / conv.groups;
    layer.taps = step.taps.data();
    layer.tap_count = static_cast<int>(step.taps.size());
    layer.tap_length = conv.in_channels / conv.groups;
    layer.weights = x_plan.packed(step.weights);
    layer.bias = x_plan.packed(step.bias);
    layer.residual = step.residual >= 0 ? arena + x_plan.place(step.residual).origin : nullptr;
    layer.dst = arena + dst.origin;
    layer.dst_pixel = dst.pixel;
    layer.dst_row = dst.row;
    layer.columns = node.dims.width;
    layer.groups = conv.groups;
    layer.channels = conv.out_channels / conv.groups;
    layer.relu = conv.relu;
    const Range rows = part(node.dims.height, split.by_rows, thread / split.by_panels),
                panels = part(step.panels, split.by_panels, thread % split.by_panels);
    const int chunk = std::max(1, static_cast<int>(chunk_bytes / sizeof(float) / static_cast<std::size_t>(layer.src_row / conv.groups)));
    for (int y = rows.begin; y < rows.end; y += chunk) x_plan.kernels().convolve(layer, {y, std::min(rows.end, y + chunk)}, panels);
  }

  void winograd(float* arena, const Step& step, int threads, int thread, float* scratch) const {
    const Node& node = x_plan.fused().node(step.node);
    const Conv& conv = std::get<Conv>(node.op);
    const Place &src = x_plan.place(step.src), &dst = x_plan.place(step.node);
    kernels::Winograd layer;
    layer.src = arena + src.begin;
    layer.src_pixel = src.pixel;
    layer.src_row = src.row;
    layer.weights = x_plan.packed(step.weights);
    layer.bias = x_plan.packed(step.bias);
    layer.dst = arena + dst.origin;
    layer.dst_pixel = dst.pixel;
    layer.dst_row = dst.row;
    layer.rows = node.dims.height;
    layer.columns = node.dims.width;
    layer.groups = conv.groups;
    layer.channels = conv.in_channels / conv.groups;
    layer.tiles_at_once = step.tiles_at_once;
    layer.relu = conv.relu;
    const int tiles = kernels::winograd_tiles(layer.rows) * kernels::winograd_tiles(layer.columns);
    const int blocks = (tiles + step.tiles_at_once - 1) / step.tiles_at_once * conv.groups;
    x_plan.kernels().winograd(layer, part(blocks, threads, thread), scratch);
  }

  void average(float* arena, const Step& step, int threads, int thread) const {
    const Dims& dims = x_plan.fused().node(step.src).dims;
    const Range eights = part(dims.channels / 8, threads, thread);
    x_plan.kernels().average(arena + x_plan.place(step.src).origin, std::int64_t{dims.height} * dims.width, x_plan.place(step.src).pixel,
                             {8 * eights.begin, 8 * eights.end}, arena + x_plan.place(step.node).origin);
  }

  void linear(float* arena, const Step& step, int threads, int thread, float* logits) const {
    kernels::Convolution layer;
    layer.src = arena + x_plan.place(step.src).origin;
    layer.taps = step.taps.data();
    layer.tap_count = 1;
    layer.tap_length = std::get<Linear>(x_plan.fused().node(step.node).op).in_features;
    layer.weights = x_plan.packed(step.weights);
    layer.bias = x_plan.packed(step.bias);
    layer.dst = arena + x_plan.place(step.node).origin;
    layer.columns = 1;
    layer.channels = x_plan.padded_classes();
    const Range panels = part(step.panels, threads, thread);
    x_plan.kernels().convolve(layer, {0, 1}, panels);
    // All panels but the last are of the widest kind.
    const int widest = x_plan.kernels().widest_panel, classes = x_plan.fused().classes();
    std::copy(layer.dst + std::min(classes, panels.begin * widest), layer.dst + std::min(classes, panels.end * widest),
              logits + std::min(classes, panels.begin * widest));
  }

  // As planes.
  std::vector<float> values_of(NodeId id) const {
    const Dims& dims = x_plan.fused().node(id).dims;
    const Place& place = x_plan.place(id);
    std::vector<float> values;
    for (int c = 0; c < dims.channels; ++c)
      for (int y = 0; y < dims.height; ++y)
        for (int x = 0; x < dims.width; ++x)
          values.push_back(x_lanes[0].arena.data()[place.origin + static_cast<std::size_t>(y * place.row + x * place.pixel + c)]);
    return values;
  }

  const OwnPlan& x_plan;
  int x_batch, x_threads;
  std::vector<Lane> x_lanes;
  std::vector<Split> x_splits;
  Team x_team;
  Barrier x_barrier;
};

std::unique_ptr<SessionImpl> OwnPlan::open(const SessionOptions& options) const { return std::make_unique<OwnSession>(*this, options); }

}  // namespace

bool own_supports(const Graph& graph) {
  const Graph fused = fuse(graph);
  for (const Node& node : fused.nodes()) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv) {
      const bool known =
          std::holds_alternative<Input>(node.op) || std::holds_alternative<Linear>(node.op) || std::holds_alternative<GlobalAveragePool>(node.op);
      if (!known) return false;
      continue;
    }
    const bool of_eights = conv->out_channels / conv->groups % 8 == 0;
    if (!of_eights || (conv->kernel != 1 && conv->kernel != 3)) return false;
  }
  return true;
}

bool own_is_faster() { return &kernels::best_kernels() != kernels::portable_kernels(); }

std::shared_ptr<const PlanImpl> make_own_plan(BoundWeights weights) { return std::make_shared<OwnPlan>(std::move(weights)); }

}  // namespace regnet::detail
