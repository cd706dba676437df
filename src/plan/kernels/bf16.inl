// What words of two bf16 need: the Format of direct.inl, and the kernels at the network's ends. Vectors are of 16 lanes.

// Two bf16 in each word. Products are exact, sums floats; what is written is rounded once, to nearest even.
struct BF16 {
  static constexpr int per_word = 2;
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word) {
    if constexpr (N == 16) return _mm512_dpbf16_ps(sum, (__m512bh)(__m512)weights, (__m512bh)_mm512_set1_ps(word));
    else return _mm256_dpbf16_ps(sum, (__m256bh)(__m256)weights, (__m256bh)_mm256_set1_ps(word));
  }
  template <int N>
  REGNET_INLINE static Vec<N> read(const float* at) {
    if constexpr (N == 16)
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))), 16));
    else return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at))), 16));
  }
  template <int N>
  REGNET_INLINE static void write(float* at, Vec<N> value) {
    if constexpr (N == 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), (__m256i)_mm512_cvtneps_pbh(value));
    else _mm_storeu_si128(reinterpret_cast<__m128i*>(at), (__m128i)_mm256_cvtneps_pbh(value));
  }
};

void average(const float* src, std::int64_t pixels, std::int64_t pixel, Range range, float* dst) {
  const float scale = 1.0f / static_cast<float>(pixels);
  for (int c = range.begin; c < range.end; c += 8) {  // ranges are of eights
    Vec<8> sum{};
    for (std::int64_t p = 0; p < pixels; ++p) sum += BF16::read<8>(src + p * pixel + c / 2);
    store<8>(dst + c, sum * scale);
  }
}

// Three planes to pixels of four channels, of which the last is 0.
void weave(const float* planes, std::int64_t plane, int pixels, float* dst) {
  // Word 0 of a pixel holds the first two channels, word 1 the third.
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  for (int x = 0; x < pixels; x += lanes) {
    const int count = smaller(lanes, pixels - x);
    const auto mask = static_cast<__mmask16>((1u << count) - 1);
    const auto words = [&](int c) { return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, planes + c * plane + x))); };
    const __m512i first = _mm512_or_si512(words(0), _mm512_slli_epi32(words(1), 16)), second = words(2);
    const auto valid = [&](int from) {
      return static_cast<__mmask16>(count <= from ? 0 : (std::uint32_t{1} << smaller(16, 2 * (count - from))) - 1);
    };
    _mm512_mask_storeu_epi32(dst + 2 * x, valid(0), _mm512_permutex2var_epi32(first, low, second));
    _mm512_mask_storeu_epi32(dst + 2 * x + 16, valid(8), _mm512_permutex2var_epi32(first, high, second));
  }
}
