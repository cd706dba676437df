// MappedFile: a file's bytes, read-only, mapped so that a checkpoint costs no copy. Pages come from the
// page cache on first touch; the file must not be truncated while it is mapped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include <regnet/base/byte_owner.hpp>
#include <regnet/base/export.hpp>

namespace regnet {

class REGNET_API MappedFile final : public ByteOwner {
 public:
  // Throws not_found or io, naming the path. An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile() override;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept override { return x_bytes; }
  void release(std::span<const std::byte> part) const noexcept override;

 private:
  std::span<const std::byte> x_bytes;
};

}  // namespace regnet
