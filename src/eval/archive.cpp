#include "eval/archive.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <sys/mman.h>
#include <unistd.h>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

namespace regnet {

namespace {

// A file without a name that grows while an archive is unpacked, and is mapped afterwards.
class Unpacked final : public ByteOwner {
 public:
  Unpacked() = default;
  ~Unpacked() override {
    if (!x_bytes.empty()) ::munmap(const_cast<std::byte*>(x_bytes.data()), x_bytes.size());
    if (x_file >= 0) ::close(x_file);
  }

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept override { return x_bytes; }
  [[nodiscard]] std::size_t size() const { return x_size; }

  void append(std::span<const std::byte> bytes) {
    if (x_file < 0) create();
    while (!bytes.empty()) {
      const ssize_t written = ::write(x_file, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written <= 0) fail(Code::io, "cannot unpack to a temporary file in ", folder().string(), ": ", std::strerror(written < 0 ? errno : EIO));
      bytes = bytes.subspan(static_cast<std::size_t>(written));
      x_size += static_cast<std::size_t>(written);
    }
  }

  void map() {
    if (x_size == 0) return;
    void* address = ::mmap(nullptr, x_size, PROT_READ, MAP_SHARED, x_file, 0);
    if (address == MAP_FAILED) fail(Code::io, "cannot map the unpacked archive: ", std::strerror(errno));
    x_bytes = {static_cast<const std::byte*>(address), x_size};
  }

 private:
  static std::filesystem::path folder() { return std::filesystem::temp_directory_path(); }

  void create() {
    std::string name = (folder() / "regnet-XXXXXX").string();
    x_file = ::mkstemp(name.data());
    if (x_file < 0) fail(Code::io, "cannot make a temporary file in ", folder().string(), ": ", std::strerror(errno));
    ::unlink(name.c_str());
  }

  std::span<const std::byte> x_bytes;
  std::size_t x_size = 0;
  int x_file = -1;
};

// A member that was unpacked: its place is known before the file is mapped.
struct Place {
  std::size_t member = 0, offset = 0, size = 0;
};

class Reader {
 public:
  explicit Reader(std::shared_ptr<const MappedFile> file) : x_file(std::move(file)), x_archive(::archive_read_new(), &::archive_read_free) {
    if (!x_archive) throw std::bad_alloc();
    ::archive_read_support_filter_all(x_archive.get());
    ::archive_read_support_format_tar(x_archive.get());
    const std::span<const std::byte> bytes = x_file->bytes();
    if (::archive_read_open_memory(x_archive.get(), bytes.data(), bytes.size()) != ARCHIVE_OK) refuse("not a tar");
  }

  Archive read() {
    archive_entry* entry = nullptr;
    for (int status; (status = ::archive_read_next_header(x_archive.get(), &entry)) != ARCHIVE_EOF;) {
      if (status != ARCHIVE_OK && status != ARCHIVE_WARN) refuse(x_name.empty() ? "not a tar" : "damaged or cut behind " + in_quotes(x_name));
      const char* name = ::archive_entry_pathname(entry);
      x_name = name ? name : "";
      if (::archive_entry_filetype(entry) == AE_IFREG) read_member(static_cast<std::size_t>(std::max<la_int64_t>(0, ::archive_entry_size(entry))));
    }
    x_unpacked->map();
    for (const Place& place : x_places) x_result.members[place.member].bytes = x_unpacked->bytes().subspan(place.offset, place.size);
    x_result.owners = {x_file, x_unpacked};
    return std::move(x_result);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) {
    const char* detail = ::archive_error_string(x_archive.get());
    fail(Code::bad_format, what, detail ? " (" + printable(detail) + ")" : "");
  }

  [[nodiscard]] bool in_file(const std::byte* at, std::size_t size) const {
    const std::span<const std::byte> bytes = x_file->bytes();
    return !std::less<>{}(at, bytes.data()) && size <= bytes.size() && !std::less<>{}(bytes.data() + (bytes.size() - size), at);
  }

  void read_member(std::size_t size) {
    ArchiveMember member{x_name.starts_with("./") ? x_name.substr(2) : x_name, {}};
    Place place{x_result.members.size(), x_unpacked->size(), 0};
    const void* block = nullptr;
    std::size_t count = 0;
    la_int64_t at = 0;
    std::size_t expected_at = 0;
    for (int status; (status = ::archive_read_data_block(x_archive.get(), &block, &count, &at)) != ARCHIVE_EOF;) {
      if (status != ARCHIVE_OK) refuse("member " + in_quotes(x_name) + " is damaged or cut");
      const auto* bytes = static_cast<const std::byte*>(block);
      if (at < 0 || static_cast<std::size_t>(at) != expected_at) refuse("member " + in_quotes(x_name) + " has holes");
      expected_at += count;
      // Without compression a block is a window onto the file, and the whole member.
      if (count == size && in_file(bytes, count)) member.bytes = {bytes, count};
      else x_unpacked->append({bytes, count});
    }
    if (expected_at != size) refuse("member " + in_quotes(x_name) + " is cut");
    place.size = x_unpacked->size() - place.offset;
    if (place.size > 0) x_places.push_back(place);
    x_result.members.push_back(std::move(member));
  }

  std::shared_ptr<const MappedFile> x_file;
  std::shared_ptr<Unpacked> x_unpacked = std::make_shared<Unpacked>();
  std::unique_ptr<archive, decltype(&::archive_read_free)> x_archive;
  std::vector<Place> x_places;
  std::string x_name;  // of the last entry
  Archive x_result;
};

}  // namespace

bool is_archive_name(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  for (char& c : name)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  constexpr std::array endings{".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.xz", ".txz", ".tar.bz2", ".tbz2"};
  return std::any_of(endings.begin(), endings.end(), [&](const char* ending) { return name.ends_with(ending); });
}

Archive open_archive(const std::filesystem::path& path) {
  auto file = std::make_shared<const MappedFile>(path);
  try {
    return Reader(std::move(file)).read();
  } catch (const Error& error) {
    fail(error.code(), path.string(), ": ", error.what());
  }
}

}  // namespace regnet
