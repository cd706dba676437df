// Networks of less than 32 bits: what is refused, what stays the same to the bit, and how far from floats they are.
#include <regnet/plan/precision.hpp>

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <random>

#include <regnet/plan/plan_file.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"
#include "plan/kernels/kernels.hpp"
#include "plan/kernels/packing.hpp"

namespace regnet {
namespace {

BoundWeights network(const std::vector<Stage>& stages, const NetworkOptions& options) {
  const Graph graph = build(stages, options);
  return bind(graph, synthetic_weights(parameters(graph)));
}

// Groups that fill a tile of 16 words, some of them, and that do not; a last group of merged ones that is smaller.
const std::vector<Stage> stages{{2, 24, 24, 8}, {1, 48, 48, 16}, {2, 144, 144, 48}, {1, 216, 216, 24}};
const NetworkOptions options{.resolution = 75, .classes = 11};

std::vector<float> run(const Plan& plan, int batch, int threads, std::span<const float> images) {
  Session session(plan, {.batch = batch, .threads = threads});
  std::vector<float> logits(static_cast<std::size_t>(batch * plan.classes()));
  session.run(images, logits);
  return logits;
}

double cosine(std::span<const float> a, std::span<const float> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) /
         std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0) * std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
}

class Bf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::best_kernels(Precision::bf16)) GTEST_SKIP() << "this CPU has no instructions for bf16, or may not use them";
  }
};

TEST_F(Bf16, IsNearTheReferenceAndTheSameForAnyThreadsAndBatch) {
  const BoundWeights weights = network(stages, options);
  const std::vector<float> images = synthetic_input(static_cast<std::size_t>(3 * weights.graph.input_dims().count()));
  const std::vector<float> expected = run(compile(weights, {.backend = Backend::reference}), 3, 1, images);
  const Plan plan = compile(weights, {.precision = Precision::bf16});
  EXPECT_EQ(plan.precision(), Precision::bf16);
  EXPECT_EQ(plan.backend(), Backend::own);
  const std::vector<float> found = run(plan, 3, 1, images);
  EXPECT_GT(cosine(found, expected), 0.999);
  EXPECT_NE(found, expected);
  for (const int threads : {2, 3, 5}) EXPECT_EQ(run(plan, 3, threads, images), found) << threads;
  const std::vector<float> first = run(plan, 1, 4, std::span(images).first(images.size() / 3));
  EXPECT_EQ(first, std::vector<float>(found.begin(), found.begin() + 11));
}

TEST_F(Bf16, EveryLayerIsNearTheReferences) {
  const BoundWeights weights = network(stages, options);
  const std::vector<float> image = synthetic_input(static_cast<std::size_t>(weights.graph.input_dims().count()));
  std::vector<float> logits(11);
  std::vector<std::vector<float>> expected, found;
  const auto observe = [&](std::vector<std::vector<float>>& values) {
    return [&](const LayerReport&, const std::function<std::vector<float>()>& layer) { values.push_back(layer()); };
  };
  Session(compile(weights, {.backend = Backend::own}), {.threads = 1}).run(image, logits, observe(expected));
  Session(compile(weights, {.precision = Precision::bf16}), {.threads = 1}).run(image, logits, observe(found));
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    ASSERT_EQ(found[i].size(), expected[i].size());
    EXPECT_GT(cosine(found[i], expected[i]), 0.999) << i;
  }
}

TEST_F(Bf16, PlanFilesKeepIt) {
  const TemporaryFolder folder;
  const Plan plan = compile(network(stages, options), {.precision = Precision::bf16});
  save_plan(plan, folder.path() / "x.plan", "");
  const Plan loaded = load_plan(folder.path() / "x.plan").plan;
  EXPECT_EQ(loaded.precision(), Precision::bf16);
  const std::vector<float> image = synthetic_input(static_cast<std::size_t>(plan.input_dims().count()));
  EXPECT_EQ(run(loaded, 1, 1, image), run(plan, 1, 1, image));
}

TEST_F(Bf16, WaysAreThoseOfFloats) {
  EXPECT_REGNET_ERROR(compile(network(stages, options), {.ways = {{"x", "direct"}}, .precision = Precision::bf16}), Code::invalid_argument, "ways");
}

TEST(Precision, OtherBackendsHaveFloatsOnly) {
  for (const Backend backend : {Backend::onednn, Backend::reference})
    EXPECT_REGNET_ERROR(compile(network(stages, options), {.backend = backend, .precision = Precision::bf16}), Code::unsupported, "own backend");
  EXPECT_EQ(compile(network(stages, options), {.backend = Backend::onednn, .precision = Precision::automatic}).precision(), Precision::f32);
}

TEST(Precision, GraphsThatTheOwnBackendCannotRunAreRefusedOrFloats) {
  const BoundWeights odd = network({{1, 12, 12, 4}}, options);
  EXPECT_REGNET_ERROR(compile(odd, {.precision = Precision::bf16}), Code::unsupported, "bf16");
  EXPECT_EQ(compile(odd, {.precision = Precision::automatic}).precision(), Precision::f32);
}

TEST(Precision, NamesAreTheirOwnInverse) {
  for (const Precision precision : {Precision::automatic, Precision::f32, Precision::bf16}) EXPECT_EQ(precision_of(name_of(precision)), precision);
  EXPECT_FALSE(precision_of("fp16"));
}

TEST(Precision, Bf16IsRoundedToNearestEven) {
  for (const auto& [value, bits] : std::vector<std::pair<float, std::uint32_t>>{{1.0f, 0x3f80},
                                                                                {1.00390625f, 0x3f80},  // in the middle: to the even one
                                                                                {1.01171875f, 0x3f82},  // likewise
                                                                                {1.00390637f, 0x3f81},
                                                                                {-1.0f, 0xbf80},
                                                                                {0.0f, 0},
                                                                                {3.4e38f, 0x7f7f},  // not infinity
                                                                                {-3.4e38f, 0xff7f}})
    EXPECT_EQ(kernels::to_bf16(value), bits) << value;
}

// What rounding takes from one weight of a channel is given to the next.
TEST(Precision, RoundedWeightsOfAChannelAddUpToItsWeights) {
  const kernels::Kernels* of = kernels::best_kernels(Precision::bf16);
  if (!of) GTEST_SKIP() << "this CPU has no instructions for bf16, or may not use them";
  constexpr int in = 96, out = 40;
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> values(0.5f, 1);  // of one exponent, where rounding errs by at most 2^-9
  std::vector<float> weights(in * out), packed(kernels::packed_words(*of, 1, out, 1, in / 2));
  for (float& weight : weights) weight = values(generator);
  kernels::pack_bf16(*of, weights.data(), {1, out, in, 1}, 1, 1, in / 2, packed.data());
  const int width = (32 + of->width_multiple - 1) / of->width_multiple * of->width_multiple;  // of the first panel
  for (int c = 0; c < 32; ++c) {
    double sum = 0;
    for (int i = 0; i < in; ++i) {
      const auto bits = std::bit_cast<std::uint32_t>(packed[static_cast<std::size_t>(i / 2 * width + c)]);
      const float rounded = kernels::from_bf16(i % 2 == 0 ? bits & 0xffff : bits >> 16), weight = weights[static_cast<std::size_t>(c * in + i)];
      EXPECT_NEAR(rounded, weight, 1.01 / 256);
      sum += double{rounded} - weight;
    }
    EXPECT_NEAR(sum, 0, 1.01 / 256);
  }
}

}  // namespace
}  // namespace regnet
