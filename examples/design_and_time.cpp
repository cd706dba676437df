// Your own RegNetX: from five numbers to its stages and costs, and how long it takes on this CPU beside the published network with the nearest count of multiply-adds.
// Usage: design_and_time [DESIGN [SECONDS]], such as w0=48,wa=28,wm=2.4,d=17,g=24
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <string>
#include <vector>

#include <regnet/regnet.hpp>
#include <regnet/weights/synthetic.hpp>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// A network ready to run. It has no training behind it: weights made of the tensors' names take the time that real ones take.
class Timed {
 public:
  explicit Timed(const std::vector<regnet::Stage>& stages)
      : x_graph(regnet::build(stages)),
        x_session(regnet::compile(regnet::bind(x_graph, regnet::synthetic_weights(regnet::parameters(x_graph))))),
        x_input(regnet::synthetic_input(static_cast<std::size_t>(x_graph.input_dims().count()))),
        x_logits(static_cast<std::size_t>(x_graph.classes())) {}

  // Runs for so long, at least once. The first run does not count: it fetches the weights into the cache, from which the other network has pushed them.
  void run(double seconds) {
    x_session.run(x_input, x_logits);
    const Clock::time_point begin = Clock::now();
    do {
      const Clock::time_point start = Clock::now();
      x_session.run(x_input, x_logits);
      x_ms.push_back(1e3 * seconds_since(start));
    } while (seconds_since(begin) < seconds);
  }

  [[nodiscard]] double median_ms() const {
    std::vector<double> sorted = x_ms;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }

  void print(const std::string& name) const {
    const regnet::Complexity cost = regnet::complexity(x_graph);
    std::cout << name << ": " << cost.params << " parameters, " << cost.macs << " MACs, " << median_ms() << " ms (median of " << x_ms.size()
              << " runs), " << static_cast<double>(cost.macs) / median_ms() * 1e-6 << " GMAC/s\n";
  }

 private:
  regnet::Graph x_graph;
  regnet::Session x_session;
  std::vector<float> x_input, x_logits;
  std::vector<double> x_ms;
};

// How many times as many multiply-adds the larger of two networks has.
double ratio(const std::vector<regnet::Stage>& a, const std::vector<regnet::Stage>& b) {
  const auto [less, more] = std::minmax({regnet::complexity(a).macs, regnet::complexity(b).macs});
  return static_cast<double>(more) / static_cast<double>(less);
}

const regnet::ZooEntry& nearest(const std::vector<regnet::Stage>& stages) {
  return *std::min_element(regnet::zoo.begin(), regnet::zoo.end(), [&](const regnet::ZooEntry& a, const regnet::ZooEntry& b) {
    return ratio(stages, regnet::to_stages(a.params)) < ratio(stages, regnet::to_stages(b.params));
  });
}

void compare(const std::string& text, double seconds) {
  const regnet::Design design = regnet::find_design(text);
  for (const regnet::Stage& stage : design.stages)
    std::cout << "stage of " << stage.depth << " blocks, " << stage.width << " wide, " << stage.groups() << " groups of " << stage.group_width
              << '\n';
  const regnet::ZooEntry& published = nearest(design.stages);
  Timed own(design.stages), other(regnet::to_stages(published.params));
  // In turns: what else the machine does, and its clock, then meet both alike.
  const int turns = 10;
  for (int turn = 0; turn < turns; ++turn) {
    own.run(seconds / turns / 2);
    other.run(seconds / turns / 2);
  }
  own.print(design.name);
  other.print(std::string(published.name));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    compare(argc > 1 ? argv[1] : "w0=48,wa=28,wm=2.4,d=17,g=24", argc > 2 ? std::atof(argv[2]) : 4);
  } catch (const std::exception& error) {
    std::cerr << "design_and_time: " << error.what() << '\n';
    return 2;
  }
}
