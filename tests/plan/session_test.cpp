#include <regnet/plan/session.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <limits>
#include <memory>
#include <random>
#include <string_view>
#include <thread>
#include <tuple>

#include <regnet/design/zoo.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "plan/openmp.hpp"

namespace regnet {
namespace {

BoundWeights network(const std::vector<Stage>& stages, const NetworkOptions& options) {
  const Graph graph = build(stages, options);
  return bind(graph, synthetic_weights(parameters(graph)));
}

const std::vector<Stage> small{{1, 16, 16, 8}, {2, 40, 40, 8}};
const NetworkOptions tiny{.resolution = 33, .classes = 5};

std::vector<float> run(const Plan& plan, int batch, int threads, std::span<const float> images) {
  Session session(plan, {.batch = batch, .threads = threads});
  std::vector<float> logits(static_cast<std::size_t>(batch * plan.classes()));
  session.run(images, logits);
  return logits;
}

double relative_difference(std::span<const float> found, std::span<const float> expected) {
  double worst = 0, power = 0, sum = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    worst = std::max(worst, std::abs(double{found[i]} - double{expected[i]}));
    power += double{expected[i]} * double{expected[i]};
    sum += expected[i];
  }
  const double n = static_cast<double>(found.size());
  return worst / std::sqrt(power / n - sum / n * sum / n);
}

// The fused, folded, vectorised network against every operation by itself in double.
TEST(Session, AgreesWithTheReferenceOverRandomNetworks) {
  std::mt19937 random(11);
  for (int round = 0; round < 60; ++round) {
    std::vector<Stage> stages;
    for (unsigned s = 0; s < 1 + random() % 4; ++s) {
      const int group_width = std::array{4, 8, 16, 24, 40}[random() % 5], groups = 1 + static_cast<int>(random() % 4);
      const int width = group_width * groups;
      stages.push_back({1 + static_cast<int>(random() % 3), random() % 3 ? width : width + 8, width, group_width});
    }
    const NetworkOptions options{.resolution = 1 + static_cast<int>(random() % 70), .classes = 2 + static_cast<int>(random() % 30)};
    const int batch = 1 + static_cast<int>(random() % 3);
    const BoundWeights weights = network(stages, options);
    const std::vector<float> images = synthetic_input(static_cast<std::size_t>(batch * weights.graph.input_dims().count()));
    const std::vector<float> expected = run(compile(weights, {.backend = Backend::reference}), batch, 1, images);
    for (const Backend backend : {Backend::automatic, Backend::onednn})
      for (const int threads : {1, 3}) {
        const std::vector<float> found =
            run(compile(weights, {.backend = backend, .expected = {}, .compact = backend == Backend::own && round % 2 != 0}), batch, threads, images);
        EXPECT_LT(relative_difference(found, expected), 1e-4) << "round " << round << ' ' << name_of(backend) << ' ' << threads << " threads";
      }
  }
}

TEST(Session, TheSameRunTwiceIsEqualToTheBit) {
  const Plan plan = compile(network(small, tiny));
  const std::vector<float> images = synthetic_input(2 * 3 * 33 * 33);
  EXPECT_EQ(run(plan, 2, 1, images), run(plan, 2, 1, images));
}

// oneDNN may choose kernels that sum in another order.
TEST(Session, WithOneDnnThreadsAndBatchChangeNothingThatMatters) {
  const Plan plan = compile(network(small, tiny), {.backend = Backend::onednn});
  const std::vector<float> images = synthetic_input(4 * 3 * 33 * 33);
  const std::vector<float> whole = run(plan, 4, 1, images);
  EXPECT_LT(relative_difference(run(plan, 4, 2, images), whole), 1e-5);
  std::vector<float> single;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::vector<float> one = run(plan, 1, 1, std::span(images).subspan(i * 3 * 33 * 33, 3 * 33 * 33));
    single.insert(single.end(), one.begin(), one.end());
  }
  EXPECT_LT(relative_difference(single, whole), 1e-5);
}

// To the bit, for a thread may rest in any run: networks of groups of 8, 24 and 40 channels, at the size they have in use.
TEST(Session, WithTheOwnKernelsThreadsAndBatchChangeNothing) {
  for (const std::string_view name : {"regnetx_002", "regnetx_016", "regnetx_040"}) {
    const Plan plan = compile(network(find_design(name).stages, {}), {.backend = Backend::own});
    const std::size_t floats = std::size_t{3} * 224 * 224;
    const std::vector<float> images = synthetic_input(2 * floats);
    std::vector<float> expected = run(plan, 1, 1, std::span(images).first(floats));
    std::ranges::copy(run(plan, 1, 1, std::span(images).last(floats)), std::back_inserter(expected));
    for (const int threads : {1, 2, 3, 5}) EXPECT_EQ(run(plan, 2, threads, images), expected) << name << ", " << threads << " threads";
    EXPECT_EQ(run(plan, 1, 3, std::span(images).first(floats)), std::vector(expected.begin(), expected.begin() + plan.classes())) << name;
  }
}

// The large outputs before a strided convolution, which are made in bands: odd sizes, strides up to the kernel's size and beyond, more threads than rows.
TEST(Session, BandsAgreeWithTheReference) {
  for (const int resolution : {161, 223})
    for (const int stride : {2, 3, 4}) {
      const BoundWeights weights = network({{.depth = 1, .width = 64, .bottleneck_width = 64, .group_width = 16, .stride = stride},
                                            {.depth = 1, .width = 24, .bottleneck_width = 24, .group_width = 24, .stride = 2}},
                                           {.resolution = resolution, .classes = 5});
      const std::vector<float> images = synthetic_input(static_cast<std::size_t>(weights.graph.input_dims().count()));
      const std::vector<float> expected = run(compile(weights, {.backend = Backend::reference}), 1, 1, images);
      for (const int threads : {1, 3, 8})
        EXPECT_LT(relative_difference(run(compile(weights, {.backend = Backend::own}), 1, threads, images), expected), 1e-4)
            << resolution << " stride " << stride << ' ' << threads << " threads";
    }
}

// Graphs that no RegNetX is, but that can be written down: each backend answers as the reference or says that it cannot.
TEST(Session, OtherGraphsAreAnsweredRightOrRefused) {
  using Build = NodeId (*)(Graph&, NodeId);
  const auto conv = [](Graph& graph, const char* name, int in, int out, int kernel, NodeId src) {
    return graph.append(name, Conv{.in_channels = in, .out_channels = out, .kernel = kernel}, {src});
  };
  static const auto layer = conv;
  const std::pair<const char*, Build> bodies[] = {
      {"a residual that 3x3 convolutions read",
       [](Graph& graph, NodeId input) {
         const NodeId x = layer(graph, "x", 3, 8, 3, input), y = layer(graph, "y", 8, 8, 3, x), z = layer(graph, "z", 8, 8, 3, y);
         return graph.append("sum", Add{}, {z, x});
       }},
      {"3x3 convolutions in a row",
       [](Graph& graph, NodeId input) {
         const NodeId x = layer(graph, "x", 3, 8, 3, input), y = layer(graph, "y", 8, 8, 3, x), z = layer(graph, "z", 8, 8, 3, y);
         return layer(graph, "w", 8, 8, 3, z);
       }},
      {"a residual that is read again",
       [](Graph& graph, NodeId input) {
         const NodeId x = layer(graph, "x", 3, 8, 1, input), y = layer(graph, "y", 8, 8, 1, x);
         const NodeId sum = graph.append("sum", Add{}, {y, x});
         const NodeId z = layer(graph, "z", 8, 8, 1, sum);
         return graph.append("again", Add{}, {z, x});
       }},
      {"a convolution plus its own source",
       [](Graph& graph, NodeId input) {
         const NodeId x = layer(graph, "x", 3, 8, 1, input);
         return graph.append("sum", Add{}, {layer(graph, "y", 8, 8, 1, x), x});
       }},
      {"the input itself", [](Graph&, NodeId input) { return input; }},
  };
  for (const auto& [what, body] : bodies) {
    Graph graph;
    const NodeId end = body(graph, graph.append("input", Input{{3, 9, 7}}, {}));
    const int channels = graph.node(end).dims.channels;
    graph.append("fc", Linear{channels, 5}, {graph.append("pool", GlobalAveragePool{}, {end})});
    const BoundWeights weights = bind(graph, synthetic_weights(parameters(graph)));
    const std::vector<float> images = synthetic_input(3 * 9 * 7);
    const std::vector<float> expected = run(compile(weights, {.backend = Backend::reference}), 1, 1, images);
    for (const Backend backend : {Backend::automatic, Backend::own, Backend::onednn}) {
      try {
        EXPECT_LT(relative_difference(run(compile(weights, {.backend = backend}), 1, 2, images), expected), 1e-4) << what << ' ' << name_of(backend);
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), Code::unsupported) << what << ": " << error.what();
      }
    }
  }
}

TEST(Session, AGoodImageAfterABrokenOneIsAnswered) {
  const BoundWeights weights = network(small, tiny);
  const Plan plan = compile(weights, {.backend = Backend::own});
  for (const int threads : {1, 2}) {
    Session session(plan, {.batch = 1, .threads = threads});
    const std::vector<float> good = synthetic_input(static_cast<std::size_t>(weights.graph.input_dims().count()));
    std::vector<float> broken = good, logits(5), expected(5);
    session.run(good, expected);
    broken[broken.size() / 2] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_REGNET_ERROR(session.run(broken, logits), Code::numeric, "NaN or infinity");
    EXPECT_THROW(session.run(broken, logits, [](const LayerReport&, const auto&) { throw std::runtime_error("seen enough"); }), std::runtime_error);
    session.run(good, logits);
    EXPECT_EQ(logits, expected);
  }
}

// A primitive used in another thread than the one that made it once crashed: its scratchpad belonged to the maker.
TEST(Session, ManyThreadsShareOnePlanAndSessionsMoveBetweenThreads) {
  const Plan plan = compile(network(small, tiny));
  const std::vector<float> images = synthetic_input(3 * 33 * 33);
  const std::vector<float> expected = run(plan, 1, 1, images);
  std::vector<Session> sessions;
  for (int i = 0; i < 8; ++i) sessions.emplace_back(plan, SessionOptions{.batch = 1, .threads = 1});
  std::vector<int> wrong(8, 0);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < 8; ++i)
    threads.emplace_back([&, i, session = std::move(sessions[i])]() mutable {
      std::vector<float> logits(5);
      for (int round = 0; round < 50; ++round) {
        session.run(images, logits);
        wrong[i] += logits != expected;
      }
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(8, 0));
}

TEST(Session, OutlivesThePlanItWasOpenedOn) {
  const std::vector<float> images = synthetic_input(3 * 33 * 33);
  std::vector<float> logits(5), expected(5);
  auto plan = std::make_unique<Plan>(compile(network(small, tiny)));
  Session session(*plan);
  session.run(images, expected);
  plan.reset();
  session.run(images, logits);
  EXPECT_EQ(logits, expected);
}

TEST(Session, SpansOfAnotherSizeAreRefused) {
  const Plan plan = compile(network(small, tiny));
  Session session(plan, {.batch = 2, .threads = 1});
  std::vector<float> images(2 * 3 * 33 * 33), logits(10);
  EXPECT_REGNET_ERROR(session.run(std::span(images).first(5), logits), Code::invalid_argument, "found 5");
  EXPECT_REGNET_ERROR(session.run(images, std::span(logits).first(5)), Code::invalid_argument, "2 x 5 logits, found 5");
  EXPECT_REGNET_ERROR(Session(plan, {.batch = 0}), Code::invalid_argument, "batch");
  EXPECT_REGNET_ERROR(Session(plan, {.batch = 1, .threads = -1}), Code::invalid_argument, "threads");
}

// Input, two neighbouring activations and the shortcut: what must be alive at once, and little more.
TEST(Session, TheArenaHoldsOnlyWhatIsAliveAtOnce) {
  const Plan plan = compile(network(small, {.resolution = 64, .classes = 5}), {.backend = Backend::onednn});
  const Session session(plan, {.batch = 1, .threads = 1});
  const std::size_t stem = 32 * 32 * 32 * sizeof(float), widest = 16 * 32 * 32 * sizeof(float), input = 3 * 64 * 64 * sizeof(float);
  EXPECT_GE(session.arena_bytes(), stem + widest);
  EXPECT_LE(session.arena_bytes(), stem + widest + input + 64 * 1024);
}

// The network's synthetic weights, with some values of one tensor replaced.
BoundWeights with_values(const std::string& name, float value, std::size_t count = 1) {
  const Graph graph = build(small, tiny);
  TensorMap tensors;
  for (const Parameter& parameter : parameters(graph)) {
    std::vector<float> values = synthetic_values(parameter);
    if (parameter.name == name) std::fill_n(values.begin() + 3, count, value);
    tensors.add(parameter.name, std::move(values), parameter.shape);
  }
  return bind(graph, tensors);
}

TEST(Compile, WeightsThatCannotGiveARightAnswerAreRefusedByName) {
  const float infinity = std::numeric_limits<float>::infinity(), nan = std::numeric_limits<float>::quiet_NaN();
  const std::string not_finite = "values that are NaN, infinite or beyond the range of float: ";
  for (const auto& [name, value, message] : {std::tuple("s2.b1.f.b.weight", infinity, not_finite + "s2.b1.f.b.weight (2)"),
                                             {"s2.b1.f.b_bn.weight", nan, not_finite + "s2.b1.f.b_bn.weight (2)"},
                                             {"s2.b1.f.b_bn.bias", nan, not_finite + "s2.b1.f.b_bn.bias (2)"},
                                             {"s2.b1.f.b_bn.running_mean", -infinity, not_finite + "s2.b1.f.b_bn.running_mean (2)"},
                                             {"s2.b1.f.b_bn.running_var", nan, not_finite + "s2.b1.f.b_bn.running_var (2)"},
                                             {"head.fc.weight", nan, not_finite + "head.fc.weight (2)"},
                                             {"head.fc.bias", infinity, not_finite + "head.fc.bias (2)"},
                                             {"s1.b1.bn.running_var", -1.0f, "no inverse square root: s1.b1.bn.running_var (2)"},
                                             {"s1.b1.bn.running_var", -1.001e-5f, "no inverse square root: s1.b1.bn.running_var (2)"}}) {
    SCOPED_TRACE(name);
    const BoundWeights weights = with_values(name, value, 2);
    EXPECT_REGNET_ERROR(compile(weights), Code::numeric, message);
    EXPECT_REGNET_ERROR(compile(weights, {.backend = Backend::reference}), Code::numeric, message);
    ASSERT_EQ(describe(examine(weights)).size(), 1u);
    EXPECT_NE(describe(examine(weights))[0].find(message), std::string::npos);
  }
}

TEST(Compile, WeightsThatOverflowInFoldingAreRefusedByName) {
  const BoundWeights weights = with_values("stem.conv.weight", 3.4e38f, 800);
  EXPECT_REGNET_ERROR(compile(weights), Code::numeric,
                      "values that become infinite when batch normalisation is folded into them: stem.conv.weight (");
}

TEST(Compile, OddWeightsAreFindingsAndRunAllTheSame) {
  EXPECT_TRUE(compile(network(small, tiny)).findings().empty());
  for (const auto& [name, value, message] :
       {std::tuple("s1.b1.bn.running_var", -1e-6f, "slightly negative running variances: s1.b1.bn.running_var (1)"),
        {"s2.b1.f.c.weight", 1e-40f, "below 1.2e-38, which become 0: s2.b1.f.c.weight (1)"}}) {
    const BoundWeights weights = with_values(name, value);
    for (const Backend backend : {Backend::onednn, Backend::reference}) {
      const Plan plan = compile(weights, {.backend = backend});
      EXPECT_EQ(describe(plan.findings()), describe(examine(weights)));
      ASSERT_EQ(plan.findings().size(), 1u);
      EXPECT_NE(describe(plan.findings())[0].find(message), std::string::npos) << describe(plan.findings())[0];
    }
  }
}

TEST(Compile, StatisticsThatNoImageEverTouchedAreAFinding) {
  const Graph graph = build(small, tiny);
  TensorMap tensors;
  for (const Parameter& parameter : parameters(graph)) {
    std::vector<float> values = synthetic_values(parameter);
    if (parameter.name.ends_with("running_mean")) values.assign(values.size(), 0.0f);
    if (parameter.name.ends_with("running_var")) values.assign(values.size(), 1.0f);
    tensors.add(parameter.name, std::move(values), parameter.shape);
  }
  const std::vector<std::string> lines = describe(examine(bind(graph, tensors)));
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_NE(lines[0].find("untrained?): stem.bn (32), s1.b1.bn ("), std::string::npos) << lines[0];
  EXPECT_NE(lines[0].find(" more tensors"), std::string::npos) << lines[0];
}

// A layer whose results are all subnormal, then one that makes them large again: only where they count as 0 the logits are the bias.
TEST(Session, SubnormalsAreFlushedInEveryThreadAndOnlyDuringTheRun) {
  Graph graph;
  NodeId x = graph.append("input", Input{{3, 32, 32}}, {});
  x = graph.append("small", Conv{.in_channels = 3, .out_channels = 8}, {x});
  x = graph.append("large", Conv{.in_channels = 8, .out_channels = 8}, {x});
  x = graph.append("pool", GlobalAveragePool{}, {x});
  graph.append("fc", Linear{8, 5}, {x});
  TensorMap tensors;
  for (const auto& [name, value] : {std::pair("small.weight", 1e-20f), {"large.weight", 1e30f}, {"fc.weight", 1e30f}, {"fc.bias", 0.0f}})
    for (const Parameter& parameter : parameters(graph))
      if (parameter.name == name)
        tensors.add(name, std::vector<float>(static_cast<std::size_t>(element_count(parameter.shape)), value), parameter.shape);
  const BoundWeights weights = bind(graph, tensors);
  const std::vector<float> images(std::size_t{4} * 3 * 32 * 32, 1e-20f);
  EXPECT_GT(run(compile(weights, {.backend = Backend::reference}), 4, 1, images)[0], 1.0f);
  const auto modes_of_all_threads = [] {
    std::vector<detail::FloatingMode> modes(4);
    const auto note = [](void* data) {
      constexpr detail::FloatingMode sticky = 0x3f;  // what happened so far, not what is to happen
      (*static_cast<std::vector<detail::FloatingMode>*>(data))[static_cast<std::size_t>(omp_get_thread_num())] = detail::floating_mode() & ~sticky;
    };
    GOMP_parallel(note, &modes, 4, 0);
    return modes;
  };
  const std::vector<detail::FloatingMode> before = modes_of_all_threads();
  for (const int threads : {1, 2, 4}) {
    EXPECT_EQ(run(compile(weights), 4, threads, images), std::vector<float>(20, 0.0f)) << threads;
    EXPECT_EQ(modes_of_all_threads(), before) << threads;
  }
  volatile float smallest = 1e-38f;
  EXPECT_GT(smallest * 0.1f, 0.0f);
}

// Both would write where they must not: past the logits, or onto what the caller had there.
TEST(Compile, AGraphThatDoesNotEndInALinearLayerIsRefused) {
  Graph graph;
  const NodeId input = graph.append("input", Input{{3, 4, 4}}, {});
  EXPECT_REGNET_ERROR(compile(BoundWeights{}), Code::invalid_argument, "found nothing");
  graph.append("stem.conv", Conv{.in_channels = 3, .out_channels = 8}, {input});
  EXPECT_REGNET_ERROR(compile(bind(graph, synthetic_weights(parameters(graph)))), Code::invalid_argument, "found stem.conv");
}

TEST(Compile, FoldsWithTheEpsilonOfTheGraph) {
  Graph graph;
  NodeId x = graph.append("input", Input{{3, 4, 4}}, {});
  x = graph.append("stem.conv", Conv{.in_channels = 3, .out_channels = 8}, {x});
  x = graph.append("stem.bn", BatchNorm{8, 1.0}, {x});
  x = graph.append("head.avg_pool", GlobalAveragePool{}, {x});
  graph.append("head.fc", Linear{8, 5}, {x});
  const BoundWeights weights = bind(graph, synthetic_weights(parameters(graph)));
  const std::vector<float> images = synthetic_input(3 * 4 * 4);
  EXPECT_LT(relative_difference(run(compile(weights), 1, 1, images), run(compile(weights, {.backend = Backend::reference}), 1, 1, images)), 1e-5);
}

TEST(Session, ImagesThatAreNotFiniteAreRefused) {
  const Plan plan = compile(network(small, tiny));
  Session session(plan, {.batch = 1, .threads = 1});
  std::vector<float> images = synthetic_input(3 * 33 * 33), logits(5);
  for (const float value :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity()}) {
    images[77] = value;
    EXPECT_REGNET_ERROR(session.run(images, logits), Code::numeric, "finite");
  }
}

TEST(Compile, NoLayerOfAZooLikeNetworkIsSlow) {
  const Plan plan = compile(network({{1, 24, 24, 8}, {1, 56, 56, 8}, {1, 80, 80, 40}}, {.resolution = 64}));
  for (const LayerReport& layer : plan.layers()) EXPECT_FALSE(layer.slow) << layer.name << ": " << layer.implementation;
}

}  // namespace
}  // namespace regnet
