// One plan, eight threads with a session each, of one to three threads of their own: built with the portable kernels and run under ThreadSanitizer. Every result must be that of one thread, bit by bit
// (each output is summed in the same order, whoever does it). Exit code 0: so it is, and no race was found.
#include <cstdio>
#include <thread>

#include <regnet/graph/build.hpp>
#include <regnet/weights/synthetic.hpp>

#include "plan/own.hpp"

int main() {
  using namespace regnet;
  // Stages with bands, Winograd, direct convolutions by rows and by panels.
  const Graph graph = build({{1, 64, 64, 16}, {2, 96, 96, 48}, {2, 48, 48, 8}}, {.resolution = 161, .classes = 10});
  const auto plan = detail::make_own_plan(bind(graph, synthetic_weights(parameters(graph))), {});
  const auto floats = static_cast<std::size_t>(graph.input_dims().count());
  const std::vector<float> images = synthetic_input(4 * floats);
  const auto run = [&](const SessionOptions& options) {
    std::vector<float> logits(static_cast<std::size_t>(options.batch) * 10);
    const auto session = plan->open(options);
    for (int round = 0; round < 3; ++round) session->run(images.data(), logits.data(), nullptr);
    return logits;
  };
  const std::vector<float> expected = run({4, 1});
  std::vector<std::vector<float>> found(8);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) threads.emplace_back([&, i] { found[static_cast<std::size_t>(i)] = run({1 + i % 4, 1 + i % 3}); });
  }
  for (const std::vector<float>& logits : found)
    if (!std::equal(logits.begin(), logits.end(), expected.begin())) {
      std::puts("logits differ from those of one thread");
      return 1;
    }
}
