#include "weights/zip.hpp"

#include <algorithm>
#include <new>
#include <string>

#include <libdeflate.h>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>

#include "weights/byte_reader.hpp"

namespace regnet {

namespace {

constexpr std::size_t end_record_bytes = 22;
constexpr std::size_t end64_locator_bytes = 20;
constexpr std::uint32_t no_value32 = 0xffffffff;  // the value is in a ZIP64 record
constexpr std::uint16_t no_value16 = 0xffff;

// Deflate cannot do better than 1032 to 1 (zlib's technical notes say so), so a larger claim is a lie, told to make a reader allocate.
constexpr std::uint64_t max_deflate_ratio = 1032;

// What the deflated entries of an archive may add up to: so many times its size, and so much in any case, since a small file may well be all zeros.
constexpr std::uint64_t max_inflation = 16;
constexpr std::uint64_t inflation_for_all = std::uint64_t{1} << 24;

struct Directory {
  std::uint64_t count = 0;
  std::uint64_t bytes = 0;
  std::uint64_t offset = 0;
  std::size_t end_at = 0;  // where the records after it begin
};

void expect_one_disk(bool holds) {
  if (!holds) fail(Code::unsupported, "zip archive: one of several disks");
}

// The end record is followed by a comment of up to 64 kB, and its place can only be guessed from behind.
std::size_t find_end_record(std::span<const std::byte> bytes) {
  // Only there is looked, or a cut file would be gone through as a whole.
  const std::size_t before = bytes.size() - std::min<std::size_t>(bytes.size(), end_record_bytes + 0xffff);
  const std::string_view tail{reinterpret_cast<const char*>(bytes.data()) + before, bytes.size() - before};
  std::size_t from = std::string_view::npos;
  for (;;) {
    const std::size_t at = tail.rfind("PK\5\6", from);
    if (at == std::string_view::npos) break;
    if (tail.size() - at >= end_record_bytes) {
      ByteReader reader(bytes, "zip archive", before + at + 20);
      if (reader.little<std::uint16_t>() == reader.left()) return before + at;
    }
    if (at == 0) break;
    from = at - 1;
  }
  fail(Code::bad_format, "zip archive: no central directory at the end; the file is truncated or has bytes behind it");
}

void read_end64(std::span<const std::byte> bytes, std::size_t locator_at, Directory& directory) {
  ByteReader locator(bytes, "zip archive", locator_at + 4);
  const auto disk = locator.little<std::uint32_t>();
  const auto record_at = locator.little<std::uint64_t>();
  expect_one_disk(disk == 0 && locator.little<std::uint32_t>() <= 1);
  if (record_at >= locator_at) locator.refuse("the ZIP64 record lies behind its locator");
  ByteReader record(bytes, "zip archive", static_cast<std::size_t>(record_at));
  if (record.take_text(4) != "PK\6\6") record.refuse("expected a ZIP64 end record");
  record.take(12);  // its size, the versions of writer and reader
  const auto this_disk = record.little<std::uint32_t>();
  const auto directory_disk = record.little<std::uint32_t>();
  const auto count_here = record.little<std::uint64_t>();
  directory.count = record.little<std::uint64_t>();
  directory.bytes = record.little<std::uint64_t>();
  directory.offset = record.little<std::uint64_t>();
  directory.end_at = static_cast<std::size_t>(record_at);
  expect_one_disk(this_disk == 0 && directory_disk == 0 && count_here == directory.count);
}

Directory find_directory(std::span<const std::byte> bytes) {
  Directory directory;
  directory.end_at = find_end_record(bytes);
  ByteReader reader(bytes, "zip archive", directory.end_at + 4);
  const auto disk = reader.little<std::uint16_t>();
  const auto directory_disk = reader.little<std::uint16_t>();
  const auto count_here = reader.little<std::uint16_t>();
  directory.count = reader.little<std::uint16_t>();
  directory.bytes = reader.little<std::uint32_t>();
  directory.offset = reader.little<std::uint32_t>();
  const auto disk_known = [](std::uint16_t number) { return number == 0 || number == no_value16; };
  expect_one_disk(disk_known(disk) && disk_known(directory_disk) && count_here == directory.count);
  if (directory.end_at >= end64_locator_bytes) {
    const std::size_t locator_at = directory.end_at - end64_locator_bytes;
    if (ByteReader(bytes, "zip archive", locator_at).take_text(4) == "PK\6\7") read_end64(bytes, locator_at, directory);
  }
  if (directory.offset > directory.end_at || directory.bytes > directory.end_at - directory.offset)
    fail(Code::bad_format, "zip archive: the central directory does not fit before its end record");
  return directory;
}

// The sizes and the place that did not fit into 32 bits, from the extra field 0x0001.
void read_zip64_extra(ByteReader extra, std::uint64_t& size, std::uint64_t& packed, std::uint64_t& offset) {
  while (extra.left() >= 4) {
    const auto id = extra.little<std::uint16_t>();
    const auto field = extra.take(extra.little<std::uint16_t>());
    if (id != 1) continue;
    ByteReader values(field, "zip archive: ZIP64 field");
    for (std::uint64_t* value : {&size, &packed, &offset})
      if (*value == no_value32) *value = values.little<std::uint64_t>();
    return;
  }
}

void check_flags(std::uint16_t flags, std::uint16_t method, std::string_view name) {
  if (flags & 1) fail(Code::unsupported, "zip archive: ", in_quotes(name), " is encrypted");
  if (method != 0 && method != 8)
    fail(Code::unsupported, "zip archive: ", in_quotes(name), " is compressed by method ", method, "; known are 0 (stored) and 8 (deflated)");
}

// The bytes behind a local header, whose name and padding have lengths of their own.
std::span<const std::byte> locate(std::span<const std::byte> before_directory, std::uint64_t offset, std::uint64_t packed, std::string_view name) {
  if (offset > before_directory.size()) fail(Code::bad_format, "zip archive: ", in_quotes(name), " starts behind the data");
  ByteReader local(before_directory, "zip archive", static_cast<std::size_t>(offset));
  if (local.take_text(4) != "PK\3\4") local.refuse("expected the local header of ", in_quotes(name));
  local.take(22);  // said again in the directory, and there the sizes are never postponed
  const auto name_bytes = local.little<std::uint16_t>();
  const auto extra_bytes = local.little<std::uint16_t>();
  if (local.take_text(name_bytes) != name) local.refuse("the local header is not that of ", in_quotes(name));
  local.take(extra_bytes);
  if (packed > local.left()) local.refuse(in_quotes(name), " has ", packed, " bytes, with ", local.left(), " left");
  return local.take(packed);
}

ZipArchive::Entry read_entry(ByteReader& reader, std::span<const std::byte> before_directory) {
  if (reader.take_text(4) != "PK\1\2") reader.refuse("expected an entry of the central directory");
  reader.take(4);  // versions
  const auto flags = reader.little<std::uint16_t>();
  const auto method = reader.little<std::uint16_t>();
  reader.take(4);  // time, date
  ZipArchive::Entry entry;
  entry.crc = reader.little<std::uint32_t>();
  std::uint64_t packed = reader.little<std::uint32_t>();
  entry.size = reader.little<std::uint32_t>();
  const auto name_bytes = reader.little<std::uint16_t>();
  const auto extra_bytes = reader.little<std::uint16_t>();
  const auto comment_bytes = reader.little<std::uint16_t>();
  const auto disk = reader.little<std::uint16_t>();
  reader.take(6);  // attributes
  std::uint64_t offset = reader.little<std::uint32_t>();
  entry.name = reader.take_text(name_bytes);
  read_zip64_extra(ByteReader(reader.take(extra_bytes), "zip archive: extra field"), entry.size, packed, offset);
  reader.take(comment_bytes);
  expect_one_disk(disk == 0 || disk == no_value16);
  check_flags(flags, method, entry.name);
  entry.deflated = method == 8;
  entry.packed = locate(before_directory, offset, packed, entry.name);
  const bool possible = entry.deflated ? entry.size / max_deflate_ratio <= packed : entry.size == packed;
  if (!possible) fail(Code::bad_format, "zip archive: ", in_quotes(entry.name), " cannot be ", entry.size, " bytes, packed into ", packed);
  return entry;
}

// Entries that share bytes are how a small archive inflates to a huge one.
void check_overlap(const std::vector<ZipArchive::Entry>& entries) {
  std::vector<const ZipArchive::Entry*> order;
  for (const ZipArchive::Entry& entry : entries)
    if (!entry.packed.empty()) order.push_back(&entry);
  std::sort(order.begin(), order.end(), [](const auto* a, const auto* b) { return a->packed.data() < b->packed.data(); });
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i - 1]->packed.data() + order[i - 1]->packed.size() > order[i]->packed.data())
      fail(Code::bad_format, "zip archive: ", in_quotes(order[i - 1]->name), " and ", in_quotes(order[i]->name), " overlap");
}

std::vector<std::byte> inflated(std::span<const std::byte> packed, std::size_t size, std::string_view name) {
  const std::unique_ptr<libdeflate_decompressor, decltype(&::libdeflate_free_decompressor)> decompressor(::libdeflate_alloc_decompressor(),
                                                                                                         &::libdeflate_free_decompressor);
  if (!decompressor) throw std::bad_alloc();
  std::vector<std::byte> dst(size);
  std::size_t used = 0;
  const libdeflate_result result =
      ::libdeflate_deflate_decompress_ex(decompressor.get(), packed.data(), packed.size(), dst.data(), size, &used, nullptr);
  if (result != LIBDEFLATE_SUCCESS || used != packed.size())
    fail(Code::bad_format, "zip archive: ", in_quotes(name), " does not inflate to the ", size, " bytes it should have");
  return dst;
}

}  // namespace

ZipArchive::ZipArchive(std::span<const std::byte> bytes, const ByteOwner* owner)
    : x_owner(owner), x_inflatable(max_inflation * bytes.size() + inflation_for_all) {
  const Directory directory = find_directory(bytes);
  const auto offset = static_cast<std::size_t>(directory.offset);
  ByteReader reader(bytes.subspan(0, offset + static_cast<std::size_t>(directory.bytes)), "zip archive", offset);
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    x_entries.push_back(read_entry(reader, bytes.subspan(0, offset)));
    if (!x_index.emplace(x_entries.back().name, x_entries.size() - 1).second)
      fail(Code::bad_format, "zip archive: two entries are named ", in_quotes(x_entries.back().name));
  }
  if (reader.left() != 0) reader.refuse("the central directory has ", reader.left(), " bytes too many");
  check_overlap(x_entries);
}

const ZipArchive::Entry* ZipArchive::find(std::string_view name) const {
  const auto found = x_index.find(name);
  return found == x_index.end() ? nullptr : &x_entries[found->second];
}

std::uint32_t ZipArchive::checksum(std::span<const std::byte> content) const {
  constexpr std::size_t step = std::size_t{1} << 22;
  std::uint32_t crc = 0;
  for (; !content.empty(); content = content.subspan(std::min(step, content.size()))) {
    const auto part = content.first(std::min(step, content.size()));
    crc = ::libdeflate_crc32(crc, part.data(), part.size());
    if (x_owner) x_owner->release(part);
  }
  return crc;
}

ZipArchive::Content ZipArchive::read(const Entry& entry) {
  Content content{entry.packed, nullptr};
  if (entry.deflated) {
    if (entry.size > x_inflatable)
      fail(Code::unsupported, "zip archive: ", in_quotes(entry.name), " would inflate from ", entry.packed.size(), " to ", entry.size,
           " bytes, more than weights can; is it a zip bomb?");
    x_inflatable -= entry.size;
    content.owner = std::make_shared<const OwnedVector<std::byte>>(inflated(entry.packed, static_cast<std::size_t>(entry.size), entry.name));
    content.bytes = content.owner->bytes();
    if (x_owner) x_owner->release(entry.packed);
  }
  if (entry.crc != 0 && checksum(content.bytes) != entry.crc)
    fail(Code::bad_format, "zip archive: ", in_quotes(entry.name), " is damaged: its checksum is not the one written with it");
  return content;
}

}  // namespace regnet
