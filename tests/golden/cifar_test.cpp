// A RegNetX-200MF trained on CIFAR-10, on 5,000 test images, against what PyTorch counted and computed on the same files. Precisions below f32 may only be judged on networks that
// learned something: random ones amplify what is rounded. Needs research data that is not part of the project.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <regnet/eval/dataset.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/image/preprocess.hpp>
#include <regnet/model.hpp>
#include <regnet/weights/open.hpp>

#include "golden/logits.hpp"
#include "plan/own_program.hpp"

namespace regnet {
namespace {

const std::string folder = REGNET_SHARED_DIR "/data/cifar/";

struct Row {
  Precision precision;
  int most_lost;        // of 5,000
  double least_cosine;  // over all logits
};

class Cifar : public testing::TestWithParam<Row> {};

// The logits of an .npy file of doubles or floats, whatever its shape.
std::vector<double> read_npy(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const std::size_t header = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<std::size_t>(static_cast<unsigned char>(bytes[9]));
  const bool wide = bytes.find("<f8") < header;
  std::vector<double> values;
  for (std::size_t at = header; at < bytes.size(); at += wide ? 8 : 4) {
    double value = 0;
    float narrow = 0;
    if (wide) std::memcpy(&value, bytes.data() + at, 8);
    else std::memcpy(&narrow, bytes.data() + at, 4), value = narrow;
    values.push_back(value);
  }
  return values;
}

// Found on every 25th image.
Quantization quantization_for(const std::string& weights, const Dataset& dataset, LoadOptions options) {
  options.compile.precision = Precision::f32;
  const Model model = load_model(weights, options);
  const Checkpoint checkpoint = open_checkpoint(weights);
  const BoundWeights bound = bind(build(model.stages, {model.recipe.crop, 10}), to_canonical(checkpoint.tensors).tensors);
  std::size_t next = 0;
  return calibrate(bound, [&](std::span<float> image) {
    if (next >= dataset.samples.size()) return false;
    preprocess(decode_image(*dataset.samples[next].bytes), model.recipe, image);
    next += 25;
    return true;
  });
}

TEST_P(Cifar, LosesNextToNothing) {
  if (!std::filesystem::exists(folder + "test5000.tar")) GTEST_SKIP() << "no " << folder;
  if (!detail::kernels_of(GetParam().precision)) GTEST_SKIP() << "this CPU has no instructions for " << name_of(GetParam().precision);
  LoadOptions options;
  options.preset = "torchvision-v1";
  options.recipe.resize = options.recipe.crop = 64;
  options.recipe.interpolation = Interpolation::pillow_bilinear;
  options.compile.precision = GetParam().precision;
  const std::string weights = folder + "regnetx_200mf_cifar10.safetensors";
  const Dataset dataset = open_dataset(folder + "test5000.tar", {{}, 10, {}});
  if (GetParam().precision == Precision::int8) options.compile.quantization = quantization_for(weights, dataset, options);
  const Model model = load_model(weights, options);
  const std::vector<double> golden = read_npy(folder + "logits5000.npy");
  ASSERT_EQ(golden.size(), 10 * dataset.samples.size());
  Session session(model.plan, {.batch = 1, .threads = 1});
  std::vector<float> input(static_cast<std::size_t>(model.plan.input_dims().count())), logits(10);
  int correct = 0, golden_correct = 0;
  std::vector<float> all;
  for (std::size_t i = 0; i < dataset.samples.size(); ++i) {
    const Sample& sample = dataset.samples[i];
    preprocess(decode_image(*sample.bytes), model.recipe, input);
    session.run(input, logits);
    const auto expected = std::span(golden).subspan(10 * i, 10);
    correct += std::max_element(logits.begin(), logits.end()) - logits.begin() == sample.label;
    golden_correct += std::max_element(expected.begin(), expected.end()) - expected.begin() == sample.label;
    all.insert(all.end(), logits.begin(), logits.end());
  }
  RecordProperty("right", correct);
  RecordProperty("distance", std::to_string(1e6 * (1 - cosine(all, golden))) + "e-6");
  EXPECT_EQ(golden_correct, 3878);
  EXPECT_GE(correct, golden_correct - GetParam().most_lost);
  EXPECT_LE(correct, golden_correct + GetParam().most_lost);
  EXPECT_GT(cosine(all, golden), GetParam().least_cosine);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Cifar,
                         testing::Values(Row{Precision::f32, 0, 1 - 1e-9}, Row{Precision::bf16, 5, 0.9995}, Row{Precision::int8, 25, 0.999}),
                         [](const auto& row) { return std::string(name_of(row.param.precision)); });

}  // namespace
}  // namespace regnet
