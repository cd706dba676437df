#include "plan/kernels/kernels.hpp"

#include <cstdlib>
#include <string_view>

namespace regnet::kernels {

namespace {

#if defined(__x86_64__)
bool has_avx512() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
         __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
}
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }
#endif

const Kernels& choose() {
  const char* limit = std::getenv("REGNET_MAX_ISA");
  const std::string_view most = limit ? limit : "";
#if defined(__x86_64__)
  if (most != "avx2" && most != "portable" && has_avx512()) return *avx512_kernels();
  if (most != "portable" && has_avx2()) return *avx2_kernels();
#endif
  return *portable_kernels();
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& best = choose();
  return best;
}

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> all{portable_kernels()};
#if defined(__x86_64__)
  if (has_avx2()) all.push_back(avx2_kernels());
  if (has_avx512()) all.push_back(avx512_kernels());
#endif
  return all;
}

#if !defined(__x86_64__)
const Kernels* avx512_kernels() { return nullptr; }
const Kernels* avx2_kernels() { return nullptr; }
#endif

}  // namespace regnet::kernels
