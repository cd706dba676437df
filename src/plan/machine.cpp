#include <regnet/plan/machine.hpp>

#include <algorithm>
#include <chrono>

#include <regnet/base/aligned_buffer.hpp>

#include "plan/kernels/kernels.hpp"
#include "plan/team.hpp"

namespace regnet {

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

}  // namespace

MachineLimits measure_machine(int threads, double seconds) {
  constexpr std::int64_t loops = 20'000;
  constexpr std::size_t floats = std::size_t{16} << 20;  // 64 MiB for each thread
  const kernels::Kernels& kernels = kernels::best_kernels();
  detail::Team team(threads);
  MachineLimits limits;
  limits.instructions = kernels.name;
  for (const Clock::time_point start = Clock::now(); seconds_since(start) < seconds;) {
    const Clock::time_point round = Clock::now();
    team.run(team.size(), [&](int) { kernels.multiply_add(loops); });
    limits.gflops = std::max(limits.gflops, static_cast<double>(kernels.multiply_add(0) * loops) * team.size() / seconds_since(round) * 1e-9);
  }
  const AlignedBuffer memory(floats * static_cast<std::size_t>(team.size()));
  for (const Clock::time_point start = Clock::now(); seconds_since(start) < seconds;) {
    const Clock::time_point round = Clock::now();
    team.run(team.size(), [&](int thread) { kernels.read(memory.data() + floats * static_cast<std::size_t>(thread), floats); });
    limits.read_gbs = std::max(limits.read_gbs, static_cast<double>(floats * sizeof(float)) * team.size() / seconds_since(round) * 1e-9);
  }
  return limits;
}

}  // namespace regnet
