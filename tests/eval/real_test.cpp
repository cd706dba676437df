// ReaL labels and answers among some classes only.
#include <gtest/gtest.h>

#include <regnet/eval/tables.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

ImageResult answered(int number, std::vector<int> top) {
  ImageResult result{number - 1, text("val/ILSVRC2012_val_0000000", number, ".JPEG"), 0, {std::move(top), {}, {}}};
  result.answer.logits.resize(result.answer.top.size());
  if (result.answer.top.empty()) result.answer.error = "broken";
  return result;
}

TEST(RealLabels, AnImageIsRightWhenItsAnswerIsOneOfSeveral) {
  const TemporaryFolder folder;
  const RealLabels labels = read_real_labels(folder.write("real.json", "[[], [970, 795], [230, 231], [809]]"));
  ASSERT_EQ(labels.size(), 4u);
  const RealCounts counts = count_real({answered(1, {65}), answered(2, {795, 970}), answered(3, {5, 230}), answered(4, {})}, labels);
  EXPECT_EQ(counts.n, 3);
  EXPECT_EQ(counts.top1_correct, 1);
  EXPECT_REGNET_ERROR(count_real({answered(5, {1})}, labels), Code::mismatch, "with a number up to 4");
  ImageResult unnumbered = answered(1, {1});
  unnumbered.image = "dog.jpg";
  EXPECT_REGNET_ERROR(count_real({unnumbered}, labels), Code::mismatch, "'dog.jpg'");
}

TEST(RealLabels, FilesOfAnotherKindAreRefused) {
  const TemporaryFolder folder;
  for (const char* content : {"", "{}", "[1]", "[[1], 2]", "[[1000]]", "[[-1]]", "[[\"a\"]]", "[[1.5]]", "[[1]"})
    EXPECT_REGNET_ERROR(read_real_labels(folder.write("real.json", content)), Code::bad_format, "expected a list of lists of class indices");
}

}  // namespace
}  // namespace regnet
