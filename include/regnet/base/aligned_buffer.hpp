// AlignedBuffer: floats that start on a cache line, owned and movable. Every tensor that a kernel
// touches lives in one.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <span>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace regnet {

class AlignedBuffer {
 public:
  static constexpr std::size_t alignment = 64;  // one cache line and one AVX-512 register

  AlignedBuffer() = default;

  // Zeroed. Throws std::bad_alloc.
  explicit AlignedBuffer(std::size_t count) : AlignedBuffer(uninitialised(count)) {
    if (x_data) std::memset(x_data.get(), 0, count * sizeof(float));
  }

  // For what is written before it is read. Throws std::bad_alloc.
  static AlignedBuffer uninitialised(std::size_t count) {
    AlignedBuffer buffer;
    buffer.allocate(count);
    return buffer;
  }

  [[nodiscard]] float* data() noexcept { return x_data.get(); }
  [[nodiscard]] const float* data() const noexcept { return x_data.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return x_data ? x_count : 0; }
  [[nodiscard]] std::span<float> span() noexcept { return {x_data.get(), size()}; }
  [[nodiscard]] std::span<const float> span() const noexcept { return {x_data.get(), size()}; }

 private:
  static constexpr std::size_t large_page = std::size_t{2} << 20;

  void allocate(std::size_t count) {
    x_count = count;
    if (count == 0) return;
    if (count > (static_cast<std::size_t>(-1) - alignment) / sizeof(float)) throw std::bad_alloc();
    // Large ones on large pages where the system gives such: a walk through the weights of a network then costs hundreds of address translations instead of 10,000.
    const std::size_t unit = count * sizeof(float) >= 2 * large_page ? large_page : alignment;
    const std::size_t bytes = (count * sizeof(float) + unit - 1) / unit * unit;
    x_data.reset(static_cast<float*>(std::aligned_alloc(unit, bytes)));
    if (!x_data) throw std::bad_alloc();
#if defined(MADV_HUGEPAGE)
    if (unit == large_page) ::madvise(x_data.get(), bytes, MADV_HUGEPAGE);
#endif
  }

  struct Free {
    void operator()(float* pointer) const noexcept { std::free(pointer); }
  };
  std::unique_ptr<float, Free> x_data;
  std::size_t x_count = 0;
};

}  // namespace regnet
