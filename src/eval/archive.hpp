// archive: a tar of images in, its members as bytes out. Plain tars are read in place; compressed ones (gzip, zstd, xz, bzip2) are unpacked once, into a
// temporary file that has no name and is gone with the process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include <regnet/base/byte_owner.hpp>

namespace regnet {

struct ArchiveMember {
  std::string name;  // with its folders, without a leading "./"
  std::span<const std::byte> bytes;
};

struct Archive {
  std::vector<ArchiveMember> members;  // regular files, in the order of the archive
  std::vector<std::shared_ptr<const ByteOwner>> owners;
};

// Whether the name ends like that of a tar (.tar, .tar.gz, .tgz, .tar.zst and so on).
bool is_archive_name(const std::filesystem::path& path);

// Throws not_found or io; bad_format, naming the file and the member, for what is no tar, is damaged or cut.
Archive open_archive(const std::filesystem::path& path);

}  // namespace regnet
