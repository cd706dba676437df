// low_precision: the bounds of bf16 and int8 on this CPU.
#pragma once

#include <cstdint>

namespace regnet::kernels {

bool has_bf16();  // AVX512-BF16: products of bf16, sums of float
bool has_int8();  // AVX512-VNNI: products of u8 and s8, sums of int32

// Do nothing but multiply and add; return the operations of one loop. Precondition: the CPU has the instructions.
std::int64_t multiply_add_bf16(std::int64_t loops);
std::int64_t multiply_add_int8(std::int64_t loops);

}  // namespace regnet::kernels
