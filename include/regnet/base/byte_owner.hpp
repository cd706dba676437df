// ByteOwner: what keeps the bytes alive that views point into: a mapped file, or memory that something was unpacked into.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include <regnet/base/export.hpp>

namespace regnet {

class REGNET_API ByteOwner {
 public:
  ByteOwner() = default;
  virtual ~ByteOwner() = default;
  ByteOwner(const ByteOwner&) = delete;
  ByteOwner& operator=(const ByteOwner&) = delete;

  // All of them; they stay where they are as long as the owner lives.
  [[nodiscard]] virtual std::span<const std::byte> bytes() const noexcept = 0;

  // A hint that `part` is not needed soon. Pages of a file leave the process's memory and come back from the page cache when they are touched again, so
  // a file can be gone through in less memory than its size. Parts of other owners are ignored; any thread may still be reading.
  virtual void release([[maybe_unused]] std::span<const std::byte> part) const noexcept {}
};

// The bytes of a vector.
template <class Element>
class OwnedVector final : public ByteOwner {
 public:
  // Takes the elements over.
  explicit OwnedVector(std::vector<Element> elements) : x_elements(std::move(elements)) {}
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept override { return std::as_bytes(std::span(x_elements)); }
  // The elements, valid as long as the owner.
  [[nodiscard]] std::span<const Element> elements() const noexcept { return x_elements; }

 private:
  std::vector<Element> x_elements;
};

}  // namespace regnet
