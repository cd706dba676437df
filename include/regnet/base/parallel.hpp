// parallel_for: a number of independent pieces of work in, all of them done by several threads out. For work that takes milliseconds: threads are made
// for each call.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace regnet {

// Calls body(i) once for each i below `count`, from up to `threads` threads of which the caller is one; each makes its own body with make_body(), and so has
// its own scratch memory. The first exception ends the rest and is thrown here. With fewer threads than asked for, if the system gives no more.
template <class MakeBody>
void parallel_for(std::size_t count, int threads, MakeBody make_body) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      auto body = make_body();
      for (std::size_t i = next.fetch_add(1); i < count; i = next.fetch_add(1)) body(i);
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
      next = count;
    }
  };
  {
    std::vector<std::jthread> others;
    try {
      for (std::size_t i = 1; i < static_cast<std::size_t>(threads) && i < count; ++i) others.emplace_back(work);
    } catch (const std::system_error&) {  // the caller works in any case
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace regnet
