#include <regnet/eval/predictions.hpp>

#include <gtest/gtest.h>

#include <limits>
#include <sstream>

#include <regnet/eval/tables.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

ImageResult image(int index, const std::string& name, int label, std::vector<int> top, const std::string& error = {}) {
  ImageResult result{index, name, label, {std::move(top), {}, error}};
  for (std::size_t i = 0; i < result.answer.top.size(); ++i)
    result.answer.logits.push_back(0.1f * static_cast<float>(index) - static_cast<float>(i) / 3);
  if (!result.answer.top.empty()) result.answer.probability = 0.3f + 0.1f * static_cast<float>(index);
  return result;
}

Predictions six() {
  return {6,
          {image(0, "0/a.jpg", 0, {0, 1, 2, 3, 4}), image(1, "0/b.jpg", 0, {1, 0, 2, 3, 4}), image(2, "1/with, comma.jpg", 1, {2, 3, 4, 0, 5}),
           image(3, "1/with \"quotes\" and\nline.jpg", 1, {1, 0}), image(4, "2/broken.jpg", 2, {}, "2/broken.jpg: JPEG: truncated, \"really\""),
           image(5, "2/c.jpg", 2, {1, 2, 0})}};
}

std::string written(const Predictions& predictions) {
  std::ostringstream out;
  write_predictions(predictions, out);
  return out.str();
}

Predictions read_text(const std::string& text) {
  const TemporaryFolder folder;
  return read_predictions(folder.write("p.csv", text));
}

TEST(Predictions, CountsFollowTheLabels) {
  const Counts counts = count(six().images, false), skipped = count(six().images, true);
  EXPECT_EQ(counts.n, 6);
  EXPECT_EQ(counts.top1_correct, 2);
  EXPECT_EQ(counts.top5_correct, 4);
  EXPECT_EQ(counts.errors, 1);
  EXPECT_EQ(skipped.n, 5);
  EXPECT_EQ(skipped.skipped, 1);
  EXPECT_EQ(skipped.top1_correct, 2);
}

TEST(Predictions, SurviveTheFileToTheLastBitOfALogit) {
  Predictions predictions = six();
  predictions.images[0].answer.logits = {std::numeric_limits<float>::max(), 1.0f / 3, std::numeric_limits<float>::denorm_min(), -0.0f, -1e-30f};
  const Predictions again = read_text(written(predictions));
  ASSERT_EQ(again.images.size(), 6u);
  EXPECT_EQ(again.total, 6);
  for (std::size_t i = 0; i < 6; ++i) {
    const ImageResult &found = again.images[i], &expected = predictions.images[i];
    EXPECT_EQ(found.index, expected.index);
    EXPECT_EQ(found.image, expected.image);
    EXPECT_EQ(found.label, expected.label);
    EXPECT_EQ(found.answer.top, expected.answer.top);
    EXPECT_EQ(found.answer.logits, expected.answer.logits);
    EXPECT_EQ(found.answer.error, expected.answer.error);
  }
  EXPECT_EQ(written(again), written(predictions));
}

TEST(Predictions, AFileThatIsNoneIsRefusedWithItsLine) {
  const std::string names = written({}), row = "1,2,a.jpg,0,,3,1.5,,,,,,,,,0.5\n";
  EXPECT_EQ(read_text(names + row).images.size(), 1u);
  for (const auto& [text, words] : {std::pair<std::string, const char*>{"", ":1: expected the line of names"},
                                    {"image,label\n", ":1: expected the line of names"},
                                    {names + "1,2,a.jpg\n", ":2: expected 16 fields, for image 'a.jpg'"},
                                    {names + row + "0,2,b.jpg,0,,3,1.5,,,,,,,,,0.5\n", ":3: expected an index"},
                                    {names + "3,2,b.jpg,0,,3,1.5,,,,,,,,,0.5\n", "expected an index"},
                                    {names + "1,2,a.jpg,-1,,3,1.5,,,,,,,,,0.5\n", "expected a label"},
                                    {names + "1,2,a.jpg,0,,3,nan,,,,,,,,,0.5\n", "expected a class and its logit"},
                                    {names + "1,2,a.jpg,0,,3,,,,,,,,,,0.5\n", "expected a class and its logit"},
                                    {names + "1,2,a.jpg,0,,,,3,1.5,,,,,,,0.5\n", "without gaps"},
                                    {names + "1,2,a.jpg,0,,,,,,,,,,,,\n", "either classes or an error"},
                                    {names + "1,2,a.jpg,0,why,3,1,,,,,,,,,0.5\n", "either classes or an error"},
                                    {names + "1,2,a.jpg,0,,3,1.5,,,,,,,,,\n", "expected the probability"},
                                    {names + "1,2,a.jpg,0,,3,1.5,,,,,,,,,1.5\n", "expected the probability"},
                                    {names + "1,2,a.jpg,0,why,,,,,,,,,,,0.5\n", "expected the probability"},
                                    {names + row + "2,3,b.jpg,0,,3,1.5,,,,,,,,,0.5\n", "of 3 images, of which the lines before have 2"},
                                    {names + "1,2,\"a.jpg,0,,3,1.5,,,,,,,,,0.5\n", "a quotation mark without its partner"}})
    EXPECT_REGNET_ERROR(read_text(text), Code::bad_format, words);
  EXPECT_REGNET_ERROR(read_predictions("/no/such.csv"), Code::not_found, "/no/such.csv");
}

TEST(Merge, ShardsInAnyOrderGiveTheWhole) {
  const Predictions whole = six();
  std::vector<Predictions> shards(3, Predictions{6, {}});
  for (std::size_t i = 0; i < 6; ++i) shards[2 - i % 3].images.push_back(whole.images[i]);
  EXPECT_EQ(written(merge(shards)), written(whole));
}

TEST(Merge, MissingDoubledAndForeignShardsAreNamed) {
  const Predictions whole = six();
  Predictions first{6, {whole.images[0], whole.images[3]}}, second{6, {whole.images[1], whole.images[4]}}, other{7, {whole.images[2]}};
  EXPECT_REGNET_ERROR(merge({first, second}), Code::mismatch,
                      "2 of 6 images are missing, the first is number 3: is a shard lost? Not among the files: shard 3/3");
  EXPECT_REGNET_ERROR(merge({first, second, first}), Code::mismatch, "image 1 ('0/a.jpg') comes twice: shard 1/3 is given twice");
  EXPECT_REGNET_ERROR(merge({first, other}), Code::mismatch, "of 6 and of 7 images");
  EXPECT_REGNET_ERROR(merge({}), Code::mismatch, "no predictions");
}

TEST(Tables, ClassesAndConfusionsAddUp) {
  const std::vector<ClassCount> classes = per_class(six().images);
  ASSERT_EQ(classes.size(), 3u);
  EXPECT_EQ(classes[1].label, 1);
  EXPECT_EQ(classes[1].n, 2);
  EXPECT_EQ(classes[1].top1_correct, 1);
  int sum = 0;
  for (const Confusion& entry : confusion(six().images)) sum += entry.count;
  EXPECT_EQ(sum, 6);
  EXPECT_EQ(confusion(six().images).size(), 6u);
  EXPECT_EQ(most_confused(six().images, 10).size(), 3u);
  EXPECT_EQ(most_confused(six().images, 1)[0].predicted, 1);
}

}  // namespace
}  // namespace regnet
