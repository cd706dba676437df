// quantization: what a network's activations are in steps of, found on images, so that it can run in int8. In: weights and images; out: one scale for each tensor.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/weights/bind.hpp>

namespace regnet {

// Real value = scale x integer: u8 for outputs of ReLU, s8 for others. By the name of the fused convolution that makes them.
struct Quantization {
  std::map<std::string, float> scales;
  std::set<std::string> wide = {};  // whose outputs stay bf16, or f32 on CPUs without bf16
  // Weights of about 7 bits: of four input channels whose products CPUs with AVX2 alone then add in 16 bits, about 1.1 times as fast. Results are exact with and without.
  bool reduced_range = false;

  bool operator==(const Quantization&) const = default;
};

// Gives the next image, 3 x height x width floats as a session takes them; false when there are no more.
using NextImage = std::function<bool(std::span<float> image)>;

// Runs the images through the network in f32 and takes for each tensor the range that loses least: the mean square of what rounding and cutting off change together. `threads`: 0 for
// default_threads(). Throws as compile and Session::run do, invalid_argument when there is no image, and unsupported for networks that the own backend cannot run.
REGNET_API Quantization calibrate(const BoundWeights& weights, const NextImage& next, int threads = 0);

// How far int8 logits are from those of f32: the root of the mean square of their differences, in those of f32 logits from their image's mean.
struct Sensitivity {
  std::string layer;
  double error = 0;  // when this layer's outputs alone are in 8 bits, all others wide
};

// For every layer with a scale, the worst first. `images`: as a session takes them, one after the other. Takes a compilation and a run of all images for each layer.
REGNET_API std::vector<Sensitivity> sensitivity(const BoundWeights& weights, const Quantization& quantization, std::span<const float> images,
                                                int threads = 0);

// That error of the whole network.
REGNET_API double logit_error(const BoundWeights& weights, const Quantization& quantization, std::span<const float> images, int threads = 0);

// Keeps the layers that lose most wide, one more at a time, until logit_error is at most `bound`. Throws numeric when it is not even with all of them.
REGNET_API Quantization widened(const BoundWeights& weights, Quantization quantization, std::span<const float> images, double bound, int threads = 0);

// The same checkpoint with s8 weights where the quantization has them, under the same names, as an ordinary checkpoint: batch normalisation is what gives such weights their scale,
// so that f32 can run it too. The scales go into the metadata, as "regnet.quantization". Throws as to_canonical and bind do, and invalid_argument for one that is quantised already.
REGNET_API Checkpoint quantised(const Checkpoint& checkpoint, const Graph& graph, const Quantization& quantization);

// What quantised put into a checkpoint; without scales when it is none. Throws bad_format.
REGNET_API Quantization quantization_of(const Checkpoint& checkpoint);

}  // namespace regnet
