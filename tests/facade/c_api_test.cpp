#include <regnet/regnet.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <fstream>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <regnet/image/decode.hpp>
#include <regnet/model.hpp>

namespace {

const std::string demo = REGNET_TEST_DIR "/../demo/";
const std::string weights = demo + "regnetx_fashion.safetensors";
const std::string picture = demo + "images/9/00000.png";

struct Close {
  void operator()(regnet_model* model) const { regnet_close(model); }
  void operator()(regnet_session* session) const { regnet_session_close(session); }
};
using ModelHandle = std::unique_ptr<regnet_model, Close>;
using SessionHandle = std::unique_ptr<regnet_session, Close>;

ModelHandle open_demo(const regnet_options* options = nullptr) {
  regnet_model* model = nullptr;
  EXPECT_EQ(regnet_open(weights.c_str(), options, &model), REGNET_OK) << regnet_last_error();
  return ModelHandle(model);
}

SessionHandle open_session(const ModelHandle& model, int batch = 1, int threads = 1) {
  regnet_session* session = nullptr;
  EXPECT_EQ(regnet_session_open(model.get(), batch, threads, &session), REGNET_OK) << regnet_last_error();
  return SessionHandle(session);
}

std::vector<char> read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void expect_failure(regnet_status found, regnet_status expected, const std::string& part) {
  EXPECT_EQ(found, expected) << regnet_last_error();
  const std::string message = regnet_last_error();
  EXPECT_NE(message.find(part), std::string::npos) << message;
  EXPECT_EQ(message.find('\n'), std::string::npos) << message;
}

}  // namespace

TEST(CApi, ClassifiesAsTheFacadeDoes) {
  const ModelHandle model = open_demo();
  const SessionHandle session = open_session(model);
  const std::vector<char> bytes = read(picture);
  regnet_prediction found[3];
  ASSERT_EQ(regnet_classify(model.get(), session.get(), bytes.data(), bytes.size(), found, 3), REGNET_OK) << regnet_last_error();

  const regnet::Model other = regnet::load_model(weights);
  regnet::Session other_session(other.plan, {1, 1});
  const std::vector<regnet::Prediction> expected = regnet::classify(other, other_session, regnet::load_image(picture), 3);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found[i].class_index, expected[i].class_index);
    EXPECT_EQ(found[i].logit, expected[i].logit);
    EXPECT_EQ(found[i].probability, expected[i].probability);
    EXPECT_EQ(found[i].name, expected[i].name);
  }
  EXPECT_STREQ(found[0].name, "Ankle boot");
}

TEST(CApi, TellsWhatTheModelIs) {
  const ModelHandle model = open_demo();
  EXPECT_STREQ(regnet_name(model.get()), "w0=24,wa=16,wm=2,d=8,g=16");
  EXPECT_EQ(regnet_classes(model.get()), 10);
  EXPECT_EQ(regnet_input_height(model.get()), 64);
  EXPECT_EQ(regnet_input_width(model.get()), 64);
  EXPECT_EQ(regnet_input_size(model.get()), 3U * 64 * 64);
  EXPECT_STREQ(regnet_class_name(model.get(), 9), "Ankle boot");
  EXPECT_EQ(regnet_class_name(model.get(), 10), nullptr);
  EXPECT_EQ(regnet_class_name(model.get(), -1), nullptr);
  EXPECT_EQ(regnet_warning(model.get(), 0), nullptr);
}

TEST(CApi, PixelsWithPaddedRowsGiveTheInputOfTheFile) {
  const ModelHandle model = open_demo();
  const std::size_t size = regnet_input_size(model.get());
  const std::vector<char> bytes = read(picture);
  std::vector<float> expected(size), found(size);
  ASSERT_EQ(regnet_preprocess(model.get(), bytes.data(), bytes.size(), expected.data(), size), REGNET_OK) << regnet_last_error();
  const regnet::Image image = regnet::load_image(picture);
  const std::size_t row = static_cast<std::size_t>(image.width) * 3, padded = row + 7;
  std::vector<std::uint8_t> rgb(padded * static_cast<std::size_t>(image.height), 255);
  for (std::size_t y = 0; y < static_cast<std::size_t>(image.height); ++y) std::copy_n(image.rgb.data() + y * row, row, rgb.data() + y * padded);
  ASSERT_EQ(regnet_preprocess_rgb(model.get(), rgb.data(), image.width, image.height, padded, found.data(), size), REGNET_OK) << regnet_last_error();
  EXPECT_EQ(found, expected);
  expect_failure(regnet_preprocess_rgb(model.get(), rgb.data(), image.width, image.height, row - 1, found.data(), size), REGNET_INVALID_ARGUMENT,
                 "bytes apart");
  expect_failure(regnet_preprocess_rgb(model.get(), rgb.data(), 0, 5, row, found.data(), size), REGNET_INVALID_ARGUMENT, "0 x 5");
}

TEST(CApi, ASessionOutlivesItsModelAndRunsBatches) {
  ModelHandle model = open_demo();
  const std::size_t size = regnet_input_size(model.get());
  std::vector<float> images(2 * size, 0.5F), logits(20), one(10);
  images[0] = 1;
  const SessionHandle two = open_session(model, 2), single = open_session(model);
  model.reset();
  ASSERT_EQ(regnet_run(two.get(), images.data(), images.size(), logits.data(), logits.size()), REGNET_OK) << regnet_last_error();
  for (std::size_t i = 0; i < 2; ++i) {
    ASSERT_EQ(regnet_run(single.get(), images.data() + i * size, size, one.data(), one.size()), REGNET_OK) << regnet_last_error();
    for (std::size_t k = 0; k < 10; ++k) EXPECT_NEAR(one[k], logits[i * 10 + k], 1e-5);
  }
}

TEST(CApi, OptionsChooseAndAreChecked) {
  regnet_options options{};
  options.size = sizeof options;
  options.backend = "reference";
  options.preset = "pycls";
  EXPECT_EQ(regnet_input_height(open_demo(&options).get()), 224);
  regnet_model* model = nullptr;
  const auto refused = [&](const regnet_options& wrong, regnet_status status, const char* part) {
    expect_failure(regnet_open(weights.c_str(), &wrong, &model), status, part);
    EXPECT_EQ(model, nullptr);
  };
  regnet_options wrong{};
  refused(wrong, REGNET_INVALID_ARGUMENT, "options.size");
  wrong.size = sizeof wrong;
  wrong.backend = "cuda";
  refused(wrong, REGNET_INVALID_ARGUMENT, "'cuda'");
  wrong = {}, wrong.size = sizeof wrong, wrong.precision = "f8";
  refused(wrong, REGNET_INVALID_ARGUMENT, "'f8'");
  wrong = {}, wrong.size = sizeof wrong, wrong.model = "regnetx_400mf";
  refused(wrong, REGNET_MISMATCH, "regnetx_400mf");
  wrong = {}, wrong.size = sizeof wrong, wrong.preset = "no_such";
  refused(wrong, REGNET_NOT_FOUND, "no_such");
  wrong = {}, wrong.size = sizeof wrong, wrong.classes = 1000;
  refused(wrong, REGNET_MISMATCH, "1000");
  wrong = {}, wrong.size = sizeof wrong, wrong.classes = -1;
  refused(wrong, REGNET_INVALID_ARGUMENT, "-1");
}

TEST(CApi, EveryFailureHasACodeAndOneLine) {
  regnet_model* none = nullptr;
  expect_failure(regnet_open("/no/such/file", nullptr, &none), REGNET_NOT_FOUND, "/no/such/file");
  expect_failure(regnet_open(picture.c_str(), nullptr, &none), REGNET_BAD_FORMAT, picture);
  EXPECT_EQ(none, nullptr);

  const ModelHandle model = open_demo();
  regnet_session* no_session = nullptr;
  expect_failure(regnet_session_open(model.get(), 0, 1, &no_session), REGNET_INVALID_ARGUMENT, "batch");
  expect_failure(regnet_session_open(model.get(), 1, -1, &no_session), REGNET_INVALID_ARGUMENT, "threads");
  EXPECT_EQ(no_session, nullptr);

  const SessionHandle session = open_session(model), two = open_session(model, 2);
  std::vector<float> input(regnet_input_size(model.get())), logits(10);
  expect_failure(regnet_run(session.get(), input.data(), input.size() - 1, logits.data(), 10), REGNET_INVALID_ARGUMENT, "expected");
  expect_failure(regnet_run(session.get(), input.data(), input.size(), logits.data(), 9), REGNET_INVALID_ARGUMENT, "expected");
  input[5] = std::numeric_limits<float>::quiet_NaN();
  expect_failure(regnet_run(session.get(), input.data(), input.size(), logits.data(), 10), REGNET_NUMERIC, "NaN");

  regnet_prediction best[11];
  const std::vector<char> bytes = read(picture);
  expect_failure(regnet_classify(model.get(), two.get(), bytes.data(), bytes.size(), best, 3), REGNET_INVALID_ARGUMENT, "batch 1");
  expect_failure(regnet_classify(model.get(), session.get(), bytes.data(), 20, best, 3), REGNET_BAD_FORMAT, "image");
  expect_failure(regnet_classify(model.get(), session.get(), bytes.data(), bytes.size(), best, 11), REGNET_INVALID_ARGUMENT, "1 to 10");
  expect_failure(regnet_preprocess(model.get(), bytes.data(), bytes.size(), input.data(), 5), REGNET_INVALID_ARGUMENT, "5");
  logits.assign(10, 1.0F);
  logits[2] = std::numeric_limits<float>::infinity();
  expect_failure(regnet_top(model.get(), logits.data(), 10, best, 3), REGNET_NUMERIC, "class 2");
  expect_failure(regnet_top(model.get(), logits.data(), 9, best, 3), REGNET_INVALID_ARGUMENT, "expected 10");
}

TEST(CApi, NullIsRefusedEverywhere) {
  const ModelHandle model = open_demo();
  const SessionHandle session = open_session(model);
  regnet_model* no_model = nullptr;
  regnet_session* no_session = nullptr;
  std::vector<float> input(regnet_input_size(model.get())), logits(10);
  const std::uint8_t pixel[3] = {};
  regnet_prediction best[1];
  const auto refused = [](regnet_status status) { expect_failure(status, REGNET_INVALID_ARGUMENT, "NULL"); };
  refused(regnet_open(nullptr, nullptr, &no_model));
  refused(regnet_open(weights.c_str(), nullptr, nullptr));
  refused(regnet_session_open(nullptr, 1, 1, &no_session));
  refused(regnet_session_open(model.get(), 1, 1, nullptr));
  refused(regnet_run(nullptr, input.data(), input.size(), logits.data(), 10));
  refused(regnet_run(session.get(), nullptr, input.size(), logits.data(), 10));
  refused(regnet_run(session.get(), input.data(), input.size(), nullptr, 10));
  refused(regnet_preprocess(nullptr, pixel, 3, input.data(), input.size()));
  refused(regnet_preprocess(model.get(), nullptr, 3, input.data(), input.size()));
  refused(regnet_preprocess(model.get(), pixel, 3, nullptr, input.size()));
  refused(regnet_preprocess_rgb(model.get(), nullptr, 1, 1, 3, input.data(), input.size()));
  refused(regnet_preprocess_rgb(model.get(), pixel, 1, 1, 3, nullptr, input.size()));
  refused(regnet_top(model.get(), nullptr, 10, best, 1));
  refused(regnet_top(model.get(), logits.data(), 10, nullptr, 1));
  refused(regnet_classify(model.get(), session.get(), nullptr, 3, best, 1));
  refused(regnet_classify(nullptr, session.get(), pixel, 3, best, 1));
  refused(regnet_classify(model.get(), nullptr, pixel, 3, best, 1));
  regnet_close(nullptr);
  regnet_session_close(nullptr);
  EXPECT_EQ(regnet_name(nullptr), nullptr);
  EXPECT_EQ(regnet_classes(nullptr), 0);
  EXPECT_EQ(regnet_input_size(nullptr), 0U);
}

TEST(CApi, MessagesBelongToTheirThread) {
  regnet_model* none = nullptr;
  expect_failure(regnet_open("/no/such/file", nullptr, &none), REGNET_NOT_FOUND, "/no/such/file");
  std::thread([] {
    EXPECT_STREQ(regnet_last_error(), "");
    regnet_model* nothing = nullptr;
    expect_failure(regnet_open("/another", nullptr, &nothing), REGNET_NOT_FOUND, "/another");
  }).join();
  EXPECT_NE(std::strstr(regnet_last_error(), "/no/such/file"), nullptr);
}
