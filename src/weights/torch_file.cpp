#include <regnet/weights/torch_file.hpp>

#include <optional>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <regnet/base/foreign_text.hpp>

#include "weights/byte_reader.hpp"
#include "weights/pickle.hpp"
#include "weights/state_dict.hpp"
#include "weights/torch_tensor.hpp"
#include "weights/zip.hpp"

namespace regnet {

namespace {

using pickle::Heap;
using pickle::Kind;
using pickle::Program;
using pickle::Value;
using torch::StorageId;

// Where no weights are found, what the file wanted to have called instead may be the reason.
torch::StateDictFinder::Found find(torch::StateDictFinder& finder, const std::string& weights_key, const std::vector<std::string>& refused_globals) {
  try {
    return finder.find(weights_key);
  } catch (const Error& error) {
    if (refused_globals.empty() || error.code() != Code::unsupported) throw;
    constexpr std::size_t limit = 4;
    std::string names;
    for (std::size_t i = 0; i < refused_globals.size() && i < limit; ++i) names += (i ? ", " : "") + refused_globals[i];
    fail(error.code(), error.what(), "; it calls ", names, refused_globals.size() > limit ? ", ..." : "", ", which this reader does not");
  }
}

Checkpoint assemble(Container container, const Program& program, const torch::StorageLookup& lookup, const std::string& weights_key,
                    std::size_t file_bytes) {
  Checkpoint checkpoint;
  checkpoint.container = container;
  for (const std::string_view name : program.globals)
    if (!torch::is_known_global(name)) checkpoint.refused_globals.push_back(printable(name, 1000));
  torch::StateDictFinder finder(*program.result);
  const torch::StateDictFinder::Found found = find(finder, weights_key, checkpoint.refused_globals);
  checkpoint.weights_key = found.key;
  checkpoint.weights_reason = found.reason;
  checkpoint.other_weights_keys = finder.others(found);
  const std::vector<std::string> averaged = finder.averaged_keys();
  if (!averaged.empty()) checkpoint.ema_key = averaged[0];
  torch::add_found_tensors(*found.dict, lookup, checkpoint.tensors);
  torch::check_repetition(checkpoint.tensors, file_bytes);
  checkpoint.metadata = finder.metadata();
  checkpoint.class_names = finder.class_names();
  return checkpoint;
}

// Zip archives

// What the names of all entries begin with: "archive/", the stem of the file's first name, or nothing.
std::string find_root(const ZipArchive& archive) {
  constexpr std::string_view file = "data.pkl";
  std::optional<std::string> root;
  for (const ZipArchive::Entry& entry : archive.entries()) {
    const std::string_view name = entry.name;
    if (!name.ends_with(file) || (name.size() > file.size() && name[name.size() - file.size() - 1] != '/')) continue;
    if (root) fail(Code::bad_format, "zip archive: both ", in_quotes(*root + std::string(file)), " and ", in_quotes(name));
    root = std::string(name.substr(0, name.size() - file.size()));
  }
  if (root) return *root;
  const std::string first = archive.entries().empty() ? "nothing" : in_quotes(archive.entries().front().name);
  fail(Code::unsupported, "a zip archive that torch.save did not write: no entry data.pkl; it holds ", first);
}

void refuse_other_kinds(ZipArchive& archive, const std::string& root) {
  bool script = archive.find(root + "constants.pkl") != nullptr;
  for (const ZipArchive::Entry& entry : archive.entries()) script = script || entry.name.starts_with(root + "code/");
  if (script) fail(Code::unsupported, "a TorchScript archive, which holds a program; save the weights alone: torch.save(model.state_dict(), path)");
  const ZipArchive::Entry* order = archive.find(root + "byteorder");
  if (!order) return;  // before torch 2.1; all were little endian
  const ZipArchive::Content content = archive.read(*order);
  const std::string_view value{reinterpret_cast<const char*>(content.bytes.data()), content.bytes.size()};
  if (value == "big") fail(Code::unsupported, "byte order \"big\"; save the file again on a little-endian machine");
  if (value != "little") fail(Code::bad_format, "byteorder: expected \"little\", found ", in_quotes(value));
}

// Legacy streams: five pickles, then the storages one behind the other

struct LegacyStream {
  Program object;
  std::vector<std::string_view> keys;  // of the storages, in their order
  std::size_t end = 0;                 // of the pickles
};

// The integer 0x1950a86a20f9469cfc6c as pickle writes it: LONG1, ten bytes, little endian.
constexpr std::string_view magic_number = "\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

LegacyStream run_pickles(std::span<const std::byte> bytes, Heap& heap) {
  const std::string_view beginning{reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 64)};
  if (beginning.find(magic_number) == std::string_view::npos) fail(Code::unsupported, "a pickle that torch.save did not write: no magic number");
  const Program magic = pickle::run(bytes, 0, "magic number", heap);
  if (magic.result->kind != Kind::big_integer || magic.result->text != magic_number.substr(2))
    fail(Code::unsupported, "a pickle that torch.save did not write: no magic number");
  const Program version = pickle::run(bytes, magic.end, "protocol version", heap);
  if (version.result->kind != Kind::integer || version.result->integer != 1001)
    fail(Code::unsupported, "protocol version: expected 1001, found ", version.result->integer);
  // Its little_endian tells of the machine; the file is little endian either way (torch/csrc/serialization.cpp).
  const Program system = pickle::run(bytes, version.end, "sys_info", heap);
  LegacyStream stream;
  stream.object = pickle::run(bytes, system.end, "pickle", heap);
  const Program keys = pickle::run(bytes, stream.object.end, "list of storages", heap);
  stream.end = keys.end;
  if (keys.result->kind != Kind::list) fail(Code::bad_format, "list of storages: found a ", name_of(keys.result->kind));
  for (const Value* key : keys.result->items) {
    if (key->kind != Kind::string) fail(Code::bad_format, "list of storages: expected a str, found a ", name_of(key->kind));
    stream.keys.push_back(key->text);
  }
  return stream;
}

using Storages = std::unordered_map<std::string_view, std::span<const std::byte>>;

// A storage's size in bytes depends on the class that the pickle first names it with. The pages around each storage's count are given back, and a cut file is found out before
// any is read: else a file of half a gigabyte would be in memory by its counts alone.
Storages cut_storages(std::span<const std::byte> bytes, const ByteOwner* owner, const LegacyStream& stream) {
  std::unordered_map<std::string_view, StorageId> ids;
  for (const Value* persistent : stream.object.persistents)
    if (const std::optional<StorageId> id = torch::storage_id(*persistent)) ids.emplace(id->key, *id);
  Storages storages;
  ByteReader reader(bytes, "storages", stream.end);
  std::uint64_t left = reader.left();
  for (const std::string_view key : stream.keys) {
    const auto id = ids.find(key);
    if (id == ids.end()) reader.refuse("nothing in the pickle uses storage ", in_quotes(key));
    if (left < sizeof(std::uint64_t) || id->second.bytes() > left - sizeof(std::uint64_t))
      reader.refuse("storage ", in_quotes(key), " of ", id->second.bytes(), " bytes, with ", left, " left; is the file truncated?");
    left -= sizeof(std::uint64_t) + id->second.bytes();
  }
  for (const std::string_view key : stream.keys) {
    const auto id = ids.find(key);
    const auto count = reader.little<std::uint64_t>();
    if (count != static_cast<std::uint64_t>(id->second.count))
      reader.refuse("storage ", in_quotes(key), " of ", count, " elements, of which the pickle says ", id->second.count);
    const std::span<const std::byte> storage = reader.take(id->second.bytes());
    if (owner) owner->release(storage);
    if (!storages.emplace(key, storage).second) reader.refuse("storage ", in_quotes(key), " comes twice");
  }
  if (reader.left() != 0) reader.refuse(reader.left(), " bytes behind the last storage");
  return storages;
}

}  // namespace

Checkpoint read_torch_zip(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner, const std::string& weights_key) {
  ZipArchive archive(bytes, owner.get());
  const std::string root = find_root(archive);
  refuse_other_kinds(archive, root);
  const ZipArchive::Content object = archive.read(*archive.find(root + "data.pkl"));
  Heap heap;
  const Program program = pickle::run(object.bytes, 0, "data.pkl", heap);
  std::unordered_map<std::string_view, ZipArchive::Content> storages;  // read once, however many tensors share them
  const auto lookup = [&](std::string_view key) {
    const ZipArchive::Entry* entry = archive.find(root + "data/" + std::string(key));
    if (!entry) fail(Code::bad_format, "no entry ", in_quotes(root + "data/" + std::string(key)), " in the archive");
    const auto [known, is_new] = storages.try_emplace(entry->name);
    if (is_new) known->second = archive.read(*entry);
    return known->second.bytes;
  };
  Checkpoint checkpoint = assemble(Container::torch_zip, program, lookup, weights_key, bytes.size());
  checkpoint.tensors.keep_alive(std::move(owner));
  for (const auto& [name, content] : storages)
    if (content.owner) checkpoint.tensors.keep_alive(content.owner);
  return checkpoint;
}

Checkpoint read_torch_legacy(std::span<const std::byte> bytes, std::shared_ptr<const ByteOwner> owner, const std::string& weights_key) {
  Heap heap;
  const LegacyStream stream = run_pickles(bytes, heap);
  const Storages storages = cut_storages(bytes, owner.get(), stream);
  const auto lookup = [&](std::string_view key) {
    const auto found = storages.find(key);
    if (found == storages.end()) fail(Code::bad_format, "storage ", in_quotes(key), " is not in the list of storages");
    return found->second;
  };
  Checkpoint checkpoint = assemble(Container::torch_legacy, stream.object, lookup, weights_key, bytes.size());
  checkpoint.tensors.keep_alive(std::move(owner));
  return checkpoint;
}

}  // namespace regnet
