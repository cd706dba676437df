// initial: random weights to begin training from. In: the tensors a network needs and a seed; out: values, the same on every machine.
// Sources: pycls models/blocks.py, init_weights; He et al., arXiv 1502.01852; Box and Muller 1958; Steele et al. 2014 (splitmix64).
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <memory>
#include <numbers>
#include <string_view>
#include <vector>

#include <regnet/base/parallel.hpp>
#include <regnet/weights/bind.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Standard normal numbers of one tensor and seed, in pairs, any of them without those before. Every product that meets a sum is an explicit std::fma
// and the functions are our own, so that neither a compiler that contracts nor another machine's libm gives other bits. Uniforms of 52 bits reach 8.5
// standard deviations; of 24 bits they would end at 5.8.
class NormalStream {
 public:
  // `name` is the tensor's.
  NormalStream(std::string_view name, std::uint64_t seed) : x_key(mixed(seed + increment)) {
    for (const char c : name) x_key = (x_key ^ static_cast<unsigned char>(c)) * 1099511628211ull;
    x_key = mixed(x_key);
  }

  // Numbers 2i and 2i + 1.
  [[nodiscard]] std::array<double, 2> operator()(std::uint64_t i) const {
    const double open = (static_cast<double>(bits(2 * i) >> 12) + 0.5) * 0x1p-52;  // in (0, 1), exact
    const double radius = std::sqrt(-2.0 * log(open));
    // The angle is a quarter turn times (quarter + part), |part| <= 1/2.
    const std::uint64_t turn = bits(2 * i + 1);
    const double angle = (static_cast<double>((turn << 2) >> 12) * 0x1p-52 - 0.5) * (std::numbers::pi / 2);
    const double s = sin(angle), c = cos(angle);
    switch (turn >> 62) {
      case 0: return {radius * c, radius * s};
      case 1: return {radius * -s, radius * c};
      case 2: return {radius * -c, radius * -s};
      default: return {radius * s, radius * -c};
    }
  }

 private:
  static constexpr std::uint64_t increment = 0x9E3779B97F4A7C15ull;

  static std::uint64_t mixed(std::uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    return z ^ (z >> 31);
  }
  [[nodiscard]] std::uint64_t bits(std::uint64_t i) const { return mixed(x_key + (i + 1) * increment); }

  // Taylor's and artanh's series, to about 1e-12: floats are made of them.
  static double log(double x) {
    int exponent = 0;
    double m = std::frexp(x, &exponent);  // in [1/2, 1)
    if (m < std::numbers::sqrt2 / 2) m *= 2, --exponent;
    const double f = (m - 1) / (m + 1), s = f * f;
    double sum = 0;
    for (const int n : {15, 13, 11, 9, 7, 5, 3, 1}) sum = std::fma(sum, s, 1.0 / n);
    return std::fma(static_cast<double>(exponent), std::numbers::ln2, 2 * f * sum);
  }
  static double sin(double x) {
    const double s = x * x;
    double sum = 0;
    for (const double factorial : {6227020800.0, -39916800.0, 362880.0, -5040.0, 120.0, -6.0, 1.0}) sum = std::fma(sum, s, 1 / factorial);
    return x * sum;
  }
  static double cos(double x) {
    const double s = x * x;
    double sum = 0;
    for (const double factorial : {479001600.0, -3628800.0, 40320.0, -720.0, 24.0, -2.0, 1.0}) sum = std::fma(sum, s, 1 / factorial);
    return sum;
  }

  std::uint64_t x_key;
};

// How initial_weights fills the tensors.
struct InitialOptions {
  bool zero_last =
      false;  // each block begins as its shortcut: the last batch normalisation's weight is 0 (pycls's BN.ZERO_INIT_FINAL_GAMMA, timm's default)
  bool counters = false;  // num_batches_tracked too, which no graph asks for and PyTorch's files have
  int threads = 1;        // of which the values do not depend
};

// Standard deviation of a weight: of convolutions sqrt(2 / fan_out) with fan_out = kernel^2 x output channels, whatever the groups (pycls,
// torchvision; timm divides fan_out by the groups); of the linear layer 0.01.
inline double initial_deviation(const Shape& shape) {
  return shape.size() == 4 ? std::sqrt(2.0 / static_cast<double>(shape[0] * shape[2] * shape[3])) : 0.01;
}

// The values of one parameter. Batch normalisation begins as the identity of mean 0 and variance 1, biases are 0.
inline std::vector<float> initial_values(const Parameter& parameter, std::uint64_t seed, const InitialOptions& options = {}) {
  const std::string_view name = parameter.name;
  std::vector<float> values(static_cast<std::size_t>(element_count(parameter.shape)));
  if (parameter.shape.size() == 1) {
    const bool last = name.ends_with(".f.c_bn.weight");
    if (name.ends_with(".running_var") || (name.ends_with(".weight") && !(last && options.zero_last))) std::fill(values.begin(), values.end(), 1.0f);
    return values;
  }
  const NormalStream normal(name, seed);
  const double deviation = initial_deviation(parameter.shape);
  constexpr std::size_t piece = 1 << 16;
  parallel_for((values.size() + piece - 1) / piece, options.threads, [&] {
    return [&](std::size_t i) {
      const std::size_t end = std::min(values.size(), (i + 1) * piece);
      for (std::size_t k = i * piece; k < end; k += 2) {
        const std::array<double, 2> pair = normal(k / 2);
        values[k] = static_cast<float>(deviation * pair[0]);
        if (k + 1 < end) values[k + 1] = static_cast<float>(deviation * pair[1]);
      }
    };
  });
  return values;
}

// A tensor for each of `parameters`, kept alive by the map; with counters one more after each running variance.
inline TensorMap initial_weights(const std::vector<Parameter>& parameters, std::uint64_t seed, const InitialOptions& options = {}) {
  constexpr std::string_view variance = "running_var";
  const auto zero = std::make_shared<const OwnedVector<std::int64_t>>(std::vector<std::int64_t>{0});
  TensorMap tensors;
  tensors.keep_alive(zero);
  for (const Parameter& parameter : parameters) {
    tensors.add(parameter.name, initial_values(parameter, seed, options), parameter.shape);
    if (options.counters && parameter.name.ends_with(variance))
      tensors.add(parameter.name.substr(0, parameter.name.size() - variance.size()) + "num_batches_tracked", {DType::i64, {}, {}, 0, zero->bytes()});
  }
  return tensors;
}

}  // namespace regnet
