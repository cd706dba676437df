#include <regnet/eval/compare.hpp>

#include <gtest/gtest.h>

#include "base/expect_error.hpp"

namespace regnet {
namespace {

Predictions run_of(const std::vector<int>& answers) {
  Predictions predictions{static_cast<int>(answers.size()), {}};
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool failed = answers[i] < 0;
    predictions.images.push_back({static_cast<int>(i),
                                  "image" + std::to_string(i),
                                  static_cast<int>(i) % 3,
                                  {failed ? std::vector<int>{} : std::vector<int>{answers[i]}, failed ? std::vector<float>{} : std::vector<float>{1},
                                   failed ? "broken" : ""}});
  }
  return predictions;
}

// Twice the tail of a binomial distribution at 1/2: (1 + 10 + 45) / 1024 for two of ten, doubled.
TEST(McNemar, IsTheExactBinomialTail) {
  EXPECT_NEAR(mcnemar_exact(2, 8), 2 * 56.0 / 1024, 1e-14);
  EXPECT_NEAR(mcnemar_exact(8, 2), 2 * 56.0 / 1024, 1e-14);
  EXPECT_NEAR(mcnemar_exact(0, 5), 2.0 / 32, 1e-15);
  EXPECT_EQ(mcnemar_exact(0, 0), 1);
  EXPECT_EQ(mcnemar_exact(5, 5), 1);
  EXPECT_NEAR(mcnemar_exact(900, 1100), 8.457089535503927e-6, 1e-16);
}

TEST(Compare, CountsAgreementAndWhoIsRightAlone) {
  const Comparison comparison = compare(run_of({0, 1, 2, 0, 0, -1}), run_of({0, 1, 0, 1, 1, 2}));
  EXPECT_EQ(comparison.images, 6);
  EXPECT_EQ(comparison.agree, 2);
  EXPECT_EQ(comparison.a_correct, 4);
  EXPECT_EQ(comparison.b_correct, 4);
  EXPECT_EQ(comparison.a_alone, 2);
  EXPECT_EQ(comparison.b_alone, 2);
  EXPECT_EQ(comparison.p_value, 1);
  ASSERT_EQ(comparison.changes.size(), 4u);
  EXPECT_EQ(comparison.changes[3].a, -1);
  EXPECT_EQ(comparison.changes[3].b, 2);
}

TEST(Compare, RunsOverDifferentImagesAreMatchedByName) {
  Predictions a = run_of({0, 1, 2}), b = run_of({0, 1, 2, 0});
  std::swap(b.images[0], b.images[3]);
  const Comparison comparison = compare(a, b);
  EXPECT_EQ(comparison.images, 3);
  EXPECT_EQ(comparison.agree, 3);
  EXPECT_EQ(comparison.only_in_b, 1);
  b.images[1].label = 2;
  EXPECT_REGNET_ERROR(compare(a, b), Code::mismatch, "'image1' has label 1 in the first run and 2 in the second");
  a.images[0] = a.images[2];
  EXPECT_REGNET_ERROR(compare(a, run_of({0, 1, 2})), Code::mismatch, "'image2' comes twice in the first run");
  EXPECT_REGNET_ERROR(compare(run_of({}), b), Code::invalid_argument, "no image is in both");
}

}  // namespace
}  // namespace regnet
