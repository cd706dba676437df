#include <regnet/weights/open.hpp>

#include <algorithm>
#include <array>
#include <cctype>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>
#include <regnet/weights/safetensors.hpp>
#include <regnet/weights/torch_file.hpp>

#include "weights/byte_reader.hpp"

namespace regnet {

namespace {

// A kind of file that people hold out by mistake.
struct Stranger {
  std::size_t at;
  std::string_view magic;
  Code code;  // bad_format: nothing of the weights is in it
  std::string_view message;
};

using namespace std::string_view_literals;

constexpr Stranger strangers[] = {
    {0, "version https://git-lfs"sv, Code::bad_format, "a Git LFS pointer, not the file it stands for; fetch that with \"git lfs pull\""sv},
    {257, "ustar"sv, Code::unsupported,
     "a tar archive, which is how torch.save wrote before version 0.2 (legacy tar); load it and save it again with a newer PyTorch"sv},
    {0, "regnet plan\n"sv, Code::unsupported, "a plan that \"regnet compile\" made: predict and eval read it, but it holds no tensors any more"sv},
    {0, "\x1f\x8b"sv, Code::unsupported, "compressed by gzip; unpack it first"sv},
    {0, "BZh"sv, Code::unsupported, "compressed by bzip2; unpack it first"sv},
    {0,
     "\xfd"
     "7zXZ\0"sv,
     Code::unsupported, "compressed by xz; unpack it first"sv},
    {0, "\x28\xb5\x2f\xfd"sv, Code::unsupported, "compressed by zstd; unpack it first"sv},
    {0, "7z\xbc\xaf\x27\x1c"sv, Code::unsupported, "a 7z archive; unpack it first"sv},
    {0, "\x89HDF\r\n\x1a\n"sv, Code::unsupported, "an HDF5 file (Keras?)"sv},
    {0, "\x93NUMPY"sv, Code::unsupported, "a NumPy array, which has no names of tensors"sv},
    {0, "GGUF"sv, Code::unsupported, "a GGUF file"sv},
    {4, "TFL3"sv, Code::unsupported, "a TensorFlow Lite model"sv},
    {0, "\x89PNG"sv, Code::bad_format, "a PNG image"sv},
    {0, "\xff\xd8\xff"sv, Code::bad_format, "a JPEG image"sv},
};

// The first characters in lower case, without the blanks before them.
std::string text_beginning(std::string_view beginning) {
  const std::size_t start = beginning.starts_with("\xef\xbb\xbf") ? 3 : 0;
  std::string out;
  for (const char c : beginning.substr(start)) {
    const auto byte = static_cast<unsigned char>(c);
    if (!out.empty() || !std::isspace(byte)) out += static_cast<char>(std::tolower(byte));
  }
  return out;
}

// ModelProto begins with ir_version (field 1, a small varint), and producer_name (2), opset_import (8) or graph (7) follows.
bool looks_like_onnx(std::string_view beginning) {
  return beginning.size() > 3 && beginning[0] == '\x08' && beginning[1] > 0 && beginning[1] < 32 &&
         (beginning[2] == '\x12' || beginning[2] == '\x3a' || beginning[2] == '\x42');
}

[[noreturn]] void refuse_stranger(std::string_view beginning) {
  if (beginning.empty()) fail(Code::bad_format, "the file is empty");
  for (const Stranger& stranger : strangers)
    if (beginning.size() > stranger.at && beginning.substr(stranger.at).starts_with(stranger.magic)) fail(stranger.code, stranger.message);
  if (looks_like_onnx(beginning)) fail(Code::unsupported, "looks like an ONNX model (protobuf); expected safetensors or a file of torch.save");
  const std::string letters = text_beginning(beginning);
  if (letters.starts_with("<!doctype html") || letters.starts_with("<html"))
    fail(Code::bad_format, "an HTML page, not a checkpoint; was the download link that of a web page?");
  if (letters.starts_with("<?xml")) fail(Code::bad_format, "an XML document, not a checkpoint; it may say why a download failed");
  if (letters.starts_with("{")) fail(Code::bad_format, "a JSON text, not a checkpoint; of a model in several parts this would be the index");
  fail(Code::bad_format, "no checkpoint of a known kind (safetensors, torch.save): it begins with ", in_quotes(beginning.substr(0, 16)));
}

std::optional<Container> recognise(std::string_view beginning) {
  // safetensors has no magic: a length of which the high bytes are 0, then JSON. A length of 640 also begins like a pickle, so this comes first.
  if (beginning.size() > 8 && beginning[8] == '{' && beginning.substr(5, 3) == "\0\0\0"sv) return Container::safetensors;
  if (beginning.starts_with("PK\3\4") || beginning.starts_with("PK\5\6")) return Container::torch_zip;
  if (beginning.size() > 1 && beginning[0] == '\x80' && beginning[1] >= 1 && beginning[1] <= 5) return Container::torch_legacy;
  return std::nullopt;
}

Checkpoint read(const std::shared_ptr<const MappedFile>& file, const std::string& weights_key) {
  const std::span<const std::byte> bytes = file->bytes();
  const std::string_view beginning{reinterpret_cast<const char*>(bytes.data()), std::min<std::size_t>(bytes.size(), 512)};
  const std::optional<Container> container = recognise(beginning);
  if (!container) refuse_stranger(beginning);
  if (*container == Container::torch_zip) return read_torch_zip(bytes, file, weights_key);
  if (*container == Container::torch_legacy) return read_torch_legacy(bytes, file, weights_key);
  const bool any = weights_key.empty() || weights_key == "auto" || weights_key == "model";
  if (!any) fail(Code::not_found, "no weights under ", in_quotes(weights_key), ": safetensors has no entries to choose from");
  return read_safetensors(bytes, file);
}

}  // namespace

Checkpoint open_checkpoint(const std::filesystem::path& path, const std::string& weights_key) {
  const auto file = std::make_shared<const MappedFile>(path);  // names the path itself
  try {
    return read(file, weights_key);
  } catch (const Error& error) {
    throw Error(error.code(), path.string() + ": " + error.what());
  }
}

}  // namespace regnet
