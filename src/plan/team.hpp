// Team: threads that stay, for work of microseconds. The caller is one of them. Between runs the others sleep; within a run they wait for each other at barriers.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <numeric>
#include <span>
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
  explicit Team(int threads) : x_owner(::getpid()), x_letters(static_cast<std::size_t>(threads > 1 ? threads - 1 : 0)) {
    try {
      for (Letter& letter : x_letters) x_workers.emplace_back([this, &letter] { work(letter); });
    } catch (const std::system_error&) {}
    x_size = 1 + static_cast<int>(x_workers.size());
  }
  ~Team() {
    if (!is_whole()) {
      // The workers stayed with the parent. Here their handles are those of no thread, or of one that was made since, and must not be touched: they are left behind.
      static_cast<void>(new std::vector<std::thread>(std::move(x_workers)));
      return;
    }
    for (std::size_t i = 0; i < x_workers.size(); ++i) send(x_letters[i], nullptr, nullptr, 0);
    for (std::thread& worker : x_workers) worker.join();
  }
  Team(const Team&) = delete;
  Team& operator=(const Team&) = delete;

  // In a child that was forked the other threads do not exist.
  [[nodiscard]] int size() const { return is_whole() ? x_size : 1; }

  // Calls body(i) for each i below the number of members, in the thread members[i], and returns when all are done. members[0] is 0, the caller; the others are different
  // threads below size(), and threads that are no members sleep on. One caller at a time; body must not throw.
  template <class Body>
  void run(std::span<const int> members, const Body& body) {
    const auto call = [](const void* data, int index) { (*static_cast<const Body*>(data))(index); };
    x_left.store(static_cast<std::uint32_t>(members.size() - 1), std::memory_order_relaxed);
    for (std::size_t i = 1; i < members.size(); ++i) send(x_letters[static_cast<std::size_t>(members[i] - 1)], call, &body, static_cast<int>(i));
    body(0);
    for (std::uint32_t left = x_left.load(std::memory_order_acquire); left != 0; left = x_left.load(std::memory_order_acquire))
      wait_while(x_left, left);
  }

  // The same with the first `count` threads.
  template <class Body>
  void run(int count, const Body& body) {
    if (count == 1) return body(0);
    std::vector<int> members(static_cast<std::size_t>(count));
    std::iota(members.begin(), members.end(), 0);
    run(members, body);
  }

 private:
  using Call = void (*)(const void* data, int index);

  // What a worker is to do next. Written only while it waits.
  struct alignas(64) Letter {
    std::atomic<std::uint32_t> number{0};
    Call call = nullptr;  // nullptr: to end
    const void* data = nullptr;
    int index = 0;
  };

  [[nodiscard]] bool is_whole() const { return x_workers.empty() || ::getpid() == x_owner; }

  static void send(Letter& letter, Call call, const void* data, int index) {
    letter.call = call;
    letter.data = data;
    letter.index = index;
    letter.number.fetch_add(1, std::memory_order_release);
    letter.number.notify_one();
  }

  void work(Letter& letter) {
    set_floating_mode(floating_mode() | flush_bits);
    for (std::uint32_t seen = 0;; ++seen) {
      wait_while(letter.number, seen);
      if (!letter.call) return;
      letter.call(letter.data, letter.index);
      if (x_left.fetch_sub(1, std::memory_order_acq_rel) == 1) x_left.notify_all();
    }
  }

  pid_t x_owner;
  int x_size = 1;
  alignas(64) std::atomic<std::uint32_t> x_left{0};
  std::vector<Letter> x_letters;       // of the workers; never resized
  std::vector<std::thread> x_workers;  // the last member: they use the others
};

// Where the threads of one run wait for each other.
class Barrier {
 public:
  // For `count` threads, all of which call this the same number of times.
  void wait(int count) {
    if (count == 1) return;
    const std::uint32_t phase = x_phase.load(std::memory_order_relaxed);
    if (x_arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(count)) {
      x_arrived.store(0, std::memory_order_relaxed);
      x_phase.store(phase + 1, std::memory_order_release);
      x_phase.notify_all();
    } else {
      wait_while(x_phase, phase);
    }
  }

 private:
  alignas(64) std::atomic<std::uint32_t> x_arrived{0};
  alignas(64) std::atomic<std::uint32_t> x_phase{0};
};

}  // namespace regnet::detail
