// The own backend: the steps of a program, done by threads that stay together. Activations are NHWC; what a 3x3 convolution reads has a border of zeros, which is written
// once. A thread does its share of a step, by rows where there are many and by output channels where there are few, and waits for the others.
#include "plan/own.hpp"

#include <algorithm>

#include <regnet/base/aligned_buffer.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/tune.hpp>

#include "plan/own_steps.hpp"
#include "plan/subnormals.hpp"
#include "plan/team.hpp"

namespace regnet::detail {

namespace {

using kernels::Range;

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

// Which part of a tensor: rows, and channels of each pixel.
struct Region {
  Range rows, channels;
};

constexpr std::size_t most_fetched = 512 * 1024;  // bytes of a source: half of a small second cache

// The memory of one image on its way through the network.
struct Lane {
  AlignedBuffer arena;
  std::vector<AlignedBuffer> scratch, bands;  // of each thread
};

class OwnSession final : public SessionImpl {
 public:
  OwnSession(const OwnPlan& plan, const SessionOptions& options)
      : x_program(plan.program()),
        x_steps(plan.program(), plan.packed()),
        x_batch(options.batch),
        x_threads(options.threads),
        x_team(options.threads),
        x_barrier(options.threads) {
    // Images side by side, one for each thread, where there are enough of them; else all threads on one image.
    x_lanes.resize(static_cast<std::size_t>(options.batch >= options.threads ? options.threads : 1));
    for (Lane& lane : x_lanes) lane.arena = AlignedBuffer(x_program.arena_floats);
    const auto add_thread = [&](Lane& lane) {
      lane.scratch.push_back(AlignedBuffer(x_program.scratch_floats));
      lane.bands.push_back(AlignedBuffer(x_program.band_floats));
    };
    for (int i = 0; i < options.threads; ++i) add_thread(x_lanes[0]);
    for (std::size_t i = 1; i < x_lanes.size(); ++i) add_thread(x_lanes[i]);
    for (const Step& step : x_program.steps) x_splits.push_back(split_of(step));
    for (std::size_t i = 0; i < x_program.steps.size(); ++i)
      x_banded.push_back(x_program.steps[i].band_rows > 0 && x_splits[i].by_panels == 1 && x_splits[i + 1].by_panels == 1);
  }

  void run(const float* images, float* logits, const LayerObserver* observe) override {
    const FlushesSubnormals flushed;
    const auto image_floats = static_cast<std::size_t>(x_program.graph.input_dims().count()),
               classes = static_cast<std::size_t>(x_program.graph.classes());
    const int lanes = observe ? 1 : static_cast<int>(x_lanes.size());
    // In a forked child the team is the caller alone, and its part is the whole.
    const bool whole = x_team.size() == x_threads;
    int image = 0;
    if (lanes > 1 && whole) {
      const int rounds = x_batch / lanes;
      const auto body = [&](int thread) {
        for (int round = 0; round < rounds; ++round) {
          const auto i = static_cast<std::size_t>(round * lanes + thread);
          do_steps(x_lanes[static_cast<std::size_t>(thread)], 0, 1, images + i * image_floats, logits + i * classes);
        }
      };
      x_team.run(lanes, body);
      image = rounds * lanes;
    }
    for (; image < x_batch; ++image) {
      const float* src = images + static_cast<std::size_t>(image) * image_floats;
      float* dst = logits + static_cast<std::size_t>(image) * classes;
      if (observe) {
        for (std::size_t i = 0; i < x_program.steps.size(); ++i) {
          const auto body = [&](int thread) { do_step(x_lanes[0], i, thread, whole ? x_threads : 1, src, dst); };
          x_team.run(whole ? x_threads : 1, body);
          (*observe)(x_program.layers[i], [&] { return x_steps.values_of(x_lanes[0].arena.data(), x_program.steps[i].node); });
        }
      } else {
        const int threads = whole ? x_threads : 1;
        const auto body = [&](int thread) { do_steps(x_lanes[0], thread, threads, src, dst); };
        x_team.run(threads, body);
      }
    }
  }

  const std::vector<LayerReport>& layers() const override { return x_program.layers; }
  std::size_t arena_bytes() const override {
    std::size_t floats = 0;
    for (const Lane& lane : x_lanes) floats += lane.arena.size() + lane.scratch.size() * x_program.scratch_floats;
    return floats * sizeof(float);
  }

 private:
  Split split_of(const Step& step) const {
    const Dims& dims = x_program.graph.node(step.node).dims;
    switch (step.kind) {
      case Kind::convolution: return step.way == Way::direct ? split_evenly(dims.height, step.panels, x_threads) : Split{x_threads, 1};
      case Kind::linear: return {1, x_threads};
      default: return {x_threads, 1};
    }
  }

  // All steps, by one of `threads` threads that wait for each other after each.
  void do_steps(Lane& lane, int thread, int threads, const float* image, float* logits) {
    float* arena = lane.arena.data();
    for (std::size_t i = 0; i < x_program.steps.size(); ++i) {
      const Step& step = x_program.steps[i];
      if (threads > 1 && step.kind == Kind::convolution) fetch_foreign(arena, step, thread);
      if (x_banded[i]) {
        const Step& next = x_program.steps[++i];
        x_steps.convolve_banded(arena, step, next, part(x_program.node(next).dims.height, threads, thread),
                                lane.bands[static_cast<std::size_t>(thread)].data() + step.band);
      } else {
        do_step(lane, i, thread, threads, image, logits);
      }
      if (threads > 1) x_barrier.wait();
    }
  }

  // Thread `thread` of `threads` does its part.
  void do_step(Lane& lane, std::size_t index, int thread, int threads, const float* image, float* logits) const {
    const Step& step = x_program.steps[index];
    const Dims& dims = x_program.node(step).dims;
    float* arena = lane.arena.data();
    switch (step.kind) {
      case Kind::input: return x_steps.copy_input(arena, step, part(dims.height, threads, thread), image);
      case Kind::convolution:
        if (step.way == Way::direct) return convolve(arena, step, threads == 1 ? Split{} : x_splits[index], thread);
        return x_steps.winograd(arena, step, part(winograd_blocks(x_program, step), threads, thread),
                                lane.scratch[static_cast<std::size_t>(thread)].data());
      case Kind::average: return x_steps.average(arena, step, part(dims.channels / 8, threads, thread));
      case Kind::linear: return x_steps.linear(arena, step, part(step.panels, threads, thread), logits);
    }
  }

  void convolve(float* arena, const Step& step, Split split, int thread) const {
    const int height = x_program.node(step).dims.height;
    if (split.by_rows > 1 || split.by_panels == 1)
      return x_steps.convolve(arena, step, part(height, split.by_rows, thread / split.by_panels),
                              part(step.panels, split.by_panels, thread % split.by_panels));
    // Panel after panel, each of some rows: a thread's part may begin and end within a panel.
    const Range part_of_all = part(step.panels * height, split.by_panels, thread);
    for (int at = part_of_all.begin; at < part_of_all.end;) {
      const int panel = at / height, row = at % height, whole = row == 0 ? (part_of_all.end - at) / height : 0;
      if (whole > 0) {
        x_steps.convolve(arena, step, {0, height}, {panel, panel + whole});
        at += whole * height;
      } else {
        const int end = std::min(height, row + part_of_all.end - at);
        x_steps.convolve(arena, step, {row, end}, {panel, panel + 1});
        at += end - row;
      }
    }
  }

  // What thread `thread` writes of a step's output.
  Region written(const Step& step, int thread) const {
    const Dims& dims = x_program.node(step).dims;
    const Split split = x_splits[static_cast<std::size_t>(step.node)];
    const Range rows = part(dims.height, split.by_rows, thread / split.by_panels);
    if (step.kind != Kind::convolution) return {rows, {0, dims.channels}};
    const Conv& conv = std::get<Conv>(x_program.node(step).op);
    const int channels = conv.out_channels / conv.groups;
    if (step.way == Way::direct) {
      const Range panels = part(step.panels, split.by_panels, thread % split.by_panels);
      const int per_group = step.panels / conv.groups;
      const auto channel = [&](int panel) {
        return panel / per_group * channels + std::min(channels, panel % per_group * x_program.kernels.widest_panel);
      };
      return {rows, {channel(panels.begin), channel(panels.end)}};
    }
    const int across = kernels::winograd_tiles(dims.width), tiles = across * kernels::winograd_tiles(dims.height);
    const int per_group = (tiles + step.tiles_at_once - 1) / step.tiles_at_once;
    const Range blocks = part(winograd_blocks(x_program, step), x_threads, thread);
    const Range groups{blocks.begin / per_group, (blocks.end + per_group - 1) / per_group};
    Range of_groups{0, dims.height};
    if (groups.end - groups.begin == 1) {
      const int begin = (blocks.begin - groups.begin * per_group) * step.tiles_at_once,
                end = std::min(tiles, (blocks.end - groups.begin * per_group) * step.tiles_at_once);
      of_groups = {4 * (begin / across), std::min(dims.height, 4 * ((end + across - 1) / across))};
    }
    return {of_groups, {groups.begin * channels, groups.end * channels}};
  }

  // And what it reads for that.
  Region read(const Step& step, int thread) const {
    const Dims& dims = x_program.graph.node(step.src).dims;
    Region region = written(step, thread);
    const Conv& conv = std::get<Conv>(x_program.node(step).op);
    region.rows = {std::max(0, region.rows.begin * conv.stride - conv.kernel / 2),
                   std::min(dims.height, (region.rows.end - 1) * conv.stride + conv.kernel / 2 + 1)};
    if (conv.groups == 1) region.channels = {0, dims.channels};
    return region;
  }

  // Rows of the source that another thread has written come from another core, which takes hundreds of cycles for each line unless many are asked for at once.
  void fetch_foreign(const float* arena, const Step& step, int thread) const {
    const Region wanted = read(step, thread), own = written(x_program.steps[static_cast<std::size_t>(step.src)], thread);
    const bool all_channels = own.channels.begin <= wanted.channels.begin && wanted.channels.end <= own.channels.end;
    const Place& src = x_program.place(step.src);
    const int pixels = x_program.graph.node(step.src).dims.width, rows = wanted.rows.end - wanted.rows.begin;
    const auto channels = static_cast<std::size_t>(wanted.channels.end - wanted.channels.begin);
    if (static_cast<std::size_t>(rows * pixels) * channels * sizeof(float) > most_fetched && !all_channels) return;
    for (int y = wanted.rows.begin; y < wanted.rows.end; ++y) {
      if (all_channels && own.rows.begin <= y && y < own.rows.end) continue;
      const float* row = arena + src.origin + y * src.row;
      for (int x = 0; x < pixels; ++x)
        for (int c = wanted.channels.begin; c < wanted.channels.end; c += 16) __builtin_prefetch(row + x * src.pixel + c, 0, 2);
    }
  }

  const Program& x_program;
  OwnSteps x_steps;
  int x_batch, x_threads;
  std::vector<Lane> x_lanes;
  std::vector<Split> x_splits;  // by step
  std::vector<char> x_banded;   // by step: whether it is done together with the next
  Team x_team;
  Barrier x_barrier;
};

// Choices by shape as choices by node.
Ways ways_of(const Graph& fused, const std::map<std::string, std::string>& by_shape) {
  Ways ways;
  for (const Node& node : fused.nodes()) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv || by_shape.empty()) continue;
    const auto chosen = by_shape.find(layer_shape(*conv, node.dims));
    if (chosen == by_shape.end()) continue;
    const std::optional<Way> way = way_of(chosen->second);
    if (!way || !can(*way, *conv)) fail(Code::invalid_argument, "compile: ", chosen->first, " cannot go by ", chosen->second);
    ways[node.name] = *way;
  }
  return ways;
}

}  // namespace

std::unique_ptr<SessionImpl> OwnPlan::open(const SessionOptions& options) const { return std::make_unique<OwnSession>(*this, options); }

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

std::shared_ptr<const PlanImpl> make_own_plan(BoundWeights weights, const CompileOptions& options) {
  Graph fused = fuse(weights.graph);
  Ways ways = ways_of(fused, options.ways);
  Program program = make_program(std::move(fused), kernels::best_kernels(), ways, options.compact);
  auto packed = std::make_shared<AlignedBuffer>(program.weights_floats);
  std::vector<Finding> findings = pack(program, weights, packed->data());
  const float* data = packed->data();
  auto plan = std::make_shared<OwnPlan>(std::move(weights.graph), std::move(program), PackedWeights{data, std::move(packed)});
  plan->findings = std::move(findings);
  return plan;
}

}  // namespace regnet::detail
