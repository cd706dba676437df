#include <regnet/weights/safetensors.hpp>

#include <gtest/gtest.h>

#include "weights/writers.hpp"

namespace regnet {
namespace {

using namespace writers;

Checkpoint read(const std::string& text) {
  const Owned owned(text);
  return read_safetensors(owned.bytes(), owned.data);
}

Checkpoint read_view(std::span<const std::byte> bytes) { return read_safetensors(bytes, nullptr); }

void expect_refused(Code code, const std::string& words, const std::string& header, const std::string& data = "") {
  expect_error(code, words, [&] { read(safetensors(header, data)); });
}

const std::string good_header = R"({"__metadata__":{"format":"pt"},"b":{"dtype":"F32","shape":[2,2],"data_offsets":[8,24]},)"
                                R"("a":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}  )";
const std::string good_data = little(std::int64_t{1234}) + floats({1, 2, 3, 4});

TEST(Safetensors, TensorsComeInTheOrderOfTheirBytes) {
  const Checkpoint checkpoint = read(safetensors(good_header, good_data));
  EXPECT_EQ(checkpoint.container, Container::safetensors);
  ASSERT_EQ(checkpoint.tensors.size(), 2u);
  EXPECT_EQ(checkpoint.tensors.begin()->name, "a");
  EXPECT_EQ(to_floats(*checkpoint.tensors.find("a")), std::vector<float>{1234});
  EXPECT_EQ(checkpoint.tensors.find("a")->shape, Shape{});
  EXPECT_EQ(to_floats(*checkpoint.tensors.find("b")), (std::vector<float>{1, 2, 3, 4}));
  EXPECT_EQ(checkpoint.metadata.at("format"), "pt");
  EXPECT_TRUE(checkpoint.class_names.empty());
}

TEST(Safetensors, BytesStayAliveAsLongAsTheTensors) {
  TensorMap tensors;
  tensors = read(safetensors(good_header, good_data)).tensors;
  EXPECT_EQ(to_floats(*tensors.find("b")).back(), 4);
}

TEST(Safetensors, EveryElementTypeIsRead) {
  const std::vector<std::pair<std::string, std::string>> types = {
      {"F64", little(1.5)}, {"F32", little(1.5f)}, {"F16", little(std::uint16_t{0x3e00})}, {"BF16", little(std::uint16_t{0x3fc0})}};
  for (const auto& [name, bytes] : types) {
    const std::string header = R"({"t":{"dtype":")" + name + R"(","shape":[1],"data_offsets":[0,)" + std::to_string(bytes.size()) + "]}}";
    EXPECT_EQ(to_floats(*read(safetensors(header, bytes)).tensors.find("t")), std::vector<float>{1.5f}) << name;
  }
  const std::vector<std::pair<std::string, std::string>> integers = {{"I64", little(std::int64_t{1})},
                                                                     {"I32", little(std::int32_t{1})},
                                                                     {"I16", little(std::int16_t{1})},
                                                                     {"I8", "\1"},
                                                                     {"U8", "\1"},
                                                                     {"BOOL", "\1"}};
  for (const auto& [name, bytes] : integers) {
    const std::string header = R"({"t":{"dtype":")" + name + R"(","shape":[1],"data_offsets":[0,)" + std::to_string(bytes.size()) + "]}}";
    EXPECT_EQ(to_floats(*read(safetensors(header, bytes)).tensors.find("t")), std::vector<float>{1}) << name;
  }
}

TEST(Safetensors, UnknownElementTypeIsNamed) {
  expect_refused(Code::unsupported, "'F8_E4M3'", R"({"t":{"dtype":"F8_E4M3","shape":[1],"data_offsets":[0,1]}})", "x");
}

TEST(Safetensors, ClassNamesComeFromTheMetadata) {
  const Checkpoint checkpoint = read(safetensors(R"({"__metadata__":{"regnet.classes":"[\"shirt\",\"B\\u00e4r\"]","k":"v"}})", ""));
  EXPECT_EQ(checkpoint.class_names, (std::vector<std::string>{"shirt", "B\xc3\xa4r"}));
  EXPECT_EQ(checkpoint.metadata.size(), 1u);
  expect_refused(Code::bad_format, "regnet.classes", R"({"__metadata__":{"regnet.classes":"[1]"}})");
  expect_refused(Code::bad_format, "regnet.classes", R"({"__metadata__":{"regnet.classes":"{"}})");
}

TEST(Safetensors, EmptyTensorsAndEmptyFilesAreFine) {
  EXPECT_TRUE(read(safetensors("{}", "")).tensors.empty());
  const Checkpoint checkpoint =
      read(safetensors(R"({"e":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"t":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                       R"("f":{"dtype":"F32","shape":[0],"data_offsets":[1,1]}})",
                       "x"));
  EXPECT_EQ(checkpoint.tensors.size(), 3u);
  EXPECT_TRUE(to_floats(*checkpoint.tensors.find("e")).empty());
}

TEST(Safetensors, OffsetsTileTheData) {
  const std::string two = R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":)";
  EXPECT_EQ(read(safetensors(two + "[2,4]}}", "1234")).tensors.size(), 2u);
  expect_refused(Code::bad_format, "overlap", two + "[1,3]}}", "123");
  expect_refused(Code::bad_format, "hole", two + "[3,5]}}", "12345");
  expect_refused(Code::bad_format, "leave the 3 bytes", two + "[2,4]}}", "123");
  expect_refused(Code::bad_format, "the data at 5", two + "[2,4]}}", "12345");
  expect_refused(Code::bad_format, "a begin and an end", two + "[4,2]}}", "1234");
  expect_refused(Code::bad_format, "a begin and an end", two + "[2]}}", "1234");
}

TEST(Safetensors, SizesFitTheShapeWithoutOverflow) {
  const auto header = [](const std::string& shape) { return R"({"t":{"dtype":"F32","shape":)" + shape + R"(,"data_offsets":[0,4]}})"; };
  EXPECT_EQ(read(safetensors(header("[1,1]"), "1234")).tensors.size(), 1u);
  expect_refused(Code::bad_format, "does not take 4 bytes", header("[2]"), "1234");
  expect_refused(Code::bad_format, "does not take 4 bytes", header("[4611686018427387904]"), "1234");  // times 4 is 2^64, which wraps to 0
  expect_refused(Code::bad_format, "too many elements", header("[4294967296,4294967296]"), "1234");
  expect_refused(Code::bad_format, "too many elements", header("[0,4294967296,4294967296]"), "1234");
  for (const char* shape : {"[-1]", "[1.0]", "[\"1\"]", "[18446744073709551615]", "{}", "[1e3]", "null"})
    expect_refused(Code::bad_format, "integers", header(shape), "1234");
}

TEST(Safetensors, DuplicateKeysAreRefusedWhereverTheyAre) {
  const std::string tensor = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  expect_refused(Code::bad_format, "'a' comes twice", "{" + tensor + "," + tensor + "}", "x");
  expect_refused(Code::bad_format, "'dtype' comes twice", R"({"a":{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x");
  expect_refused(Code::bad_format, "'k' comes twice", R"({"__metadata__":{"k":"1","k":"2"}})");
}

TEST(Safetensors, DeepNestingNeitherCrashesNorIsAccepted) {
  for (const std::string open : {"[", "{\"a\":"}) {
    std::string deep;
    for (int i = 0; i < 300000; ++i) deep += open;
    expect_refused(Code::bad_format, "expected an object", deep);
    expect_refused(Code::bad_format, ", but ", R"({"__metadata__":)" + deep);
  }
  std::string brackets(1000000, '[');
  expect_refused(Code::bad_format, "regnet.classes", R"({"__metadata__":{"regnet.classes":")" + brackets + "\"}}");
}

std::string many_tensors(std::size_t count) {
  std::string header = "{";
  for (std::size_t i = 0; i < count; ++i) header += (i ? ",\"t" : "\"t") + std::to_string(i) + R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})";
  return safetensors(header + "}", "");
}

TEST(Safetensors, TheNumberOfTensorsIsBounded) {
  EXPECT_EQ(read(many_tensors(max_tensors)).tensors.size(), max_tensors);
  expect_error(Code::unsupported, "more than 32768 tensors", [] { read(many_tensors(max_tensors + 1)); });
  expect_refused(Code::bad_format, "a tensor's name of 257 bytes", "{\"" + std::string(257, 'n') + "\":{}}");
  std::string ones = "1";
  for (std::size_t i = 0; i < max_rank; ++i) ones += ",1";
  expect_refused(Code::bad_format, "shape is not a list of at most 16 integers", R"({"a":{"dtype":"U8","shape":[)" + ones + "]}}");
}

TEST(Safetensors, OtherHeadersAreRefused) {
  expect_refused(Code::bad_format, "expected an object", "[]");
  expect_refused(Code::bad_format, "not JSON", "");
  expect_refused(Code::bad_format, "not JSON", "{} x");
  expect_refused(Code::bad_format, "not JSON", "{\"\xff\":1}");
  expect_refused(Code::bad_format, "dtype, shape and data_offsets", R"({"a":1})");
  expect_refused(Code::bad_format, "dtype, shape and data_offsets", R"({"a":{"dtype":"U8","shape":[]}})");
  expect_refused(Code::bad_format, "dtype, shape and data_offsets", R"({"a":{"dtype":"U8","shape":[],"data_offsets":[0,1],"more":1}})", "x");
  expect_refused(Code::bad_format, "dtype is not a string", R"({"a":{"dtype":8,"shape":[],"data_offsets":[0,1]}})", "x");
  expect_refused(Code::bad_format, "is not a string", R"({"__metadata__":{"a":1}})");
  expect_refused(Code::bad_format, "is not an object", R"({"__metadata__":"a"})");
}

TEST(Safetensors, HeaderLengthIsBounded) {
  expect_error(Code::bad_format, "limit", [] { read(little(std::uint64_t{100'000'001}) + "{}"); });
  expect_error(Code::bad_format, "truncated", [] { read(little(std::uint64_t{3}) + "{}"); });
  expect_error(Code::bad_format, "limit", [] { read(little(~std::uint64_t{0}) + "{}"); });
}

TEST(Safetensors, TruncatedFilesAreRefused) { expect_truncations_refused(safetensors(good_header, good_data), read_view); }

TEST(Safetensors, FlippedBitsNeverCrash) { expect_flips_survived(safetensors(good_header, good_data), read_view); }

}  // namespace
}  // namespace regnet
