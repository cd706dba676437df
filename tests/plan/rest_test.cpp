#include "plan/rest.hpp"

#include <gtest/gtest.h>

#include <random>

namespace regnet::detail {
namespace {

using Duration = Rest::Duration;
using std::chrono::microseconds;
using std::chrono::milliseconds;

// Runs one after the other, each of `work` by one thread, until `until` has passed. `waited(now)` is how long the others would wait for a thread now; besides, runs with it take so
// many times that longer.
struct Simulation {
  int runs = 0, with_thread = 0, rests = 0;

  template <class Waited>
  Simulation(Duration work, int threads, Duration until, Waited waited, int unseen = 0) {
    Rest rest;
    Duration rests_until{};
    for (Duration now{}; now < until; ++runs) {
      if (now < rests_until) {
        now += work / (threads - 1);
        rest.without(work / (threads - 1), threads - 1);
        continue;
      }
      const Duration late = waited(now), run = work / threads + late + unseen * late;
      now += run;
      ++with_thread;
      const Duration rests_for = rest.after(run, late, threads);
      if (rests_for > Duration{}) ++rests;
      rests_until = now + rests_for;
    }
  }
};

TEST(Rest, AThreadThatIsHeldUpNowAndThenStays) {
  for (const int threads : {2, 3})  // of more, one is worth less than that
    for (const auto work : {milliseconds(6), milliseconds(10), milliseconds(60)}) {
      int run = 0;
      const Simulation simulation(work, threads, std::chrono::seconds(10),
                                  [&](Duration) { return ++run % 10 == 0 ? microseconds(4000) : microseconds(0); });
      EXPECT_EQ(simulation.rests, 0) << threads << " threads, " << work.count() << " ms of work";
    }
}

TEST(Rest, AThreadWhoseCoreIsTakenRestsAndIsTriedAgainMoreAndMoreSeldom) {
  for (const int threads : {2, 4})
    for (const int unseen : {0, 1})
      for (const auto work : {microseconds(4'000), microseconds(60'000)}) {
        const auto until = std::chrono::seconds(20);
        const Simulation simulation(
            work, threads, until, [&](Duration) { return 5 * work / threads / (1 + unseen); }, unseen);
        EXPECT_GT(simulation.runs, 0.8 * static_cast<double>(until / (work / (threads - 1))))
            << threads << " threads, " << work.count() << " us of work";
        EXPECT_LT(simulation.with_thread, 10 + simulation.runs / 40) << threads << " threads, " << work.count() << " us of work";
        EXPECT_GE(simulation.rests, 5);
      }
}

// A thread that is late in each run, as on a slower core, is worth its place as long as runs take less time with it.
TEST(Rest, AThreadThatIsAlwaysLateAndYetOfUseStays) {
  for (const auto work : {milliseconds(10), milliseconds(100)}) {
    Rest rest;
    int rests = 0, runs = 0;
    for (Duration now{}, rests_until{}; now < std::chrono::seconds(100); ++runs) {
      const double slower = now < std::chrono::seconds(20) ? 1 : 1.3;  // the whole machine, from then on
      if (now < rests_until) {
        const Duration run = std::chrono::duration_cast<Duration>(work * slower);
        now += run;
        rest.without(run, 1);
        continue;
      }
      const Duration run = std::chrono::duration_cast<Duration>(0.8 * slower * work), waited = 3 * run / 8;
      now += run;
      const Duration rests_for = rest.after(run, waited, 2);
      if (rests_for > Duration{}) ++rests;
      rests_until = now + rests_for;
    }
    EXPECT_LT(rests, 8) << work.count() << " ms of work, " << runs << " runs";
  }
}

// What two threads take is not what four take.
TEST(Rest, WorkIsSharedByAsManyThreadsAsThereAre) {
  Rest rest;
  const auto work = milliseconds(40);
  for (int i = 0; i < 10; ++i) EXPECT_EQ(rest.after(work / 4, {}, 4), Duration{});
  for (int i = 0; i < 100; ++i) EXPECT_EQ(rest.after(work / 2 + milliseconds(4), milliseconds(4), 2), Duration{}) << i;
}

// Runs that are seldom: a rest is over before the next one.
TEST(Rest, RestsGrowWhereRunsAreSeldom) {
  Rest rest;
  Duration longest{};
  for (int i = 0; i < 20; ++i) longest = std::max(longest, rest.after(milliseconds(50), milliseconds(45), 2));
  EXPECT_GT(longest, milliseconds(300));
}

TEST(Rest, AThreadComesBackWhenItsCoreIsFreeAgain) {
  const auto busy = std::chrono::seconds(5);
  int after = 0;
  const Simulation simulation(milliseconds(4), 2, 2 * busy, [&](Duration now) {
    if (now > busy + std::chrono::seconds(2)) ++after;
    return now < busy ? milliseconds(20) : milliseconds(0);
  });
  EXPECT_NEAR(after, std::chrono::seconds(3) / milliseconds(2), 1);  // after the longest rest no other
}

// Whatever happens to the core, the choice is not much worse than the better of having the thread always and never.
TEST(Rest, LosesLittleBesideTheBetterOfBoth) {
  std::mt19937 random(1);
  for (int trial = 0; trial < 300; ++trial) {
    const int threads = std::uniform_int_distribution(2, 8)(random);
    const Duration work = microseconds(std::uniform_int_distribution(2'000, 100'000)(random));
    const Duration stall = microseconds(std::uniform_int_distribution(500, 30'000)(random));
    std::bernoulli_distribution stalls(std::uniform_real_distribution(0.0, 1.0)(random));
    const Duration until = std::chrono::seconds(20);
    const Simulation simulation(work, threads, until, [&](Duration) { return stalls(random) ? stall : Duration{}; });
    const double always =
        static_cast<double>(until.count()) / (static_cast<double>((work / threads).count()) + stalls.p() * static_cast<double>(stall.count()));
    const double never = static_cast<double>(until / (work / (threads - 1)));
    EXPECT_GT(simulation.runs, 0.7 * std::max(always, never))
        << threads << " threads, work of " << work / microseconds(1) << " us, stalls of " << stall / microseconds(1) << " us in " << stalls.p()
        << " of all runs: always " << always << ", never " << never;
  }
}

}  // namespace
}  // namespace regnet::detail
