// The own backend: the steps of a program, done by threads that stay together. Activations are NHWC; what a 3x3 convolution reads has a border of zeros, which is written
// once. A thread does its share of a step, by rows where there are many and by output channels where there are few, and waits for the others.
#include "plan/own.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <utility>

#include <regnet/base/aligned_buffer.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/tune.hpp>

#include "plan/own_division.hpp"
#include "plan/rest.hpp"
#include "plan/subnormals.hpp"
#include "plan/team.hpp"

namespace regnet::detail {

namespace {

using kernels::Range;

using Clock = std::chrono::steady_clock;

// How many images a thread takes through the late steps side by side, and the words of weights they share at once.
constexpr int most_together = 4;
constexpr std::size_t weights_at_once = 128 * 1024;
constexpr std::size_t most_fetched = 512 * 1024;  // bytes of a source: half of a small second cache

// Only what exceeds `patience` counts as waiting for a thread.
constexpr auto patience = std::chrono::microseconds(300);
constexpr int most_resting = 8;  // threads at a time

// The memory of one image on its way through the network, and of others that come along through the late steps.
struct Lane {
  AlignedBuffer arena;
  std::vector<AlignedBuffer> scratch;  // of each thread
  std::vector<AlignedBuffer> late;     // arenas, of which late steps use a part
};

// A member of the team, as the caller sees it.
struct alignas(64) Member {
  std::atomic<Clock::rep> arrived{0};  // when it came to the last barrier
  Clock::time_point rests_until{};     // this and below: the caller's
  Rest rest;
  Clock::duration waited_for{};  // in this run
};

class OwnSession final : public SessionImpl {
 public:
  OwnSession(const OwnPlan& plan, const SessionOptions& options)
      : x_program(plan.program()),
        x_steps(plan.program(), plan.packed()),
        x_batch(options.batch),
        x_threads(options.threads),
        x_alone(plan.program(), 1),
        x_members(static_cast<std::size_t>(options.threads)),
        x_team(options.threads) {
    // Images side by side, one for each thread, where there are enough of them; else all threads on one image.
    x_lanes.resize(static_cast<std::size_t>(options.batch >= options.threads ? options.threads : 1));
    // f32 takes so long for each image that its weights are fetched in time anyway.
    if (options.batch >= options.threads && x_program.precision != Precision::f32)
      x_together = std::min(most_together, options.batch / options.threads);
    for (Lane& lane : x_lanes) {
      lane.arena = AlignedBuffer(x_program.arena_floats);
      for (int i = 1; i < x_together; ++i) lane.late.push_back(AlignedBuffer(x_program.arena_floats));
    }
    const auto add_thread = [&](Lane& lane) { lane.scratch.push_back(AlignedBuffer(x_program.scratch_floats)); };
    for (int i = 0; i < options.threads; ++i) add_thread(x_lanes[0]);
    for (std::size_t i = 1; i < x_lanes.size(); ++i) add_thread(x_lanes[i]);
    for (int resting = 0; resting <= most_resting && resting < options.threads; ++resting)
      x_divisions.emplace_back(x_program, options.threads - resting);
    x_active.reserve(x_members.size());
  }

  void run(const float* images, float* logits, const LayerObserver* observe) override {
    const FlushesSubnormals flushed;
    x_broken.store(false, std::memory_order_relaxed);
    const auto image_floats = static_cast<std::size_t>(x_program.graph.input_dims().count()),
               classes = static_cast<std::size_t>(x_program.graph.classes());
    const bool whole = is_whole();
    int image = 0;
    if ((x_lanes.size() > 1 || x_together > 1) && whole && !observe) {
      // Each thread takes the next images when it is done with some, since another process may hold one of them up.
      choose_active(0);
      const int side_by_side = x_batch / (x_together * x_threads) * (x_together * x_threads);
      std::atomic<int> next{0};
      x_team.run(x_active, [&](int thread) {
        for (;;) {
          const int taken = next.fetch_add(x_together, std::memory_order_relaxed);
          if (taken >= side_by_side) return;
          const auto i = static_cast<std::size_t>(taken);
          do_together(x_lanes[static_cast<std::size_t>(thread)], images + i * image_floats, logits + i * classes);
        }
      });
      image = side_by_side;
    }
    for (; image < x_batch; ++image) {
      const float* src = images + static_cast<std::size_t>(image) * image_floats;
      float* dst = logits + static_cast<std::size_t>(image) * classes;
      if (!whole || x_threads == 1) x_active.assign(1, 0);
      else choose_active(observe ? 0 : most_resting);
      const Division& division = whole ? x_divisions[static_cast<std::size_t>(x_threads) - x_active.size()] : x_alone;
      if (observe) {
        for (const Step& step : x_program.steps) {
          x_team.run(x_active, [&](int thread) { do_step(x_lanes[0], x_lanes[0].arena.data(), division, step, thread, src, dst); });
          (*observe)(x_program.layers[static_cast<std::size_t>(step.node)], [&] { return x_steps.values_of(x_lanes[0].arena.data(), step.node); });
        }
      } else {
        const Clock::time_point began = Clock::now();
        x_team.run(x_active, [&](int thread) { do_steps(x_lanes[0], division, thread, src, dst, x_program.steps.size()); });
        judge_lateness(began);
      }
    }
    if (x_broken.load(std::memory_order_relaxed)) refuse_image();
  }

  const std::vector<LayerReport>& layers() const override { return x_program.layers; }
  bool checks_images() const override { return true; }
  int threads() const override { return is_whole() ? x_threads : 1; }
  int started_threads() const { return x_team.size(); }
  std::size_t arena_bytes() const override {
    std::size_t floats = 0;
    for (const Lane& lane : x_lanes) floats += (1 + lane.late.size()) * lane.arena.size() + lane.scratch.size() * x_program.scratch_floats;
    return floats * sizeof(float);
  }

 private:
  // In a forked child, and where threads could not start, the caller does everything.
  [[nodiscard]] bool is_whole() const { return x_team.size() == x_threads; }

  // The threads of the next run: all but those that rest, of which there are at most so many.
  void choose_active(int resting) {
    x_active.assign(1, 0);
    const Clock::time_point now = Clock::now();
    for (int i = 1; i < x_threads; ++i) {
      if (resting > 0 && now < x_members[static_cast<std::size_t>(i)].rests_until) --resting;
      else x_active.push_back(i);
    }
  }

  // One thread at a time is held to be in the way: what others cost shows when it is gone.
  void judge_lateness(Clock::time_point began) {
    const Clock::time_point now = Clock::now();
    const Clock::duration run = now - began;
    const auto active = static_cast<int>(x_active.size());
    const Member* latest = nullptr;
    for (const int i : x_active)
      if (const Member& member = x_members[static_cast<std::size_t>(i)]; !latest || member.waited_for > latest->waited_for) latest = &member;
    for (std::size_t i = 1, at = 1; i < x_members.size(); ++i) {
      Member& member = x_members[i];
      const Clock::duration waited = std::min(std::exchange(member.waited_for, {}), run);
      if (at == x_active.size() || x_active[at] != static_cast<int>(i)) {
        member.rest.without(run, active);
        continue;
      }
      ++at;
      member.rests_until = now + member.rest.after(run, &member == latest ? waited : Clock::duration{}, active);
    }
  }

  // `index` is that among the active.
  void meet(int index, int threads) {
    if (threads == 1) return;
    const Clock::time_point here = Clock::now();
    const auto member = [&](int active) -> Member& { return x_members[static_cast<std::size_t>(x_active[static_cast<std::size_t>(active)])]; };
    member(index).arrived.store(here.time_since_epoch().count(), std::memory_order_relaxed);
    x_barrier.wait(threads);
    if (index != 0 || Clock::now() - here < patience) return;
    for (int i = 1; i < threads; ++i) {
      const Clock::duration late(member(i).arrived.load(std::memory_order_relaxed) - here.time_since_epoch().count());
      if (late > patience) member(i).waited_for += late;
    }
  }

  // x_together images, by one thread: one after the other up to the late steps, then side by side.
  void do_together(Lane& lane, const float* images, float* logits) {
    const auto count = static_cast<std::size_t>(x_together), late = static_cast<std::size_t>(x_program.late);
    const auto image_floats = static_cast<std::size_t>(x_program.graph.input_dims().count()),
               classes = static_cast<std::size_t>(x_program.graph.classes());
    if (count == 1) return do_steps(lane, x_alone, 0, images, logits, x_program.steps.size());
    const auto arena = [&](std::size_t i) { return i + 1 < count ? lane.late[i].data() : lane.arena.data(); };
    for (std::size_t i = 0; i < count; ++i) {
      do_steps(lane, x_alone, 0, images + i * image_floats, nullptr, late);
      if (i + 1 < count) x_steps.copy_output(lane.arena.data(), arena(i), x_program.late - 1);
    }
    for (std::size_t at = late; at < x_program.steps.size(); ++at) {
      const Step& step = x_program.steps[at];
      const bool divides = step.kind == Kind::convolution && step.way == Way::direct;
      // Parts of a layer whose weights stay in the second cache.
      const int units = divides ? step.panels : 1;
      const auto parts = static_cast<int>(std::clamp<std::size_t>((step.bias - step.weights) / weights_at_once, 1, static_cast<std::size_t>(units)));
      for (int p = 0; p < parts; ++p)
        for (std::size_t i = 0; i < count; ++i) {
          if (!divides) {
            do_step(lane, arena(i), x_alone, step, 0, images, logits + i * classes);
            continue;
          }
          const Range rows{0, x_program.node(step).dims.height};
          if (p == 0 && x_program.place(step.node).clears) x_steps.clear_border(arena(i), step.node, rows);
          x_steps.convolve(arena(i), step, rows, part(units, parts, p), false);
        }
    }
  }

  // All steps before `end`, by one of the division's threads, which wait for each other after each.
  void do_steps(Lane& lane, const Division& division, int thread, const float* image, float* logits, std::size_t end) {
    float* arena = lane.arena.data();
    const int threads = division.threads();
    for (std::size_t i = 0; i < end; ++i) {
      const Step& step = x_program.steps[i];
      if (threads > 1 && step.kind == Kind::convolution) fetch_foreign(arena, division, step, thread);
      if (division.is_banded(step)) {
        const Step& next = x_program.steps[++i];
        x_steps.convolve_banded(arena, step, next, part(x_program.node(next).dims.height, threads, thread),
                                lane.scratch[static_cast<std::size_t>(thread)].data(), threads > 1);
      } else {
        do_step(lane, arena, division, step, thread, image, logits);
      }
      meet(thread, threads);
    }
  }

  // A thread's part.
  void do_step(Lane& lane, float* arena, const Division& division, const Step& step, int thread, const float* image, float* logits) const {
    const Dims& dims = x_program.node(step).dims;
    const int threads = division.threads();
    if (x_program.place(step.node).clears) x_steps.clear_border(arena, step.node, part(dims.height, threads, thread));
    switch (step.kind) {
      case Kind::input:
        if (!x_steps.copy_input(arena, step, part(dims.height, threads, thread), image)) x_broken.store(true, std::memory_order_relaxed);
        return;
      case Kind::convolution:
        if (step.way == Way::direct) return convolve(arena, step, division, thread);
        return x_steps.winograd(arena, step, part(winograd_blocks(x_program, step), threads, thread),
                                lane.scratch[static_cast<std::size_t>(thread)].data());
      case Kind::average: return x_steps.average(arena, step, part(dims.channels / 8, threads, thread));
      case Kind::linear: return x_steps.linear(arena, step, part(step.panels, threads, thread), logits);
    }
  }

  void convolve(float* arena, const Step& step, const Division& division, int thread) const {
    const Split split = division.split(step);
    const bool shared = division.threads() > 1;
    const int height = x_program.node(step).dims.height;
    if (split.by_rows > 1 || split.by_panels == 1)
      return x_steps.convolve(arena, step, part(height, split.by_rows, thread / split.by_panels),
                              part(step.panels, split.by_panels, thread % split.by_panels), shared);
    // Panel after panel, each of some rows: a thread's part may begin and end within a panel.
    const Range part_of_all = part(step.panels * height, split.by_panels, thread);
    for (int at = part_of_all.begin; at < part_of_all.end;) {
      const int panel = at / height, row = at % height, whole = row == 0 ? (part_of_all.end - at) / height : 0;
      if (whole > 0) {
        x_steps.convolve(arena, step, {0, height}, {panel, panel + whole}, shared);
        at += whole * height;
      } else {
        const int end = std::min(height, row + part_of_all.end - at);
        x_steps.convolve(arena, step, {row, end}, {panel, panel + 1}, shared);
        at += end - row;
      }
    }
  }

  // Rows of the source that another thread has written come from another core, which takes hundreds of cycles for each line unless many are asked for at once.
  void fetch_foreign(const float* arena, const Division& division, const Step& step, int thread) const {
    const Region wanted = division.read(step, thread), own = division.written(x_program.steps[static_cast<std::size_t>(step.src)], thread);
    const bool all_words = own.words.begin <= wanted.words.begin && wanted.words.end <= own.words.end;
    const Place& src = x_program.place(step.src);
    const int pixels = x_program.graph.node(step.src).dims.width, rows = wanted.rows.end - wanted.rows.begin;
    const auto words = static_cast<std::size_t>(wanted.words.end - wanted.words.begin);
    if (static_cast<std::size_t>(rows * pixels) * words * sizeof(float) > most_fetched && !all_words) return;
    for (int y = wanted.rows.begin; y < wanted.rows.end; ++y) {
      if (all_words && own.rows.begin <= y && y < own.rows.end) continue;
      const float* row = arena + src.origin + y * src.row;
      for (int x = 0; x < pixels; ++x)
        for (int word = wanted.words.begin; word < wanted.words.end; word += 16) __builtin_prefetch(row + x * src.pixel + word, 0, 2);
    }
  }

  const Program& x_program;
  OwnSteps x_steps;
  int x_batch, x_threads;
  int x_together = 1;  // images that a thread takes at once
  Division x_alone;
  std::vector<Division> x_divisions;  // [n]: for all threads but n
  std::vector<Member> x_members;      // never resized
  std::vector<int> x_active;          // threads of this run
  std::vector<Lane> x_lanes;
  mutable std::atomic<bool> x_broken{false};  // an image of this run is not finite
  Barrier x_barrier;
  Team x_team;
};

// Choices by shape as choices by node.
Ways ways_of(const Graph& fused, const std::map<std::string, std::string>& by_shape) {
  Ways ways;
  for (const Node& node : fused.nodes()) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv || conv->add || by_shape.empty()) continue;
    const auto chosen = by_shape.find(layer_shape(*conv, node.dims));
    if (chosen == by_shape.end()) continue;
    const std::optional<Way> way = way_of(chosen->second);
    if (!way || !can(*way, *conv)) fail(Code::invalid_argument, "compile: ", chosen->first, " cannot go by ", chosen->second);
    ways[node.name] = *way;
  }
  return ways;
}

}  // namespace

std::unique_ptr<SessionImpl> OwnPlan::open(const SessionOptions& options) const {
  auto session = std::make_unique<OwnSession>(*this, options);
  const int started = session->started_threads();
  if (started == options.threads) return session;
  session.reset();  // its work is divided for more threads than the system gives
  return std::make_unique<OwnSession>(*this, SessionOptions{.batch = options.batch, .threads = started});
}

bool own_supports(const Graph& graph) { return can_be_programmed(fuse(graph)); }

bool own_is_faster() { return &kernels::best_kernels() != kernels::portable_kernels(); }

void require(Precision precision, const Graph& graph) {
  if (!kernels_of(precision))
    fail(Code::unsupported, "compile: ", name_of(precision), " needs a CPU with ", precision == Precision::int8 ? "AVX2" : "AMX, or with AVX512-BF16",
         "; this one has, or may use, ", kernels::best_kernels().name);
  if (precision == Precision::f32) return;
  if (const Graph fused = fuse(graph); !can_be_programmed(fused) || !can_be_narrow(fused))
    fail(Code::unsupported, "compile: ", name_of(precision),
         " is for networks put together as RegNetX, of images with 3 channels; found another graph");
}

std::shared_ptr<const PlanImpl> make_own_plan(BoundWeights weights, const CompileOptions& options) {
  Precision precision = options.precision;
  if (precision == Precision::automatic) {
    const bool narrow = options.ways.empty() && can_be_narrow(fuse(weights.graph));
    const bool quantised = !options.quantization.scales.empty() && kernels::int8_is_faster();
    precision = !narrow ? Precision::f32 : quantised ? Precision::int8 : kernels::bf16_is_faster() ? Precision::bf16 : Precision::f32;
  }
  require(precision, weights.graph);
  if (precision != Precision::f32 && !options.ways.empty())
    fail(Code::invalid_argument, "compile: ways are those of f32, expected none for ", name_of(precision));
  Graph fused = fuse(weights.graph);
  Ways ways = ways_of(fused, options.ways);
  Program program = make_program(std::move(fused), precision, options.quantization, ways, options.compact);
  auto packed = std::make_shared<AlignedBuffer>(program.weights_floats);
  std::vector<Finding> findings = pack(program, weights, packed->data());
  const float* data = packed->data();
  auto plan = std::make_shared<OwnPlan>(std::move(weights.graph), std::move(program), PackedWeights{data, std::move(packed)});
  plan->findings = std::move(findings);
  return plan;
}

}  // namespace regnet::detail
