#include <regnet/image/decode.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <random>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"
#include "image/exif.hpp"
#include "pictures.hpp"
#include "png_file.hpp"

namespace regnet {
namespace {

Image decoded(const FileBytes& file, Exif exif = Exif::ignore) { return decode_image(as_bytes(file), exif); }
FileBytes golden_file(const std::string& name) { return read_test_file("golden/images/" + name); }

// Throws away the image: for files that must not decode.
void decode(const FileBytes& file) { static_cast<void>(decoded(file)); }

std::string shape_of(const Image& image) { return text(image.width, " x ", image.height); }

FileBytes with_segment(const FileBytes& jpeg, std::uint8_t marker, const FileBytes& payload) {
  const std::size_t length = payload.size() + 2;
  FileBytes segment{0xff, marker, static_cast<std::uint8_t>(length >> 8), static_cast<std::uint8_t>(length)};
  segment.insert(segment.end(), payload.begin(), payload.end());
  FileBytes file = jpeg;
  file.insert(file.begin() + 2, segment.begin(), segment.end());
  return file;
}

// Of the first FF marker.
std::size_t position_of(const FileBytes& jpeg, std::uint8_t marker, std::size_t from = 2) {
  const std::uint8_t pattern[] = {0xff, marker};
  return static_cast<std::size_t>(std::search(jpeg.begin() + static_cast<std::ptrdiff_t>(from), jpeg.end(), std::begin(pattern), std::end(pattern)) -
                                  jpeg.begin());
}

FileBytes with_jpeg_size(FileBytes jpeg, int width, int height, std::uint8_t frame = 0xc0) {
  const std::size_t at = position_of(jpeg, frame) + 5;
  for (const auto& [offset, value] : {std::pair{0, height}, std::pair{2, width}}) {
    jpeg[at + static_cast<std::size_t>(offset)] = static_cast<std::uint8_t>(value >> 8);
    jpeg[at + static_cast<std::size_t>(offset) + 1] = static_cast<std::uint8_t>(value);
  }
  return jpeg;
}

TEST(Decode, GoldenFilesGivePillowsPixels) {
  const nlohmann::json golden = read_golden("images/index.json");
  for (const auto& [name, row] : golden["files"].items()) {
    const FileBytes file = golden_file(name);
    if (row.contains("error")) {
      EXPECT_REGNET_ERROR(decode(file), Code::bad_format, "");
      continue;
    }
    const Image image = decoded(file);
    EXPECT_EQ(shape_of(image), text(row["width"], " x ", row["height"])) << name;
    EXPECT_EQ(image.rgb, from_base64(row["rgb"].get<std::string>())) << name;
  }
}

TEST(Decode, ArithmeticCodingGivesThePixelsOfTheHuffmanCodedFile) {
  const Image expected = decoded(golden_file("420.jpg"));
  EXPECT_EQ(decoded(read_test_file("image/fixtures/arithmetic.jpg")).rgb, expected.rgb);
  EXPECT_EQ(decoded(read_test_file("image/fixtures/arithmetic-progressive.jpg")).rgb, expected.rgb);
}

// A few hundred bytes claim 64 million pixels, and with arithmetic coding no count of bits says that it cannot be.
TEST(Decode, ArithmeticCodingCannotClaimAnySize) {
  for (const char* name : {"image/fixtures/arithmetic.jpg", "image/fixtures/arithmetic-progressive.jpg"}) {
    FileBytes file = read_test_file(name);
    const auto is_frame = [&](std::size_t i) { return int(file[i]) == 0xff && (int(file[i + 1]) == 0xc9 || int(file[i + 1]) == 0xca); };
    std::size_t frame = 0;
    while (!is_frame(frame)) ++frame;
    for (const std::size_t at : {frame + 5, frame + 7}) {  // height and width
      file[at] = static_cast<FileBytes::value_type>(8000 >> 8);
      file[at + 1] = static_cast<FileBytes::value_type>(8000 & 255);
    }
    EXPECT_REGNET_ERROR(decode(file), Code::unsupported, "arithmetic coding of 8000 x 8000 pixels");
  }
}

TEST(Decode, OrientationIsAppliedOnlyWhenAskedFor) {
  const nlohmann::json files = read_golden("images/index.json")["files"];
  for (int orientation = 1; orientation <= 8; ++orientation) {
    const std::string name = text("exif-", orientation, ".jpg");
    const FileBytes file = golden_file(name);
    EXPECT_EQ(shape_of(decoded(file)), "16 x 8") << name;
    const nlohmann::json& upright = files[name].contains("cv2") ? files[name]["cv2"] : files[name];  // OpenCV turns images
    const Image image = decoded(file, Exif::apply);
    EXPECT_EQ(shape_of(image), text(upright["width"], " x ", upright["height"])) << name;
    EXPECT_EQ(image.rgb, from_base64(upright["rgb"].get<std::string>())) << name;
  }
}

TEST(Decode, DamagedOrImpossibleOrientationIsIgnored) {
  for (const char* name : {"exif-broken.jpg", "exif-invalid-orientation.jpg", "420.jpg", "rgb.png"})
    EXPECT_EQ(decoded(golden_file(name), Exif::apply).rgb, decoded(golden_file(name)).rgb) << name;
}

TEST(Decode, OrientationInPngIsApplied) {
  const FileBytes tiff{'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0};
  const FileBytes file = PngFile(2, 1, 8, 0).chunk("eXIf", tiff).with_rows({{10, 20}});
  EXPECT_EQ(shape_of(decoded(file)), "2 x 1");
  const Image image = decoded(file, Exif::apply);
  EXPECT_EQ(shape_of(image), "1 x 2");
  EXPECT_EQ(image.rgb, (FileBytes{10, 10, 10, 20, 20, 20}));
}

TEST(Decode, ExifReaderStaysInsideItsBlock) {
  FileBytes tiff{'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, 8, 0, 0};
  EXPECT_EQ(detail::orientation_of(tiff), 8);
  for (std::size_t length = 0; length < tiff.size(); ++length) {
    const FileBytes prefix(tiff.begin(), tiff.begin() + static_cast<std::ptrdiff_t>(length));  // exact, so that a sanitizer sees a read beyond
    EXPECT_EQ(detail::orientation_of(prefix), length < 20 ? 1 : 8) << length;
  }
  std::fill_n(tiff.begin() + 4, 4, std::uint8_t{0xff});  // a directory at 2^32 - 1
  EXPECT_EQ(detail::orientation_of(tiff), 1);
}

TEST(Decode, PngModesMatchPillows) {
  const auto reds = [](const FileBytes& file) {
    const Image image = decoded(file);
    std::vector<int> values;
    for (std::size_t i = 0; i < image.rgb.size(); i += 3) values.push_back(image.rgb[i]);
    return values;
  };
  EXPECT_EQ(reds(PngFile(4, 1, 1, 0).with_rows({{0b10100000}})), (std::vector{255, 0, 255, 0}));
  EXPECT_EQ(reds(PngFile(4, 1, 2, 0).with_rows({{0b00011011}})), (std::vector{0, 85, 170, 255}));
  EXPECT_EQ(reds(PngFile(4, 1, 4, 0).with_rows({{0x0f, 0x37}})), (std::vector{0, 255, 51, 119}));
  EXPECT_EQ(reds(PngFile(4, 1, 16, 0).with_rows({{0, 0, 0, 254, 1, 0, 0x80, 0}})), (std::vector{0, 254, 255, 255}));  // clipped
  EXPECT_EQ(reds(PngFile(2, 1, 16, 4).with_rows({{0, 254, 0, 0, 0x80, 0xff, 0, 0}})), (std::vector{0, 128}));         // the high byte
  EXPECT_EQ(reds(PngFile(2, 1, 16, 2).with_rows({{1, 255, 0, 0, 0, 0, 254, 255, 0, 0, 0, 0}})), (std::vector{1, 254}));
  EXPECT_EQ(reds(PngFile(2, 1, 16, 6).with_rows({{7, 0, 0, 0, 0, 0, 0, 0, 9, 255, 0, 0, 0, 0, 0, 0}})), (std::vector{7, 9}));
}

TEST(Decode, TransparencyIsDroppedWithoutBlending) {
  EXPECT_EQ(decoded(PngFile(2, 1, 8, 6).with_rows({{1, 2, 3, 0, 4, 5, 6, 128}})).rgb, (FileBytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decoded(PngFile(2, 1, 8, 2).chunk("tRNS", {0, 1, 0, 2, 0, 3}).with_rows({{1, 2, 3, 4, 5, 6}})).rgb, (FileBytes{1, 2, 3, 4, 5, 6}));
  EXPECT_EQ(decoded(PngFile(2, 1, 8, 0).chunk("tRNS", {0, 7}).with_rows({{7, 8}})).rgb, (FileBytes{7, 7, 7, 8, 8, 8}));
}

TEST(Decode, PaletteIndicesBeyondThePaletteAreBlack) {
  const FileBytes palette{10, 20, 30, 40, 50, 60};
  EXPECT_EQ(decoded(PngFile(3, 1, 8, 3).chunk("PLTE", palette).with_rows({{1, 0, 200}})).rgb, (FileBytes{40, 50, 60, 10, 20, 30, 0, 0, 0}));
  EXPECT_EQ(decoded(PngFile(4, 1, 2, 3).chunk("PLTE", palette).with_rows({{0b01000010}})).rgb,
            (FileBytes{40, 50, 60, 10, 20, 30, 10, 20, 30, 0, 0, 0}));
}

// Used to be the fate of whole data sets: a prefix decoded to an image that is grey below.
TEST(Decode, EveryTruncationOfAJpegIsAnError) {
  for (const char* name : {"420.jpg", "progressive.jpg", "restart.jpg", "cmyk.jpg", "grey.jpg", "one-pixel.jpg", "rgb-adobe.jpg"}) {
    FileBytes file = golden_file(name);
    while (!file.empty()) {
      file.pop_back();
      ASSERT_THROW(decode(file), Error) << name << " cut to " << file.size() << " bytes";
    }
  }
}

TEST(Decode, EveryTruncationOfPngPixelsIsAnError) {
  for (const char* name : {"rgb.png", "interlaced.png", "grey16.png", "palette.png", "rgba.png", "one-bit.png"}) {
    FileBytes file = golden_file(name);
    file.resize(file.size() - 12);  // the end chunk, which tells nothing
    EXPECT_EQ(decoded(file).rgb, decoded(golden_file(name)).rgb) << name;
    while (!file.empty()) {
      file.pop_back();
      ASSERT_THROW(decode(file), Error) << name << " cut to " << file.size() << " bytes";
    }
  }
}

TEST(Decode, ATruncatedJpegThatWasGivenAnEndIsStillAnError) {
  FileBytes file = golden_file("420.jpg");
  file.resize(file.size() * 3 / 4);
  file.insert(file.end(), {0xff, 0xd9});
  EXPECT_REGNET_ERROR(decode(file), Code::bad_format, "premature end");
}

TEST(Decode, ChangedBytesGiveAnImageOrAnError) {
  std::mt19937 random(1);
  for (const char* name : {"420.jpg", "progressive.jpg", "restart.jpg", "ycck.jpg", "grey.jpg", "exif-6.jpg", "rgb.png", "interlaced.png",
                           "palette.png", "grey16.png"}) {
    const FileBytes file = golden_file(name);
    for (int round = 0; round < 300; ++round) {
      FileBytes changed = file;
      for (int i = 0; i < 1 + round % 3; ++i) changed[random() % changed.size()] = static_cast<std::uint8_t>(random());
      try {
        const Image image = decoded(changed, Exif::apply);
        ASSERT_EQ(image.rgb.size(), static_cast<std::size_t>(image.width) * static_cast<std::size_t>(image.height) * 3) << name;
      } catch (const Error&) {}
    }
  }
}

TEST(Decode, HarmlessOdditiesDoNotFail) {
  const FileBytes plain = golden_file("420.jpg");
  const Image expected = decoded(plain);
  FileBytes junk = plain;  // bytes between two segments
  const std::size_t table = position_of(plain, 0xdb);
  junk.insert(junk.begin() + static_cast<std::ptrdiff_t>(table), {1, 2, 3});
  EXPECT_EQ(decoded(junk).rgb, expected.rgb);
  FileBytes version = plain;  // of JFIF
  version[position_of(plain, 0xe0) + 9] = 9;
  EXPECT_EQ(decoded(version).rgb, expected.rgb);
  EXPECT_EQ(decoded(with_segment(plain, 0xee, {'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 77})).rgb, expected.rgb);  // colour transform 77
  EXPECT_EQ(decoded(with_segment(plain, 0xe2, {'I', 'C', 'C', '_', 'P', 'R', 'O', 'F', 'I', 'L', 'E', 0, 9, 1, 0})).rgb, expected.rgb);
  FileBytes text = golden_file("rgb.png");  // a text chunk that cannot be unpacked
  const FileBytes broken{0, 0, 0, 4, 'z', 'T', 'X', 't', 'a', 0, 9, 9, 0, 0, 0, 0};
  text.insert(text.begin() + 33, broken.begin(), broken.end());
  EXPECT_EQ(decoded(text).rgb, decoded(golden_file("rgb.png")).rgb);
}

// A few hundred bytes must not cost gigabytes, nor seconds.
TEST(Decode, SizesThatAFileCannotHoldAreRefusedUnread) {
  const FileBytes jpeg = golden_file("420.jpg"), progressive = golden_file("progressive.jpg");
  EXPECT_REGNET_ERROR(decode(with_jpeg_size(jpeg, 65500, 65500)), Code::unsupported, "65500 x 65500");
  EXPECT_REGNET_ERROR(decode(with_jpeg_size(jpeg, 16000, 16000)), Code::bad_format, "truncated");
  EXPECT_REGNET_ERROR(decode(with_jpeg_size(progressive, 16000, 16000, 0xc2)), Code::bad_format, "truncated");
  EXPECT_REGNET_ERROR(decode(PngFile(1 << 30, 1 << 30, 8, 2).with_rows({{0}})), Code::unsupported, "pixels");
  EXPECT_REGNET_ERROR(decode(PngFile(16000, 16000, 8, 2).with_rows({{0}})), Code::bad_format, "truncated");
}

TEST(Decode, ScansWithoutEndAreRefused) {
  const FileBytes file = golden_file("progressive.jpg");
  const std::size_t first = position_of(file, 0xda);
  std::size_t end = first + 2;
  while (file[end] != 0xff || file[end + 1] == 0) ++end;
  FileBytes bomb(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(end));
  for (int i = 0; i < 1000; ++i)
    bomb.insert(bomb.end(), file.begin() + static_cast<std::ptrdiff_t>(first), file.begin() + static_cast<std::ptrdiff_t>(end));
  bomb.insert(bomb.end(), {0xff, 0xd9});
  EXPECT_REGNET_ERROR(decode(bomb), Code::bad_format, "scans");
}

TEST(Decode, OtherJpegProcessesAreRefusedByName) {
  const FileBytes plain = golden_file("420.jpg");
  const std::size_t frame = position_of(plain, 0xc0);
  const auto changed = [&](std::size_t at, std::uint8_t value) {
    FileBytes file = plain;
    file[at] = value;
    return file;
  };
  EXPECT_REGNET_ERROR(decode(changed(frame + 1, 0xc3)), Code::unsupported, "lossless");
  EXPECT_REGNET_ERROR(decode(changed(frame + 1, 0xcb)), Code::unsupported, "lossless");
  EXPECT_REGNET_ERROR(decode(changed(frame + 1, 0xc5)), Code::unsupported, "hierarchical");
  EXPECT_REGNET_ERROR(decode(changed(frame + 4, 12)), Code::unsupported, "12 bits");
}

TEST(Decode, OtherFormatsAreRefusedByName) {
  using namespace std::string_literals;
  const std::pair<std::string, std::string> formats[] = {
      {"GIF89a"s, "GIF"},
      {"RIFF\x10\0\0\0WEBPVP8 "s, "WebP"},
      {"BM\x36\0\0\0"s, "BMP"},
      {"II*\0\x08\0\0\0"s, "TIFF"},
      {"MM\0*\0\0\0\x08"s, "TIFF"},
      {"\0\0\0\x1c"
       "ftypavif"s,
       "AVIF"},
      {"\0\0\0\x18"
       "ftypheic"s,
       "HEIF"},
      {"\0\0\0\x0cjP  \r\n\x87\n"s, "JPEG 2000"},
  };
  for (const auto& [bytes, name] : formats) EXPECT_REGNET_ERROR(decode({bytes.begin(), bytes.end()}), Code::unsupported, "found " + name);
  EXPECT_REGNET_ERROR(decode({}), Code::bad_format, "empty");
  EXPECT_REGNET_ERROR(decode({'t', 'e', 'x', 't'}), Code::bad_format, "neither");
  EXPECT_REGNET_ERROR(decode({0x89, 'P', 'N', 'G', '\n', 0x1a, '\n', 0}), Code::bad_format, "text mode");
}

TEST(Decode, LoadingPutsThePathInFront) {
  const std::string folder = std::string(REGNET_TEST_DIR) + "/golden/images/";
  EXPECT_EQ(load_image(folder + "rgb.png").rgb, decoded(golden_file("rgb.png")).rgb);
  EXPECT_REGNET_ERROR(load_image(folder + "truncated.jpg"), Code::bad_format, folder + "truncated.jpg: JPEG: ");
  EXPECT_REGNET_ERROR(load_image(folder + "empty.jpg"), Code::bad_format, "empty.jpg: ");
  EXPECT_REGNET_ERROR(load_image(folder + "no-such.jpg"), Code::not_found, "no-such.jpg");
}

TEST(Decode, VersionsNameBothDecoders) {
  EXPECT_NE(decoder_versions().find("jpeg"), std::string::npos);
  EXPECT_NE(decoder_versions().find(", libpng 1."), std::string::npos);
}

// Odd files of other projects' test suites, where this machine has them.
TEST(Decode, FilesOfOtherTestSuitesGiveAnImageOrAnError) {
  const std::filesystem::path folder = REGNET_SHARED_DIR "/data/tricky";
  if (!std::filesystem::is_directory(folder)) GTEST_SKIP() << folder << " is not there";
  int images = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    try {
      images += load_image(entry.path(), Exif::apply).rgb.empty() ? 0 : 1;
    } catch (const Error&) {}
  }
  EXPECT_GT(images, 250);
}

}  // namespace
}  // namespace regnet
