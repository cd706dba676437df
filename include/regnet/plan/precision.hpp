// precision: what activations and weights are stored and multiplied as. Sums, biases and logits are floats (f32) in all of them.
#pragma once

#include <optional>
#include <string_view>

#include <regnet/base/error.hpp>

namespace regnet {

// The element type of activations and weights.
enum class Precision {
  automatic,  // int8 of quantised weights, bf16 of others, each where this CPU is known to be faster so, else f32
  f32,
  bf16,  // own backend, CPUs with AVX512-BF16 or AMX: 8 bits of mantissa, the range of f32
  int8   // own backend, CPUs with AVX2: activations u8, weights s8, the first layer bf16, or f32 on CPUs without; needs a Quantization
};

// As the command spells it.
constexpr std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::automatic: return "auto";
    case Precision::f32: return "f32";
    case Precision::bf16: return "bf16";
    case Precision::int8: return "int8";
  }
  return "?";
}

// The inverse.
constexpr std::optional<Precision> precision_of(std::string_view name) {
  for (const Precision precision : {Precision::automatic, Precision::f32, Precision::bf16, Precision::int8})
    if (name == name_of(precision)) return precision;
  return {};
}

// Or else invalid_argument, with the names that are known and `where` in front.
inline Precision precision_named(std::string_view name, std::string_view where) {
  const std::optional<Precision> precision = precision_of(name);
  if (!precision) fail(Code::invalid_argument, where, ": expected auto, f32, bf16 or int8, found '", name, "'");
  return *precision;
}

}  // namespace regnet
