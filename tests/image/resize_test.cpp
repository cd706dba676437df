#include <regnet/image/resize.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/expect_error.hpp"
#include "golden/golden.hpp"
#include "pictures.hpp"

namespace regnet {
namespace {

struct Hashed {
  int width, height, to_width, to_height;
  std::uint64_t bilinear, bicubic, opencv;
};

// Of noise images resized by Pillow 13.0.0 and OpenCV 5.0.0: photographs' sizes, upscaling, one side, both halved, one pixel wide, and pictures so tall
// that Pillow takes the columns first.
constexpr Hashed hashed[] = {
    {500, 375, 341, 256, 0xd48e799fdba4b5a0, 0x35d56ebac6bd81a7, 0xeb727a1419d1c158},
    {375, 500, 256, 341, 0x83e7f3821c566eee, 0xe8eeaac26cee544f, 0xca157db33f6b1468},
    {97, 61, 407, 256, 0xfd2e80c540e39304, 0x0ce5e3a661b8af8f, 0x36f85cb60c5138ed},
    {61, 97, 256, 407, 0x62cf2daa0198b8bc, 0x05d6d12692c1f18f, 0xc1e02403190f9e26},
    {90, 240, 60, 160, 0x6a5a0f6402ff25d0, 0x6345587582807ed6, 0x987c9bccc960477a},
    {20, 75, 30, 40, 0x6387382ff28b75ca, 0x16007175ebd3755f, 0xa34a19cb8eeddf4c},
    {13, 40, 12, 9, 0x1a9e6a70e510f2dc, 0x8d253126e09495ad, 0x32f94b0517cd6afd},
    {40, 13, 9, 12, 0x97c081cbeca8b2f6, 0xfda6c3de3efc0042, 0xe8d715d7ec751110},
    {1, 37, 5, 9, 0xac0a0feb490f622f, 0xe977fa2e17886eaa, 0x5ae55413d2babb1a},
    {37, 1, 9, 5, 0x9462f0840510670f, 0x139f801eddcd22ea, 0x2663570d403a1672},
    {64, 64, 32, 32, 0xf68a0b6f55bbead9, 0x6654b134747a23ac, 0x99d159acf86e6c21},
    {66, 30, 33, 30, 0x4b43531492f53215, 0x27ab1ed6983076c7, 0x6f775dd1b7e0a4dc},
    {256, 300, 256, 256, 0x8d44586c8cdaaffd, 0xe314fd85b4ef983d, 0xfb7965f9b71d5ef0},
    {7, 300, 256, 11, 0xc239a19a31303d1b, 0x4532a42095cecec0, 0xb9af22cf4f327597},
    {300, 7, 2, 19, 0x7b80691fd5e07d84, 0xdf092b01c6252114, 0xfe4a517e46f6910c},
};

TEST(Resize, EveryByteIsPillowsAndOpenCVs) {
  for (const Hashed& row : hashed) {
    const Image src = noise(row.width, row.height);
    const std::string sizes = text(row.width, " x ", row.height, " to ", row.to_width, " x ", row.to_height);
    EXPECT_EQ(hash_of(resize_pillow(src, row.to_width, row.to_height, PillowFilter::bilinear).rgb), row.bilinear) << sizes;
    EXPECT_EQ(hash_of(resize_pillow(src, row.to_width, row.to_height, PillowFilter::bicubic).rgb), row.bicubic) << sizes;
    EXPECT_EQ(hash_of(resize_opencv(src, row.to_width, row.to_height).rgb), row.opencv) << sizes;
  }
}

TEST(Resize, GoldenPixelsOfAllFourResamplersAreMet) {
  const nlohmann::json golden = read_golden("preprocess.json");
  for (const nlohmann::json& row : golden["resize"]) {
    const Image src = noise(row["from"][0], row["from"][1]);
    const int width = row["to"][0], height = row["to"][1];
    const auto expected_bytes = [&](const char* resampler) { return from_base64(row[resampler].get<std::string>()); };
    EXPECT_EQ(resize_pillow(src, width, height, PillowFilter::bilinear).rgb, expected_bytes("pillow_bilinear_u8")) << row["from"];
    EXPECT_EQ(resize_pillow(src, width, height, PillowFilter::bicubic).rgb, expected_bytes("pillow_bicubic_u8")) << row["from"];
    EXPECT_EQ(resize_opencv(src, width, height).rgb, expected_bytes("cv2_linear_u8")) << row["from"];
    if (!row.contains("cv2_linear_f32")) continue;
    const std::vector<float> expected = floats_from_base64(row["cv2_linear_f32"].get<std::string>());
    const std::vector<float> found = resize_opencv_float(src, width, height);
    ASSERT_EQ(found.size(), expected.size());
    // Equal as compiled for plain x86-64; a fused multiply-add may turn the last bit.
    for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], 0x1p-15) << row["from"] << " value " << i;
  }
}

TEST(Resize, WindowHoldsThePixelsOfTheWholeImage) {
  struct Case {
    int width, height, to_width, to_height;
    Window window;
  };
  constexpr Case cases[] = {{50, 40, 31, 25, {7, 3, 20, 22}}, {20, 31, 57, 90, {56, 0, 1, 90}}, {30, 90, 11, 30, {2, 4, 5, 6}},
                            {30, 20, 30, 9, {3, 2, 9, 4}},    {30, 20, 13, 20, {3, 2, 9, 4}},   {30, 20, 15, 10, {3, 2, 9, 4}},
                            {30, 20, 30, 20, {29, 19, 1, 1}}};
  for (const Case& c : cases) {
    const Image src = noise(c.width, c.height);
    const Image whole[] = {resize_pillow(src, c.to_width, c.to_height, PillowFilter::bilinear),
                           resize_pillow(src, c.to_width, c.to_height, PillowFilter::bicubic), resize_opencv(src, c.to_width, c.to_height)};
    const Image part[] = {resize_pillow(src, c.to_width, c.to_height, PillowFilter::bilinear, c.window),
                          resize_pillow(src, c.to_width, c.to_height, PillowFilter::bicubic, c.window),
                          resize_opencv(src, c.to_width, c.to_height, c.window)};
    const std::vector<float> floats = resize_opencv_float(src, c.to_width, c.to_height),
                             float_part = resize_opencv_float(src, c.to_width, c.to_height, c.window);
    for (int i = 0; i < c.window.width * c.window.height * 3; ++i) {
      const int row = i / (c.window.width * 3), column = i % (c.window.width * 3);
      const auto at = static_cast<std::size_t>((c.window.y + row) * c.to_width * 3 + c.window.x * 3 + column);
      for (int k = 0; k < 3; ++k)
        ASSERT_EQ(part[k].rgb[std::size_t(i)], whole[k].rgb[at]) << c.to_width << " x " << c.to_height << ", resampler " << k;
      ASSERT_EQ(float_part[std::size_t(i)], floats[at]);
    }
  }
}

TEST(Resize, PillowMeltsACheckerboardThatOpenCVAliases) {
  Image board = picture(1000, 750);
  for (int y = 0; y < 750; ++y)
    for (int x = 0; x < 1000; ++x) std::fill_n(board.rgb.begin() + (y * 1000 + x) * 3, 3, (x + y) % 2 ? std::uint8_t{255} : std::uint8_t{0});
  const auto range = [](const Image& image) {
    const auto [low, high] = std::minmax_element(image.rgb.begin(), image.rgb.end());
    return *high - *low;
  };
  EXPECT_LE(range(resize_pillow(board, 341, 256, PillowFilter::bilinear)), 3);  // 126 to 129
  EXPECT_GE(range(resize_opencv(board, 341, 256)), 200);
}

TEST(Resize, HalvingBothSidesInOpenCVAveragesFourPixels) {
  const Image src = noise(26, 14), half = resize_opencv(src, 13, 7);
  const std::vector<float> shares = resize_opencv_float(src, 13, 7, {0, 0, 13, 7}, 255);
  for (int y = 0; y < 7; ++y)
    for (int x = 0; x < 13; ++x) {
      const auto at = [&](int dx, int dy) { return int{src.rgb[static_cast<std::size_t>(((2 * y + dy) * 26 + 2 * x + dx) * 3)]}; };
      ASSERT_EQ(int{half.rgb[static_cast<std::size_t>((y * 13 + x) * 3)]}, (at(0, 0) + at(1, 0) + at(0, 1) + at(1, 1) + 2) / 4);
      const auto share = [&](int dx, int dy) { return static_cast<float>(at(dx, dy)) / 255; };
      ASSERT_EQ(shares[static_cast<std::size_t>((y * 13 + x) * 3)], (((share(0, 0) + share(1, 0)) + share(0, 1)) + share(1, 1)) * 0.25f);
    }
}

TEST(Resize, TheSameSizeIsACopy) {
  const Image src = noise(19, 23);
  EXPECT_EQ(resize_pillow(src, 19, 23, PillowFilter::bicubic).rgb, src.rgb);
  EXPECT_EQ(resize_opencv(src, 19, 23).rgb, src.rgb);
  const std::vector<float> floats = resize_opencv_float(src, 19, 23);
  EXPECT_TRUE(std::equal(floats.begin(), floats.end(), src.rgb.begin(), src.rgb.end()));
}

TEST(Resize, AUniformImageStaysUniform) {
  const Image src = uniform(37, 90, 255, 128, 1);
  for (const auto& [width, height] : {std::pair{11, 13}, std::pair{100, 301}, std::pair{200, 7}}) {
    const Image expected = uniform(width, height, 255, 128, 1);
    EXPECT_EQ(resize_pillow(src, width, height, PillowFilter::bilinear).rgb, expected.rgb);
    EXPECT_EQ(resize_pillow(src, width, height, PillowFilter::bicubic).rgb, expected.rgb);
    EXPECT_EQ(resize_opencv(src, width, height).rgb, expected.rgb);
  }
}

TEST(Resize, FloatPixelsAreDividedBeforeTheyAreBlended) {
  const Image src = noise(9, 9);
  const std::vector<float> levels = resize_opencv_float(src, 9, 9), shares = resize_opencv_float(src, 9, 9, {0, 0, 9, 9}, 255);
  for (std::size_t i = 0; i < levels.size(); ++i) ASSERT_EQ(shares[i], levels[i] / 255);
}

TEST(Resize, ImagesWithoutPixelsAndWindowsOutsideAreRefused) {
  const Image src = noise(8, 8);
  EXPECT_REGNET_ERROR(resize_opencv(Image{}, 4, 4), Code::invalid_argument, "0 x 0");
  EXPECT_REGNET_ERROR(resize_opencv(Image{8, 8, {1, 2, 3}}, 4, 4), Code::invalid_argument, "3 bytes");
  EXPECT_REGNET_ERROR(resize_pillow(src, 0, 4, PillowFilter::bilinear), Code::invalid_argument, "0 x 4");
  EXPECT_REGNET_ERROR(resize_opencv_float(src, 4, -4), Code::invalid_argument, "4 x -4");
  EXPECT_REGNET_ERROR(resize_pillow(src, 4, 4, PillowFilter::bilinear, {2, 0, 3, 4}), Code::invalid_argument, "window");
  EXPECT_REGNET_ERROR(resize_opencv(src, 4, 4, {0, -1, 4, 4}), Code::invalid_argument, "window");
}

}  // namespace
}  // namespace regnet
