#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <utility>

#define REGNET_ISA avx512
#define REGNET_ISA_NAME "avx512"
#define REGNET_LANES 16
#include "plan/kernels/kernels.inl"

namespace regnet::kernels {

const Kernels* avx512_kernels() { return &avx512::table; }

}  // namespace regnet::kernels
#endif
