#include <regnet/weights/convert.hpp>

#include <algorithm>
#include <cstring>
#include <iterator>

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include <regnet/weights/open.hpp>
#include <regnet/weights/safetensors.hpp>

#include "base/temporary_folder.hpp"
#include "golden/golden.hpp"
#include "weights/writers.hpp"

namespace regnet {
namespace {

using writers::expect_error;

constexpr auto& namings = all_namings;

std::string golden_path(const std::string& file) { return std::string(REGNET_TEST_DIR) + "/golden/checkpoints/" + file; }

std::vector<std::string> sound_files() {
  std::vector<std::string> files;
  const nlohmann::json index = read_golden("checkpoints/index.json");
  for (const nlohmann::json& row : index["files"])
    if (row.contains("logits")) files.push_back(row["file"]);
  return files;
}

std::string file_content(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string written(const Checkpoint& checkpoint) {
  std::string out;
  write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) { out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
  return out;
}

// The elements' bytes row by row, found by dividing the index rather than by stepping as the writer does.
std::string elements(const TensorView& view) {
  const std::size_t size = size_of(view.dtype);
  std::string out;
  for (std::int64_t i = 0; i < element_count(view.shape); ++i) {
    std::int64_t rest = i, at = view.offset;
    for (std::size_t axis = view.shape.size(); axis-- > 0; rest /= view.shape[axis]) at += rest % view.shape[axis] * view.strides[axis];
    out.append(reinterpret_cast<const char*>(view.storage.data()) + static_cast<std::size_t>(at) * size, size);
  }
  return out;
}

void expect_same(const TensorMap& found, const TensorMap& expected) {
  EXPECT_EQ(found.size(), expected.size());
  for (const NamedTensor& tensor : expected) {
    const TensorView* view = found.find(tensor.name);
    ASSERT_TRUE(view) << tensor.name;
    EXPECT_EQ(view->dtype, tensor.view.dtype) << tensor.name;
    EXPECT_EQ(view->shape, tensor.view.shape) << tensor.name;
    EXPECT_EQ(elements(*view), elements(tensor.view)) << tensor.name;
  }
}

class Convert : public testing::TestWithParam<std::string> {};

TEST_P(Convert, ThereAndBackGivesEqualTensorsInEveryNaming) {
  const TemporaryFolder folder;
  const Checkpoint source = open_checkpoint(golden_path(GetParam()));
  const Naming own = to_canonical(source.tensors).naming;
  const TensorMap plain = with_naming(source.tensors, own);  // without module., and mmcls's with backbone.
  EXPECT_EQ(plain.size(), source.tensors.size());
  for (const Naming naming : namings) {
    SCOPED_TRACE(name_of(naming));
    Checkpoint there = as_safetensors(source);
    there.tensors = with_naming(source.tensors, naming);
    const std::filesystem::path first = folder.path() / (std::string(name_of(naming)) + ".safetensors"), second = first.string() + ".back";
    save_safetensors(there, first);
    Checkpoint back = open_checkpoint(first);
    EXPECT_EQ(to_canonical(back.tensors).naming, naming);
    expect_same(to_canonical(back.tensors).tensors, to_canonical(source.tensors).tensors);
    back.tensors = with_naming(back.tensors, own);
    save_safetensors(back, second);
    expect_same(open_checkpoint(second).tensors, plain);
    EXPECT_EQ(open_checkpoint(second).class_names, source.class_names);
  }
}

TEST_P(Convert, WithoutANamingTheNamesStay) {
  const TemporaryFolder folder;
  const Checkpoint source = open_checkpoint(golden_path(GetParam()));
  save_safetensors(as_safetensors(source), folder.path() / "out");
  const Checkpoint out = open_checkpoint(folder.path() / "out");
  expect_same(out.tensors, source.tensors);
  EXPECT_EQ(out.metadata.at("format"), "pt");
  EXPECT_EQ(out.metadata.contains("regnet.weights_key"), !source.weights_key.empty());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "a temporary file is left";
}

INSTANTIATE_TEST_SUITE_P(Files, Convert, testing::ValuesIn(sound_files()), [](const auto& file) {
  std::string name = file.param;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(WriteSafetensors, WritesWhatTheReferenceImplementationWrites) {
  for (const char* file : {"bf16", "mmcls", "mmcls-bare", "pycls", "timm", "torchvision", "transformers"}) {
    const std::string path = golden_path(std::string(file) + ".safetensors");
    EXPECT_TRUE(written(open_checkpoint(path)) == file_content(path)) << file;
  }
}

TEST(WriteSafetensors, ViewsThatAreNotContiguousComeOutRowByRowInChunks) {
  constexpr std::int64_t side = 800;  // 2.4 MiB, so that there are several chunks
  std::vector<float> values(side * side);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = static_cast<float>(i);
  TensorView transposed = view_of(values, {side, side});
  transposed.strides = {1, side};
  Checkpoint checkpoint;
  checkpoint.tensors.add("t", transposed);
  std::size_t largest = 0;
  write_safetensors(checkpoint, [&](std::span<const std::byte> bytes) { largest = std::max(largest, bytes.size()); });
  EXPECT_LE(largest, std::size_t{1} << 20);
  const writers::Owned bytes(written(checkpoint));
  EXPECT_EQ(elements(*read_safetensors(bytes.bytes(), bytes.data).tensors.find("t")), elements(transposed));
}

TEST(WriteSafetensors, ScalarsEmptyAndSingleExtentTensorsAndNaNsKeepTheirBits) {
  const std::uint32_t nan = 0x7fa00001;  // signalling, with a payload: arithmetic would change it
  std::vector<float> values(4);
  std::memcpy(values.data(), &nan, sizeof(nan));
  TensorView odd = view_of(values, {1, 2, 1});
  odd.strides = {77, 1, 1 << 30};
  Checkpoint checkpoint;
  checkpoint.tensors.add("scalar", view_of(values, {}));
  checkpoint.tensors.add("empty", view_of({}, {3, 0}));
  checkpoint.tensors.add("odd", odd);
  checkpoint.metadata = {{"k", "v\"\n\xc3\xa4"}, {"l", ""}};
  checkpoint.class_names = {"shirt", "B\xc3\xa4r"};
  const writers::Owned bytes(written(checkpoint));
  const Checkpoint back = read_safetensors(bytes.bytes(), bytes.data);
  EXPECT_EQ(elements(*back.tensors.find("scalar")), elements(view_of(values, {})));
  EXPECT_EQ(back.tensors.find("empty")->shape, (Shape{3, 0}));
  EXPECT_EQ(elements(*back.tensors.find("odd")), elements(view_of(values, {1, 2, 1})));
  EXPECT_EQ(back.metadata, checkpoint.metadata);
  EXPECT_EQ(back.class_names, checkpoint.class_names);
}

TEST(WriteSafetensors, WhatTheFormatCannotHoldIsRefusedBeforeAnythingIsWritten) {
  const std::vector<float> value{1};
  const auto refused = [&](Code code, const std::string& words, const std::string& name, TensorView view, const std::string& metadata = "") {
    Checkpoint checkpoint;
    checkpoint.tensors.add(name, std::move(view));
    checkpoint.metadata["k"] = metadata;
    expect_error(code, words, [&] { write_safetensors(checkpoint, [](auto) { ADD_FAILURE() << "written"; }); });
  };
  TensorView outside = view_of(value, {2}), endless = view_of(value, {std::int64_t{1} << 60});
  endless.strides = {0};
  refused(Code::bad_format, "__metadata__", "__metadata__", view_of(value, {1}));
  refused(Code::bad_format, "UTF-8", "\xff", view_of(value, {1}));
  refused(Code::bad_format, "UTF-8", "t", view_of(value, {1}), "\xff");
  refused(Code::bad_format, "storage", "t", outside);
  refused(Code::unsupported, "too large", "t", endless);
}

TEST(WithNaming, CountersOfAveragedModelsStayAndWrappersGo) {
  const std::vector<float> value{1};
  TensorMap tensors;
  tensors.add("n_averaged", view_of(value, {}));
  tensors.add("module.model.stem.bn.num_batches_tracked", view_of(value, {}));
  tensors.add("module.model.s1.b1.f.a.weight", view_of(value, {1}));
  const TensorMap out = with_naming(tensors, Naming::mmcls);
  EXPECT_EQ(out.size(), 3u);
  for (const char* name : {"n_averaged", "backbone.bn1.num_batches_tracked", "backbone.layer1.0.conv1.weight"}) EXPECT_TRUE(out.find(name)) << name;
  tensors.add("module.model.s1.b1.f.a.scale", view_of(value, {1}));
  expect_error(Code::mismatch, "s1.b1.f.a.scale", [&] { with_naming(tensors, Naming::mmcls); });
}

TEST(SaveSafetensors, NeverReplacesAFileUnlessAskedTo) {
  const TemporaryFolder folder;
  const Checkpoint source = open_checkpoint(golden_path("timm.safetensors"));
  const std::string file = folder.write("a", "precious");
  expect_error(Code::io, "exists already", [&] { save_safetensors(source, file); });
  EXPECT_EQ(file_content(file), "precious");
  save_safetensors(source, file, Existing::replace);
  EXPECT_EQ(file_content(file), file_content(golden_path("timm.safetensors")));
  const std::filesystem::path pipe = folder.path() / "pipe";
  ASSERT_EQ(::mkfifo(pipe.c_str(), 0600), 0);
  expect_error(Code::io, "no regular file", [&] { save_safetensors(source, pipe, Existing::replace); });
  expect_error(Code::io, "no regular file", [&] { save_safetensors(source, folder.path(), Existing::replace); });
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 2) << "a temporary file is left";
}

TEST(SaveSafetensors, AFailureLeavesNothingBehind) {
  const TemporaryFolder folder;
  Checkpoint checkpoint;
  checkpoint.metadata["k"] = "\xff";
  expect_error(Code::bad_format, "UTF-8", [&] { save_safetensors(checkpoint, folder.path() / "out"); });
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  expect_error(Code::not_found, "nowhere", [&] { save_safetensors(checkpoint, folder.path() / "nowhere/out"); });
}

// Written pages of a mapped file are given back; bytes on the heap must never be.
TEST(SaveSafetensors, TheSourceIsIntactAfterwards) {
  const TemporaryFolder folder;
  const std::string path = golden_path("timm.safetensors"), content = file_content(path);
  const writers::Owned owned(content);
  save_safetensors(read_safetensors(owned.bytes(), owned.data), folder.path() / "heap");
  EXPECT_EQ(std::memcmp(owned.bytes().data(), content.data(), content.size()), 0);
  const Checkpoint mapped = open_checkpoint(path);
  save_safetensors(mapped, folder.path() / "mapped");
  EXPECT_TRUE(written(mapped) == content);
}

}  // namespace
}  // namespace regnet
