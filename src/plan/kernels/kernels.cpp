#include "plan/kernels/kernels.hpp"

#include <cstdlib>
#include <string_view>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace regnet::kernels {

namespace {

// Kernels that the compiler made, and whether this CPU has the instructions; the best of each kind last.
struct Candidate {
  const Kernels* kernels;
  std::string_view isa;  // of REGNET_MAX_ISA
};

#if defined(__x86_64__)
// A bit of what cpuid says of AMX.
bool has_amx(int bit) {
  unsigned a = 0, b = 0, c = 0, d = 0;
  constexpr int tiles = 24;
  return ::__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d >> bit & 1) != 0 && (d >> tiles & 1) != 0;
}
#endif

std::vector<Candidate> runnable() {
  std::vector<Candidate> all{{portable_kernels(), "portable"}};
#if defined(__x86_64__)
  constexpr int amx_bf16 = 22, amx_int8 = 25;
  const auto add = [&](bool can, const Kernels* kernels, std::string_view isa) {
    if (can && kernels) all.push_back({kernels, isa});
  };
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  add(avx2, avx2_kernels(), "avx2");
  add(avx2, avx2_int8_kernels(), "avx2");
  add(avx2, avx2_int8_reduced_kernels(), "avx2");
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma");
  const bool bf16 = avx512 && __builtin_cpu_supports("avx512bf16"), vnni = avx512 && __builtin_cpu_supports("avx512vnni");
  add(avx512, avx512_kernels(), "avx512_vnni");
  add(vnni, avx512_vnni_f32_kernels(), "avx512_vnni");
  add(bf16, avx512_bf16_kernels(), "avx512");
  add(bf16 && vnni, avx512_vnni_kernels(), "avx512");
  if (bf16 && has_amx(amx_bf16)) add(true, amx_bf16_kernels(), "amx");
  if (bf16 && has_amx(amx_int8)) add(true, amx_int8_kernels(), "amx");
#endif
  return all;
}

// The best that the environment allows.
const Kernels* choose(Element source, bool reduced_range = false) {
  const char* limit = std::getenv("REGNET_MAX_ISA");
  const std::string_view most = limit ? limit : "";
  constexpr std::string_view all[] = {"portable", "avx2", "avx512_vnni", "avx512", "amx"};
  const Kernels* best = nullptr;
  const auto allows = [&](std::string_view isa) {
    for (const std::string_view known : all) {
      if (known == isa) return true;
      if (known == most) return false;
    }
    return true;
  };
  for (const Candidate& candidate : runnable())
    if (candidate.kernels->source == source && candidate.kernels->together <= (reduced_range ? 4 : 2) && allows(candidate.isa))
      best = candidate.kernels;
  return best;
}

}  // namespace

const Kernels& best_kernels() {
  static const Kernels& best = *choose(Element::f32);
  return best;
}

const Kernels* best_kernels(Element source, bool reduced_range) {
  static const Kernels *const bf16 = choose(Element::bf16), *const int8 = choose(Element::u8), *const reduced = choose(Element::u8, true);
  return source == Element::f32 ? &best_kernels() : source == Element::bf16 ? bf16 : reduced_range ? reduced : int8;
}

bool bf16_is_faster() {
#if defined(__x86_64__)
  const Kernels* bf16 = best_kernels(Element::bf16);
  return bf16 && (bf16->depth_multiple > 1 || __builtin_cpu_is("amd"));
#else
  return false;
#endif
}

bool int8_is_faster() {
  const Kernels* int8 = best_kernels(Element::u8);
  return int8 && (int8->together == 1 || &best_kernels() == avx2_kernels());
}

std::vector<const Kernels*> runnable_kernels() {
  std::vector<const Kernels*> all;
  for (const Candidate& candidate : runnable()) all.push_back(candidate.kernels);
  return all;
}

#if !defined(__x86_64__)
const Kernels* amx_int8_kernels() { return nullptr; }
const Kernels* amx_bf16_kernels() { return nullptr; }
const Kernels* avx512_vnni_kernels() { return nullptr; }
const Kernels* avx512_vnni_f32_kernels() { return nullptr; }
const Kernels* avx512_bf16_kernels() { return nullptr; }
const Kernels* avx512_kernels() { return nullptr; }
const Kernels* avx2_int8_reduced_kernels() { return nullptr; }
const Kernels* avx2_int8_kernels() { return nullptr; }
const Kernels* avx2_kernels() { return nullptr; }
#endif

}  // namespace regnet::kernels
