// Team: threads that stay, for work of microseconds. The caller is one of them. Between runs the others sleep; within a run they wait for each other at barriers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <unistd.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "plan/subnormals.hpp"

namespace regnet::detail {

inline void pause_briefly() {
#if defined(__x86_64__)
  _mm_pause();
#endif
}

// Waits until the value is no longer `old`: first by looking again and again, which answers within a tenth of a microsecond, then asleep, so that a core that others
// need is not held.
inline void wait_while(const std::atomic<std::uint32_t>& value, std::uint32_t old) {
  constexpr int looks = 20'000;  // about a millisecond
  for (int i = 0; i < looks; ++i) {
    if (value.load(std::memory_order_acquire) != old) return;
    pause_briefly();
  }
  while (value.load(std::memory_order_acquire) == old) value.wait(old, std::memory_order_acquire);
}

class Team {
 public:
  // With fewer threads than asked for, if the system gives no more.
  explicit Team(int threads) : x_owner(::getpid()) {
    try {
      for (int i = 1; i < threads; ++i) x_workers.emplace_back([this, i] { work(i); });
    } catch (const std::system_error&) {}
    x_size = 1 + static_cast<int>(x_workers.size());
  }
  ~Team() {
    if (!is_whole()) {
      for (std::thread& worker : x_workers) worker.detach();  // they are the parent's; here there is nothing to join
      return;
    }
    x_body = nullptr;
    start();
    for (std::thread& worker : x_workers) worker.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // In a child that was forked the other threads do not exist.
  [[nodiscard]] int size() const { return is_whole() ? x_size : 1; }

  // Calls body(i) in each thread i below `count`, at most size(), and returns when all are done. One caller at a time; body must not throw.
  template <class Body>
  void run(int count, const Body& body) {
    if (count == 1) return body(0);
    x_body = [](const void* data, int index) { (*static_cast<const Body*>(data))(index); };
    x_data = &body;
    x_count = count;
    x_left.store(static_cast<std::uint32_t>(x_workers.size()), std::memory_order_relaxed);
    start();
    body(0);
    for (std::uint32_t left = x_left.load(std::memory_order_acquire); left != 0; left = x_left.load(std::memory_order_acquire))
      wait_while(x_left, left);
  }

 private:
  [[nodiscard]] bool is_whole() const { return x_workers.empty() || ::getpid() == x_owner; }

  void start() {
    x_round.fetch_add(1, std::memory_order_release);
    x_round.notify_all();
  }

  void work(int index) {
    set_floating_mode(floating_mode() | flush_bits);
    for (std::uint32_t round = 0;;) {
      wait_while(x_round, round);
      round = x_round.load(std::memory_order_acquire);
      if (!x_body) return;
      if (index < x_count) x_body(x_data, index);
      if (x_left.fetch_sub(1, std::memory_order_acq_rel) == 1) x_left.notify_all();
    }
  }

  pid_t x_owner;
  int x_size = 1, x_count = 1;
  void (*x_body)(const void*, int) = nullptr;
  const void* x_data = nullptr;
  alignas(64) std::atomic<std::uint32_t> x_round{0};
  alignas(64) std::atomic<std::uint32_t> x_left{0};
  std::vector<std::thread> x_workers;  // the last member: they use the others
};

// Where the threads of one run wait for each other.
class Barrier {
 public:
  explicit Barrier(int count) : x_count(static_cast<std::uint32_t>(count)) {}

  void wait() {
    if (x_count == 1) return;
    const std::uint32_t phase = x_phase.load(std::memory_order_relaxed);
    if (x_arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == x_count) {
      x_arrived.store(0, std::memory_order_relaxed);
      x_phase.store(phase + 1, std::memory_order_release);
      x_phase.notify_all();
    } else {
      wait_while(x_phase, phase);
    }
  }

 private:
  std::uint32_t x_count;
  alignas(64) std::atomic<std::uint32_t> x_arrived{0};
  alignas(64) std::atomic<std::uint32_t> x_phase{0};
};

}  // namespace regnet::detail
