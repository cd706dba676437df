// Archives: the directory, then every entry.
#include "weights/zip.hpp"
#include "fuzz/target.hpp"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) {
    regnet::ZipArchive archive(bytes);
    std::uint64_t inflated = 0;
    for (const regnet::ZipArchive::Entry& entry : archive.entries()) {
      regnet::fuzz::promise(archive.find(entry.name) == &entry, "an entry is found by its name");
      const regnet::ZipArchive::Content content = archive.read(entry);
      regnet::fuzz::promise(content.bytes.size() == entry.size, "an entry has the size that the directory says");
      if (content.owner) inflated += content.bytes.size();
    }
    regnet::fuzz::promise(inflated <= 16 * bytes.size() + (std::uint64_t{1} << 24), "no more is inflated than the archive can justify");
  });
}
