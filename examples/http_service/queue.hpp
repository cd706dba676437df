// Queue: from the threads that wait for answers to those that compute them, of bounded length.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <future>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

using Clock = std::chrono::steady_clock;

struct Job {
  std::string picture;
  Clock::time_point deadline;
  std::promise<std::string> answer;
};

class Queue {
 public:
  explicit Queue(int most) : x_most(static_cast<std::size_t>(most)) {}

  // False when it is full.
  bool push(Job&& job) {
    const std::lock_guard lock(x_mutex);
    if (x_jobs.size() >= x_most) return false;
    x_jobs.push_back(std::move(job));
    x_changed.notify_one();
    return true;
  }

  // Waits for a job. Nothing once the queue is closed and empty.
  std::optional<Job> pop() {
    std::unique_lock lock(x_mutex);
    x_changed.wait(lock, [&] { return x_closed || !x_jobs.empty(); });
    if (x_jobs.empty()) return {};
    std::optional<Job> job(std::move(x_jobs.front()));
    x_jobs.pop_front();
    return job;
  }

  void close() {
    const std::lock_guard lock(x_mutex);
    x_closed = true;
    x_changed.notify_all();
  }

  [[nodiscard]] std::size_t depth() const {
    const std::lock_guard lock(x_mutex);
    return x_jobs.size();
  }

 private:
  const std::size_t x_most;
  mutable std::mutex x_mutex;
  std::condition_variable x_changed;
  std::deque<Job> x_jobs;
  bool x_closed = false;
};
