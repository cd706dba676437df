// Products of u8 and s8 by AVX512-VNNI on CPUs without AVX512-BF16, as Cascade Lake and Ice Lake: what int8 leaves wide is floats.
#if defined(__x86_64__)
#include "plan/kernels/kernels.hpp"

#include <immintrin.h>

#include <utility>

#define REGNET_ISA avx512_vnni_f32
#define REGNET_LANES 16
namespace regnet::kernels::avx512_vnni_f32 {

namespace {

#include "plan/kernels/vectors.inl"

#include "plan/kernels/direct.inl"

#include "plan/kernels/words_avx512.inl"

#include "plan/kernels/narrow.inl"

#include "plan/kernels/vnni_avx512.inl"

}  // namespace

constexpr Kernels floats{
    .name = "avx512", .panel_width = panel_width, .panels = panels, .convolve = convolve<Narrow<FloatProducts>>, .average = average<Element::f32>};
constexpr Kernels int8{.name = "avx512_vnni_f32",
                       .source = Element::u8,
                       .floats = &floats,
                       .panel_width = panel_width,
                       .panels = panels,
                       .convolve = convolve<Ending<Int8Products, Element::u8>>,
                       .average = average<Element::u8>,
                       .multiply_add = multiply_add_int8};

}  // namespace regnet::kernels::avx512_vnni_f32

namespace regnet::kernels {

const Kernels* avx512_vnni_f32_kernels() { return &avx512_vnni_f32::int8; }

}  // namespace regnet::kernels
#endif
