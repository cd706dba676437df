#include "plan/kernels/kernels.hpp"

#include <utility>

#define REGNET_ISA portable
#define REGNET_ISA_NAME "portable"
#define REGNET_LANES 4
#include "plan/kernels/kernels.inl"

namespace regnet::kernels {

const Kernels* portable_kernels() { return &portable::table; }

}  // namespace regnet::kernels
