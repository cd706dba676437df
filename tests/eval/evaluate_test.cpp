#include <regnet/eval/evaluate.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>

#include <regnet/base/top_k.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

constexpr int classes = 7;

Recipe recipe() {
  Recipe small = find_preset("torchvision-v1");
  small.resize = small.crop = 32;
  return small;
}

Plan plan() {
  const Graph graph = build({{1, 16, 16, 8}}, {.resolution = 32, .classes = classes});
  return compile(bind(graph, synthetic_weights(parameters(graph))));
}

// The sound images of the decoding goldens, in `copies` class folders each.
int fill(const TemporaryFolder& folder, int copies) {
  int count = 0;
  for (const char* file : {"420.jpg", "444.jpg", "grey.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "palette.png", "one-pixel.jpg", "exif-6.jpg"})
    for (int copy = 0; copy < copies; ++copy) {
      const std::filesystem::path path = folder.path() / std::to_string(count % classes) / (std::to_string(count) + "_" + file);
      std::filesystem::create_directories(path.parent_path());
      std::filesystem::copy_file(std::string(REGNET_TEST_DIR) + "/golden/images/" + file, path);
      ++count;
    }
  return count;
}

// The same count, one image at a time through the reference backend.
int count_alone(const Dataset& dataset) {
  const Graph graph = build({{1, 16, 16, 8}}, {.resolution = 32, .classes = classes});
  Session session(compile(bind(graph, synthetic_weights(parameters(graph))), {.backend = Backend::reference}));
  std::vector<float> input(3 * 32 * 32), logits(classes);
  int correct = 0;
  for (const Sample& sample : dataset.samples) {
    preprocess(load_image(sample.path), recipe(), input);
    session.run(input, logits);
    correct += top_k(logits, 1)[0] == sample.label;
  }
  return correct;
}

TEST(Evaluate, CountsEqualThoseOfOneImageAtATimeWhateverBatchAndThreads) {
  const TemporaryFolder folder;
  const int count = fill(folder, 5);
  const Dataset dataset = open_dataset(folder.path(), {{}, classes, {}});
  ASSERT_EQ(dataset.samples.size(), static_cast<std::size_t>(count));
  const int expected = count_alone(dataset);
  for (const auto& [batch, threads] : {std::pair{1, 1}, {4, 2}, {7, 3}, {64, 2}}) {
    const Report report = evaluate(plan(), recipe(), dataset, {.batch = batch, .threads = threads});
    EXPECT_EQ(report.n, count);
    EXPECT_EQ(report.top1_correct, expected) << batch;
    EXPECT_EQ(report.errors, 0);
    EXPECT_EQ(report.answers.size(), dataset.samples.size());
    for (const Answer& answer : report.answers) EXPECT_EQ(answer.top.size(), 5u);
  }
}

// Elsewhere, images that failed to decode disappeared from the count and the exit code stayed 0.
TEST(Evaluate, BrokenImagesCountAsWrongUnlessSkippedAndAreAlwaysListed) {
  const TemporaryFolder folder;
  const int sound = fill(folder, 1);
  folder.write("0/empty.jpg");
  folder.write("1/text.png", "no image");
  const Dataset dataset = open_dataset(folder.path(), {{}, classes, {}});
  const Report counted = evaluate(plan(), recipe(), dataset, {.batch = 3, .threads = 2});
  EXPECT_EQ(counted.n, sound + 2);
  EXPECT_EQ(counted.errors, 2);
  EXPECT_EQ(counted.skipped, 0);
  const Report skipped = evaluate(plan(), recipe(), dataset, {.batch = 3, .threads = 2, .skip_errors = true});
  EXPECT_EQ(skipped.n, sound);
  EXPECT_EQ(skipped.skipped, 2);
  EXPECT_EQ(skipped.top1_correct, counted.top1_correct);
  int listed = 0;
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    const Answer& answer = counted.answers[i];
    EXPECT_EQ(answer.error.empty(), !answer.top.empty());
    if (!answer.error.empty()) {
      ++listed;
      EXPECT_NE(answer.error.find(dataset.samples[i].path.filename().string()), std::string::npos) << answer.error;
    }
  }
  EXPECT_EQ(listed, 2);
}

TEST(Evaluate, ProgressEndsWithAllImages) {
  const TemporaryFolder folder;
  const int count = fill(folder, 2);
  const Dataset dataset = open_dataset(folder.path(), {{}, classes, {}});
  int last = 0, calls = 0;
  const Report report = evaluate(plan(), recipe(), dataset, {.batch = 4, .threads = 2}, [&](int done, int total, int correct) {
    EXPECT_GT(done, last);
    EXPECT_EQ(total, count);
    EXPECT_LE(correct, done);
    last = done;
    ++calls;
  });
  EXPECT_EQ(last, count);
  EXPECT_EQ(calls, (count + 3) / 4);
}

// An overflow inside the network gives NaN logits; an arg-max over them would be an answer by accident.
TEST(Evaluate, NaNLogitsEndTheRunAndNameTheImage) {
  const TemporaryFolder folder;
  fill(folder, 1);
  const Graph graph = build({{1, 16, 16, 8}}, {.resolution = 32, .classes = classes});
  std::vector<std::vector<float>> values;
  TensorMap tensors;
  for (const Parameter& parameter : parameters(graph)) {
    values.push_back(synthetic_values(parameter));
    if (parameter.shape.size() > 1)
      for (std::size_t i = 0; i < values.back().size(); ++i) values.back()[i] = i % 2 ? 1e30f : -1e30f;
  }
  std::size_t i = 0;
  for (const Parameter& parameter : parameters(graph)) tensors.add(parameter.name, view_of(values[i++], parameter.shape));
  const Plan broken = compile(bind(graph, tensors));
  const Dataset dataset = open_dataset(folder.path(), {{}, classes, {}});
  EXPECT_REGNET_ERROR(evaluate(broken, recipe(), dataset, {.batch = 2, .threads = 2}), Code::numeric, "logit of class ");
}

TEST(Evaluate, ARecipeOfAnotherSizeThanTheNetworkIsRefused) {
  const TemporaryFolder folder;
  fill(folder, 1);
  const Dataset dataset = open_dataset(folder.path(), {{}, classes, {}});
  EXPECT_REGNET_ERROR(evaluate(plan(), find_preset("pycls"), dataset), Code::invalid_argument, "224");
}

}  // namespace
}  // namespace regnet
