// Vectors of floats, of the width REGNET_LANES. Included into the unnamed namespace of each instruction set's file: nothing here may come from elsewhere, or the linker could give
// one instruction set's copy of a shared function to another.

constexpr int lanes = REGNET_LANES;
constexpr int smaller(int a, int b) { return a < b ? a : b; }

// Registers: pixels x vectors accumulators, the vectors of weights, one input.
#ifdef REGNET_THREE_VECTORS
constexpr int most_vectors = 3;
constexpr bool has_three_vectors(int channels) { return REGNET_THREE_VECTORS(channels); }
#else
constexpr int most_vectors = 2;
constexpr bool has_three_vectors(int) { return false; }
#endif
constexpr int widest = most_vectors * lanes;
constexpr int most_pixels = lanes == 16 ? 14 : lanes == 8 ? 12 : 4;
// As many accumulators for more vectors of 8 lanes, and less pixels.
constexpr int most_pixels_for(int width) { return lanes == 8 ? most_pixels / smaller(most_vectors, (width + lanes - 1) / lanes) : most_pixels; }

#define REGNET_INLINE inline __attribute__((always_inline))
#define REGNET_UNROLL _Pragma("GCC unroll 36")

// body(i) for 0 to n - 1. Each i is a constant from the beginning: what loops index that are unrolled later may stay in memory.
template <int... i, class Body>
REGNET_INLINE void unroll(std::integer_sequence<int, i...>, [[maybe_unused]] Body body) {
  (body(std::integral_constant<int, i>()), ...);
}
template <int n, class Body>
REGNET_INLINE void unroll(Body body) {
  unroll(std::make_integer_sequence<int, n>(), body);
}
#define REGNET_BODY(i) [&](auto i) __attribute__((always_inline))

template <int N>
struct Vector {
  typedef float type __attribute__((vector_size(4 * N)));
  typedef float unaligned __attribute__((vector_size(4 * N), aligned(4), may_alias));
};
template <int N>
using Vec = typename Vector<N>::type;

template <int N>
REGNET_INLINE Vec<N> load(const float* at) {
  return *reinterpret_cast<const typename Vector<N>::unaligned*>(at);
}
template <int N>
REGNET_INLINE void store(float* at, Vec<N> value) {
  *reinterpret_cast<typename Vector<N>::unaligned*>(at) = value;
}
template <int... i>
REGNET_INLINE Vec<lanes> in_all_lanes(float value, std::integer_sequence<int, i...>) {
  return Vec<lanes>{(static_cast<void>(i), value)...};
}
REGNET_INLINE Vec<lanes> in_all_lanes(float value) { return in_all_lanes(value, std::make_integer_sequence<int, lanes>()); }
template <int N>
REGNET_INLINE Vec<N> relu(Vec<N> value) {
#ifdef __AVX512F__
  if constexpr (N == 16) {
    Vec<16> zero{};
    asm volatile("" : "+v"(zero));      // or the compiler keeps it in a register all the time, which the sums of a tile need
    return _mm512_max_ps(value, zero);  // one instruction where the compiler takes two
  }
#endif
  return value > 0 ? value : Vec<N>{};
}

// Of all panels but the last.
constexpr int panel_width(int channels) { return has_three_vectors(channels) ? widest : 2 * lanes; }

int panels(int channels, int* begins) {
  int count = 0;
  for (int at = 0; at < channels; ++count) {
    if (begins) begins[count] = at;
    at += smaller(panel_width(channels), channels - at);
  }
  if (begins) begins[count] = channels;
  return count;
}
