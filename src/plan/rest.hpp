// Rest: whether a thread whose core another process needs is worth its place in the team. It holds up all others at every barrier, for milliseconds each time; but a core is also taken
// away for a moment and no more, and to go without its thread for long after that would cost more than was lost.
#pragma once

#include <algorithm>
#include <chrono>
#include <utility>

namespace regnet::detail {

class Rest {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // A run by `threads` threads, two at least, took `run`, of which the others waited for this one for `waited`. Returns for how long it is to rest: not at all, or for the time of some
  // runs and no less than it has just cost, and for twice as long each time that it is no better afterwards.
  Duration after(Duration run, Duration waited, int threads) {
    // A core that is taken costs more than the waiting that is seen, since threads are moved about, and the caller may be held up itself.
    const bool is_held_up = waited > run / 8;
    const bool is_first = x_work == Duration{};
    if (is_first && is_held_up && !std::exchange(x_probed, true)) return shortest;  // to see what a run takes without
    const Duration work = (is_held_up ? run - waited : run) * threads, grown = x_work + x_work / 32;
    x_work = is_first ? work : std::min(work, is_held_up ? x_work : grown);
    const Duration alone = x_work / (threads - 1);  // what the run would have taken the others
    if (!is_held_up) run = std::min(run, x_work / threads);
    const Duration most_regret = std::max(least_regret, alone);
    x_regret = std::clamp(x_regret + run - alone, Duration{}, most_regret);
    if (x_regret == Duration{}) x_runs = std::max(x_runs / 2, least_runs);
    if (x_regret < most_regret) return {};
    const Duration rest = std::clamp(x_runs * std::max(alone, (run - alone) / least_runs), shortest, longest);
    x_runs = std::min(2 * x_runs, most_runs);
    return rest;
  }

  // `threads` threads without this one took `run`.
  void without(Duration run, int threads) {
    const Duration work = run * threads;
    x_work = x_work == Duration{} ? work : std::min(work, x_work + x_work / 32);
  }

 private:
  static constexpr Duration least_regret = std::chrono::milliseconds(10);
  static constexpr Duration shortest = std::chrono::milliseconds(20), longest = std::chrono::seconds(2);
  static constexpr int least_runs = 8, most_runs = 64;

  Duration x_work{};    // what a run that is not held up takes, times its threads
  Duration x_regret{};  // what has been lost by having the thread, less what was gained since; the next loss after a rest leads to the next
  int x_runs = least_runs;
  bool x_probed = false;  // has rested once without a reason, since all runs had been held up
};

}  // namespace regnet::detail
