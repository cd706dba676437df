#include <regnet/plan/machine.hpp>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <string_view>

#include <regnet/base/aligned_buffer.hpp>

#include "plan/kernels/kernels.hpp"
#include "plan/team.hpp"
#include "plan/timing.hpp"

namespace regnet {

namespace {

using detail::Clock;
using detail::seconds_since;

}  // namespace

std::string cpu_name() {
  constexpr std::string_view key = "model name";
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return line.substr(std::min(line.size(), line.find_first_not_of(" \t:", key.size())));
  return "unknown";
}

MachineLimits measure_machine(int threads, double seconds) {
  constexpr std::int64_t loops = 20'000;
  constexpr std::size_t floats = std::size_t{16} << 20;  // 64 MiB for each thread
  const kernels::Kernels& kernels = kernels::best_kernels();
  detail::Team team(threads);
  MachineLimits limits;
  limits.instructions = kernels.name;
  const auto rate = [&](std::int64_t (*multiply_add)(std::int64_t)) {
    double best = 0;
    for (const Clock::time_point start = Clock::now(); seconds_since(start) < seconds;) {
      const Clock::time_point round = Clock::now();
      team.run(team.size(), [&](int) { multiply_add(loops); });
      best = std::max(best, static_cast<double>(multiply_add(0) * loops) * team.size() / seconds_since(round) * 1e-9);
    }
    return best;
  };
  limits.gflops = rate(kernels.multiply_add);
  if (const kernels::Kernels* bf16 = kernels::best_kernels(kernels::Element::bf16)) limits.bf16_gflops = rate(bf16->multiply_add);
  if (const kernels::Kernels* int8 = kernels::best_kernels(kernels::Element::u8, true)) limits.int8_gops = rate(int8->multiply_add);
  AlignedBuffer memory(floats * static_cast<std::size_t>(team.size()));
  // Pages that nothing was written to are all the same one, in the caches.
  team.run(team.size(), [&](int thread) { std::fill_n(memory.data() + floats * static_cast<std::size_t>(thread), floats, 1.0f); });
  for (const Clock::time_point start = Clock::now(); seconds_since(start) < seconds;) {
    const Clock::time_point round = Clock::now();
    team.run(team.size(), [&](int thread) { kernels.read(memory.data() + floats * static_cast<std::size_t>(thread), floats); });
    limits.read_gbs = std::max(limits.read_gbs, static_cast<double>(floats * sizeof(float)) * team.size() / seconds_since(round) * 1e-9);
  }
  return limits;
}

double measure_handover(double seconds) {
  constexpr std::uint32_t rounds = 2000;
  detail::Team team(2);
  if (team.size() < 2) return 0;
  double best = 0;
  for (const Clock::time_point start = Clock::now(); best == 0 || seconds_since(start) < seconds;) {
    alignas(64) std::atomic<std::uint32_t> ball{0};
    const Clock::time_point round = Clock::now();
    team.run(2, [&](int thread) {
      for (std::uint32_t i = 0; i < rounds; ++i) {
        while (ball.load(std::memory_order_acquire) != 2 * i + static_cast<std::uint32_t>(thread)) detail::pause_briefly();
        ball.store(2 * i + static_cast<std::uint32_t>(thread) + 1, std::memory_order_release);
      }
    });
    const double nanoseconds = seconds_since(round) * 1e9 / (2 * rounds);
    best = best == 0 ? nanoseconds : std::min(best, nanoseconds);
  }
  return best;
}

}  // namespace regnet
