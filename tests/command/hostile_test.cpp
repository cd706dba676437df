// Files that are no checkpoints, are damaged, or want something: each gets one line that names the cause, exit 2, and little memory.
#include <gtest/gtest.h>

#include "command/run.hpp"
#include "weights/writers.hpp"

namespace {

using namespace regnet::writers;

const std::string golden = std::string(REGNET_TEST_DIR) + "/golden/checkpoints/";
const std::string matrix = tensor(storage("FloatStorage", "0", 6), 0, {2, 3}, {3, 1});
const std::vector<StorageData> six{{"0", 6, floats({0, 1, 2, 3, 4, 5})}};

std::string object_with(const std::string& tensor_fragment) { return dict({{"state_dict", dict({{"stem.conv.weight", tensor_fragment}})}}); }

// The sanitizers' own memory is not the reader's.
#if defined(__SANITIZE_ADDRESS__)
constexpr long most_kib = 1 << 30;
#else
constexpr long most_kib = 64 * 1024;
#endif

void expect_refused_cheaply(std::string content, const std::string& words) {
  const TemporaryFolder folder;
  const std::string file = "'" + folder.write("file.pth", content) + "'";
  std::string().swap(content);  // what this process holds when it forks counts as the child's peak
  EXPECT_LT(expect_refused("inspect " + file, words).peak_kib, most_kib);
  EXPECT_LT(expect_refused("predict --weights " + file + " image.png", words).peak_kib, most_kib);
}

// Both containers, where the malice is in the pickle.
void expect_pickle_refused(const std::string& object, const std::string& words, const std::vector<StorageData>& storages = six) {
  expect_refused_cheaply(torch_zip(object, storages), words);
  expect_refused_cheaply(torch_legacy(object, storages), words);
}

TEST(Hostile, FilesOfOtherKindsAreNamed) {
  expect_refused_cheaply("", "the file is empty");
  expect_refused_cheaply("version https://git-lfs.github.com/spec/v1\noid sha256:" + std::string(64, 'a') + "\nsize 20833217\n", "a Git LFS pointer");
  expect_refused_cheaply("<!DOCTYPE html><html><head><title>404</title></head></html>\n", "an HTML page");
  expect_refused_cheaply(
      "\x08\x07\x12\x07pytorch\x1a\x05"
      "2.9.1:\x03"
      "abc",
      "looks like an ONNX model");
}

TEST(Hostile, CutFilesAreCalledTruncated) {
  for (const auto& [file, words] : {std::pair("timm-zip.pth", "truncated"), {"timm-legacy.pth", ""}, {"timm.safetensors", "truncated"}}) {
    const std::string content = read(golden + file);
    ASSERT_GT(content.size(), 10'000u);
    for (const std::size_t percent : {1, 50, 99}) expect_refused_cheaply(content.substr(0, content.size() * percent / 100), words);
  }
  expect_refused_cheaply(read(golden + "timm-legacy.pth").substr(0, 60'000), "is the file truncated?");
}

// A cut file is not gone through as a whole to find out.
std::string large_and_cut() {
  std::string content = zip({{"archive/data.pkl", program(object_with(matrix))}, {"archive/data/0", std::string(std::size_t{150} << 20, 'x')}});
  content.resize(content.size() - 1000);
  return content;
}

// In a legacy stream the storages' counts lie all over the file.
std::string large_legacy_and_cut() {
  constexpr std::int64_t count = 1 << 18;  // a megabyte each
  Items tensors;
  std::vector<StorageData> storages;
  for (int i = 0; i < 150; ++i) {
    const std::string key = std::to_string(i);
    tensors.emplace_back("w" + key, tensor(storage("FloatStorage", key, count), 0, {count}, {1}));
    storages.push_back({key, count, std::string(4 * count, 'x')});
  }
  std::string content = torch_legacy(dict(tensors), storages);
  content.resize(content.size() - 1000);
  return content;
}

// Whoever prints, copies or compares such a value calls himself for each level.
TEST(Hostile, JsonOfManyLevelsIsRefused) {
  const TemporaryFolder folder;
  const std::string deep = std::string(400'000, '[') + std::string(400'000, ']');
  const auto file = [&](const std::string& name, const std::string& content) { return "'" + folder.write(name, content) + "'"; };
  const auto plan = [&](const std::string& header) {
    std::string content("regnet plan\n\0\0\0\0", 16);
    for (int byte = 0; byte < 8; ++byte) content += static_cast<char>(header.size() >> (8 * byte));
    return file("x.plan", content + header);
  };
  expect_refused("predict --weights " + plan(R"({"format": )" + deep + "}") + " image.png",
                 "expected an integer from 0 to 1073741824, found 'array'");
  expect_refused("bench -m regnetx_200mf --tuning " + file("tuning.json", R"([{"cpu": )" + deep + "}]"), "tuning.json: expected the tunings");
  expect_refused("design pareto -q --predict --table " + file("table.json", R"([{"dtype": )" + deep + "}]"),
                 "table.json: latency table: expected what regnet writes");
  expect_refused("eval -q --limit 10 --real " + file("real.json", deep), "real.json: expected a list of lists of class indices");
  expect_refused("eval -q --limit 10 --journal " + file("journal", R"(# regnet journal {"images": )" + deep + "}\n"),
                 "journal: JSON: expected at most 64 levels");
  expect_refused("design report page.html " + file("rows.json", deep), "rows.json: JSON: expected at most 64 levels");
  const std::string reference = file("reference.json", R"({"image": "x.png", "recipe": )" + deep + "}");
  expect_refused("verify -q --reference '" + folder.path().string() + "'", "reference.json: JSON: expected at most 64 levels");
}

TEST(Hostile, ALargeCutFileCostsLittle) {
  expect_refused_cheaply(large_and_cut(), "truncated");
  expect_refused_cheaply(large_legacy_and_cut(), "is the file truncated?");
}

TEST(Hostile, CallsAreNotMade) {
  expect_pickle_refused(object_with(evil()), "posix.system", {});
  expect_pickle_refused(dict({{"state_dict", evil()}}), "posix.system", {});
  expect_pickle_refused(evil(), "posix.system", {});
  expect_pickle_refused(dict({{"a", matrix}, {"b", evil()}}), "'b': expected a tensor, found posix.system, which this reader does not call");
  EXPECT_FALSE(std::filesystem::exists("regnet-was-here"));
}

TEST(Hostile, ViewsCannotLeaveTheirStorage) {
  const auto view = [](std::int64_t offset, const std::vector<std::int64_t>& shape, const std::vector<std::int64_t>& strides,
                       std::int64_t count = 6) { return object_with(tensor(storage("FloatStorage", "0", count), offset, shape, strides)); };
  constexpr std::int64_t huge = std::int64_t{1} << 40;
  expect_pickle_refused(view(0, {2, 3}, {huge, 1}), "reaches past its storage");
  expect_pickle_refused(view(huge, {2, 3}, {3, 1}), "reaches past its storage");
  expect_pickle_refused(view(0, {2, 3}, {-3, 1}), "negative stride");
  expect_pickle_refused(view(0, {huge, huge}, {0, 0}), "");
  expect_pickle_refused(view(0, {huge}, {0}), "expanded or shared tensors");
  expect_pickle_refused(view(0, {100}, {1}, 100), "storage '0'");
  expect_pickle_refused(view(0, {1}, {1}, std::numeric_limits<std::int64_t>::max()), "storage");
}

// Each name, rank and opcode is small; a million of them are not.
TEST(Hostile, ManyOfEverythingCostsLittle) {
  const std::vector<std::int64_t> ones(16, 1);
  std::string names = "(";
  const std::string view = tensor(storage("FloatStorage", "0", 6), 0, ones, ones);
  for (int i = 0; i < 40'000; ++i) names += str("n" + std::to_string(i)) + (i ? "h\1" : view + "q\1");
  expect_pickle_refused("}" + names + "u", "more than 32768 tensors");
  expect_pickle_refused("]" + std::string(1'000'000, ']'), "a pickle of more than 400000 opcodes");
  const auto header = [](const std::string& text) { return safetensors(text, ""); };
  std::string zeros = "0";
  for (int i = 0; i < 2'000'000; ++i) zeros += ",0";
  expect_refused_cheaply(header("{\"a\":[" + zeros + "]}"), "found a list");
  expect_refused_cheaply(header(R"({"a":{"dtype":"U8","shape":[)" + zeros + "]}}"), "at most 16 integers");
  std::string strings = R"(\"\")";
  for (int i = 0; i < 2'000'000; ++i) strings += R"(,\"\")";
  expect_refused_cheaply(header(R"({"__metadata__":{"regnet.classes":"[)" + strings + R"(]"}})"), "of class names");
}

// A file's own words may hold what moves a terminal's cursor or ends a line.
TEST(Hostile, ForeignTextStaysOnItsLine) {
  const TemporaryFolder folder;
  const auto with_metadata = [&](const std::string& key, const std::string& value) {
    const std::string content = read(golden + "timm.safetensors");
    const std::size_t length =
        static_cast<unsigned char>(content[0]) + 256u * static_cast<unsigned char>(content[1]) + 65536u * static_cast<unsigned char>(content[2]);
    std::string header = content.substr(8, length);
    const std::string extra = "\"" + key + "\":\"" + value + "\"";
    const std::string before = "\"__metadata__\":{";
    const std::size_t at = header.find(before);
    if (at == std::string::npos) header.insert(1, before + extra + "},");
    else header.insert(at + before.size(), extra + ",");
    return "'" + folder.write("file.safetensors", safetensors(header, content.substr(8 + length))) + "'";
  };
  const std::string steering = R"(\u001b[2J\nx\r\u009b\u202e)";
  for (const auto& [key, value] : {std::pair<std::string, std::string>("regnet.model", steering),
                                   {"regnet.model", "w0=24,wa=1,wm=2,d=8," + steering + "=8"},
                                   {"regnet.preset", steering},
                                   {"regnet.preset", R"({\"name\":\"\u001b\n\",\"\u001b\n\":1})"}}) {
    SCOPED_TRACE(key + " " + value);
    const std::string file = with_metadata(key, value);
    expect_refused("predict --weights " + file + " image.png", "");
    const Result shown = run_regnet("inspect " + file);
    EXPECT_EQ(shown.exit_code, 0) << shown.err;
    EXPECT_EQ(shown.out.find_first_of("\x1b\r"), std::string::npos) << shown.out;
    EXPECT_EQ(std::count(shown.out.begin(), shown.out.end(), '\n'), 12) << shown.out;
  }
}

TEST(Hostile, NestingIsNoRecursion) {
  expect_pickle_refused(")" + std::string(10'000, '\x85'), "no weights", {});
  expect_pickle_refused(dict({{"stem.conv.weight", ")" + std::string(10'000, '\x85')}}), "no weights", {});
}

// An archive one of whose entries is so many zeros.
std::string bomb(std::size_t at, std::size_t zeros) {
  std::vector<ZipEntry> entries = torch_zip_entries(object_with(matrix), six);
  entries[at].content.assign(zeros, '\0');
  entries[at].deflated = true;
  return zip(entries);
}

TEST(Hostile, ZipBombsAreNotInflated) {
  expect_refused_cheaply(bomb(0, std::size_t{200} << 20), "'archive/data.pkl' would inflate");
  expect_refused_cheaply(bomb(2, std::size_t{200} << 20), "'archive/data/0' would inflate");
}

}  // namespace
