#include "plan/kernels/kernels.hpp"

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace regnet::kernels {

namespace {

// Kernels that the compiler made, and whether this CPU has the instructions; the best of each precision last.
struct Candidate {
  const Kernels* kernels;
  std::string_view isa;  // of REGNET_MAX_ISA
};

#if defined(__x86_64__)
bool has_amx_bf16() {
  unsigned a = 0, b = 0, c = 0, d = 0;
  return ::__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> 22 & 1) != 0 && (d >> 24 & 1) != 0;
}
#endif

std::vector<Candidate> runnable() {
  std::vector<Candidate> all{{portable_kernels(), "portable"}};
  const auto add = [&](const Kernels* kernels, std::string_view isa) {
    if (kernels) all.push_back({kernels, isa});
  };
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) add(avx2_kernels(), "avx2");
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma")) {
    add(avx512_kernels(), "avx512");
    if (__builtin_cpu_supports("avx512bf16")) {
      add(avx512_bf16_kernels(), "avx512");
      if (has_amx_bf16()) add(amx_bf16_kernels(), "amx");
    }
  }
#endif
  return all;
}

// The best that the environment allows.
const Kernels* choose(Precision precision) {
  const char* limit = std::getenv("REGNET_MAX_ISA");
  const std::string_view most = limit ? limit : "";
  constexpr std::string_view all[] = {"portable", "avx2", "avx512", "amx"};
  const Kernels* best = nullptr;
  const std::vector<Candidate> candidates = runnable();
  const auto allows = [&](std::string_view isa) {
    for (const std::string_view known : all) {
      if (known == isa) return true;
      if (known == most) return false;
    }
    return true;
  };
  for (const Candidate& candidate : candidates)
    if (candidate.kernels->precision == precision && allows(candidate.isa)) best = candidate.kernels;
  return best;
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& best = *choose(Precision::f32);
  return best;
}

const Kernels* best_kernels(Precision precision) {
  static const Kernels* const bf16 = choose(Precision::bf16);
  return precision == Precision::bf16 ? bf16 : &best_kernels();
}

bool bf16_is_faster() {
#if defined(__x86_64__)
  const Kernels* bf16 = best_kernels(Precision::bf16);
  return bf16 && (bf16 == amx_bf16_kernels() || __builtin_cpu_is("amd"));
#else
  return false;
#endif
}

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> all;
  for (const Candidate& candidate : runnable()) all.push_back(candidate.kernels);
  return all;
}

#if !defined(__x86_64__)
const Kernels* amx_bf16_kernels() { return nullptr; }
const Kernels* avx512_bf16_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
const Kernels* avx2_kernels() { return nullptr; }
#endif

}  // namespace regnet::kernels
