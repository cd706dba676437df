#include <regnet/base/tensor_view.hpp>

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

const std::vector<float> numbers{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};

TensorView view(Shape shape, std::vector<std::int64_t> strides, std::int64_t offset = 0) {
  return {DType::f32, std::move(shape), std::move(strides), offset, std::as_bytes(std::span(numbers))};
}

TEST(TensorView, TransposedOffsetAndExpandedViewsAreCopiedRowMajor) {
  EXPECT_EQ(to_floats(view({2, 3}, {3, 1})), (std::vector<float>{0, 1, 2, 3, 4, 5}));
  EXPECT_EQ(to_floats(view({3, 2}, {1, 3})), (std::vector<float>{0, 3, 1, 4, 2, 5}));
  EXPECT_EQ(to_floats(view({2, 2}, {4, 2}, 5)), (std::vector<float>{5, 7, 9, 11}));
  EXPECT_EQ(to_floats(view({2, 3}, {0, 1}, 9)), (std::vector<float>{9, 10, 11, 9, 10, 11}));
  EXPECT_EQ(to_floats(view({}, {}, 7)), (std::vector<float>{7}));
  EXPECT_EQ(to_floats(view({0, 3}, {3, 1})), std::vector<float>{});
}

TEST(TensorView, StorageMayStartAtAnyByte) {
  std::vector<std::byte> bytes(1 + 3 * sizeof(double));
  const double values[3] = {1.5, -2.25, 1e-300};
  std::memcpy(bytes.data() + 1, values, sizeof(values));
  const TensorView odd{DType::f64, {3}, {1}, 0, std::span(bytes).subspan(1)};
  EXPECT_EQ(to_floats(odd), (std::vector<float>{1.5f, -2.25f, 0.0f}));
}

// A checkpoint of 797 bytes once made a framework read out of bounds through a stride.
TEST(TensorView, ViewsThatLeaveTheirStorageAreRefusedWithoutOverflow) {
  const std::int64_t huge = std::numeric_limits<std::int64_t>::max();
  EXPECT_NO_THROW(check_bounds(view({3, 4}, {4, 1}), "t"));
  EXPECT_NO_THROW(check_bounds(view({1, 1}, {huge, huge}, 11), "t"));
  EXPECT_EQ(to_floats(view({1, 1}, {huge, huge}, 11)), (std::vector<float>{11}));
  for (const TensorView& bad :
       {view({3, 4}, {4, 1}, 1), view({2}, {huge}), view({2, 2}, {huge, huge}), view({2}, {std::int64_t{1} << 40}), view({2}, {-1}, 5),
        view({1}, {1}, 12), view({1}, {1}, huge), view({1}, {1}, -1), view({huge, huge}, {0, 0}), view({-1}, {1}), view({2, 2}, {1})})
    EXPECT_REGNET_ERROR(check_bounds(bad, "t"), Code::bad_format, "");
}

TEST(TensorView, IntegersAndBooleansAreWidened) {
  const std::int64_t longs[2] = {-7, 1LL << 40};
  const std::uint8_t bytes[2] = {0, 255};
  EXPECT_EQ(to_floats({DType::i64, {2}, {1}, 0, std::as_bytes(std::span(longs))}), (std::vector<float>{-7, 0x1p40f}));
  EXPECT_EQ(to_floats({DType::u8, {2}, {1}, 0, std::as_bytes(std::span(bytes))}), (std::vector<float>{0, 255}));
}

}  // namespace
}  // namespace regnet
