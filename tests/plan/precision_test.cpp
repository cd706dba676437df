// Networks of less than 32 bits: what is refused, what stays the same to the bit, and how far from floats they are.
#include <regnet/plan/precision.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>
#include <string>

#include <regnet/plan/plan_file.hpp>
#include <regnet/plan/quantization.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/names.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"
#include "golden/logits.hpp"
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

// With groups so wide that Winograd is taken where there are kernels for it, on maps that are no multiple of its tiles.
const std::vector<Stage> wide_stages{{2, 48, 48, 48}, {2, 112, 112, 56}, {1, 240, 240, 120}};
const NetworkOptions wide_options{.resolution = 150, .classes = 11};

std::vector<BoundWeights> networks() {
  std::vector<BoundWeights> both;
  both.push_back(network(stages, options));
  both.push_back(network(wide_stages, wide_options));
  return both;
}

bool has_winograd(const Plan& plan) {
  return std::any_of(plan.layers().begin(), plan.layers().end(),
                     [](const LayerReport& layer) { return layer.implementation.find("winograd") != std::string::npos; });
}

class Bf16 : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::best_kernels(kernels::Element::bf16)) GTEST_SKIP() << "this CPU has no instructions for bf16, or may not use them";
  }
};

TEST_F(Bf16, IsNearTheReferenceAndTheSameForAnyThreadsAndBatch) {
  for (const BoundWeights& weights : networks()) {
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
}

TEST_F(Bf16, EveryLayerIsNearTheReferences) {
  for (const BoundWeights& weights : networks()) {
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
}

TEST_F(Bf16, PlanFilesKeepIt) {
  const TemporaryFolder folder;
  for (const BoundWeights& weights : networks()) {
    const Plan plan = compile(weights, {.precision = Precision::bf16});
    save_plan(plan, folder.path() / "x.plan", "", Existing::replace);
    const Plan loaded = load_plan(folder.path() / "x.plan").plan;
    EXPECT_EQ(loaded.precision(), Precision::bf16);
    const std::vector<float> image = synthetic_input(static_cast<std::size_t>(plan.input_dims().count()));
    EXPECT_EQ(run(loaded, 1, 1, image), run(plan, 1, 1, image));
  }
}

TEST_F(Bf16, WinogradIsForWideGroupsAndLeftOutWhereWeightsAreToBeSmall) {
  const bool has_kernels = kernels::best_kernels(kernels::Element::bf16)->winograd;
  EXPECT_FALSE(has_winograd(compile(network(stages, options), {.precision = Precision::bf16})));
  EXPECT_EQ(has_winograd(compile(network(wide_stages, wide_options), {.precision = Precision::bf16})), has_kernels);
  EXPECT_FALSE(has_winograd(compile(network(wide_stages, wide_options), {.compact = true, .precision = Precision::bf16})));
}

// Its weights are transformed for good: a file that says otherwise, or that they are not transformed, is damaged.
TEST_F(Bf16, PlanFilesOfOtherWaysAreRefused) {
  if (!kernels::best_kernels(kernels::Element::bf16)->winograd) GTEST_SKIP() << "these kernels have no Winograd";
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.plan";
  save_plan(compile(network(wide_stages, wide_options), {.precision = Precision::bf16}), path, "");
  std::ifstream in(path, std::ios::binary);
  const std::string whole{std::istreambuf_iterator<char>(in), {}};
  for (const auto& [way, words] : {std::pair("\"winograd\"            ", "winograd"), {"\"direct\"              ", "weights"}}) {
    std::string changed = whole;
    const std::string before = "\"winograd-transformed\"";
    ASSERT_NE(changed.find(before), std::string::npos);
    changed.replace(changed.find(before), before.size(), way);
    folder.write("changed.plan", changed);
    EXPECT_REGNET_ERROR(load_plan(folder.path() / "changed.plan"), Code::bad_format, words);
  }
}

TEST_F(Bf16, WaysAreThoseOfFloats) {
  EXPECT_REGNET_ERROR(compile(network(stages, options), {.ways = {{"x", "direct"}}, .precision = Precision::bf16}), Code::invalid_argument, "ways");
}

// Images of one kind, so that ranges found on some fit the others.
std::vector<float> some_images(const Graph& graph, int count) {
  std::mt19937 generator(3);
  std::normal_distribution<float> normal;
  std::vector<float> images(static_cast<std::size_t>(count * graph.input_dims().count()));
  for (float& value : images) value = normal(generator);
  return images;
}

Quantization quantization_for(const BoundWeights& weights, std::span<const float> images) {
  const auto image = static_cast<std::size_t>(weights.graph.input_dims().count());
  std::size_t next = 0;
  return calibrate(weights, [&](std::span<float> dst) {
    if (next == images.size()) return false;
    std::copy_n(images.begin() + static_cast<std::ptrdiff_t>(next), image, dst.begin());
    next += image;
    return true;
  });
}

class Int8 : public testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::best_kernels(kernels::Element::u8)) GTEST_SKIP() << "this CPU has no instructions for int8, or may not use them";
  }
  const BoundWeights weights = network(stages, options);
  const std::vector<float> images = some_images(weights.graph, 6);
  const Quantization quantization = quantization_for(weights, std::span(images).first(images.size() / 2));
  const std::vector<float> expected = run(compile(weights, {.backend = Backend::own}), 6, 1, images);
};

TEST_F(Int8, IsNearFloatsAndTheSameForAnyThreadsAndBatch) {
  const Plan plan = compile(weights, {.precision = Precision::int8, .quantization = quantization});
  EXPECT_EQ(plan.precision(), Precision::int8);
  const std::vector<float> found = run(plan, 6, 1, images);
  EXPECT_GT(cosine(found, expected), 0.99);
  for (const int threads : {2, 3, 5}) EXPECT_EQ(run(plan, 6, threads, images), found) << threads;
  const std::vector<float> first = run(plan, 1, 4, std::span(images).first(images.size() / 6));
  EXPECT_EQ(first, std::vector<float>(found.begin(), found.begin() + 11));
  for (const LayerReport& layer : plan.layers()) EXPECT_TRUE(layer.implementation.starts_with("own:")) << layer.name;
}

// Each layer's outputs in 8 bits and all others wide, and the other way round.
TEST_F(Int8, EveryMixtureWithWideLayersIsNearFloats) {
  for (const auto& [name, scale] : quantization.scales) {
    Quantization one_wide = quantization, one_narrow = quantization;
    one_wide.wide = {name};
    for (const auto& [other, unused] : quantization.scales)
      if (other != name) one_narrow.wide.insert(other);
    for (const Quantization& mixture : {one_wide, one_narrow})
      EXPECT_GT(cosine(run(compile(weights, {.precision = Precision::int8, .quantization = mixture}), 6, 2, images), expected), 0.99) << name;
  }
}

TEST_F(Int8, SensitivityNamesEveryLayerAndWideningReachesABound) {
  const double all = logit_error(weights, quantization, images);
  const std::vector<Sensitivity> layers = sensitivity(weights, quantization, images);
  EXPECT_EQ(layers.size(), quantization.scales.size());
  for (std::size_t i = 1; i < layers.size(); ++i) EXPECT_GE(layers[i - 1].error, layers[i].error);
  const Quantization wider = widened(weights, quantization, images, all / 2);
  EXPECT_FALSE(wider.wide.empty());
  EXPECT_LT(wider.wide.size(), quantization.scales.size());
  EXPECT_LE(logit_error(weights, wider, images), all / 2);
  EXPECT_EQ(widened(weights, quantization, images, 2 * all), quantization);
  EXPECT_REGNET_ERROR(widened(weights, quantization, images, 1e-9), Code::numeric, "expected an error of at most");
}

TEST_F(Int8, AQuantisedCheckpointIsAnOrdinaryOneAndGivesTheSame) {
  Checkpoint checkpoint;
  checkpoint.tensors = weights.tensors;
  const Checkpoint narrow = quantised(checkpoint, weights.graph, quantization);
  EXPECT_EQ(quantization_of(narrow), quantization);
  EXPECT_TRUE(quantization_of(checkpoint).scales.empty());
  int narrow_tensors = 0;
  for (const NamedTensor& tensor : narrow.tensors) narrow_tensors += tensor.view.dtype == DType::i8;
  EXPECT_EQ(narrow_tensors, static_cast<int>(quantization.scales.size()) - 1);  // all convolutions but the first
  const BoundWeights bound = bind(weights.graph, to_canonical(narrow.tensors).tensors);
  const std::vector<float> found = run(compile(bound, {.precision = Precision::int8, .quantization = quantization}), 6, 1, images);
  EXPECT_GT(cosine(found, run(compile(weights, {.precision = Precision::int8, .quantization = quantization}), 6, 1, images)), 0.9999);
  EXPECT_GT(cosine(run(compile(bound, {.backend = Backend::own}), 6, 1, images), expected), 0.999);  // as floats
  EXPECT_REGNET_ERROR(quantised(narrow, weights.graph, quantization), Code::invalid_argument, "quantised already");
}

TEST_F(Int8, PlanFilesKeepIt) {
  const TemporaryFolder folder;
  for (const bool reduced_range : {false, true}) {
    Quantization mixed = quantization;
    mixed.wide = {mixed.scales.begin()->first};
    mixed.reduced_range = reduced_range;
    const Plan plan = compile(weights, {.precision = Precision::int8, .quantization = mixed});
    save_plan(plan, folder.path() / "x.plan", "", Existing::replace);
    const Plan loaded = load_plan(folder.path() / "x.plan").plan;
    EXPECT_EQ(loaded.precision(), Precision::int8);
    EXPECT_EQ(run(loaded, 6, 1, images), run(plan, 6, 1, images));
  }
}

// All kernels multiply exactly, so that weights which leave room for the faster ones give the same without them.
TEST_F(Int8, ReducedRangeLosesLittleAndNothingToSaturation) {
  Quantization reduced = quantization;
  reduced.reduced_range = true;
  EXPECT_LT(logit_error(weights, reduced, images), 2 * logit_error(weights, quantization, images));
  Checkpoint checkpoint;
  checkpoint.tensors = weights.tensors;
  const Checkpoint narrow = quantised(checkpoint, weights.graph, reduced);
  EXPECT_EQ(quantization_of(narrow), reduced);
  const BoundWeights bound = bind(weights.graph, to_canonical(narrow.tensors).tensors);
  EXPECT_EQ(run(compile(bound, {.precision = Precision::int8, .quantization = reduced}), 6, 1, images),
            run(compile(bound, {.precision = Precision::int8, .quantization = quantization}), 6, 1, images));
}

// As a checkpoint that other rules made may have them: kernels for which products of pairs could overflow must not guess.
TEST_F(Int8, WeightsThatLeaveNoRoomAreExactOrRefused) {
  Checkpoint checkpoint;
  checkpoint.tensors = weights.tensors;
  const Checkpoint narrow = quantised(checkpoint, weights.graph, quantization);
  TensorMap tensors = to_canonical(narrow.tensors).tensors;
  const std::string name = "s1.b1.f.a.weight";
  std::vector<std::int8_t> codes(static_cast<std::size_t>(element_count(tensors.find(name)->shape)), 127);
  TensorView view = *tensors.find(name);
  ASSERT_EQ(view.dtype, DType::i8);
  view.storage = std::as_bytes(std::span(codes));
  TensorMap replaced;
  for (const NamedTensor& tensor : tensors) replaced.add(tensor.name, tensor.name == name ? view : tensor.view);
  const BoundWeights bound = bind(weights.graph, replaced);
  for (const bool claimed : {false, true}) {
    CompileOptions as_int8{.precision = Precision::int8, .quantization = quantization};
    as_int8.quantization.reduced_range = claimed;
    if (kernels::best_kernels(kernels::Element::u8, claimed)->together > 1) {
      EXPECT_REGNET_ERROR(compile(bound, as_int8), Code::unsupported, ".weight: avx2_int8");
    } else {
      EXPECT_GT(cosine(run(compile(bound, as_int8), 6, 1, images), run(compile(bound, {.backend = Backend::own}), 6, 1, images)), 0.9);
    }
  }
}

// Whether or not bf16 is faster than floats on this CPU.
TEST_F(Int8, IsTakenByItselfWhereThereAreScales) {
  EXPECT_EQ(compile(weights, {.precision = Precision::automatic, .quantization = quantization}).precision(), Precision::int8);
  EXPECT_NE(compile(weights, {.precision = Precision::automatic}).precision(), Precision::int8);
}

TEST_F(Int8, ScalesThatAreMissingOrNoScalesAreRefused) {
  EXPECT_REGNET_ERROR(compile(weights, {.precision = Precision::int8}), Code::invalid_argument, "a scale for each layer");
  for (const float scale : {0.0f, -1.0f, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}) {
    Quantization bad = quantization;
    bad.scales.begin()->second = scale;
    EXPECT_REGNET_ERROR(compile(weights, {.precision = Precision::int8, .quantization = bad}), Code::invalid_argument, bad.scales.begin()->first);
  }
  EXPECT_REGNET_ERROR(calibrate(weights, [](std::span<float>) { return false; }), Code::invalid_argument, "at least one image");
  Checkpoint checkpoint;
  for (const char* text : {"", "[]", "{\"scales\": 1, \"wide\": []}", "{\"scales\": {}}", "{\"scales\": {}, \"wide\": [], \"reduced_range\": 1}"}) {
    checkpoint.metadata["regnet.quantization"] = text;
    EXPECT_REGNET_ERROR(quantization_of(checkpoint), Code::bad_format, "regnet.quantization");
  }
}

// A tensor whose values are evenly spread is cut nowhere; one with a lone large value among many small ones is.
TEST(Calibration, RangesLoseLeast) {
  const BoundWeights weights = network(stages, options);
  const Quantization found = quantization_for(weights, some_images(weights.graph, 2));
  EXPECT_EQ(found, quantization_for(weights, some_images(weights.graph, 2)));
  std::map<std::string, float> largest;
  Session session(compile(weights, {.backend = Backend::own}), {.threads = 1});
  std::vector<float> logits(11);
  const std::vector<float> images = some_images(weights.graph, 2);
  for (std::size_t i = 0; i < 2; ++i)
    session.run(std::span(images).subspan(i * images.size() / 2, images.size() / 2), logits,
                [&](const LayerReport& layer, const std::function<std::vector<float>()>& values) {
                  for (const float value : values()) largest[layer.name] = std::max(largest[layer.name], std::abs(value));
                });
  int cut = 0;
  for (const auto& [name, scale] : found.scales) {
    const float range = scale * (name.ends_with("proj") ? 127 : 255);
    EXPECT_LE(range, largest[name] * 1.0001f) << name;
    EXPECT_GT(range, largest[name] / 4) << name;
    cut += range < 0.99f * largest[name];
  }
  EXPECT_GT(cut, 0);
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

// A small network with something between its first and its last layer.
Graph graph_with(const std::function<NodeId(Graph&, NodeId)>& middle) {
  Graph graph;
  NodeId id = graph.append("input", Input{{3, 8, 8}}, {});
  id = graph.append("stem", Conv{.in_channels = 3, .out_channels = 24, .kernel = 3, .stride = 2}, {id});
  id = graph.append("relu", Relu{}, {id});
  id = middle(graph, id);
  graph.append("fc", Linear{graph.node(id).dims.channels, 5}, {id});
  return graph;
}

// Kernels for words of several channels cannot do all that those for floats can.
TEST(Precision, GraphsThatWordsDoNotFitAreRefused) {
  const auto pool = [](Graph& graph, NodeId id) { return graph.append("pool", GlobalAveragePool{}, {id}); };
  const Graph within_a_word = graph_with([&](Graph& graph, NodeId id) {
    return pool(graph, graph.append("grouped", Conv{.in_channels = 24, .out_channels = 32, .kernel = 3, .stride = 1, .groups = 4}, {id}));
  });
  const Graph no_pool = graph_with([&](Graph& graph, NodeId id) {
    for (int i = 0; i < 2; ++i)
      id = graph.append("conv" + std::to_string(i), Conv{.in_channels = 24, .out_channels = 24, .kernel = 3, .stride = 2}, {id});
    return id;
  });
  const Graph after_pool = graph_with([&](Graph& graph, NodeId id) {
    return graph.append("conv", Conv{.in_channels = 24, .out_channels = 24, .kernel = 1, .stride = 1}, {pool(graph, id)});
  });
  for (const Graph* graph : {&within_a_word, &no_pool, &after_pool}) {
    const BoundWeights bound = bind(*graph, synthetic_weights(parameters(*graph)));
    const std::vector<float> image = synthetic_input(static_cast<std::size_t>(graph->input_dims().count()));
    for (const Precision precision : {Precision::bf16, Precision::int8})
      EXPECT_REGNET_ERROR(compile(bound, {.precision = precision}), Code::unsupported, name_of(precision));
    EXPECT_GT(cosine(run(compile(bound), 1, 1, image), run(compile(bound, {.backend = Backend::reference}), 1, 1, image)), 0.99999);
  }
}

TEST(Precision, NamesAreTheirOwnInverse) {
  for (const Precision precision : {Precision::automatic, Precision::f32, Precision::bf16, Precision::int8})
    EXPECT_EQ(precision_of(name_of(precision)), precision);
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

TEST(Precision, Int8CodesLeaveRoomAndLoseLittle) {
  std::mt19937 generator(2);
  std::normal_distribution<float> normal;
  for (const kernels::WeightShape& shape :
       {kernels::WeightShape{1, 40, 96, 1}, kernels::WeightShape{3, 8, 8, 3}, kernels::WeightShape{2, 24, 12, 3}}) {
    const auto row = static_cast<std::size_t>(shape.in * shape.kernel * shape.kernel), rows = static_cast<std::size_t>(shape.groups * shape.out);
    std::vector<float> weights(rows * row);
    for (float& weight : weights) weight = normal(generator);
    double lost_by_7_bits = 0;
    for (std::size_t r = 0; r < rows; ++r) {
      float largest = 0;
      for (std::size_t i = r * row; i < (r + 1) * row; ++i) largest = std::max(largest, std::abs(weights[i]));
      for (std::size_t i = r * row; i < (r + 1) * row; ++i) {
        const double step = largest / 63;
        lost_by_7_bits += std::pow(std::nearbyint(weights[i] / step) * step - weights[i], 2);
      }
    }
    // What is carried on doubles what is lost.
    for (const auto& [together, most_lost] : {std::pair{2, 2 * 0.5}, std::pair{4, 2 * 1.0}}) {
      const kernels::Int8Codes int8 = kernels::int8_codes(weights, shape, together);
      std::vector<float> codes;
      for (const std::uint16_t code : int8.codes) codes.push_back(static_cast<std::int8_t>(code));
      const float largest = kernels::largest_together(codes, kernels::Meetings(shape, together));
      EXPECT_LE(largest, kernels::most_together);
      EXPECT_GT(largest, kernels::most_together - 10);  // no more is given away than must be
      double lost = 0;
      for (std::size_t i = 0; i < weights.size(); ++i) lost += std::pow(codes[i] * double{int8.scales[i / row]} - weights[i], 2);
      EXPECT_LT(lost, most_lost * lost_by_7_bits) << together;
    }
  }
}

// What rounding takes from one weight of a channel is given to the next.
TEST(Precision, RoundedWeightsOfAChannelAddUpToItsWeights) {
  constexpr int in = 96, out = 40;
  std::mt19937 generator(1);
  std::uniform_real_distribution<float> values(0.5f, 1);  // of one exponent, where rounding errs by at most 2^-9
  std::vector<float> weights(in * out);
  for (float& weight : weights) weight = values(generator);
  const std::vector<std::uint16_t> bf16 = kernels::bf16_codes(weights, out);
  const kernels::Int8Codes int8 = kernels::int8_codes(weights, kernels::WeightShape{1, out, in, 1}, 2);
  for (int c = 0; c < out; ++c) {
    double sum = 0, int8_sum = 0;
    const float step = int8.scales[static_cast<std::size_t>(c)];
    for (std::size_t i = static_cast<std::size_t>(c * in); i < static_cast<std::size_t>((c + 1) * in); ++i) {
      const float rounded = kernels::from_bf16(bf16[i]), int8_rounded = step * static_cast<float>(static_cast<std::int8_t>(int8.codes[i]));
      EXPECT_NEAR(rounded, weights[i], 1.01 / 256);
      EXPECT_NEAR(int8_rounded, weights[i], 1.01 * step);
      sum += double{rounded} - weights[i];
      int8_sum += double{int8_rounded} - weights[i];
    }
    EXPECT_NEAR(sum, 0, 1.01 / 256);
    EXPECT_NEAR(int8_sum, 0, 1.01 * step);
  }
}

}  // namespace
}  // namespace regnet
