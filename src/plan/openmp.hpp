// The OpenMP runtime that oneDNN uses, and no other. Its functions are declared here instead of including <omp.h>, so that no compiler flag can bring in a
// second runtime. Runtimes of LLVM and Intel have GOMP_parallel too.
#pragma once

#include <exception>
#include <string>
#include <system_error>
#include <thread>
#include <vector>

#include <oneapi/dnnl/dnnl_config.h>

#include <regnet/base/error.hpp>

#include "plan/subnormals.hpp"

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);
extern "C" int omp_get_thread_num();
extern "C" void GOMP_parallel(void (*function)(void*), void* data, unsigned threads, unsigned flags);
#endif

namespace regnet::detail {

// Whether this process was forked, since this library was loaded or before, by one that may have used OpenMP.
bool is_forked();

// Calls work() where OpenMP can be used. In a child of fork the runtime would wait for ever for threads that stayed with the parent; but it keeps a team for each thread that calls it,
// and a thread made for this work has none yet.
template <class Work>
void where_openmp_works(const Work& work) {
  if (!is_forked()) return work();
  std::exception_ptr failure;
  try {
    std::thread([&] {
      try {
        work();
      } catch (...) {
        failure = std::current_exception();
      }
    }).join();
  } catch (const std::system_error& error) {
    fail(Code::unsupported, "oneDNN in a forked process: expected a thread to run in, found ", error.what());
  }
  if (failure) std::rethrow_exception(failure);
}

// How many of `count` threads the system gives at this moment, the caller being one: a GNU runtime that cannot start all it wants ends the process.
int startable_threads(int count);

// The file that the loader found a function in; empty when it does not say.
std::string file_of(const void* function);

// Sets the calling thread's number of OpenMP threads, and restores it.
class OpenmpThreads {
 public:
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  explicit OpenmpThreads(int count) : x_before(omp_get_max_threads()) { omp_set_num_threads(count); }
  ~OpenmpThreads() { omp_set_num_threads(x_before); }
#else
  explicit OpenmpThreads(int) {}  // TBB's arena or a sequential build: the application decides
#endif
  OpenmpThreads(const OpenmpThreads&) = delete;
  OpenmpThreads& operator=(const OpenmpThreads&) = delete;

 private:
  [[maybe_unused]] int x_before = 0;
};

// Until the end of the scope, the calling thread and the OpenMP threads that help it flush subnormals. `modes` has a place for each and outlives the scope; nothing is
// allocated. Under other runtimes than OpenMP only the calling thread flushes.
class TeamFlushesSubnormals {
 public:
  explicit TeamFlushesSubnormals(std::vector<FloatingMode>& modes) : x_modes(modes) {
    // With dynamic teams more threads may come to the end than were there at the beginning; they get the caller's mode.
    for (FloatingMode& mode : x_modes) mode = floating_mode();
    on_every_thread(&flush);
  }
  ~TeamFlushesSubnormals() { on_every_thread(&restore); }
  TeamFlushesSubnormals(const TeamFlushesSubnormals&) = delete;
  TeamFlushesSubnormals& operator=(const TeamFlushesSubnormals&) = delete;

 private:
  using Change = void (*)(FloatingMode& mode);
  static void flush(FloatingMode& mode) {
    mode = floating_mode();
    set_floating_mode(mode | flush_bits);
  }
  static void restore(FloatingMode& mode) { set_floating_mode(mode); }

  // A thread that the runtime makes in between inherits the caller's mode, and at the end gets back what its predecessor had.
  void on_every_thread(Change change) {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
    if (x_modes.size() > 1) {
      struct Work {
        std::vector<FloatingMode>& modes;
        Change change;
      } work{x_modes, change};
      const auto on_one = [](void* data) {
        const Work& todo = *static_cast<Work*>(data);
        todo.change(todo.modes[static_cast<std::size_t>(omp_get_thread_num())]);
      };
      GOMP_parallel(on_one, &work, static_cast<unsigned>(x_modes.size()), 0);
      return;
    }
#endif
    change(x_modes.front());
  }

  std::vector<FloatingMode>& x_modes;
};

inline const char* openmp_description() {
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  return "OpenMP";
#elif DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_TBB
  return "TBB";
#else
  return "sequential";
#endif
}

}  // namespace regnet::detail
