// Rest: whether a thread whose core another process needs is worth its place in the team. It holds up all others at every barrier, for milliseconds each time; but a core is also taken
// away for a moment and no more, and to go without its thread for long after that would cost more than was lost.
#pragma once

#include <algorithm>
#include <chrono>

namespace regnet::detail {

class Rest {
 public:
  using Duration = std::chrono::steady_clock::duration;

  // A run by `threads` threads, two at least, took `run`, of which the others waited for this one for `waited`. Returns for how long it is to rest: not at all, or for the time of some
  // runs and no less than it has just cost, and for twice as long each time that it is no better afterwards.
  Duration after(Duration run, Duration waited, int threads) {
    // A core that is taken costs more than the waiting that is seen, since threads are moved about, and the caller may be held up itself.
    const bool is_held_up = waited > run / 8;
    if (x_usual == Duration{} && is_held_up) return shortest;  // to see what a run takes without
    x_usual = x_usual == Duration{} ? run : is_held_up ? std::min(run - waited, x_usual) : std::min(run, x_usual + x_usual / 32);
    const Duration alone = x_usual * threads / (threads - 1);  // what the run would have taken the others
    if (!is_held_up) run = std::min(run, x_usual);
    const Duration most_regret = std::max(least_regret, alone);
    x_regret = std::clamp(x_regret + run - alone, Duration{}, most_regret);
    if (x_regret == Duration{}) x_runs = std::max(x_runs / 2, least_runs);
    if (x_regret < most_regret) return {};
    const Duration rest = std::clamp(x_runs * std::max(alone, (run - alone) / least_runs), shortest, longest);
    x_runs = std::min(2 * x_runs, most_runs);
    return rest;
  }

  // A run without this thread, which would be one of `threads`, took `run`.
  void without(Duration run, int threads) {
    const Duration usual = run * (threads - 1) / threads;
    x_usual = x_usual == Duration{} ? usual : std::min(usual, x_usual);
  }

 private:
  static constexpr Duration least_regret = std::chrono::milliseconds(10);
  static constexpr Duration shortest = std::chrono::milliseconds(20), longest = std::chrono::seconds(2);
  static constexpr int least_runs = 8, most_runs = 64;

  Duration x_usual{};   // what a run takes that is not held up
  Duration x_regret{};  // what has been lost by having the thread, less what was gained since; the next loss after a rest leads to the next
  int x_runs = least_runs;
};

}  // namespace regnet::detail
