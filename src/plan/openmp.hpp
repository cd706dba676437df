// The number of threads of the OpenMP runtime that oneDNN uses, and of no other. The two functions are declared here
// instead of including <omp.h>, so that no compiler flag can bring in a second runtime.
#pragma once

#include <oneapi/dnnl/dnnl_config.h>

#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
extern "C" int omp_get_max_threads();
extern "C" void omp_set_num_threads(int);
#endif

namespace regnet::detail {

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
