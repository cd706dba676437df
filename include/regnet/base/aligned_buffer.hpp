// AlignedBuffer: floats that start on a cache line, owned and movable. Every tensor that a kernel
// touches lives in one.
#pragma once

#include <cstddef>
#include <cstdint>
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
    // Pages from the system are zero already, and take no memory until they are touched.
    if (x_data && x_data.get_deleter().mapped == 0) std::memset(x_data.get(), 0, count * sizeof(float));
  }

  // For what is written before it is read. Throws std::bad_alloc.
  static AlignedBuffer uninitialised(std::size_t count) {
    AlignedBuffer buffer;
    buffer.allocate(count);
    return buffer;
  }

  // The floats, on a cache line; nullptr and none when the buffer is empty or was moved from. They stay where they are when the buffer is moved.
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
    if (count > (static_cast<std::size_t>(-1) - 2 * large_page) / sizeof(float)) throw std::bad_alloc();
    const std::size_t bytes = (count * sizeof(float) + alignment - 1) / alignment * alignment;
#if defined(__linux__)
    if (bytes >= 2 * large_page) return map(bytes);
#endif
    x_data.reset(static_cast<float*>(std::aligned_alloc(alignment, bytes)));
    if (!x_data) throw std::bad_alloc();
  }

#if defined(__linux__)
  // On large pages where the system gives such: a walk through the weights of a network then costs hundreds of address translations instead of 10,000.
  void map(std::size_t bytes) {
    const std::size_t on_large_pages = bytes / large_page * large_page;  // what is left takes small ones, as far as it is touched
    bytes = (bytes + large_page - 1) / large_page * large_page;
    void* all = ::mmap(nullptr, bytes + large_page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all == MAP_FAILED) throw std::bad_alloc();
    const std::size_t before = (large_page - reinterpret_cast<std::uintptr_t>(all) % large_page) % large_page;
    char* begin = static_cast<char*>(all) + before;
    if (before > 0) ::munmap(all, before);
    ::munmap(begin + bytes, large_page - before);
    ::madvise(begin, on_large_pages, MADV_HUGEPAGE);
    x_data = std::unique_ptr<float, Free>(reinterpret_cast<float*>(begin), Free{bytes});
  }
#endif

  struct Free {
    std::size_t mapped;  // bytes; 0: from aligned_alloc
    Free() noexcept : mapped(0) {}
    explicit Free(std::size_t bytes) noexcept : mapped(bytes) {}
    void operator()(float* pointer) const noexcept {
#if defined(__linux__)
      if (mapped > 0) {
        ::munmap(pointer, mapped);
        return;
      }
#endif
      std::free(pointer);
    }
  };
  std::unique_ptr<float, Free> x_data;
  std::size_t x_count = 0;
};

}  // namespace regnet
