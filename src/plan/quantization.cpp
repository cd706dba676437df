#include <regnet/plan/quantization.hpp>

#include <algorithm>
#include <cmath>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/convert.hpp>

#include "plan/fold.hpp"
#include "plan/kernels/packing.hpp"
#include "plan/own.hpp"

namespace regnet {

namespace {

// How many values of a tensor have which size, without their sign; zeros lose nothing and are left out. The range doubles when a value is beyond it.
class Histogram {
 public:
  void add(std::span<const float> values) {
    float most = 0;
    for (const float value : values) most = std::max(most, std::abs(value));
    if (x_range == 0) x_range = most;
    while (most > x_range) grow();
    if (x_range == 0) return;
    const float scale = bins / x_range;
    for (const float value : values)
      if (value != 0) ++x_counts[std::min<std::size_t>(bins - 1, static_cast<std::size_t>(std::abs(value) * scale))];
    x_largest = std::max(x_largest, most);
  }

  // The range that loses least when it is divided into so many steps: what is within is off by a step's square / 12 in the mean, what is beyond by how far it is. 0 for a tensor that
  // was never anything else.
  [[nodiscard]] float best_range(int steps) const {
    const double bin = x_range / bins;
    const auto last = static_cast<std::size_t>(std::ceil(x_largest / bin));
    double inside = 0, beyond = 0, beyond_sum = 0, beyond_squares = 0;
    for (std::size_t i = 0; i < bins; ++i) inside += static_cast<double>(x_counts[i]);
    double best = 0, least = -1;
    for (std::size_t i = std::min(last, bins); i >= 1; --i) {  // cut at the upper end of bin i - 1
      const double cut = static_cast<double>(i) * bin, step = cut / steps;
      const double lost = inside * step * step / 12 + beyond_squares - 2 * cut * beyond_sum + cut * cut * beyond;
      if (least < 0 || lost < least) least = lost, best = cut;
      const auto count = static_cast<double>(x_counts[i - 1]);
      const double middle = (static_cast<double>(i) - 0.5) * bin;
      inside -= count;
      beyond += count;
      beyond_sum += count * middle;
      beyond_squares += count * middle * middle;
    }
    return static_cast<float>(std::min<double>(best, x_largest));
  }

 private:
  static constexpr std::size_t bins = 4096;

  void grow() {
    for (std::size_t i = 0; i < bins / 2; ++i) x_counts[i] = x_counts[2 * i] + x_counts[2 * i + 1];
    std::fill(x_counts.begin() + bins / 2, x_counts.end(), 0);
    x_range *= 2;
  }

  std::vector<std::int64_t> x_counts = std::vector<std::int64_t>(bins);
  float x_range = 0, x_largest = 0;
};

std::vector<float> logits_of(const Plan& plan, std::span<const float> images, int threads) {
  Session session(plan, {.batch = 1, .threads = threads});
  const auto image = static_cast<std::size_t>(plan.input_dims().count()), classes = static_cast<std::size_t>(plan.classes());
  if (images.empty() || images.size() % image != 0)
    fail(Code::invalid_argument, "quantization: expected images of ", image, " floats each, found ", images.size(), " floats");
  std::vector<float> logits(images.size() / image * classes);
  for (std::size_t i = 0; i < images.size() / image; ++i)
    session.run(images.subspan(i * image, image), std::span(logits).subspan(i * classes, classes));
  return logits;
}

double difference(std::span<const float> found, std::span<const float> expected, std::size_t classes) {
  double differences = 0, squares = 0;
  for (std::size_t begin = 0; begin < expected.size(); begin += classes) {
    double mean = 0;
    for (std::size_t i = begin; i < begin + classes; ++i) mean += expected[i] / static_cast<double>(classes);
    for (std::size_t i = begin; i < begin + classes; ++i) {
      differences += (found[i] - double{expected[i]}) * (found[i] - double{expected[i]});
      squares += (expected[i] - mean) * (expected[i] - mean);
    }
  }
  return std::sqrt(differences / squares);
}

// The logits of f32, and how far a quantization's are from them.
class Judge {
 public:
  Judge(const BoundWeights& weights, std::span<const float> images, int threads)
      : x_weights(weights),
        x_images(images),
        x_threads(threads),
        x_expected(logits_of(compile(weights, {.backend = Backend::own}), images, threads)) {}

  [[nodiscard]] double error(const Quantization& quantization) const {
    const Plan plan = compile(x_weights, {.precision = Precision::int8, .quantization = quantization});
    return difference(logits_of(plan, x_images, x_threads), x_expected, static_cast<std::size_t>(plan.classes()));
  }

  [[nodiscard]] std::vector<Sensitivity> sensitivity(const Quantization& quantization) const {
    std::vector<Sensitivity> layers;
    for (const auto& [name, scale] : quantization.scales) {
      Quantization alone = quantization;
      for (const auto& [other, unused] : quantization.scales)
        if (other != name) alone.wide.insert(other);
      layers.push_back({name, error(alone)});
    }
    std::sort(layers.begin(), layers.end(), [](const Sensitivity& a, const Sensitivity& b) { return a.error > b.error; });
    return layers;
  }

 private:
  const BoundWeights& x_weights;
  std::span<const float> x_images;
  int x_threads;
  std::vector<float> x_expected;
};

constexpr const char* metadata_key = "regnet.quantization";

}  // namespace

std::vector<Sensitivity> sensitivity(const BoundWeights& weights, const Quantization& quantization, std::span<const float> images, int threads) {
  return Judge(weights, images, threads).sensitivity(quantization);
}

double logit_error(const BoundWeights& weights, const Quantization& quantization, std::span<const float> images, int threads) {
  return Judge(weights, images, threads).error(quantization);
}

Quantization widened(const BoundWeights& weights, Quantization quantization, std::span<const float> images, double bound, int threads) {
  const Judge judge(weights, images, threads);
  double error = judge.error(quantization);
  if (error <= bound) return quantization;
  for (const Sensitivity& layer : judge.sensitivity(quantization)) {
    quantization.wide.insert(layer.layer);
    error = judge.error(quantization);
    if (error <= bound) return quantization;
  }
  fail(Code::numeric, "quantization: expected an error of at most ", bound, ", found ", error, " with all layers wide");
}

Checkpoint quantised(const Checkpoint& checkpoint, const Graph& graph, const Quantization& quantization) {
  if (!quantization_of(checkpoint).scales.empty()) fail(Code::invalid_argument, "quantization: the weights are quantised already");
  const CanonicalTensors canonical = to_canonical(checkpoint.tensors);
  const BoundWeights weights = bind(graph, canonical.tensors);
  const Graph fused = fuse(graph);
  // Weights and what gives them their scale, by canonical name.
  std::map<std::string, TensorView> replaced;
  TensorMap owners;
  const auto floats = [&](const std::string& name, std::vector<float> values) {
    auto owner = std::make_shared<const OwnedVector<float>>(std::move(values));
    replaced[name] = view_of(owner->elements(), {static_cast<std::int64_t>(owner->elements().size())});
    owners.keep_alive(std::move(owner));
  };
  std::vector<Finding> findings;
  detail::FoldedLayer layer;
  for (const Node& node : fused.nodes()) {
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv || conv->batch_norm.empty()) continue;
    const Node& source = fused.node(node.inputs[0]);
    // Weights are multiplied as what their source is.
    if (!quantization.scales.contains(source.name) || quantization.wide.contains(source.name)) continue;
    detail::fold_layer(weights, node, layer, findings);
    const kernels::WeightShape shape{conv->groups, conv->out_channels / conv->groups, conv->in_channels / conv->groups, conv->kernel};
    const kernels::Int8Codes int8 = kernels::int8_codes(layer.weights, shape, quantization.reduced_range ? 4 : 2);
    std::vector<std::int8_t> codes;
    for (const std::uint16_t code : int8.codes) codes.push_back(static_cast<std::int8_t>(code));
    auto owner = std::make_shared<const OwnedVector<std::int8_t>>(std::move(codes));
    TensorView view;
    view.dtype = DType::i8;
    view.shape = weights.tensors.find(node.name + ".weight")->shape;
    view.strides = contiguous_strides(view.shape);
    view.storage = owner->bytes();
    replaced[node.name + ".weight"] = view;
    owners.keep_alive(std::move(owner));
    const auto channels = static_cast<std::size_t>(conv->out_channels);
    floats(conv->batch_norm + ".weight", int8.scales);
    floats(conv->batch_norm + ".bias", layer.bias);
    floats(conv->batch_norm + ".running_mean", std::vector<float>(channels, 0.0f));
    floats(conv->batch_norm + ".running_var", std::vector<float>(channels, static_cast<float>(1 - conv->epsilon)));
  }
  detail::refuse_errors(findings);
  Checkpoint out = as_safetensors(checkpoint);
  TensorMap tensors;
  for (const NamedTensor& tensor : canonical.tensors) {
    const auto found = replaced.find(tensor.name);
    tensors.add(tensor.name, found == replaced.end() ? tensor.view : found->second);
  }
  tensors.keep_alive_with(canonical.tensors);
  tensors.keep_alive_with(owners);
  out.tensors = with_naming(tensors, canonical.naming);
  nlohmann::json json{{"scales", quantization.scales}, {"wide", quantization.wide}};
  if (quantization.reduced_range) json["reduced_range"] = true;
  out.metadata[metadata_key] = json.dump();
  return out;
}

Quantization quantization_of(const Checkpoint& checkpoint) {
  const auto found = checkpoint.metadata.find(metadata_key);
  if (found == checkpoint.metadata.end()) return {};
  try {
    const auto json = nlohmann::json::parse(found->second);
    return {json.at("scales").get<std::map<std::string, float>>(), json.at("wide").get<std::set<std::string>>(), json.value("reduced_range", false)};
  } catch (const nlohmann::json::exception&) {
    fail(Code::bad_format, "metadata ", metadata_key,
         ": expected an object of scales, a list of wide layers and whether the range is reduced, found ", in_quotes(found->second));
  }
}

Quantization calibrate(const BoundWeights& weights, const NextImage& next, int threads) {
  if (!detail::own_supports(weights.graph)) fail(Code::unsupported, "calibrate: the own backend cannot run this network");
  const Graph fused = fuse(weights.graph);
  std::map<std::string, const Conv*> convolutions;
  for (const Node& node : fused.nodes())
    if (const auto* conv = std::get_if<Conv>(&node.op)) convolutions[node.name] = conv;
  Session session(compile(weights, {.backend = Backend::own}), {.batch = 1, .threads = threads});
  std::vector<float> image(static_cast<std::size_t>(weights.graph.input_dims().count())), logits(static_cast<std::size_t>(weights.graph.classes()));
  std::map<std::string, Histogram> histograms;
  int images = 0;
  for (; next(image); ++images)
    session.run(image, logits, [&](const LayerReport& layer, const std::function<std::vector<float>()>& values) {
      if (convolutions.contains(layer.name)) histograms[layer.name].add(values());
    });
  if (images == 0) fail(Code::invalid_argument, "calibrate: expected at least one image, found none");
  Quantization quantization;
  for (const auto& [name, conv] : convolutions) {
    const int steps = conv->relu ? 255 : 127;
    const float range = histograms[name].best_range(steps);
    quantization.scales[name] = range > 0 ? range / static_cast<float>(steps) : 1;
  }
  return quantization;
}

}  // namespace regnet
