#include <regnet/weights/open.hpp>

#include <cmath>
#include <map>

#include <gtest/gtest.h>

#include <regnet/weights/names.hpp>
#include <regnet/weights/safetensors.hpp>
#include <regnet/weights/torch_file.hpp>

#include "weights/writers.hpp"

namespace regnet {
namespace {

using namespace writers;

const std::vector<StorageData> storages{{"0", 2, floats({1, 2})}};
const std::string object = dict({{"state_dict", dict({{"w", tensor(storage("FloatStorage", "0", 2), 0, {2}, {1})}})}});
const std::string header = R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";

Checkpoint open_text(const std::string& text, const std::string& key = "") {
  const TemporaryFile file(text);
  return open_checkpoint(file.path(), key);
}

TEST(Open, ContainerIsToldByItsBytes) {
  EXPECT_EQ(open_text(torch_zip(object, storages)).container, Container::torch_zip);
  EXPECT_EQ(open_text(torch_legacy(object, storages)).container, Container::torch_legacy);
  EXPECT_EQ(open_text(safetensors(header, floats({1, 2}))).container, Container::safetensors);
}

TEST(Open, FileStaysMappedAsLongAsTheTensors) {
  TensorMap tensors;
  tensors = open_text(torch_zip(object, storages)).tensors;
  EXPECT_EQ(to_floats(*tensors.find("w")), (std::vector<float>{1, 2}));
}

// A header of 640 bytes makes the file begin with 0x80 0x02, as pickles do.
TEST(Open, SafetensorsWithALengthLikeAPickleIsNoPickle) {
  const std::string padded = header + std::string(640 - header.size(), ' ');
  EXPECT_EQ(open_text(safetensors(padded, floats({1, 2}))).container, Container::safetensors);
}

TEST(Open, MessagesBeginWithThePath) {
  const TemporaryFile file("PK\3\4");
  expect_error(Code::bad_format, file.path().string() + ": zip archive: no central directory", [&] { open_checkpoint(file.path()); });
  expect_error(Code::not_found, "/nowhere/at-all.pth", [] { open_checkpoint("/nowhere/at-all.pth"); });
}

TEST(Open, WeightsKeyIsPassedOn) {
  EXPECT_EQ(open_text(torch_zip(object, storages), "state_dict").tensors.size(), 1u);
  expect_error(Code::not_found, "no weights under 'emma'", [] { open_text(torch_zip(object, storages), "emma"); });
  expect_error(Code::not_found, "safetensors has no entries", [] { open_text(safetensors(header, floats({1, 2})), "ema"); });
}

TEST(Open, FilesOfOtherKindsAreCalledByTheirName) {
  const auto expect_called = [](Code code, const std::string& words, const std::string& content) {
    expect_error(code, words, [&] { open_text(content); });
  };
  std::string tar(512, '\0');
  tar.replace(0, 8, "sys_info").replace(257, 5, "ustar");
  expect_called(Code::bad_format, "the file is empty", "");
  expect_called(Code::bad_format, "HTML page", "\n <!DOCTYPE html><html>");
  expect_called(Code::bad_format, "HTML page", "<HTML>");
  expect_called(Code::bad_format, "XML document", "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code>");
  expect_called(Code::bad_format, "Git LFS pointer", "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n");
  expect_called(Code::unsupported, "legacy tar", tar);
  expect_called(Code::unsupported, "gzip", "\x1f\x8b\x08");
  expect_called(Code::unsupported, "zstd", "\x28\xb5\x2f\xfd");
  expect_called(Code::unsupported, "HDF5", "\x89HDF\r\n\x1a\n");
  expect_called(Code::unsupported, "NumPy", "\x93NUMPY");
  expect_called(Code::unsupported, "ONNX", std::string("\x08\x07\x12\x07pytorch", 11));
  expect_called(Code::unsupported, "TensorFlow Lite", std::string("\x1c\0\0\0TFL3", 8));
  expect_called(Code::bad_format, "JSON", "{\"metadata\": {}}");
  expect_called(Code::bad_format, "it begins with 'hello'", "hello");
  expect_called(Code::bad_format, "it begins with '\\x00\\x01'", std::string("\0\1", 2));
  expect_called(Code::unsupported, "a pickle that torch.save did not write", program(dict({{"blobs", dict({})}})));
}

// Golden files, written by torch and safetensors. All hold the same network; see tests/golden/checkpoints/index.json.

const std::filesystem::path golden = std::filesystem::path(REGNET_TEST_DIR) / "golden" / "checkpoints";

std::map<std::string, std::vector<float>> canonical_floats(const std::string& file, const std::string& key = "") {
  std::map<std::string, std::vector<float>> out;
  for (const NamedTensor& tensor : to_canonical(open_checkpoint(golden / file, key).tensors).tensors) out[tensor.name] = to_floats(tensor.view);
  return out;
}

TEST(Open, EverySpellingAndContainerHoldsTheSameWeights) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  const auto expected = canonical_floats("pycls.safetensors");
  EXPECT_EQ(expected.size(), 102u);
  for (const char* naming : {"pycls", "mmcls", "mmcls-bare", "timm", "torchvision", "transformers"})
    for (const char* ending : {"-zip.pth", "-legacy.pth", ".safetensors"})
      EXPECT_EQ(canonical_floats(std::string(naming) + ending), expected) << naming << ending;
  for (const char* file : {"model-key.pth", "module-prefix.pth", "parameters-protocol4.pth", "protocol3.pth"})
    EXPECT_EQ(canonical_floats(file), expected) << file;
}

TEST(Open, OtherLayoutsHoldTheSameWeightsButForOneExpandedTensor) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  auto expected = canonical_floats("pycls.safetensors");
  for (float& value : expected["s1.b1.f.a_bn.bias"]) value = 0.125f;
  EXPECT_EQ(canonical_floats("views.pth"), expected);
}

TEST(Open, NarrowTypesHoldTheRoundedWeights) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  const auto expected = canonical_floats("pycls.safetensors");
  for (const auto& [file, rounding] : {std::pair("f16.pth", 0x1p-11f), {"bf16.pth", 0x1p-8f}, {"bf16.safetensors", 0x1p-8f}, {"f64.pth", 0.0f}}) {
    const auto found = canonical_floats(file);
    ASSERT_EQ(found.size(), expected.size());
    for (const auto& [name, values] : expected)
      for (std::size_t i = 0; i < values.size(); ++i)
        ASSERT_LE(std::abs(found.at(name)[i] - values[i]), rounding * std::abs(values[i]) + (rounding > 0 ? 1e-7f : 0)) << file << ' ' << name;
  }
}

TEST(Open, EmaIsFoundAndItsPrefixStripped) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  EXPECT_EQ(open_checkpoint(golden / "ema.pth").other_weights_keys, std::vector<std::string>{"state_dict_ema"});
  const auto plain = canonical_floats("ema.pth"), ema = canonical_floats("ema.pth", "state_dict_ema");
  EXPECT_EQ(plain.size(), ema.size());
  EXPECT_NE(plain, ema);
}

TEST(Open, EvilIsNamedBesideTheWeightsAndRefusedAmongThem) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  const Checkpoint checkpoint = open_checkpoint(golden / "evil-meta.pth");
  EXPECT_EQ(checkpoint.refused_globals, std::vector<std::string>{"posix.system"});
  EXPECT_EQ(checkpoint.tensors.size(), 102u);
  expect_error(Code::bad_format, "'backbone.layer2.0.conv2.weight': expected a tensor, found posix.system",
               [] { open_checkpoint(golden / "evil-tensor.pth"); });
}

TEST(Open, MmclsFilesBringVersionAndClassNames) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  for (const char* file : {"mmcls-zip.pth", "mmcls-legacy.pth"}) {
    const Checkpoint checkpoint = open_checkpoint(golden / file);
    EXPECT_EQ(checkpoint.metadata.at("meta.mmcls_version"), "0.18.0");
    EXPECT_EQ(checkpoint.class_names, (std::vector<std::string>{"tench", "goldfish", "great white shark", "tiger shark", "hammerhead"}));
  }
  const Checkpoint checkpoint = open_checkpoint(golden / "pycls-legacy.pth");
  EXPECT_EQ(checkpoint.metadata.at("epoch"), "99");
  EXPECT_NE(checkpoint.metadata.at("cfg").find("NUM_CLASSES: 5"), std::string::npos);
}

Checkpoint read_any(std::span<const std::byte> bytes) {
  if (std::to_integer<char>(bytes[0]) == 'P') return read_torch_zip(bytes, nullptr);
  return std::to_integer<unsigned char>(bytes[0]) == 0x80 ? read_torch_legacy(bytes, nullptr) : read_safetensors(bytes, nullptr);
}

// A prime step visits all kinds of places in a time a test may take.
TEST(Open, DamagedGoldenFilesNeverCrash) {
  if (!std::filesystem::exists(golden)) GTEST_SKIP() << "no golden files in " << golden;
  for (const char* file : {"mmcls-zip.pth", "mmcls-legacy.pth", "timm.safetensors", "parameters-protocol4.pth"}) {
    const std::string good = read_file(golden / file);
    ASSERT_FALSE(good.empty());
    for (std::size_t size = 1; size < good.size(); size += 331)
      ASSERT_FALSE(reads_or_refuses(good.substr(0, size), read_any)) << file << " cut to " << size;
    expect_flips_survived(good, read_any, 503);
  }
}

}  // namespace
}  // namespace regnet
