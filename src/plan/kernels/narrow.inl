// What kernels with narrow outputs have in common, over the instruction set's own `wide`, the element that is neither u8 nor s8, and `widen` and
// `narrow`, which read and write N channels of an element as floats.

// Of so many channels, which are a multiple of 8.
constexpr int words(Element element, int channels) { return element == wide ? channels / per_word(wide) : channels / 4; }

// The means of what words hold, as it is.
template <Element element>
void average(const float* src, std::int64_t pixels, std::int64_t pixel, Range range, float* dst) {
  const float scale = 1.0f / static_cast<float>(pixels);
  for (int c = range.begin; c < range.end; c += 8) {  // ranges are of eights
    Vec<8> sum{};
    for (std::int64_t p = 0; p < pixels; ++p) sum += widen<8>(element, src + p * pixel + words(element, c));
    store<8>(dst + c, sum * scale);
  }
}

// The Format of direct.inl for outputs that are rounded. `Products` add the products of words, and make floats of the sums.
template <class Products>
struct Narrow {
  REGNET_INLINE static int words(const Convolution& layer, int channels) { return REGNET_ISA::words(layer.dst_element, channels); }
  REGNET_INLINE static int residual_words(const Convolution& layer, int channels) { return REGNET_ISA::words(layer.residual_element, channels); }
  REGNET_INLINE static std::int64_t residual_place(const Convolution& layer, std::int64_t place) {
    return kernels::residual_place(place, layer.dst_pixel, layer.residual_pixel);
  }
  template <int N>
  REGNET_INLINE static Vec<N> begin(const float*) {
    return Vec<N>{};
  }
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, float word) {
    return Products::template add<N>(sum, weights, word);
  }
#if REGNET_LANES == 16
  template <int N>
  REGNET_INLINE static Vec<N> add_products(Vec<N> sum, Vec<N> weights, Vec<N> words) {
    return Products::add(sum, weights, words);
  }
  REGNET_INLINE static Vec<lanes> spread(float word) { return Products::spread(word); }
  REGNET_INLINE static Vec<lanes> join(Vec<lanes> a, Vec<lanes> b) { return Products::join(a, b); }
#endif
  template <int N>
  REGNET_INLINE static void end(const Convolution& layer, Vec<N> sum, int channel, const float* bias, const float* residual, std::int64_t place,
                                float* dst) {
    Vec<N> value = Products::template finish<N>(layer, sum, bias, channel);
    if (residual) {
      const float* at = residual + residual_place(layer, place) + residual_words(layer, channel);
      value += widen<N>(layer.residual_element, at) * layer.residual_scale;
    }
    if (layer.relu) value = relu<N>(value);
    narrow<N>(layer.dst_element, value, dst + place + words(layer, channel));
  }
};

// Of what int8 leaves wide, where that is floats.
struct FloatProducts {
  template <int N>
  REGNET_INLINE static Vec<N> add(Vec<N> sum, Vec<N> weights, float word) {
    return sum + weights * word;
  }
  REGNET_INLINE static Vec<lanes> add(Vec<lanes> sum, Vec<lanes> weights, Vec<lanes> words) { return sum + weights * words; }
  REGNET_INLINE static Vec<lanes> spread(float word) { return in_all_lanes(word); }
  REGNET_INLINE static Vec<lanes> join(Vec<lanes> a, Vec<lanes> b) { return a + b; }
  template <int N>
  REGNET_INLINE static Vec<N> finish(const Convolution&, Vec<N> sum, const float* bias, int channel) {
    return sum + load<N>(bias + channel);
  }
};
