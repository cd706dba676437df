#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <utility>

#define REGNET_ISA avx2
#define REGNET_ISA_NAME "avx2"
#define REGNET_LANES 8
// Two would leave a panel of one, and are faster for all other channels.
#define REGNET_THREE_VECTORS(channels) ((channels) == 24)
#include "plan/kernels/kernels.inl"

namespace regnet::kernels {

const Kernels* avx2_kernels() { return &avx2::table; }

}  // namespace regnet::kernels
#endif
