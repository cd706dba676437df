#include <regnet/plan/tune.hpp>

#include <algorithm>
#include <fstream>
#include <memory>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/machine.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

#include "plan/own.hpp"
#include "plan/timing.hpp"

namespace regnet {

namespace {

using Json = nlohmann::ordered_json;
using detail::Clock;
using detail::median;
using detail::ms_since;
using detail::Way;

constexpr Way all_ways[] = {Way::direct, Way::winograd, Way::transformed};
constexpr double least_gain = 0.03;  // below, what was measured is as likely to be noise
constexpr std::size_t least_rounds = 5;

// One plan in which all layers go one way, if they can, and how long each took in each round.
struct Candidate {
  Way way;
  Session session;
  std::vector<float> logits;
  std::map<std::string, std::vector<double>> ms = {};  // by layer

  void run(std::span<const float> images) {
    Clock::time_point last = Clock::now();
    session.run(images, logits, [&](const LayerReport& layer, const std::function<std::vector<float>()>&) {
      ms[layer.name].push_back(ms_since(last));
      last = Clock::now();
    });
  }
};

Json json_of(const Tuning& tuning) {
  Json layers = Json::array();
  for (const TunedLayer& layer : tuning.layers)
    layers.push_back({{"shape", layer.shape}, {"count", layer.count}, {"rule", layer.rule}, {"best", layer.best}, {"ms", layer.ms}});
  return {{"cpu", tuning.cpu},         {"instructions", tuning.instructions},
          {"version", tuning.version}, {"threads", tuning.threads},
          {"batch", tuning.batch},     {"layers", layers}};
}

}  // namespace

Tuning tuning_key(const SessionOptions& options) {
  return {cpu_name(), kernels::best_kernels().name, REGNET_VERSION, options.threads > 0 ? options.threads : default_threads().count, options.batch,
          {}};
}

Tuning tune(const BoundWeights& weights, const SessionOptions& asked, double seconds) {
  // With at least as many images as threads each thread takes whole images: what counts then is how fast one thread is.
  const Tuning key = tuning_key(asked);
  const SessionOptions options = key.batch >= key.threads ? SessionOptions{1, 1} : SessionOptions{key.batch, key.threads};
  if (!detail::own_supports(weights.graph)) fail(Code::unsupported, "tune: the own backend, whose ways these are, cannot run this network");
  const Graph fused = fuse(weights.graph);
  std::vector<Candidate> candidates;
  for (const Way way : all_ways) {
    std::map<std::string, std::string> ways;
    for (const Node& node : fused.nodes())
      if (const auto* conv = std::get_if<Conv>(&node.op); conv && detail::can(way, *conv)) ways[layer_shape(*conv, node.dims)] = name_of(way);
    const Plan plan = compile(weights, {.backend = Backend::own, .expected = options, .ways = std::move(ways)});
    candidates.push_back({way, Session(plan, options), std::vector<float>(static_cast<std::size_t>(options.batch * plan.classes()))});
  }
  const std::vector<float> images = synthetic_input(static_cast<std::size_t>(options.batch * weights.graph.input_dims().count()));
  const Clock::time_point start = Clock::now();
  for (std::size_t round = 0; round < least_rounds || ms_since(start) < 1000 * seconds; ++round)
    for (std::size_t i = 0; i < candidates.size(); ++i) candidates[(round + i) % candidates.size()].run(images);
  Tuning tuning = key;
  for (const Node& node : fused.nodes()) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv || !detail::can(Way::winograd, *conv)) continue;
    const std::string shape = layer_shape(*conv, node.dims);
    auto layer = std::find_if(tuning.layers.begin(), tuning.layers.end(), [&](const TunedLayer& known) { return known.shape == shape; });
    if (layer == tuning.layers.end())
      layer = tuning.layers.insert(layer, {shape, 0, std::string(name_of(detail::best_way(*conv, node.dims, false))), "", {}});
    ++layer->count;
    for (Candidate& candidate : candidates) layer->ms[std::string(name_of(candidate.way))] += median(candidate.ms.at(node.name));
  }
  for (TunedLayer& layer : tuning.layers) {
    const auto fastest = std::min_element(layer.ms.begin(), layer.ms.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
    layer.best = fastest->second < (1 - least_gain) * layer.ms.at(layer.rule) ? fastest->first : layer.rule;
  }
  return tuning;
}

std::string to_json(const std::vector<Tuning>& tunings) {
  Json json = Json::array();
  for (const Tuning& tuning : tunings) json.push_back(json_of(tuning));
  return json.dump(1);
}

std::vector<Tuning> tunings_from_json(std::string_view text) {
  std::vector<Tuning> tunings;
  try {
    const Json all = Json::parse(text);
    if (!all.is_array()) fail(Code::bad_format, "expected an array of tunings, found something else");
    for (const Json& json : all) {
      Tuning tuning{json.at("cpu").get<std::string>(),     json.at("instructions").get<std::string>(),
                    json.at("version").get<std::string>(), json.at("threads").get<int>(),
                    json.at("batch").get<int>(),           {}};
      for (const Json& layer : json.at("layers")) {
        tuning.layers.push_back({layer.at("shape").get<std::string>(), layer.at("count").get<int>(), layer.at("rule").get<std::string>(),
                                 layer.at("best").get<std::string>(), layer.at("ms").get<std::map<std::string, double>>()});
        if (!detail::way_of(tuning.layers.back().best)) fail(Code::bad_format, "tuning: unknown way ", in_quotes(tuning.layers.back().best));
      }
      tunings.push_back(std::move(tuning));
    }
  } catch (const Json::exception& error) {
    fail(Code::bad_format, "expected the tunings that \"regnet tune\" writes, found ", printable(error.what()));
  }
  return tunings;
}

}  // namespace regnet
