// zip: the bytes of a zip archive in, its entries out. Stored entries are windows onto the archive, deflated ones are inflated on request.
// Source: PKWARE's APPNOTE.TXT 6.3.10.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <regnet/base/byte_owner.hpp>

namespace regnet {

class ZipArchive {
 public:
  struct Entry {
    std::string_view name;  // as in the archive, with its folders
    std::uint64_t size = 0;
    std::span<const std::byte> packed;
    std::uint32_t crc = 0;
    bool deflated = false;
  };

  struct Content {
    std::span<const std::byte> bytes;
    std::shared_ptr<const ByteOwner> owner;  // of inflated bytes; null where they are a window onto the archive
  };

  // Reads the central directory. Throws bad_format (damage, names that repeat, entries that overlap) or unsupported (encryption, other
  // compressions, several disks). The archive is a view of `bytes`; `owner`, which may be null, is told which of them have been gone through.
  explicit ZipArchive(std::span<const std::byte> bytes, const ByteOwner* owner = nullptr);

  [[nodiscard]] const std::vector<Entry>& entries() const { return x_entries; }
  [[nodiscard]] const Entry* find(std::string_view name) const;

  // Throws bad_format when the content is not of the size and checksum that the directory says. A checksum of 0 is not looked at: it is
  // what torch.save writes when it was told not to compute any. Throws unsupported for deflated entries that together would be more than 16 times the
  // archive and 16 MiB: weights do not compress like that, bombs do.
  [[nodiscard]] Content read(const Entry& entry);

 private:
  [[nodiscard]] std::uint32_t checksum(std::span<const std::byte> content) const;

  const ByteOwner* x_owner = nullptr;
  std::uint64_t x_inflatable = 0;  // bytes that may still be inflated
  std::vector<Entry> x_entries;
  std::unordered_map<std::string_view, std::size_t> x_index;
};

}  // namespace regnet
