#include <regnet/plan/latency.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/machine.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/plan/tune.hpp>
#include <regnet/weights/synthetic.hpp>

#include "plan/timing.hpp"

namespace regnet {

namespace {

using detail::Clock;
using detail::median;
using detail::ms_since;
using detail::quantile;
using Json = nlohmann::ordered_json;

// What a node of the fused graph is among layers; its time is not known yet.
LayerTime shape_of(const Graph& fused, const Node& node) {
  LayerTime layer{kind_of(node.op), 0, node.dims.channels, 0, node.dims.height, 1, 0};
  if (const auto* conv = std::get_if<Conv>(&node.op)) {
    layer.in = conv->in_channels;
    layer.group_width = conv->in_channels / conv->groups;
    if (conv->in_channels == fused.input_dims().channels) layer.kind = "stem";
    else if (conv->kernel > 1 && conv->groups == 1) layer.kind += " grouped";  // in one group
    if (conv->add) layer.kind += " added";
  } else if (!node.inputs.empty()) {
    const Dims& source = fused.node(node.inputs[0]).dims;
    layer.in = source.channels;
    layer.side = source.height;
  }
  return layer;
}

bool same_shape(const LayerTime& a, const LayerTime& b) {
  return a.kind == b.kind && a.in == b.in && a.out == b.out && a.group_width == b.group_width && a.side == b.side;
}

constexpr std::size_t terms = 4;  // one, multiply-adds, weights, outputs; the last three in millions

std::array<double, terms> work_of(const LayerTime& layer) {
  const bool is_linear = layer.kind == "linear", is_conv = layer.group_width > 0;
  const double taps = layer.kind.find("3x3") != std::string::npos || layer.kind == "stem" ? 9 : 1,
               outputs = 1e-6 * layer.out * (is_linear ? 1 : double(layer.side) * layer.side);
  const double per_output = is_conv ? taps * layer.group_width : is_linear ? layer.in : 0;
  return {1, per_output * outputs, 1e-6 * per_output * layer.out, outputs};
}

double ruled(const std::vector<double>& rule, const LayerTime& layer) {
  const std::array<double, terms> work = work_of(layer);
  double ms = 0;
  for (std::size_t i = 0; i < terms; ++i) ms += rule[i] * work[i];
  return ms;
}

// Least squares of the relative error with coefficients that are not negative, one coefficient at a time.
std::vector<double> fit_rule(const std::vector<LayerTime>& layers) {
  std::array<std::array<double, terms>, terms> products{};
  std::array<double, terms> targets{};
  for (const LayerTime& layer : layers) {
    const std::array<double, terms> work = work_of(layer);
    for (std::size_t i = 0; i < terms; ++i) {
      targets[i] += layer.count * work[i] / layer.ms;
      for (std::size_t j = 0; j < terms; ++j) products[i][j] += layer.count * work[i] * work[j] / (layer.ms * layer.ms);
    }
  }
  std::vector<double> rule(terms, 0);
  for (int round = 0; round < 1000; ++round)
    for (std::size_t i = 0; i < terms; ++i) {
      double rest = targets[i];
      for (std::size_t j = 0; j < terms; ++j)
        if (j != i) rest -= products[i][j] * rule[j];
      rule[i] = products[i][i] > 0 ? std::max(0.0, rest / products[i][i]) : 0;
    }
  return rule;
}

// How unlike two layers of a kind are.
double distance(const LayerTime& a, const LayerTime& b) {
  const auto ratio = [](int x, int y) { return std::log(double(std::max(x, 1)) / std::max(y, 1)); };
  const auto filled = [](int channels) {
    return std::log(double(channels + 15) / 16 * 16 / std::max(channels, 1));
  };  // what the last vector of channels wastes
  const auto square = [](double x) { return x * x; };
  return square(ratio(a.in, b.in)) + square(ratio(a.out, b.out)) + 4 * square(ratio(a.group_width, b.group_width)) +
         4 * square(ratio(a.side, b.side)) + square(filled(a.out) - filled(b.out));
}

// The mean of the nearest few, the nearer the more.
template <class Items, class Distance, class Value>
double interpolate(const Items& items, Distance distance_to, Value value_of) {
  constexpr std::size_t nearest = 8;
  std::vector<std::pair<double, double>> near;  // distance and value
  for (const auto& item : items) near.emplace_back(distance_to(item), value_of(item));
  const std::size_t count = std::min(nearest, near.size());
  std::partial_sort(near.begin(), near.begin() + static_cast<std::ptrdiff_t>(count), near.end());
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const double weight = 1 / (near[i].first + 0.01);
    sum += weight * near[i].second;
    weights += weight;
  }
  return sum / weights;
}

// Milliseconds of all layers one after the other, and of a layer on average.
struct Sum {
  double ms = 0;
  int count = 0;
  void add(double of_one, int times) { ms += times * of_one, count += times; }
  [[nodiscard]] double log_mean() const { return std::log(ms / std::max(count, 1)); }
};

}  // namespace

LatencyTable latency_key(const SessionOptions& session, int resolution, Precision precision) {
  const Tuning key = tuning_key(session);
  return {key.cpu, key.instructions, key.version, key.threads, key.batch, resolution, precision, {}};
}

namespace {

// One network with its memory.
class Runner {
 public:
  Runner(const Graph& graph, const SessionOptions& options, Precision precision)
      : x_plan(compile(bind(graph, synthetic_weights(parameters(graph))), {.expected = options, .precision = precision})),
        x_session(x_plan, options),
        x_images(synthetic_input(static_cast<std::size_t>(options.batch * graph.input_dims().count()))),
        x_logits(static_cast<std::size_t>(options.batch * x_plan.classes())) {}

  double run() {
    const Clock::time_point start = Clock::now();
    x_session.run(x_images, x_logits);
    return ms_since(start);
  }
  // Calls `see` with each layer's name and milliseconds.
  template <class See>
  void observe(See see) {
    Clock::time_point last = Clock::now();
    x_session.run(x_images, x_logits, [&](const LayerReport& layer, const std::function<std::vector<float>()>&) {
      see(layer.name, ms_since(last));
      last = Clock::now();
    });
  }

 private:
  Plan x_plan;
  Session x_session;
  std::vector<float> x_images, x_logits;
};

struct Samples {
  std::vector<double> runs;
  std::map<std::string, std::vector<double>> layers;
};

// What it takes where nothing disturbs, without the luck of a minimum.
double undisturbed(const std::vector<double>& values) { return quantile(values, 0.1); }

void run_for(double seconds, Runner& runner, Samples& samples) {
  for (const Clock::time_point start = Clock::now(); ms_since(start) < 300 * seconds;) runner.run();
  const Clock::time_point start = Clock::now();
  do {
    samples.runs.push_back(runner.run());
    runner.observe([&](const std::string& name, double ms) { samples.layers[name].push_back(ms); });
  } while (ms_since(start) < 700 * seconds);
}

NetworkTime summarise(const std::string& name, const Graph& graph, const Samples& samples) {
  NetworkTime time{name, undisturbed(samples.runs), {}};
  const Graph fused = fuse(graph);
  for (const Node& node : fused.nodes()) {
    const auto measured = samples.layers.find(node.name);
    if (measured == samples.layers.end()) continue;
    LayerTime layer = shape_of(fused, node);
    layer.ms = undisturbed(measured->second);
    const auto known = std::find_if(time.layers.begin(), time.layers.end(), [&](const LayerTime& one) { return same_shape(one, layer); });
    if (known == time.layers.end()) time.layers.push_back(layer);
    else known->ms += (layer.ms - known->ms) / ++known->count;
  }
  return time;
}

}  // namespace

std::vector<NetworkTime> measure_latencies(const std::vector<std::string>& names, const GraphOf& graph_of, const LatencyOptions& options) {
  if (options.precision == Precision::int8) fail(Code::unsupported, "latency: expected f32 or bf16, found int8, which needs a quantised checkpoint");
  const SessionOptions session{options.session.batch, options.session.threads > 0 ? options.session.threads : default_threads().count};
  std::vector<Samples> samples(names.size());
  for (int round = 0; round < options.rounds; ++round)
    for (std::size_t i = 0; i < names.size(); ++i) {
      Runner runner(graph_of(names[i]), session, options.precision);
      run_for(options.seconds / options.rounds, runner, samples[i]);
      if (options.progress) options.progress(round, i + 1);
    }
  std::vector<NetworkTime> times;
  for (std::size_t i = 0; i < names.size(); ++i) times.push_back(summarise(names[i], graph_of(names[i]), samples[i]));
  return times;
}

LatencyModel::LatencyModel(const LatencyTable& table, std::string_view left_out) {
  std::map<std::string, std::vector<LayerTime>> kinds;
  for (const NetworkTime& network : table.networks) {
    if (network.name == left_out) continue;
    Sum sum;
    for (const LayerTime& layer : network.layers) {
      kinds[layer.kind].push_back(layer);
      sum.add(layer.ms, layer.count);
    }
    x_scales.emplace_back(sum.log_mean(), network.ms / sum.ms);
  }
  if (x_scales.empty()) fail(Code::invalid_argument, "latency: expected a table with networks, found none");
  for (const auto& [name, layers] : kinds) {
    Kind kind{name, fit_rule(layers), {}};
    for (const LayerTime& layer : layers) kind.known.push_back({layer, std::log(layer.ms / ruled(kind.rule, layer))});
    x_kinds.push_back(std::move(kind));
  }
}

double LatencyModel::predict(const LayerTime& layer) const {
  const auto kind = std::find_if(x_kinds.begin(), x_kinds.end(), [&](const Kind& one) { return one.name == layer.kind; });
  if (kind == x_kinds.end()) fail(Code::unsupported, "latency: no layer \"", layer.kind, "\" was measured");
  double exact = 0;
  int count = 0;
  for (const Known& known : kind->known)
    if (same_shape(known.layer, layer)) exact += known.layer.count * known.layer.ms, count += known.layer.count;
  if (count > 0) return exact / count;
  const double log_ratio = interpolate(
      kind->known, [&](const Known& known) { return distance(known.layer, layer); }, [](const Known& known) { return known.log_ratio; });
  return ruled(kind->rule, layer) * std::exp(log_ratio);
}

double LatencyModel::predict(const Graph& graph) const {
  const Graph fused = fuse(graph);
  std::vector<LayerTime> layers;
  for (const Node& node : fused.nodes()) {
    const LayerTime layer = shape_of(fused, node);
    const auto known = std::find_if(layers.begin(), layers.end(), [&](const LayerTime& one) { return same_shape(one, layer); });
    if (known == layers.end()) layers.push_back(layer);
    else ++known->count;
  }
  Sum sum;
  for (const LayerTime& layer : layers) sum.add(predict(layer), layer.count);
  const double scale = interpolate(
      x_scales, [&](const auto& known) { return (known.first - sum.log_mean()) * (known.first - sum.log_mean()); },
      [](const auto& known) { return known.second; });
  return sum.ms * scale;
}

namespace {

template <class Predict>
PredictionError prediction_error(const LatencyTable& table, const GraphOf& graph_of, const CountsNetwork& counts, Predict predict) {
  std::vector<double> errors;
  PredictionError error;
  for (const NetworkTime& network : table.networks) {
    if (!counts(network.name)) continue;
    errors.push_back(std::abs(predict(network.name, graph_of(network.name)) / network.ms - 1));
    if (errors.back() < error.worst) continue;
    error.worst = errors.back();
    error.worst_network = network.name;
  }
  if (errors.empty()) fail(Code::invalid_argument, "latency: expected a network to be foretold, found none");
  error.median = median(errors);
  return error;
}

}  // namespace

PredictionError fitted_error(const LatencyTable& table, const GraphOf& graph_of, const CountsNetwork& counts) {
  const LatencyModel model(table);
  return prediction_error(table, graph_of, counts, [&](const std::string&, const Graph& graph) { return model.predict(graph); });
}

PredictionError cross_validate(const LatencyTable& table, const GraphOf& graph_of, const CountsNetwork& counts) {
  return prediction_error(table, graph_of, counts,
                          [&](const std::string& name, const Graph& graph) { return LatencyModel(table, name).predict(graph); });
}

std::string to_json(const std::vector<LatencyTable>& tables) {
  Json json = Json::array();
  for (const LatencyTable& table : tables) {
    Json networks = Json::array();
    for (const NetworkTime& network : table.networks) {
      Json layers = Json::array();
      for (const LayerTime& layer : network.layers)
        layers.push_back({layer.kind, layer.in, layer.out, layer.group_width, layer.side, layer.count, layer.ms});
      networks.push_back({{"name", network.name}, {"ms", network.ms}, {"layers", layers}});
    }
    json.push_back({{"cpu", table.cpu},
                    {"instructions", table.instructions},
                    {"version", table.version},
                    {"threads", table.threads},
                    {"batch", table.batch},
                    {"resolution", table.resolution},
                    {"dtype", name_of(table.precision)},
                    {"columns", {"kind", "in", "out", "group_width", "side", "count", "ms"}},
                    {"networks", networks}});
  }
  return json.dump();
}

std::vector<LatencyTable> latency_tables_from_json(std::string_view text) {
  std::vector<LatencyTable> tables;
  const auto expect = [](bool holds, const char* expected) {
    if (!holds) fail(Code::bad_format, "latency table: expected ", expected);
  };
  const auto is_time = [](double ms) { return std::isfinite(ms) && ms > 0; };
  try {
    const Json all = Json::parse(text);
    expect(all.is_array(), "an array of tables");
    for (const Json& json : all) {
      const std::optional<Precision> precision = precision_of(json.at("dtype").get<std::string>());
      expect(precision.has_value(), "a dtype f32 or bf16");
      LatencyTable table{json.at("cpu"),   json.at("instructions"), json.at("version"), json.at("threads"),
                         json.at("batch"), json.at("resolution"),   *precision,         {}};
      for (const Json& network : json.at("networks")) {
        table.networks.push_back({network.at("name"), network.at("ms"), {}});
        expect(is_time(table.networks.back().ms), "positive times");
        for (const Json& layer : network.at("layers")) {
          table.networks.back().layers.push_back({layer.at(0), layer.at(1), layer.at(2), layer.at(3), layer.at(4), layer.at(5), layer.at(6)});
          const LayerTime& read = table.networks.back().layers.back();
          expect(is_time(read.ms) && read.count > 0 && read.in >= 0 && read.out > 0 && read.group_width >= 0 && read.side >= 0,
                 "layers with channels, a count and a positive time");
        }
        expect(!table.networks.back().layers.empty(), "networks with layers");
      }
      tables.push_back(std::move(table));
    }
  } catch (const Json::exception& error) {
    fail(Code::bad_format, "latency table: expected what regnet writes, found ", printable(error.what()));
  }
  return tables;
}

}  // namespace regnet
