// MappedFile: a file's bytes, read-only, mapped so that a checkpoint costs no copy. Pages come from the
// page cache on first touch; the file must not be truncated while it is mapped.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace regnet {

class MappedFile {
 public:
  // Throws not_found or io, naming the path. An empty file gives an empty span.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return x_bytes; }

 private:
  std::span<const std::byte> x_bytes;
};

}  // namespace regnet
