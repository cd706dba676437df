#include <regnet/weights/initial.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>

#include <regnet/design/zoo.hpp>

namespace regnet {
namespace {

std::vector<Parameter> parameters_of(const char* model) { return parameters(build(find_design(model).stages, {.resolution = 32})); }

std::vector<float> values_of(const TensorMap& tensors, std::string_view name) { return to_floats(*tensors.find(name)); }

struct Moments {
  double mean = 0, deviation = 0, skewness = 0, kurtosis = 0;
};

Moments moments(const std::vector<float>& values) {
  const double n = static_cast<double>(values.size());
  double mean = 0, m2 = 0, m3 = 0, m4 = 0;
  for (const float v : values) mean += v / n;
  for (const float v : values) {
    const double d = v - mean;
    m2 += d * d / n, m3 += d * d * d / n, m4 += d * d * d * d / n;
  }
  return {mean, std::sqrt(m2), m3 / std::pow(m2, 1.5), m4 / (m2 * m2)};
}

// Within five standard errors of the normal distribution's.
void expect_normal(const std::vector<float>& values, double deviation) {
  const double n = static_cast<double>(values.size());
  const Moments found = moments(values);
  EXPECT_NEAR(found.mean, 0, 5 * deviation / std::sqrt(n));
  EXPECT_NEAR(found.deviation, deviation, 5 * deviation / std::sqrt(2 * n));
  EXPECT_NEAR(found.skewness, 0, 5 * std::sqrt(6 / n));
  EXPECT_NEAR(found.kurtosis, 3, 5 * std::sqrt(24 / n));
}

TEST(Initial, WeightsBindToTheirNetwork) {
  for (const char* model : {"regnetx_200mf", "regnet_x_400mf"}) {
    const Graph graph = build(find_design(model).stages, {.resolution = 32, .classes = 7});
    const BoundWeights bound = bind(graph, initial_weights(parameters(graph), 1));
    EXPECT_EQ(bound.tensors.size(), parameters(graph).size());
    EXPECT_EQ(recognise(bound.tensors).stages, find_design(model).stages);
    EXPECT_EQ(recognise(bound.tensors).classes, 7);
  }
}

// fan_out leaves the groups out, as pycls and torchvision do: 240 output channels in groups of 24 have that of 240.
TEST(Initial, EveryConvolutionIsNormalByItsFanOutAndTheHeadByOneHundredth) {
  const std::vector<Parameter> all = parameters_of("regnetx_600mf");
  const TensorMap tensors = initial_weights(all, 2);
  std::vector<float> standard;  // of all convolutions together
  for (const Parameter& parameter : all) {
    if (parameter.shape.size() == 1) continue;
    SCOPED_TRACE(parameter.name);
    const Shape& shape = parameter.shape;
    const double deviation = shape.size() == 2 ? 0.01 : std::sqrt(2.0 / static_cast<double>(shape[0] * shape[2] * shape[3]));
    const std::vector<float> values = values_of(tensors, parameter.name);
    expect_normal(values, deviation);
    for (const float v : values) standard.push_back(static_cast<float>(v / deviation));
  }
  EXPECT_DOUBLE_EQ(initial_deviation({240, 24, 3, 3}), std::sqrt(2.0 / (9 * 240)));
  expect_normal(standard, 1);
  // The tails, where a generator of few bits, or a sum of uniforms, has too little.
  const double n = static_cast<double>(standard.size());
  for (const double bound : {1.0, 2.0, 3.0, 4.0}) {
    const double expected = n * std::erfc(bound / std::sqrt(2.0));
    const auto found = std::count_if(standard.begin(), standard.end(), [&](float v) { return std::abs(v) > bound; });
    EXPECT_NEAR(static_cast<double>(found), expected, 5 * std::sqrt(expected)) << bound;
  }
  EXPECT_GT(*std::max_element(standard.begin(), standard.end()), 4.5f);
}

TEST(Initial, NormalisationBeginsAsTheIdentityAndBiasesAreZero) {
  const std::vector<Parameter> all = parameters_of("regnetx_200mf");
  for (const bool zero_last : {false, true}) {
    const TensorMap tensors = initial_weights(all, 3, {.zero_last = zero_last});
    int zeros = 0;
    for (const Parameter& parameter : all) {
      if (parameter.shape.size() != 1) continue;
      const bool one = parameter.name.ends_with(".weight") || parameter.name.ends_with(".running_var");
      const bool zeroed = zero_last && parameter.name.ends_with(".f.c_bn.weight");
      zeros += zeroed;
      EXPECT_EQ(values_of(tensors, parameter.name), std::vector<float>(static_cast<std::size_t>(parameter.shape[0]), one && !zeroed ? 1.0f : 0.0f))
          << parameter.name;
    }
    EXPECT_EQ(zeros, zero_last ? 13 : 0);  // one for each block
  }
}

TEST(Initial, EqualSeedsGiveEqualWeightsAndOthersOthersWhateverTheThreads) {
  const std::vector<Parameter> all = parameters_of("regnetx_200mf");
  const TensorMap once = initial_weights(all, 4), again = initial_weights(all, 4, {.threads = 3}), other = initial_weights(all, 5);
  std::set<std::vector<float>> beginnings;
  for (const Parameter& parameter : all) {
    EXPECT_EQ(values_of(once, parameter.name), values_of(again, parameter.name)) << parameter.name;
    if (parameter.shape.size() == 1) continue;
    EXPECT_NE(values_of(once, parameter.name), values_of(other, parameter.name)) << parameter.name;
    std::vector<float> values = values_of(once, parameter.name);
    const double deviation = initial_deviation(parameter.shape);
    for (float& v : values) v = static_cast<float>(v / deviation);
    values.resize(4);
    EXPECT_TRUE(beginnings.insert(values).second) << parameter.name << " begins as another tensor";
  }
}

TEST(Initial, CountersAreScalarsOfZeroOneForEachNormalisation) {
  const std::vector<Parameter> all = parameters_of("regnetx_200mf");
  const TensorMap tensors = initial_weights(all, 6, {.counters = true});
  std::size_t counters = 0, normalisations = 0;
  for (const NamedTensor& tensor : tensors) {
    if (!tensor.name.ends_with(".num_batches_tracked")) continue;
    ++counters;
    EXPECT_EQ(tensor.view.dtype, DType::i64);
    EXPECT_EQ(tensor.view.shape, Shape{});
    EXPECT_EQ(to_floats(tensor.view), std::vector<float>{0});
  }
  for (const Parameter& parameter : all) normalisations += parameter.name.ends_with(".running_var");
  EXPECT_EQ(counters, normalisations);
  EXPECT_EQ(tensors.size(), all.size() + counters);
}

// Pinned: a file made from a seed is the same one on every machine and in every version.
TEST(Initial, TheBitsOfASeedStayWhatTheyAre) {
  const std::vector<float> values = initial_values({"s1.b1.f.a.weight", {101, 33, 3, 3}}, 1234567890123456789u);
  std::uint64_t hash = 14695981039346656037ull;
  for (const float v : values) {
    std::uint32_t bits;
    std::memcpy(&bits, &v, 4);
    hash = (hash ^ bits) * 1099511628211ull;
  }
  EXPECT_EQ(hash, 4585458913636963771u);
}

// A uniform of 24 bits would end at 5.8.
TEST(Initial, TailsEndWhereFiftyTwoBitsDo) {
  const NormalStream normal("x", 0);
  double most = 0;
  for (std::uint64_t i = 0; i < 2'000'000; ++i) {
    const auto [a, b] = normal(i);
    most = std::max(most, std::hypot(a, b));
    EXPECT_TRUE(std::isfinite(a) && std::isfinite(b));
  }
  EXPECT_GT(most, 4.9);  // the largest of 2,000,000 radii is above 4.9 but once in a thousand times
  EXPECT_LT(most, 8.58);
}

}  // namespace
}  // namespace regnet
