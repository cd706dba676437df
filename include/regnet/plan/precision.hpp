// precision: what activations and weights are stored and multiplied as. Sums, biases and logits are floats (f32) in all of them.
#pragma once

#include <optional>
#include <string_view>

namespace regnet {

enum class Precision {
  automatic,  // bf16 where this CPU multiplies it faster than floats, else f32
  f32,
  bf16  // own backend, CPUs with AVX512-BF16 or AMX: 8 bits of mantissa, the range of f32
};

constexpr std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::automatic: return "auto";
    case Precision::f32: return "f32";
    case Precision::bf16: return "bf16";
  }
  return "?";
}

// The inverse.
constexpr std::optional<Precision> precision_of(std::string_view name) {
  for (const Precision precision : {Precision::automatic, Precision::f32, Precision::bf16})
    if (name == name_of(precision)) return precision;
  return {};
}

}  // namespace regnet
