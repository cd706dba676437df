#include <regnet/design/sample.hpp>

#include <gtest/gtest.h>

#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"

namespace regnet {
namespace {

using Json = nlohmann::ordered_json;

SampleRequest regime(std::int64_t count) {
  SampleRequest request;
  request.space = find_space("regnetx").space;
  request.count = count;
  request.limits.macs = {360e6, 400e6};
  request.limits.stages = {4, 4};
  request.limits.no_skipped_levels = true;
  return request;
}

std::vector<std::string> names(const std::vector<SampledDesign>& designs) {
  std::vector<std::string> names;
  for (const SampledDesign& design : designs) names.push_back(to_string(design.params) + to_string(design.stages));
  return names;
}

// numpy.random.seed(0); numpy.random.random_sample(3)
TEST(NumpyUniform, IsNumpys) {
  NumpyUniform uniform(0);
  for (const double expected : {0.5488135039273248, 0.7151893663724195, 0.6027633760716439}) EXPECT_EQ(uniform(), expected);
}

// 200 draws of the original with seed 0: numbers, networks and costs.
TEST(Sample, PyclsStreamIsPyclss) {
  SampleRequest request;
  request.space = find_space("regnetx").space;
  request.stream = Stream::pycls;
  request.everything = true;
  request.count = 200;
  const Json samples = read_golden("designs.json")["samples"];
  const SampledDesigns sample = regnet::sample(request);
  ASSERT_EQ(sample.designs.size(), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const SampledDesign& design = sample.designs[i];
    const Json& golden = samples[i];
    EXPECT_EQ(to_string(design.params), to_string(Params{golden[1], golden[2], golden[3], golden[0], golden[4]}));
    EXPECT_EQ(design.cost.macs, golden[9].get<std::int64_t>());
    EXPECT_EQ(design.cost.params, golden[10].get<std::int64_t>());
    EXPECT_EQ(design.cost.activations, golden[11].get<std::int64_t>());
    EXPECT_EQ(design.draw, static_cast<std::int64_t>(i));
  }
}

// Facts about the original with these ranges: 22.4% of its draws have four stages and skip none, 0.535% also 360 to 400 million multiply-adds, and 77% of those keep to the rule of thumb.
TEST(Sample, AcceptsAsOftenAsPycls) {
  SampleRequest request = regime(1'000'000);
  request.draws = 200'000;
  for (const Stream stream : {Stream::regnet, Stream::pycls}) {
    request.stream = stream;
    const auto accepted = [&] {
      const SampledDesigns sample = regnet::sample(request);
      const auto duplicates = sample.refused.find("duplicate");
      return static_cast<double>(sample.designs.size()) + static_cast<double>(duplicates == sample.refused.end() ? 0 : duplicates->second);
    };
    const auto five_sigma = [](double p, double n) { return 5 * std::sqrt(n * p * (1 - p)); };
    request.limits.macs = {};
    EXPECT_NEAR(accepted(), 0.224 * 200'000, five_sigma(0.224, 200'000) * 1.7);  // the facts come from 108,000 draws
    request.limits.macs = {360e6, 400e6};
    const double in_range = accepted();
    EXPECT_NEAR(in_range, 0.00535 * 200'000, five_sigma(0.00535, 200'000) * 1.7);
    request.limits.lean = true;
    EXPECT_NEAR(accepted(), 0.77 * in_range, five_sigma(0.77, in_range) * 1.7);
    request.limits.lean = false;
  }
}

TEST(Sample, KeepsWithinAllLimits) {
  SampleRequest request = regime(200);
  request.draws = 10'000'000;
  request.limits.params = {3e6, 6e6};
  request.limits.activations = {0, 4e6};
  request.limits.depth = {14, 20};
  request.limits.width = {0, 800};
  request.limits.lean = true;
  const SampledDesigns sample = regnet::sample(request);
  ASSERT_EQ(sample.designs.size(), 200u);
  std::set<std::string> stages;
  for (const SampledDesign& design : sample.designs) {
    EXPECT_EQ(design.stages, to_stages(design.params));
    EXPECT_EQ(design.cost, complexity(build(design.stages)));
    EXPECT_TRUE(request.limits.macs.contains(double(design.cost.macs)));
    EXPECT_TRUE(request.limits.params.contains(double(design.cost.params)));
    EXPECT_TRUE(request.limits.activations.contains(double(design.cost.activations)));
    EXPECT_TRUE(request.limits.depth.contains(design.params.d));
    EXPECT_LE(design.stages.back().width, 800);
    EXPECT_EQ(design.stages.size(), 4u);
    EXPECT_TRUE(stages.insert(to_string(design.stages)).second) << "twice";
  }
}

TEST(Sample, ResolutionCounts) {
  SampleRequest request = regime(20);
  request.limits.network.resolution = 160;
  for (const SampledDesign& design : regnet::sample(request).designs) EXPECT_EQ(design.cost, complexity(build(design.stages, {.resolution = 160})));
}

TEST(Sample, EqualSeedsGiveEqualDesigns) {
  SampleRequest request = regime(50);
  const std::vector<std::string> first = names(regnet::sample(request).designs);
  EXPECT_EQ(names(regnet::sample(request).designs), first);
  request.seed = 1;
  EXPECT_NE(names(regnet::sample(request).designs), first);
}

TEST(Sample, IsTheSameHoweverManyShards) {
  for (const char* space : {"regnetx", "anynetx-c"})
    for (const std::int64_t count : {7, 60, 100'000}) {  // the last: more than all draws give
      SampleRequest request = regime(count);
      request.space = find_space(space).space;
      request.draws = 40'000;
      const std::vector<std::string> whole = names(regnet::sample(request).designs);
      for (const int shards : {2, 3, 7, 64}) {
        std::vector<SampledDesign> designs;
        std::int64_t examined = 0;
        for (int shard = shards; shard >= 1; --shard) {
          request.shard = shard, request.shards = shards;
          const SampledDesigns sample = regnet::sample(request);
          designs.insert(designs.end(), sample.designs.begin(), sample.designs.end());
          examined += sample.examined;
        }
        EXPECT_LE(examined, request.draws);
        EXPECT_EQ(names(merge(designs, count)), whole) << shards << " shards";
      }
    }
}

TEST(Sample, AnyNetKeepsItsOrder) {
  for (const NamedSpace& space : spaces) {
    if (!std::holds_alternative<AnyNetSpace>(space.space)) continue;
    const AnyNetSpace& any = std::get<AnyNetSpace>(space.space);
    SampleRequest request;
    request.space = space.space;
    request.count = 300;
    const SampledDesigns sample = regnet::sample(request);
    ASSERT_EQ(sample.designs.size(), 300u);
    bool any_shrinks = false;
    for (const SampledDesign& design : sample.designs) {
      EXPECT_EQ(design.stages.size(), 4u);
      EXPECT_EQ(design.params.d, 0);
      for (std::size_t i = 1; i < design.stages.size(); ++i) {
        const Stage &before = design.stages[i - 1], &here = design.stages[i];
        any_shrinks = any_shrinks || here.depth < before.depth;
        EXPECT_TRUE(!any.depths_grow || here.depth >= before.depth) << space.name;
        // Fitting to groups may exchange neighbours that were nearly equal when the groups differ, as they do only where a stage is narrower than its group.
        EXPECT_TRUE(!any.widths_grow || here.group_width != before.group_width || here.width >= before.width) << space.name;
        EXPECT_TRUE(!any.one_bottleneck || here.bottleneck_width * before.width == before.bottleneck_width * here.width) << space.name;
      }
    }
    EXPECT_EQ(any_shrinks, !any.depths_grow) << space.name;
  }
}

TEST(Sample, GivesUpOnAnEmptyRange) {
  SampleRequest request = regime(3);
  request.limits.macs = {1, 2};
  request.draws = 5'000;
  const SampledDesigns sample = regnet::sample(request);
  EXPECT_TRUE(sample.designs.empty());
  EXPECT_EQ(sample.examined, 5'000);
  std::int64_t refused = 0;
  for (const auto& [why, count] : sample.refused) refused += count;
  EXPECT_EQ(refused, 5'000);
}

TEST(Sample, RefusesWhatMakesNoSense) {
  const auto refuse = [](auto change, const char* part) {
    SampleRequest request = regime(1);
    change(request);
    EXPECT_REGNET_ERROR(regnet::sample(request), Code::invalid_argument, part);
  };
  refuse([](SampleRequest& r) { r.count = 0; }, "at least one design");
  refuse([](SampleRequest& r) { r.draws = 0; }, "1 to 2^40 draws");
  refuse([](SampleRequest& r) { r.seed = std::uint64_t{1} << 32; }, "a seed below 2^32");
  refuse([](SampleRequest& r) { r.shard = 3, r.shards = 2; }, "a shard from 1");
  refuse([](SampleRequest& r) { r.stream = Stream::pycls, r.shards = 2; }, "pycls's stream");
  refuse([](SampleRequest& r) { r.limits.network.resolution = 0; }, "a resolution from 1");
  refuse([](SampleRequest& r) { r.space = find_space("anynetx-a").space, r.limits.stages = {2, 2}; }, "the number of stages of the space, found 4");
  refuse([](SampleRequest& r) { std::get<RegNetSpace>(r.space).w_0.low = 4; }, "range w0");
}

}  // namespace
}  // namespace regnet
