// synthetic: weights made of nothing but their names, the same in every language, so that a network can be compared with PyTorch, or timed,
// without a file. tools/golden/synthetic.py is the same definition in Python.
#pragma once

#include <cmath>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include <regnet/weights/bind.hpp>
#include <regnet/weights/tensor_map.hpp>

namespace regnet {

// Number i of the stream `name`, uniform in [0, 1), a multiple of 2^-24: splitmix64's finaliser over FNV-1a of the name plus a counter.
class SyntheticStream {
 public:
  // Equal names give equal numbers.
  explicit SyntheticStream(std::string_view name) {
    for (const char c : name) x_key = (x_key ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  }

  // Number i.
  [[nodiscard]] double operator()(std::uint64_t i) const {
    std::uint64_t z = x_key + (i + 1) * 0x9E3779B97F4A7C15ull;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ull;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBull;
    z ^= z >> 31;
    return static_cast<double>(z >> 40) * 0x1p-24;
  }

 private:
  std::uint64_t x_key = 14695981039346656037ull;
};

// The values of one parameter. Scales keep activations near 1 through any depth, and batch normalisation is far from the identity, so that folding is put to the test.
inline std::vector<float> synthetic_values(const Parameter& parameter) {
  const SyntheticStream u(parameter.name);
  const std::string_view name = parameter.name;
  const Shape& shape = parameter.shape;
  std::vector<float> values(static_cast<std::size_t>(element_count(shape)));
  const auto fill = [&](auto value_of) {
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(value_of(u(i)));
  };
  if (shape.size() == 4) {
    const double bound = std::sqrt(6.0 / static_cast<double>(shape[1] * shape[2] * shape[3]));
    fill([&](double v) { return (2.0 * v - 1.0) * bound; });
  } else if (shape.size() == 2) {
    const double bound = std::sqrt(3.0 / static_cast<double>(shape[1]));
    fill([&](double v) { return (2.0 * v - 1.0) * bound; });
  } else if (name == "head.fc.bias") {
    fill([](double v) { return 0.2 * v - 0.1; });
  } else if (name.ends_with(".f.c_bn.weight")) {
    fill([](double v) { return 0.2 + 0.2 * v; });  // small, or the residual sums grow with depth
  } else if (name.ends_with(".weight")) {
    fill([](double v) { return 0.75 + 0.5 * v; });
  } else if (name.ends_with(".running_mean")) {
    fill([](double v) { return 0.6 * v - 0.3; });
  } else if (name.ends_with(".running_var")) {
    fill([](double v) { return 0.5 + 1.5 * v; });
  } else {
    fill([](double v) { return 0.4 * v - 0.2; });
  }
  return values;
}

// A tensor for each of `parameters`, kept alive by the map.
inline TensorMap synthetic_weights(const std::vector<Parameter>& parameters) {
  TensorMap tensors;
  for (const Parameter& parameter : parameters) tensors.add(parameter.name, synthetic_values(parameter), parameter.shape);
  return tensors;
}

// Input images of about unit scale, as after normalisation.
inline std::vector<float> synthetic_input(std::size_t count) {
  const SyntheticStream u("input");
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = static_cast<float>(4.0 * u(i) - 2.0);
  return values;
}

}  // namespace regnet
