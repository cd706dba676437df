// TemporaryFile: a file that gets its name when all of it is on the disk, and is gone when anything fails.
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <span>
#include <string>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <regnet/base/error.hpp>
#include <regnet/base/existing.hpp>

#include "base/fail_errno.hpp"

namespace regnet {

// A file that is there only until it gets its name.
class TemporaryFile {
 public:
  // Beside `target`, because a file cannot be renamed from one file system to another.
  explicit TemporaryFile(const std::filesystem::path& target) : x_target(target) {
    constexpr int attempts = 1000;
    for (int i = 0; i < attempts && x_file < 0; ++i) {
      x_path = folder() / text(".regnet-", ::getpid(), "-", i, ".partial");
      x_file = ::open(x_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
      if (x_file < 0 && errno != EEXIST) break;
    }
    if (x_file < 0) fail_errno(folder(), errno);
  }
  ~TemporaryFile() {
    if (x_file >= 0) ::close(x_file);
    if (!x_path.empty()) ::unlink(x_path.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(x_file, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail_errno(x_target, written < 0 ? errno : EIO);
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    }
  }

  void take_its_name(Existing existing) {
    if (::fsync(x_file) != 0) fail_errno(x_target, errno);
    if (::close(std::exchange(x_file, -1)) != 0) fail_errno(x_target, errno);
    if (existing == Existing::replace) {
      if (::rename(x_path.c_str(), x_target.c_str()) != 0) fail_errno(x_target, errno);
      x_path.clear();
    } else {
      rename_to_new();
    }
    const int opened = ::open(folder().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (opened < 0) return;
    ::fsync(opened);  // the name too; some file systems cannot, and the file is there all the same
    ::close(opened);
  }

 private:
  // Both ways fail when the name is taken. A file system may lack the one or the other.
  void rename_to_new() {
    if (::renameat2(AT_FDCWD, x_path.c_str(), AT_FDCWD, x_target.c_str(), RENAME_NOREPLACE) == 0) {
      x_path.clear();
      return;
    }
    if (errno != EEXIST && ::link(x_path.c_str(), x_target.c_str()) == 0) return;  // the destructor removes the other name
    if (errno == EEXIST) fail(Code::io, x_target.string(), ": exists already, and is kept");
    fail_errno(x_target, errno);
  }

  [[nodiscard]] std::filesystem::path folder() const { return x_target.has_parent_path() ? x_target.parent_path() : std::filesystem::path("."); }

  std::filesystem::path x_target, x_path;
  int x_file = -1;
};

// Refuses what must not be replaced, before any work is done.
inline void check_target(const std::filesystem::path& path, Existing existing) {
  if (!path.has_filename()) fail(Code::io, path.string(), ": expected the name of a file");
  std::error_code error;
  const std::filesystem::file_status link = std::filesystem::symlink_status(path, error);
  if (!std::filesystem::exists(link)) return;  // an unreachable folder is reported when the file is made
  const std::filesystem::file_status target = std::filesystem::status(path, error);
  if (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target)) fail(Code::io, path.string(), ": exists and is no regular file");
  if (existing == Existing::keep) fail(Code::io, path.string(), ": exists already, and is kept");
}

}  // namespace regnet
