#include "plan/fold.hpp"

#include <algorithm>
#include <cmath>

#include <regnet/base/finite.hpp>
#include <regnet/graph/rewrite.hpp>

namespace regnet {

namespace {

using detail::FoldedLayer;

template <class Predicate>
std::int64_t count_of(const std::vector<float>& values, Predicate predicate) {
  return std::count_if(values.begin(), values.end(), predicate);
}

// Values of one layer on their way from the file; the names are those of the file in canonical form.
class Reader {
 public:
  Reader(const BoundWeights& bound, std::vector<Finding>& findings) : x_bound(bound), x_findings(findings) {}

  void read(const std::string& name, std::vector<float>& values) {
    const TensorView& view = *x_bound.tensors.find(name);
    to_floats(view, values);
    x_bound.tensors.release(view);
    if (!all_finite(values)) note(Flaw::not_finite, name, count_of(values, [](float value) { return !std::isfinite(value); }));
  }

  std::vector<float> read(const std::string& name) {
    std::vector<float> values;
    read(name, values);
    return values;
  }

  void note(Flaw flaw, const std::string& tensor, std::int64_t count) {
    if (count > 0) x_findings.push_back({flaw, tensor, count});
  }

 private:
  const BoundWeights& x_bound;
  std::vector<Finding>& x_findings;
};

// Subnormals become 0; returns how many.
std::int64_t flush(std::vector<float>& values) {
  std::int64_t flushed = 0;
  for (float& value : values) {
    if (std::fpclassify(value) != FP_SUBNORMAL) continue;
    value = 0;
    ++flushed;
  }
  return flushed;
}

void fold(Reader& reader, const Conv& conv, const std::string& weights_name, FoldedLayer& layer) {
  const std::string& norm = conv.batch_norm;
  const std::vector<float> gamma = reader.read(norm + ".weight"), beta = reader.read(norm + ".bias");
  const std::vector<float> mean = reader.read(norm + ".running_mean"), var = reader.read(norm + ".running_var");
  const auto impossible = [&](float value) { return double{value} <= -conv.epsilon; };
  reader.note(Flaw::impossible_variance, norm + ".running_var", count_of(var, impossible));
  reader.note(Flaw::negative_variance, norm + ".running_var", count_of(var, [&](float value) { return value < 0 && !impossible(value); }));
  const bool untrained = count_of(mean, [](float value) { return value != 0; }) == 0 && count_of(var, [](float value) { return value != 1; }) == 0;
  if (untrained) reader.note(Flaw::untrained_statistics, norm, conv.out_channels);
  const bool sound =
      all_finite(layer.weights) && all_finite(gamma) && all_finite(beta) && all_finite(mean) && all_finite(var) && count_of(var, impossible) == 0;
  FoldedBatchNorm folded = fold_batch_norm(layer.weights, gamma, beta, mean, var, conv.epsilon);
  layer.bias = std::move(folded.bias);
  if (!sound) return;  // what is not finite now was so before
  const auto infinite = [](float value) { return !std::isfinite(value); };
  if (!all_finite(layer.weights) || !all_finite(layer.bias))
    reader.note(Flaw::overflow, weights_name, count_of(layer.weights, infinite) + count_of(layer.bias, infinite));
  reader.note(Flaw::flushed, weights_name, folded.flushed);
}

std::string_view explain(Flaw flaw) {
  switch (flaw) {
    case Flaw::not_finite: return "values that are NaN, infinite or beyond the range of float";
    case Flaw::impossible_variance: return "running variances of -epsilon or less, which have no inverse square root";
    case Flaw::overflow: return "values that become infinite when batch normalisation is folded into them";
    case Flaw::negative_variance: return "slightly negative running variances";
    case Flaw::untrained_statistics: return "batch norms with the statistics they were made with (mean 0, variance 1; untrained?)";
    case Flaw::flushed: return "weights below 1.2e-38, which become 0";
  }
  return "?";
}

std::string line(Flaw flaw, const std::vector<const Finding*>& findings) {
  constexpr std::size_t limit = 4;
  std::string names;
  for (std::size_t i = 0; i < findings.size() && i < limit; ++i) names += text(i ? ", " : "", findings[i]->tensor, " (", findings[i]->count, ")");
  if (findings.size() > limit) names += text(" and ", findings.size() - limit, " more tensors");
  return text(explain(flaw), ": ", names);
}

std::vector<const Finding*> of_kind(Flaw flaw, const std::vector<Finding>& findings) {
  std::vector<const Finding*> out;
  for (const Finding& finding : findings)
    if (finding.flaw == flaw) out.push_back(&finding);
  return out;
}

constexpr Flaw all_flaws[] = {Flaw::not_finite,        Flaw::impossible_variance,  Flaw::overflow,
                              Flaw::negative_variance, Flaw::untrained_statistics, Flaw::flushed};

}  // namespace

void detail::fold_layer(const BoundWeights& bound, const Node& node, FoldedLayer& layer, std::vector<Finding>& findings) {
  Reader reader(bound, findings);
  const std::string weights_name = node.name + ".weight";
  reader.read(weights_name, layer.weights);
  const auto* conv = std::get_if<Conv>(&node.op);
  if (conv && !conv->batch_norm.empty()) return fold(reader, *conv, weights_name, layer);
  if (conv) layer.bias.assign(static_cast<std::size_t>(conv->out_channels), 0.0f);
  else reader.read(node.name + ".bias", layer.bias);
  reader.note(Flaw::flushed, weights_name, flush(layer.weights) + flush(layer.bias));
}

void detail::refuse_errors(const std::vector<Finding>& findings) {
  for (const Flaw flaw : all_flaws)
    if (const auto found = of_kind(flaw, findings); is_error(flaw) && !found.empty()) fail(Code::numeric, line(flaw, found));
}

std::vector<std::string> describe(const std::vector<Finding>& findings) {
  std::vector<std::string> lines;
  for (const Flaw flaw : all_flaws)
    if (const auto found = of_kind(flaw, findings); !found.empty()) lines.push_back(line(flaw, found));
  return lines;
}

std::vector<Finding> examine(const BoundWeights& weights) {
  std::vector<Finding> findings;
  detail::FoldedLayer layer;
  const Graph fused = fuse(weights.graph);
  for (const Node& node : fused.nodes())
    if (std::holds_alternative<Conv>(node.op) || std::holds_alternative<Linear>(node.op)) detail::fold_layer(weights, node, layer, findings);
  return findings;
}

}  // namespace regnet
