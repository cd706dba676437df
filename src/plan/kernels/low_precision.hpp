// low_precision: the bound of int8 on this CPU.
#pragma once

#include <cstdint>

namespace regnet::kernels {

bool has_int8();  // AVX512-VNNI: products of u8 and s8, sums of int32

// Does nothing but multiply and add; returns the operations of one loop. Precondition: the CPU has the instructions.
std::int64_t multiply_add_int8(std::int64_t loops);

}  // namespace regnet::kernels
