#include <regnet/base/mapped_file.hpp>

#include <cerrno>
#include <cstdint>
#include <functional>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <regnet/base/error.hpp>

#include "base/fail_errno.hpp"

namespace regnet {

MappedFile::MappedFile(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);  // or a pipe would wait for a writer
  if (file < 0) fail_errno(path, errno);
  struct Close {
    int file;
    ~Close() { ::close(file); }
  } close{file};
  struct stat status {};
  if (::fstat(file, &status) != 0) fail_errno(path, errno);
  if (S_ISDIR(status.st_mode)) fail(Code::io, path.string(), ": expected a file, found a directory");
  if (!S_ISREG(status.st_mode)) fail(Code::io, path.string(), ": expected a regular file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
  if (address == MAP_FAILED) fail_errno(path, errno);
  x_bytes = {static_cast<const std::byte*>(address), size};
}

MappedFile::~MappedFile() {
  if (!x_bytes.empty()) ::munmap(const_cast<std::byte*>(x_bytes.data()), x_bytes.size());
}

void MappedFile::release(std::span<const std::byte> part) const noexcept {
  const std::byte* const end = x_bytes.data() + x_bytes.size();
  if (part.empty() || std::less<>{}(part.data(), x_bytes.data()) || !std::less<>{}(part.data(), end)) return;
  // Whole pages, the first one too: whoever needs its beginning gets it back from the page cache.
  const auto page = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t begin = static_cast<std::size_t>(part.data() - x_bytes.data()) / page * page;
  ::madvise(const_cast<std::byte*>(x_bytes.data()) + begin, static_cast<std::size_t>(part.data() + part.size() - x_bytes.data()) - begin,
            MADV_DONTNEED);
}

}  // namespace regnet
