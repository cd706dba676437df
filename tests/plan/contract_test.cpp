// The threading contract (docs/threads.md): what an application may do with plans and sessions from its threads, its OpenMP regions and its child processes. The same under ThreadSanitizer is
// threads_program.cpp.
#include <regnet/plan/session.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <sched.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <regnet/graph/build.hpp>
#include <regnet/weights/synthetic.hpp>

#include "plan/openmp.hpp"

namespace regnet {
namespace {

constexpr int classes = 5, resolution = 65;
const std::vector<float> image = synthetic_input(std::size_t{3} * resolution * resolution);

BoundWeights weights() {
  const Graph graph = build({{1, 16, 16, 8}, {2, 48, 48, 24}}, {.resolution = resolution, .classes = classes});
  return bind(graph, synthetic_weights(parameters(graph)));
}

std::vector<float> answer(Session& session) {
  std::vector<float> logits(classes);
  session.run(image, logits);
  return logits;
}

std::vector<float> answer(const Plan& plan, int threads) {
  Session session(plan, {.batch = 1, .threads = threads});
  return answer(session);
}

class Contract : public testing::TestWithParam<Backend> {
 protected:
  // To the bit. Only oneDNN may choose kernels that sum in another order for another number of threads.
  bool is_right(const std::vector<float>& logits) const {
    if (GetParam() != Backend::onednn) return logits == x_expected;
    return std::equal(logits.begin(), logits.end(), x_expected.begin(), x_expected.end(), [](float a, float b) { return std::abs(a - b) <= 1e-5f; });
  }

  Plan x_plan = compile(weights(), {.backend = GetParam()});
  std::vector<float> x_expected = answer(x_plan, 1);
};

INSTANTIATE_TEST_SUITE_P(Backends, Contract, testing::Values(Backend::own, Backend::onednn, Backend::reference),
                         [](const auto& backend) { return std::string(name_of(backend.param)); });

// Calls body(i) from each thread of an OpenMP region, as an application's "#pragma omp parallel" would.
void openmp_region(unsigned threads, const std::function<void()>& body) {
  GOMP_parallel([](void* data) { (*static_cast<const std::function<void()>*>(data))(); }, const_cast<std::function<void()>*>(&body), threads, 0);
}

// What body() returned in a child process; it is ended, and nothing is returned, when it takes a minute.
std::optional<bool> in_child(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(60);
    bool right = false;
    try {
      right = body();
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    ::_exit(right ? 0 : 1);
  }
  int status = 0;
  if (child < 0 || ::waitpid(child, &status, 0) != child || !WIFEXITED(status)) return {};
  return WEXITSTATUS(status) == 0;
}

TEST_P(Contract, ThreadsShareAPlanAndEachGetsWhatOneWouldGet) {
  std::atomic<int> wrong = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&, i] {
        const Plan copy = x_plan;
        for (int round = 0; round < 5; ++round) wrong += !is_right(answer(copy, 1 + (i + round) % 3));
      });
  }
  EXPECT_EQ(wrong, 0);
}

TEST_P(Contract, WhatOneThreadMadeAnotherMayUseAndDestroy) {
  std::unique_ptr<Plan> plan;
  std::unique_ptr<Session> session;
  std::vector<float> first, second;
  std::jthread([&] {
    plan = std::make_unique<Plan>(compile(weights(), {.backend = GetParam()}));
    session = std::make_unique<Session>(*plan, SessionOptions{.batch = 1, .threads = 2});
    first = answer(*session);
  }).join();
  std::jthread([&] {
    plan.reset();
    second = answer(*session);
  }).join();
  std::jthread([&] { session.reset(); }).join();
  EXPECT_TRUE(is_right(first));
  EXPECT_TRUE(is_right(second));
}

TEST_P(Contract, InsideAnOpenmpRegionEachThreadHasASession) {
  std::atomic<int> wrong = 0, runs = 0, threads = 0;
  openmp_region(4, [&] {
    Session session(x_plan, {.batch = 1, .threads = 2});
    for (int round = 0; round < 3; ++round, ++runs) wrong += !is_right(answer(session));
    openmp_region(2, [&] {
      wrong += !is_right(answer(x_plan, 2));
      ++runs;
    });
    ++threads;
  });
  EXPECT_GE(runs, 4 * threads);
  EXPECT_GE(threads, 1);
  EXPECT_EQ(wrong, 0);
}

TEST_P(Contract, ThreadCountsMayChangeBetweenRuns) {
  const int before = omp_get_max_threads();
  std::vector<Session> sessions;
  for (const int threads : {1, 2, 3, 8}) sessions.emplace_back(x_plan, SessionOptions{.batch = 1, .threads = threads});
  for (const int of_application : {1, 4, 2, 7}) {
    omp_set_num_threads(of_application);
    for (Session& session : sessions) EXPECT_TRUE(is_right(answer(session))) << session.threads() << ", application: " << of_application;
    EXPECT_EQ(omp_get_max_threads(), of_application);
  }
  omp_set_num_threads(before);
  // A process that is moved to fewer CPUs than a session was opened for.
  cpu_set_t all, one;
  ASSERT_EQ(::sched_getaffinity(0, sizeof(all), &all), 0);
  CPU_ZERO(&one);
  for (int cpu = 0; cpu < CPU_SETSIZE && CPU_COUNT(&one) == 0; ++cpu)
    if (CPU_ISSET(cpu, &all)) CPU_SET(cpu, &one);
  ASSERT_EQ(::sched_setaffinity(0, sizeof(one), &one), 0);
  for (Session& session : sessions) EXPECT_TRUE(is_right(answer(session))) << session.threads();
  ASSERT_EQ(::sched_setaffinity(0, sizeof(all), &all), 0);
}

// An OpenMP runtime's threads stay with the parent, and the child would wait for them for ever.
TEST_P(Contract, AForkedChildGetsAnswers) {
  Session inherited(x_plan, {.batch = 1, .threads = 2});
  EXPECT_TRUE(is_right(answer(inherited)));
  openmp_region(4, [] {});  // and the application had threads too
  const auto body = [&] {
    bool right = is_right(answer(inherited)) && is_right(answer(inherited));
    right = is_right(answer(x_plan, 2)) && is_right(answer(x_plan, 5)) && right;
    return is_right(answer(compile(weights(), {.backend = GetParam(), .expected = {1, 2}}), 2)) && right;
  };
  EXPECT_EQ(in_child(body), true);
  EXPECT_EQ(in_child([&] { return in_child(body) == true && body(); }), true) << "a child's child";
  std::jthread([&] { EXPECT_EQ(in_child(body), true) << "from another thread"; }).join();
  EXPECT_TRUE(is_right(answer(inherited))) << "the parent goes on";
}

TEST_P(Contract, AForkWhileOtherThreadsRunGivesTheChildAnswers) {
#if defined(__SANITIZE_ADDRESS__)
  GTEST_SKIP() << "the sanitizer's allocator may be locked by another thread";
#endif
  std::atomic<bool> enough = false;
  std::atomic<int> wrong = 0, runs = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < 2; ++i)
    threads.emplace_back([&] {
      Session session(x_plan, {.batch = 1, .threads = 2});
      for (; !enough; ++runs) wrong += !is_right(answer(session));
    });
  Session inherited(x_plan, {.batch = 1, .threads = 2});
  for (int round = 0; round < 3; ++round) {
    for (const int before = runs; runs < before + 3;) std::this_thread::yield();
    EXPECT_EQ(in_child([&] { return is_right(answer(inherited)); }), true);
  }
  enough = true;
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

// A handle of a thread that stayed with the parent is that of a thread made since, or of none: to detach it ended the child.
TEST_P(Contract, AForkedChildMayReplaceAndDestroyWhatItInherited) {
  std::optional<Session> inherited(std::in_place, x_plan, SessionOptions{.batch = 1, .threads = 3});
  EXPECT_TRUE(is_right(answer(*inherited)));
  EXPECT_EQ(in_child([&] {
              bool right = is_right(answer(x_plan, 3));
              inherited.reset();
              return is_right(answer(x_plan, 2)) && right;
            }),
            true);
  EXPECT_EQ(in_child([&] {
              inherited = Session(x_plan, {.batch = 1, .threads = 3});
              const bool right = is_right(answer(*inherited));
              inherited.reset();
              return is_right(answer(x_plan, 2)) && right;
            }),
            true);
  EXPECT_TRUE(is_right(answer(*inherited))) << "the parent goes on";
}

// libgomp ends the process when a thread cannot start.
TEST_P(Contract, SessionsGetAsManyThreadsAsCanStart) {
  // A process whose threads have stacks of `stack` bytes, with room for `count` of them.
  const auto limited = [&](std::size_t stack, rlim_t count) {
    pthread_attr_t attributes;
    ::pthread_attr_init(&attributes);
    ::pthread_attr_setstacksize(&attributes, stack);
    if (::pthread_setattr_default_np(&attributes) != 0) return false;
    std::FILE* sizes = std::fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    if (sizes == nullptr || std::fscanf(sizes, "%lu", &pages) != 1) return false;
    std::fclose(sizes);
    const rlim_t limit = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{1} << 30) + count * stack;
    const rlimit room{limit, limit};
    return ::setrlimit(RLIMIT_AS, &room) == 0;
  };
  const auto works_with = [&](int threads) {
    Session session(x_plan, {.batch = 1, .threads = 4});
    std::fprintf(stderr, "%d threads\n", session.threads());
    return session.threads() == (GetParam() == Backend::reference ? 1 : threads) && is_right(answer(session)) &&
           is_right(answer(compile(weights(), {.backend = GetParam(), .expected = {1, 4}}), 4));
  };
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer needs the address space";
#endif
  // In a process where nothing was forked: libgomp is used here as an application would.
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(::_exit(limited(std::size_t{64} << 30, 0) && works_with(1) ? 0 : 1), testing::ExitedWithCode(0), "threads");
  EXPECT_EXIT(::_exit(limited(std::size_t{3} << 30, 1) && works_with(2) ? 0 : 1), testing::ExitedWithCode(0), "threads");
}

}  // namespace
}  // namespace regnet
