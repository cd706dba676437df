// Reading and writing of words with vectors of 16 lanes: of two bf16, or of one float where there is no AVX512-BF16, and of four u8 or s8.

#ifdef __AVX512BF16__
constexpr Element wide = Element::bf16;
#else
constexpr Element wide = Element::f32;
#endif

// N channels as floats.
template <int N>
REGNET_INLINE Vec<N> widen(Element element, const float* at) {
  if constexpr (wide == Element::f32)
    if (element == wide) return load<N>(at);
  if constexpr (N == 16) {
    const auto* half = reinterpret_cast<const __m128i*>(at);
    if (element == Element::bf16)
      return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at))), 16));
    const __m512i integers = element == Element::u8 ? _mm512_cvtepu8_epi32(_mm_loadu_si128(half)) : _mm512_cvtepi8_epi32(_mm_loadu_si128(half));
    return _mm512_cvtepi32_ps(integers);
  } else {
    const auto* half = reinterpret_cast<const __m128i*>(at);
    if (element == Element::bf16) return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(half)), 16));
    const __m256i integers = element == Element::u8 ? _mm256_cvtepu8_epi32(_mm_loadl_epi64(half)) : _mm256_cvtepi8_epi32(_mm_loadl_epi64(half));
    return _mm256_cvtepi32_ps(integers);
  }
}

// N channels of `wide`, rounded to nearest even.
template <int N>
REGNET_INLINE void store_wide(Vec<N> value, float* at) {
#ifdef __AVX512BF16__
  if constexpr (N == 16) _mm256_storeu_si256(reinterpret_cast<__m256i*>(at), (__m256i)_mm512_cvtneps_pbh(value));
  else _mm_storeu_si128(reinterpret_cast<__m128i*>(at), (__m128i)_mm256_cvtneps_pbh(value));
#else
  store<N>(at, value);
#endif
}

#ifdef __AVX512BF16__
// The same for 32 channels.
[[maybe_unused]] REGNET_INLINE void store_wide(Vec<16> first, Vec<16> second, float* at) {
  _mm512_storeu_si512(at, (__m512i)_mm512_cvtne2ps_pbh(second, first));
}
#endif

// Integers are the nearest that there are. What is no number becomes the least.
template <int N>
REGNET_INLINE void narrow(Element element, Vec<N> value, float* at) {
  if (element == wide) return store_wide<N>(value, at);
  // As u8 what lies beyond 32 bits becomes the largest number without a sign.
  if constexpr (N == 16) {
    const __m128i bytes =
        element == Element::u8
            ? _mm512_cvtusepi32_epi8(_mm512_cvtps_epi32(_mm512_max_ps(value, _mm512_setzero_ps())))
            : _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(_mm512_min_ps(_mm512_max_ps(value, _mm512_set1_ps(-127)), _mm512_set1_ps(127))));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(at), bytes);
  } else {
    const __m128i bytes =
        element == Element::u8
            ? _mm256_cvtusepi32_epi8(_mm256_cvtps_epi32(_mm256_max_ps(value, _mm256_setzero_ps())))
            : _mm256_cvtepi32_epi8(_mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(value, _mm256_set1_ps(-127)), _mm256_set1_ps(127))));
    _mm_storel_epi64(reinterpret_cast<__m128i*>(at), bytes);
  }
}

// The same of two pixels with 32 channels each, a and b, c and d, in fewer instructions.
template <Element element>
struct NarrowPixels {
  static constexpr bool is_signed = element == Element::s8;
  __m512 most;
  __m512i order;

  // Both are made where this is: the compiler would keep them in registers during the products, which need all.
  REGNET_INLINE NarrowPixels() {
    static constexpr std::uint8_t places[16] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    const std::uint8_t* at = places;
    float value = is_signed ? 127 : 255;
    asm volatile("" : "+r"(at), "+x"(value));
    most = _mm512_set1_ps(value);
    order = _mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(at)));
  }

  REGNET_INLINE __m512i bytes_of(Vec<16> a, Vec<16> b, Vec<16> c, Vec<16> d) const {
    // What is too little is made the least in packing, as is what is no number: it is the least integer then.
    const auto integers = [&](Vec<16> value) __attribute__((always_inline)) { return _mm512_cvtps_epi32(_mm512_min_ps(most, value)); };
    const __m512i of_first = _mm512_packs_epi32(integers(a), integers(b)), of_second = _mm512_packs_epi32(integers(c), integers(d));
    const __m512i bytes =
        is_signed ? _mm512_max_epi8(_mm512_packs_epi16(of_first, of_second), _mm512_set1_epi8(-127)) : _mm512_packus_epi16(of_first, of_second);
    return _mm512_permutexvar_epi32(order, bytes);  // each quarter has four bytes of each of the four
  }

  REGNET_INLINE void operator()(Vec<16> a, Vec<16> b, Vec<16> c, Vec<16> d, float* first, float* second) const {
    const __m512i in_order = bytes_of(a, b, c, d);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(first), _mm512_castsi512_si256(in_order));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(second), _mm512_extracti64x4_epi64(in_order, 1));
  }

  // Four pixels of 16 channels.
  REGNET_INLINE void operator()(Vec<16> a, Vec<16> b, Vec<16> c, Vec<16> d, float* of_a, float* of_b, float* of_c, float* of_d) const {
    const __m512i in_order = bytes_of(a, b, c, d);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(of_a), _mm512_castsi512_si128(in_order));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(of_b), _mm512_extracti32x4_epi32(in_order, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(of_c), _mm512_extracti32x4_epi32(in_order, 2));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(of_d), _mm512_extracti32x4_epi32(in_order, 3));
  }
};

#ifdef __AVX512BF16__
// Three planes to pixels of four bf16, of which the last is 0.
[[maybe_unused]] void weave(const float* planes, std::int64_t plane, int pixels, float* dst) {
  // Word 0 of a pixel holds the first two channels, word 1 the third.
  const __m512i low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23), high = _mm512_add_epi32(low, _mm512_set1_epi32(8));
  for (int x = 0; x < pixels; x += lanes) {
    const int count = smaller(lanes, pixels - x);
    const auto mask = static_cast<__mmask16>((1u << count) - 1);
    const auto plane_words = [&](int c) {
      return _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, planes + c * plane + x)));
    };
    const __m512i first = _mm512_or_si512(plane_words(0), _mm512_slli_epi32(plane_words(1), 16)), second = plane_words(2);
    const auto valid = [&](int from) {
      return static_cast<__mmask16>(count <= from ? 0 : (std::uint32_t{1} << smaller(16, 2 * (count - from))) - 1);
    };
    _mm512_mask_storeu_epi32(dst + 2 * x, valid(0), _mm512_permutex2var_epi32(first, low, second));
    _mm512_mask_storeu_epi32(dst + 2 * x + 16, valid(8), _mm512_permutex2var_epi32(first, high, second));
  }
}
#endif
