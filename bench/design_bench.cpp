// Draws from design spaces, with the costs of each network; items per second are draws.
#include <string>

#include <benchmark/benchmark.h>

#include <regnet/design/fit.hpp>
#include <regnet/design/sample.hpp>
#include <regnet/design/zoo.hpp>

namespace {

void draw(benchmark::State& state, const regnet::NamedSpace& space, regnet::Stream stream) {
  regnet::SampleRequest request;
  request.space = space.space;
  request.stream = stream;
  request.everything = true;
  request.count = 20'000;
  std::int64_t draws = 0;
  for (auto _ : state) {
    const regnet::SampledDesigns sample = regnet::sample(request);
    benchmark::DoNotOptimize(sample.designs.data());
    draws += sample.examined;
  }
  state.SetItemsProcessed(draws);
}

void fit(benchmark::State& state, const regnet::ZooEntry& entry) {
  const std::vector<regnet::Stage> stages = to_stages(entry.params);
  for (auto _ : state) benchmark::DoNotOptimize(regnet::fit(stages).e_fit);
}

}  // namespace

int main(int argc, char** argv) {
  for (const regnet::NamedSpace& space : regnet::spaces)
    benchmark::RegisterBenchmark(("draw/" + std::string(space.name)).c_str(), [&](benchmark::State& state) {
      draw(state, space, regnet::Stream::regnet);
    })->Unit(benchmark::kMillisecond);
  benchmark::RegisterBenchmark("draw/regnetx/pycls", [](benchmark::State& state) {
    draw(state, regnet::find_space("regnetx"), regnet::Stream::pycls);
  })->Unit(benchmark::kMillisecond);
  for (const regnet::ZooEntry& entry : regnet::zoo)
    benchmark::RegisterBenchmark(("fit/" + std::string(entry.name)).c_str(), [&](benchmark::State& state) {
      fit(state, entry);
    })->Unit(benchmark::kMillisecond);
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
