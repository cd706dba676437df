// writers: pickles, zip archives and checkpoints put together by hand, for the tests of the readers. Fragments are strings of bytes
// that are joined; nothing checks them, so that damage and malice can be written as easily as the real thing.
#pragma once

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>

#include <regnet/base/error.hpp>
#include <regnet/base/tensor_view.hpp>
#include <regnet/weights/tensor_map.hpp>

// GCC 12 sees overlap in "literal" + std::string (its bug 105651), which these tests are full of.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic ignored "-Wrestrict"
#endif

namespace regnet::writers {

template <class T>
std::string little(T value) {
  std::string out(sizeof(T), '\0');
  std::memcpy(out.data(), &value, sizeof(T));
  return out;
}

inline std::string floats(const std::vector<float>& values) { return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)}; }

// The bytes as an owned copy on the heap, sized exactly, so that the address sanitizer sees any step outside.
struct Owned {
  explicit Owned(const std::string& text) {
    const auto bytes = std::as_bytes(std::span(text));
    data = std::make_shared<const OwnedVector<std::byte>>(std::vector<std::byte>(bytes.begin(), bytes.end()));
  }
  [[nodiscard]] std::span<const std::byte> bytes() const { return data->bytes(); }
  std::shared_ptr<const ByteOwner> data;
};

// Pickle

inline std::string str(const std::string& text) { return "X" + little(static_cast<std::uint32_t>(text.size())) + text; }
inline std::string integer(std::int64_t value) {
  if (value >= 0 && value < 256) return "K" + std::string(1, static_cast<char>(value));
  return "\x8a\x08" + little(value);
}
inline std::string joined(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& part : parts) out += part;
  return out;
}
inline std::string tuple(const std::vector<std::string>& items) { return "(" + joined(items) + "t"; }
inline std::string list(const std::vector<std::string>& items) { return "](" + joined(items) + "e"; }
inline std::string global(const std::string& module, const std::string& name) { return "c" + module + "\n" + name + "\n"; }
inline std::string call(const std::string& callee, const std::string& arguments) { return callee + arguments + "R"; }

using Items = std::vector<std::pair<std::string, std::string>>;  // keys as plain text, values as fragments
inline std::string filled(const Items& items) {
  std::string out = "(";
  for (const auto& [key, value] : items) out += str(key) + value;
  return out + "u";
}
inline std::string dict(const Items& items) { return "}" + filled(items); }
inline std::string ordered_dict(const Items& items) { return call(global("collections", "OrderedDict"), ")") + filled(items); }

inline std::string integers(const std::vector<std::int64_t>& values) {
  std::vector<std::string> items;
  for (const std::int64_t value : values) items.push_back(integer(value));
  return tuple(items);
}

inline std::string storage(const std::string& type, const std::string& key, std::int64_t count) {
  return tuple({str("storage"), global("torch", type), str(key), str("cpu"), integer(count)}) + "Q";
}

// As torch writes it: storage, offset, size, stride, requires_grad, hooks.
inline std::string tensor(const std::string& storage_fragment, std::int64_t offset, const std::vector<std::int64_t>& shape,
                          const std::vector<std::int64_t>& strides) {
  return call(global("torch._utils", "_rebuild_tensor_v2"),
              tuple({storage_fragment, integer(offset), integers(shape), integers(strides), "\x89", ordered_dict({})}));
}

inline std::string parameter(const std::string& data) {
  return call(global("torch._utils", "_rebuild_parameter"), tuple({data, "\x88", ordered_dict({})}));
}

// What os.system("...") looks like when a class's __reduce__ asks for it.
inline std::string evil() { return call(global("posix", "system"), tuple({str("touch regnet-was-here")})); }

inline std::string program(const std::string& value) { return "\x80\x02" + value + "."; }

// Zip

struct ZipEntry {
  std::string name;
  std::string content;
  bool deflated = false;
  std::uint16_t flags = 0;
  std::uint16_t method = 0xffff;     // 0xffff: as `deflated` says
  std::int64_t claimed_size = -1;    // -1: the true one
  std::int64_t claimed_crc = -1;     // -1: the true one
  std::int64_t claimed_offset = -1;  // -1: the true one
};

inline std::string deflate_raw(const std::string& content) {
  z_stream stream{};
  deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 9, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, static_cast<uLong>(content.size())), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(content.data()));
  stream.avail_in = static_cast<uInt>(content.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

inline std::string zip(const std::vector<ZipEntry>& entries, bool zip64 = false) {
  const auto u16 = [](std::size_t value) { return little(static_cast<std::uint16_t>(value)); };
  const auto u32 = [](std::size_t value) { return little(static_cast<std::uint32_t>(value)); };
  const auto u64 = [](std::size_t value) { return little(static_cast<std::uint64_t>(value)); };
  std::string out, directory;
  for (const ZipEntry& entry : entries) {
    const std::string packed = entry.deflated ? deflate_raw(entry.content) : entry.content;
    const std::size_t method = entry.method != 0xffff ? entry.method : entry.deflated ? 8 : 0;
    const auto true_crc = ::crc32(0, reinterpret_cast<const Bytef*>(entry.content.data()), static_cast<uInt>(entry.content.size()));
    const std::size_t crc = entry.claimed_crc >= 0 ? static_cast<std::size_t>(entry.claimed_crc) : true_crc;
    const std::size_t size = entry.claimed_size >= 0 ? static_cast<std::size_t>(entry.claimed_size) : entry.content.size();
    const std::size_t offset = entry.claimed_offset >= 0 ? static_cast<std::size_t>(entry.claimed_offset) : out.size();
    const std::string sizes = zip64 ? u32(0xffffffff) + u32(0xffffffff) : u32(packed.size()) + u32(size);
    const std::string extra = zip64 ? u16(1) + u16(24) + u64(size) + u64(packed.size()) + u64(offset) : "";
    const std::string padding = "FB" + u16(3) + "ZZZ";  // torch aligns its data with such fields, in local headers only
    const std::string common = u16(entry.flags) + u16(method) + u32(0) + u32(crc);
    out +=
        "PK\3\4" + u16(20) + common + u32(packed.size()) + u32(size) + u16(entry.name.size()) + u16(padding.size()) + entry.name + padding + packed;
    directory += "PK\1\2" + u16(20) + u16(20) + common + sizes + u16(entry.name.size()) + u16(extra.size()) + u16(0) + u16(0) + u16(0) + u32(0) +
                 u32(zip64 ? 0xffffffff : offset) + entry.name + extra;
  }
  const std::size_t directory_at = out.size(), count = entries.size();
  out += directory;
  if (zip64) {
    const std::size_t record_at = out.size();
    out += "PK\6\6" + u64(44) + u16(45) + u16(45) + u32(0) + u32(0) + u64(count) + u64(count) + u64(directory.size()) + u64(directory_at);
    out += "PK\6\7" + u32(0) + u64(record_at) + u32(1);
  }
  const std::size_t told = zip64 ? 0xffff : count;
  return out + "PK\5\6" + u16(0) + u16(0) + u16(told) + u16(told) + u32(zip64 ? 0xffffffff : directory.size()) +
         u32(zip64 ? 0xffffffff : directory_at) + u16(0);
}

// Checkpoints

struct StorageData {
  std::string key;
  std::int64_t count = 0;
  std::string bytes;
};

inline std::vector<ZipEntry> torch_zip_entries(const std::string& object, const std::vector<StorageData>& storages,
                                               const std::string& root = "archive/") {
  std::vector<ZipEntry> entries{{root + "data.pkl", program(object)}, {root + "byteorder", "little"}};
  for (const StorageData& data : storages) entries.push_back({root + "data/" + data.key, data.bytes});
  entries.push_back({root + "version", "3\n"});
  return entries;
}

inline std::string torch_zip(const std::string& object, const std::vector<StorageData>& storages) { return zip(torch_zip_entries(object, storages)); }

inline std::string torch_legacy(const std::string& object, const std::vector<StorageData>& storages) {
  std::vector<std::string> keys;
  std::string data;
  for (const StorageData& entry : storages) {
    keys.push_back(str(entry.key));
    data += little(entry.count) + entry.bytes;
  }
  const std::string magic = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";
  const std::string system = dict({{"protocol_version", integer(1001)}, {"little_endian", "\x88"}, {"type_sizes", dict({{"int", integer(4)}})}});
  return program(magic) + program(integer(1001)) + program(system) + program(object) + program(list(keys)) + data;
}

inline std::string safetensors(const std::string& header, const std::string& data) {
  return little(static_cast<std::uint64_t>(header.size())) + header + data;
}

// A file that is gone at the end of the scope.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    static int number = 0;
    x_path = std::filesystem::temp_directory_path() / ("regnet-test-" + std::to_string(::getpid()) + "-" + std::to_string(number++));
    std::ofstream(x_path, std::ios::binary) << content;
  }
  ~TemporaryFile() { std::filesystem::remove(x_path); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  [[nodiscard]] const std::filesystem::path& path() const { return x_path; }

 private:
  std::filesystem::path x_path;
};

inline std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Checking

// Expects `act` to throw an Error with this code and these words in its message.
template <class Act>
void expect_error(Code code, const std::string& words, Act act) {
  try {
    act();
    ADD_FAILURE() << "expected an error that says \"" << words << "\"";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), code) << error.what();
    EXPECT_NE(std::string(error.what()).find(words), std::string::npos) << "expected \"" << words << "\" in: " << error.what();
  }
}

// Reads foreign bytes and touches every element. Anything but success or an Error is a failure, as is a report of a sanitizer.
template <class Read>
bool reads_or_refuses(const std::string& text, Read read) {
  const Owned owned(text);
  try {
    const Checkpoint checkpoint = read(owned.bytes());
    for (const NamedTensor& tensor : checkpoint.tensors) to_floats(tensor.view);
    return true;
  } catch (const Error&) {
    return false;
  }
}

// The two properties of every reader of a damaged file.
template <class Read>
void expect_truncations_refused(const std::string& good, Read read, std::size_t step = 1) {
  for (std::size_t size = 0; size < good.size(); size += step)
    ASSERT_FALSE(reads_or_refuses(good.substr(0, size), read)) << "a file of " << good.size() << " bytes, cut to " << size;
}

template <class Read>
void expect_flips_survived(const std::string& good, Read read, std::size_t step = 1) {
  for (std::size_t at = 0; at < good.size(); at += step)
    for (const unsigned char bits : {0x01, 0x80, 0xff}) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(static_cast<unsigned char>(damaged[at]) ^ bits);
      reads_or_refuses(damaged, read);
    }
}

}  // namespace regnet::writers
