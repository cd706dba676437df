// Connections: the threads that connections wait in.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <utility>

#include <httplib.h>

// httplib gives a connection one thread for as long as it is open, and queues connections without bound when it has no thread left. Here it stops accepting instead.
class Connections final : public httplib::ThreadPool {
 public:
  explicit Connections(int most) : httplib::ThreadPool(static_cast<std::size_t>(most)), x_free(most) {}

  void enqueue(std::function<void()> serve) override {
    std::unique_lock lock(x_mutex);
    x_changed.wait(lock, [&] { return x_free > 0; });
    --x_free;
    httplib::ThreadPool::enqueue([this, serve = std::move(serve)] {
      serve();
      const std::lock_guard freed(x_mutex);
      ++x_free;
      x_changed.notify_one();
    });
  }

 private:
  std::mutex x_mutex;
  std::condition_variable x_changed;
  int x_free;
};
