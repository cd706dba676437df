// tune: which way each convolution is fastest on this machine, measured inside the running network, where weights and activations are as cold as they are in use. What is measured
// in a loop misleads: there the weights stay in the caches.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/plan/options.hpp>
#include <regnet/weights/bind.hpp>

namespace regnet {

// Layers of one shape: "3x3 240 to 240 in 2 groups at 28x28" (kernel and stride, channels, output).
inline std::string layer_shape(const Conv& conv, const Dims& output) {
  return text(conv.kernel, 'x', conv.kernel, conv.stride > 1 ? text('/', conv.stride) : "", ' ', conv.in_channels, " to ", conv.out_channels,
              conv.groups > 1 ? text(" in ", conv.groups, " groups") : "", " at ", output.height, 'x', output.width);
}

// What was found about the layers of one shape.
struct TunedLayer {
  std::string shape;
  int count = 0;                     // of such layers in the network
  std::string rule, best;            // the way that compile takes, and the fastest; the same unless another is more than 3% faster
  std::map<std::string, double> ms;  // by way: median time of all these layers together
};

// Valid for what it was measured with, and for nothing else.
struct Tuning {
  std::string cpu, instructions, version;  // cpu_name(), as in MachineLimits, and of regnet
  int threads = 0, batch = 0;
  std::vector<TunedLayer> layers;  // that can go more than one way

  // Whether both were measured with the same: only then does one hold for the other. A CPU without a name fits nothing.
  [[nodiscard]] bool fits(const Tuning& other) const {
    return cpu != "unknown" && cpu == other.cpu && instructions == other.instructions && version == other.version && threads == other.threads &&
           batch == other.batch;
  }
  // For CompileOptions.
  [[nodiscard]] std::map<std::string, std::string> ways() const {
    std::map<std::string, std::string> ways;
    for (const TunedLayer& layer : layers) ways[layer.shape] = layer.best;
    return ways;
  }
};

// This machine and version, without layers: what a tuning must fit to be used.
REGNET_API Tuning tuning_key(const SessionOptions& options);

// Compiles the network once for each way and runs the plans in turns for about `seconds`, at least five rounds. Throws as compile; unsupported where the own backend has no kernels.
REGNET_API Tuning tune(const BoundWeights& weights, const SessionOptions& options, double seconds = 3);

// One JSON array, both ways lossless. Reading is strict: throws bad_format.
REGNET_API std::string to_json(const std::vector<Tuning>& tunings);
REGNET_API std::vector<Tuning> tunings_from_json(std::string_view json);

}  // namespace regnet
