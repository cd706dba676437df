// Latency of every zoo network at 224 x 224, batch 1, on synthetic weights. A network is timed only after its logits agree with PyTorch's.
// GMAC/s is MACs over time; twice that is the usual GFLOP/s.
#include <benchmark/benchmark.h>

#include <cmath>
#include <fstream>

#include <nlohmann/json.hpp>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

namespace {

bool agrees(const std::vector<float>& logits, const nlohmann::json& golden) {
  double worst = 0, squares = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double expected = golden.at(i);
    worst = std::max(worst, std::abs(logits[i] - expected));
    squares += expected * expected;
  }
  return worst < 1e-4 * std::sqrt(squares / static_cast<double>(logits.size()));
}

void run(benchmark::State& state, const std::string& model, const nlohmann::json& golden) {
  const regnet::Graph graph = regnet::build(regnet::to_stages(regnet::find_design(model).params));
  const regnet::SessionOptions options{.batch = 1, .threads = static_cast<int>(state.range(0))};
  regnet::Session session(regnet::compile(regnet::bind(graph, regnet::synthetic_weights(regnet::parameters(graph))), {.expected = options}), options);
  const std::vector<float> input = regnet::synthetic_input(static_cast<std::size_t>(graph.input_dims().count()));
  std::vector<float> logits(static_cast<std::size_t>(graph.classes()));
  session.run(input, logits);
  if (!agrees(logits, golden)) return state.SkipWithError("logits differ from PyTorch's");
  for (auto _ : state) session.run(input, logits);
  state.counters["GMAC/s"] =
      benchmark::Counter(static_cast<double>(regnet::complexity(graph).macs) * 1e-9, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  std::ifstream file(REGNET_GOLDEN_LOGITS);
  const nlohmann::json golden = nlohmann::json::parse(file)["models"];
  for (const regnet::ZooEntry& entry : regnet::zoo) {
    const std::string name(entry.name);
    benchmark::RegisterBenchmark(name.c_str(), run, name, golden[name])
        ->ArgName("threads")
        ->Arg(1)
        ->Arg(2)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
  }
  benchmark::Initialize(&argc, argv);
  benchmark::RunSpecifiedBenchmarks();
}
