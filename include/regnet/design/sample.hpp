// sample: networks drawn from a design space that keep within limits, the same ones however the drawing is divided among processes.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <regnet/design/complexity.hpp>
#include <regnet/design/space.hpp>

namespace regnet {

// Both ends belong to it.
struct Interval {
  double low = 0, high = std::numeric_limits<double>::infinity();
  // Whether the value lies between the ends or on one.
  [[nodiscard]] bool contains(double value) const { return value >= low && value <= high; }
  friend bool operator==(const Interval&, const Interval&) = default;
};

// What a network may be and cost. Complexities are those of `network`.
struct DesignLimits {
  Interval macs = {}, params = {}, activations = {}, depth = {}, stages = {}, width = {};  // depth: blocks of the network; width: of the last stage
  bool no_skipped_levels = false;                                                          // pycls: as many stages as powers of w_m
  bool lean = false;  // pycls's rule of thumb: with F = MACs / 1e9, at most 3 + 5.5 F million parameters and 6.5 sqrt(F) million activations
  NetworkOptions network = {};
};

// Where the random numbers come from.
enum class Stream {
  regnet,  // draws in chunks of their own seeds, so that they can be shared out
  pycls    // numpy.random.seed(seed), as pycls draws
};

// A network that was drawn.
struct SampledDesign {
  std::int64_t draw = 0;  // its number, from 0
  Params params;          // d is 0 where stages are free
  std::vector<Stage> stages;
  Complexity cost;
};

// What sample is asked for.
struct SampleRequest {
  Space space;
  std::uint64_t seed = 0;          // below 2^32
  std::int64_t count = 1;          // designs wanted
  std::int64_t draws = 1'000'000;  // draws at most, of all shards together
  DesignLimits limits = {};
  std::function<bool(const SampledDesign&)> accept = {};  // asked last, where there is one: what cannot be said as limits
  bool everything = false;                                // no limits and nothing left out: draws as they come
  Stream stream = Stream::regnet;
  int shard = 1, shards = 1;  // of the draws
};

// What sample found, and why it passed over the rest.
struct SampledDesigns {
  std::vector<SampledDesign> designs;  // in the order of their draws
  std::int64_t examined = 0;           // draws
  std::map<std::string_view, std::int64_t>
      refused;  // draws by what was wrong with them: the first of "impossible", "levels", "stages", "depth", "width", "macs", "params", "activations",
                // "lean", "duplicate",
                // "accept"
};

// numpy's RandomState(seed).random_sample(): 53 bits of two numbers of MT19937.
class NumpyUniform {
 public:
  // The state that numpy.random.seed(seed) makes.
  explicit NumpyUniform(std::uint32_t seed) : x_engine(seed) {}
  // The next number, in [0, 1).
  double operator()() {
    const std::uint32_t high = static_cast<std::uint32_t>(x_engine()) >> 5, low = static_cast<std::uint32_t>(x_engine()) >> 6;
    return (high * 67108864.0 + low) / 9007199254740992.0;
  }

 private:
  std::mt19937 x_engine;
};

// The draws of one chunk; no two chunks, of whatever seed, have a state in common.
class ChunkUniform {
 public:
  // Seed and chunk are below 2^32.
  ChunkUniform(std::uint64_t seed, std::uint64_t chunk) : x_engine(seed << 32 | chunk) {}
  // The next number, in [0, 1).
  double operator()() { return static_cast<double>(x_engine() >> 11) * 0x1p-53; }

 private:
  std::mt19937_64 x_engine;
};

namespace detail {

inline constexpr std::int64_t draws_of_a_chunk = 1024;

// What is wrong with a network, or nullptr.
inline const char* refusal(const SampledDesign& design, int levels, const DesignLimits& limits) {
  const auto stages = static_cast<int>(design.stages.size());
  int depth = 0;
  for (const Stage& stage : design.stages) depth += stage.depth;
  if (limits.no_skipped_levels && levels != 0 && levels != stages) return "levels";
  if (!limits.stages.contains(stages)) return "stages";
  if (!limits.depth.contains(depth)) return "depth";
  if (!limits.width.contains(design.stages.back().width)) return "width";
  const auto macs = static_cast<double>(design.cost.macs), params = static_cast<double>(design.cost.params),
             activations = static_cast<double>(design.cost.activations);
  if (!limits.macs.contains(macs)) return "macs";
  if (!limits.params.contains(params)) return "params";
  if (!limits.activations.contains(activations)) return "activations";
  if (limits.lean && !(params <= 3e6 + 5.5e-3 * macs && activations <= 6.5e6 * std::sqrt(macs * 1e-9))) return "lean";
  return nullptr;
}

// Next draw into `design`; the number of levels, 0 where there are none. Throws invalid_argument for an impossible one.
template <class Uniform>
int draw_into(SampledDesign& design, const Space& space, const NetworkOptions& network, Uniform& uniform) {
  int levels = 0;
  if (const auto* regnet = std::get_if<RegNetSpace>(&space)) {
    design.params = draw(*regnet, uniform);
    const BlockWidths widths = block_widths(design.params);
    levels = widths.levels;
    design.stages = to_stages(design.params, widths.quantised);
  } else {
    design.stages = draw(std::get<AnyNetSpace>(space), uniform);
  }
  design.cost = complexity(design.stages, network);
  return levels;
}

}  // namespace detail

// Draws until `count` networks are found or `draws` are made. A network that was found before is left out, whatever numbers made it. A shard examines every N-th chunk of draws; the first
// `count` of all shards' designs, by their draws and without duplicates, are those that one process finds (merge). Throws invalid_argument for ranges, limits or shards that make no sense.
inline SampledDesigns sample(const SampleRequest& request) {
  validate(request.space);
  validate({{1, width_quantum, width_quantum, 1}}, request.limits.network);
  const auto expect = [](bool holds, const char* expected, auto found) {
    if (!holds) fail(Code::invalid_argument, "sample: expected ", expected, ", found ", found);
  };
  expect(request.count >= 1, "at least one design", request.count);
  expect(request.draws >= 1 && request.draws <= std::int64_t{1} << 40, "1 to 2^40 draws", request.draws);
  expect(request.seed <= 0xffffffffu, "a seed below 2^32", request.seed);
  expect(request.shards >= 1 && request.shard >= 1 && request.shard <= request.shards, "a shard from 1 to the number of shards", request.shard);
  expect(request.stream == Stream::regnet || request.shards == 1, "one shard of pycls's stream, which cannot be divided", request.shards);
  if (const auto* any = std::get_if<AnyNetSpace>(&request.space); any && !request.everything)
    expect(request.limits.stages.contains(any->stages), "limits that hold the number of stages of the space", any->stages);
  SampledDesigns sample;
  std::set<std::string> seen;
  const auto take = [&](std::int64_t number, auto& uniform) {
    ++sample.examined;
    SampledDesign design;
    design.draw = number;
    const char* wrong = nullptr;
    try {
      const int levels = detail::draw_into(design, request.space, request.limits.network, uniform);
      if (!request.everything) wrong = detail::refusal(design, levels, request.limits);
    } catch (const Error&) {
      if (request.everything) throw;
      wrong = "impossible";
    }
    if (!wrong && !request.everything && !seen.insert(to_string(design.stages)).second) wrong = "duplicate";
    if (!wrong && !request.everything && request.accept && !request.accept(design)) wrong = "accept";
    if (wrong) ++sample.refused[wrong];
    else sample.designs.push_back(std::move(design));
    return static_cast<std::int64_t>(sample.designs.size()) < request.count;
  };
  if (request.stream == Stream::pycls) {
    NumpyUniform uniform(static_cast<std::uint32_t>(request.seed));
    for (std::int64_t number = 0; number < request.draws && take(number, uniform);) ++number;
    return sample;
  }
  const std::int64_t chunks = (request.draws + detail::draws_of_a_chunk - 1) / detail::draws_of_a_chunk;
  for (std::int64_t chunk = request.shard - 1; chunk < chunks; chunk += request.shards) {
    ChunkUniform uniform(request.seed, static_cast<std::uint64_t>(chunk));
    const std::int64_t end = std::min(request.draws, (chunk + 1) * detail::draws_of_a_chunk);
    for (std::int64_t number = chunk * detail::draws_of_a_chunk; number < end; ++number)
      if (!take(number, uniform)) return sample;
  }
  return sample;
}

// What one process would have found: designs of all shards by their draws, at most `count`; without duplicates unless `everything` was asked for.
inline std::vector<SampledDesign> merge(std::vector<SampledDesign> designs, std::int64_t count, bool everything = false) {
  std::sort(designs.begin(), designs.end(), [](const SampledDesign& a, const SampledDesign& b) { return a.draw < b.draw; });
  std::set<std::string> seen;
  if (!everything) std::erase_if(designs, [&](const SampledDesign& design) { return !seen.insert(to_string(design.stages)).second; });
  if (static_cast<std::int64_t>(designs.size()) > count) designs.resize(static_cast<std::size_t>(count));
  return designs;
}

}  // namespace regnet
