#include <regnet/weights/convert.hpp>

#include <cerrno>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <regnet/weights/safetensors.hpp>

#include "base/fail_errno.hpp"

namespace regnet {

namespace {

// What wrappers put in front of all names; to_canonical made sure that the names have it in common.
std::size_t wrapper_length(Naming naming, std::string_view name) {
  std::size_t length = 0;
  while (!canonical_name(naming, name.substr(length))) {
    const std::size_t dot = name.find('.', length);
    if (dot == std::string_view::npos) fail(Code::mismatch, "the names have no prefix in common");
    length = dot + 1;
  }
  return length;
}

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

void check_target(const std::filesystem::path& path, Existing existing) {
  if (!path.has_filename()) fail(Code::io, path.string(), ": expected the name of a file");
  std::error_code error;
  const std::filesystem::file_status link = std::filesystem::symlink_status(path, error);
  if (!std::filesystem::exists(link)) return;  // an unreachable folder is reported when the file is made
  const std::filesystem::file_status target = std::filesystem::status(path, error);
  if (std::filesystem::exists(target) && !std::filesystem::is_regular_file(target)) fail(Code::io, path.string(), ": exists and is no regular file");
  if (existing == Existing::keep) fail(Code::io, path.string(), ": exists already, and is kept");
}

}  // namespace

TensorMap with_naming(const TensorMap& tensors, Naming naming) {
  const Naming from = to_canonical(tensors).naming;
  std::size_t prefix = 0;
  bool prefix_known = false;
  TensorMap out;
  for (const NamedTensor& tensor : tensors) {
    if (is_averaging_counter(tensor)) {
      out.add(tensor.name, tensor.view);
      continue;
    }
    if (!std::exchange(prefix_known, true)) prefix = wrapper_length(from, tensor.name);
    const std::optional<std::string> canonical = canonical_name(from, std::string_view(tensor.name).substr(prefix));
    if (!canonical) fail(Code::mismatch, in_quotes(tensor.name), ": no name of ", name_of(from));  // to_canonical knew it, so this is not reached
    out.add(foreign_name(naming, *canonical), tensor.view);
  }
  out.keep_alive_with(tensors);
  return out;
}

Checkpoint as_safetensors(const Checkpoint& checkpoint) {
  Checkpoint out;
  out.tensors = checkpoint.tensors;
  out.class_names = checkpoint.class_names;
  if (checkpoint.container == Container::safetensors) {
    out.metadata = checkpoint.metadata;
    return out;
  }
  for (const auto& [key, value] : checkpoint.metadata)
    if (key.starts_with("regnet.") && key != "regnet.classes") out.metadata[key] = value;
  out.metadata["format"] = "pt";
  if (!checkpoint.weights_key.empty()) out.metadata["regnet.weights_key"] = checkpoint.weights_key;
  return out;
}

void save_safetensors(const Checkpoint& checkpoint, const std::filesystem::path& path, Existing existing) {
  check_target(path, existing);
  TemporaryFile file(path);
  try {
    write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) { file.write(bytes); });
  } catch (const Error& error) {
    if (error.code() == Code::io) throw;
    fail(error.code(), path.string(), ": ", error.what());
  }
  file.take_its_name(existing);
}

}  // namespace regnet
