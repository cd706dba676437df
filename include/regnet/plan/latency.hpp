// latency: how long networks take on this CPU, measured layer by layer in some of them, and from that foretold for others. What a layer takes is measured inside running networks, where
// weights and activations are as cold as they are in use.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/graph/graph.hpp>
#include <regnet/plan/options.hpp>

namespace regnet {

// Layers of one shape in one network.
struct LayerTime {
  std::string kind;                                // what it computes: "conv 1x1", "conv 3x3/2 grouped", "conv 1x1 added"
  int in = 0, out = 0, group_width = 0, side = 0;  // channels, and the side of the output in pixels
  int count = 0;
  double ms = 0;  // of one of them

  friend bool operator==(const LayerTime&, const LayerTime&) = default;
};

// A network that was measured.
struct NetworkTime {
  std::string name;
  double ms = 0;  // of a run of all images of a batch
  std::vector<LayerTime> layers;

  friend bool operator==(const NetworkTime&, const NetworkTime&) = default;
};

// Valid for what it was measured with, and for nothing else.
struct LatencyTable {
  std::string cpu, instructions, version;  // cpu_name(), as in MachineLimits, and of regnet
  int threads = 0, batch = 0, resolution = 0;
  Precision precision = Precision::f32;
  std::vector<NetworkTime> networks;

  // Whether both were measured with the same: only then does one hold for the other. A CPU without a name fits nothing.
  [[nodiscard]] bool fits(const LatencyTable& other) const {
    return cpu != "unknown" && cpu == other.cpu && instructions == other.instructions && version == other.version && threads == other.threads &&
           batch == other.batch && resolution == other.resolution && precision == other.precision;
  }
};

// This machine and version, without networks: what a table must fit to be used.
REGNET_API LatencyTable latency_key(const SessionOptions& session, int resolution, Precision precision = Precision::f32);

// Makes the network of a name.
using GraphOf = std::function<Graph(const std::string& name)>;

// How measure_latencies measures.
struct LatencyOptions {
  SessionOptions session = {};
  Precision precision = Precision::f32;
  double seconds = 1.5;                                            // of running for each network in all, of which a third warms up
  int rounds = 5;                                                  // over all networks
  std::function<void(int round, std::size_t done)> progress = {};  // called after each network of each round
};

// Runs networks with synthetic weights, one at a time, in rounds some time apart, and takes what a tenth of the times stay below. Machines that are shared, or change their clock, are slow for
// seconds or minutes, which a median over a short while takes for the network's own. Throws as compile does; int8 is unsupported, since it needs a quantisation.
REGNET_API std::vector<NetworkTime> measure_latencies(const std::vector<std::string>& names, const GraphOf& graph_of,
                                                      const LatencyOptions& options = {});

// Foretells from a table. A layer of a shape that was measured takes what it took there; others take what the nearest of their kind (in the logarithms of channels, group width and side)
// would take by a linear rule of multiply-adds, weights and outputs. Immutable: any number of threads may ask it.
class REGNET_API LatencyModel {
 public:
  // Throws invalid_argument for a table without networks. The one called `left_out` is passed over, to see how well it is foretold by the others.
  explicit LatencyModel(const LatencyTable& table, std::string_view left_out = {});
  // Milliseconds of a run. Throws unsupported for a layer of a kind that was never measured.
  [[nodiscard]] double predict(const Graph& graph) const;

 private:
  struct Known {
    LayerTime layer;
    double log_ratio;  // of what was measured to what the rule says
  };
  struct Kind {
    std::string name;
    std::vector<double> rule;  // milliseconds per layer, multiply-add, weight and output
    std::vector<Known> known;
  };
  [[nodiscard]] double predict(const LayerTime& layer) const;

  std::vector<Kind> x_kinds;
  std::vector<std::pair<double, double>> x_scales;  // by the logarithm of a network's mean layer, that of a run over the sum of its layers
};

// How far predictions are from what was measured.
struct PredictionError {
  double median = 0, worst = 0;  // of |predicted / measured - 1|
  std::string worst_network;
};

// Whether a network of the table counts.
using CountsNetwork = std::function<bool(const std::string& name)>;

// How well the networks that count are told by the table that holds them. Throws invalid_argument when none counts.
REGNET_API PredictionError fitted_error(const LatencyTable& table, const GraphOf& graph_of, const CountsNetwork& counts);

// How well each of them is told by the table without it. Throws likewise.
REGNET_API PredictionError cross_validate(const LatencyTable& table, const GraphOf& graph_of, const CountsNetwork& counts);

// One JSON array, both ways lossless. Reading is strict: throws bad_format.
REGNET_API std::string to_json(const std::vector<LatencyTable>& tables);
REGNET_API std::vector<LatencyTable> latency_tables_from_json(std::string_view json);

}  // namespace regnet
