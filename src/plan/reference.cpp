// The reference backend: every node of the graph as it was built, in double, one after the other. BatchNorm is applied, not folded, and
// nothing is fused, so that it witnesses the rewrites too.
#include <Eigen/Core>

#include "plan/fold.hpp"
#include "plan/impl.hpp"

namespace regnet::detail {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;  // channels x pixels
using Vector = Eigen::VectorXd;

Matrix matrix_of(const BoundWeights& weights, const std::string& parameter, Eigen::Index rows) {
  const std::vector<float> values = values_of(weights, parameter);
  const auto columns = static_cast<Eigen::Index>(values.size()) / rows;
  return Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>(values.data(), rows, columns).cast<double>();
}

Vector vector_of(const BoundWeights& weights, const std::string& parameter) {
  const std::vector<float> values = values_of(weights, parameter);
  return Eigen::Map<const Eigen::VectorXf>(values.data(), static_cast<Eigen::Index>(values.size())).cast<double>();
}

// Rows: the kernel's taps over one group's channels, in the order of the weights; columns: output pixels.
Matrix patches(const Matrix& src, const Dims& src_dims, const Dims& dst_dims, const Conv& conv, int first_channel) {
  const int channels = conv.in_channels / conv.groups, k = conv.kernel, padding = k / 2;
  Matrix out = Matrix::Zero(Eigen::Index{channels} * k * k, Eigen::Index{dst_dims.height} * dst_dims.width);
  for (int c = 0; c < channels; ++c)
    for (int ky = 0; ky < k; ++ky)
      for (int kx = 0; kx < k; ++kx)
        for (int y = 0; y < dst_dims.height; ++y)
          for (int x = 0; x < dst_dims.width; ++x) {
            const int sy = y * conv.stride + ky - padding, sx = x * conv.stride + kx - padding;
            if (sy < 0 || sy >= src_dims.height || sx < 0 || sx >= src_dims.width) continue;
            out((c * k + ky) * k + kx, y * dst_dims.width + x) = src(first_channel + c, sy * src_dims.width + sx);
          }
  return out;
}

Matrix convolve(const Matrix& src, const Dims& src_dims, const Dims& dst_dims, const Conv& conv, const Matrix& weights) {
  const int in = conv.in_channels / conv.groups, out = conv.out_channels / conv.groups;
  Matrix dst(conv.out_channels, Eigen::Index{dst_dims.height} * dst_dims.width);
  for (int g = 0; g < conv.groups; ++g)
    dst.middleRows(g * out, out).noalias() = weights.middleRows(g * out, out) * patches(src, src_dims, dst_dims, conv, g * in);
  return dst;
}

Matrix normalise(const Matrix& src, const BatchNorm& norm, const std::string& name, const BoundWeights& weights) {
  const Vector gamma = vector_of(weights, name + ".weight"), beta = vector_of(weights, name + ".bias");
  const Vector mean = vector_of(weights, name + ".running_mean"), var = vector_of(weights, name + ".running_var");
  const Vector scale = gamma.array() / (var.array() + norm.epsilon).sqrt();
  return (((src.colwise() - mean).array().colwise() * scale.array()).colwise() + beta.array()).matrix();
}

class ReferenceSession final : public SessionImpl {
 public:
  ReferenceSession(const BoundWeights& weights, int batch, const std::vector<LayerReport>& layers)
      : x_weights(weights), x_batch(batch), x_layers(layers) {}

  void run(const float* images, float* logits, const LayerObserver* observe) override {
    const Graph& graph = x_weights.graph;
    std::vector<std::vector<float>> seen(observe ? graph.nodes().size() : 0);  // by node, of all images
    for (int image = 0; image < x_batch; ++image) {
      const Matrix result = run_one(images + image * graph.input_dims().count(), seen);
      for (int c = 0; c < graph.classes(); ++c) logits[image * graph.classes() + c] = static_cast<float>(result(c, 0));
    }
    for (std::size_t i = 0; i < seen.size(); ++i) (*observe)(x_layers[i], [&] { return seen[i]; });
  }
  const std::vector<LayerReport>& layers() const override { return x_layers; }
  std::size_t arena_bytes() const override { return 0; }
  int threads() const override { return 1; }

 private:
  Matrix run_one(const float* image, std::vector<std::vector<float>>& seen) const {
    const std::vector<Node>& nodes = x_weights.graph.nodes();
    std::vector<Matrix> values(nodes.size());
    std::vector<std::size_t> last_use(nodes.size(), 0);
    for (std::size_t i = 0; i < nodes.size(); ++i)
      for (const NodeId id : nodes[i].inputs) last_use[static_cast<std::size_t>(id)] = i;
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      values[i] = compute(nodes[i], values, image);
      if (!seen.empty()) seen[i].insert(seen[i].end(), values[i].data(), values[i].data() + values[i].size());
      for (const NodeId id : nodes[i].inputs)
        if (last_use[static_cast<std::size_t>(id)] == i) values[static_cast<std::size_t>(id)].resize(0, 0);
    }
    return values.back();
  }

  Matrix compute(const Node& node, const std::vector<Matrix>& values, const float* image) const {
    const auto src = [&](std::size_t i) -> const Matrix& { return values[static_cast<std::size_t>(node.inputs[i])]; };
    const auto src_dims = [&] { return x_weights.graph.node(node.inputs[0]).dims; };
    return std::visit(
        Overloaded{
            [&](const Input& input) -> Matrix {
              using Floats = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
              return Eigen::Map<const Floats>(image, input.dims.channels, Eigen::Index{input.dims.height} * input.dims.width).cast<double>();
            },
            [&](const Conv& conv) -> Matrix {
              return convolve(src(0), src_dims(), node.dims, conv, matrix_of(x_weights, node.name + ".weight", conv.out_channels));
            },
            [&](const BatchNorm& norm) -> Matrix { return normalise(src(0), norm, node.name, x_weights); },
            [&](const Relu&) -> Matrix { return src(0).cwiseMax(0.0); },
            [&](const Add&) -> Matrix { return src(0) + src(1); },
            [&](const GlobalAveragePool&) -> Matrix { return src(0).rowwise().mean(); },
            [&](const Linear& linear) -> Matrix {
              return matrix_of(x_weights, node.name + ".weight", linear.out_features) * src(0) + vector_of(x_weights, node.name + ".bias");
            },
        },
        node.op);
  }

  const BoundWeights& x_weights;
  int x_batch;
  const std::vector<LayerReport>& x_layers;
};

class ReferencePlan final : public PlanImpl {
 public:
  explicit ReferencePlan(BoundWeights bound) : PlanImpl(bound.graph), x_weights(std::move(bound)) {
    findings = examine(x_weights);
    refuse_errors(findings);
    for (const Node& node : graph.nodes()) x_layers.push_back({node.name, kind_of(node.op), node.dims, "reference:double", false});
  }
  std::unique_ptr<SessionImpl> open(const SessionOptions& options) const override {
    return std::make_unique<ReferenceSession>(x_weights, options.batch, x_layers);
  }
  Backend backend() const override { return Backend::reference; }
  const std::vector<LayerReport>& layers() const override { return x_layers; }

 private:
  BoundWeights x_weights;
  std::vector<LayerReport> x_layers;
};

}  // namespace

std::shared_ptr<const PlanImpl> make_reference_plan(BoundWeights weights) { return std::make_shared<ReferencePlan>(std::move(weights)); }

}  // namespace regnet::detail
