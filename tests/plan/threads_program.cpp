// The threading contract (docs/threads.md) under ThreadSanitizer, which cannot follow OpenMP: the own backend with its portable kernels, and what is built on it. Every result must be that of one thread, bit
// by bit (each output is summed in the same order, whoever does it). Exit code 0: so it is, and no race was found.
// threads_program DEMO: the folder demo/ of the project.
#include <atomic>
#include <cstdio>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include <regnet/regnet.h>
#include <regnet/eval/evaluate.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/model.hpp>
#include <regnet/weights/synthetic.hpp>

namespace {

using namespace regnet;

template <class Body>
void in_threads(int count, const Body& body) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < count; ++i) threads.emplace_back([&body, i] { body(i); });
}

// One plan, eight threads with a session each, of one to three threads of their own.
bool sessions_share_a_plan() {
  // Stages with bands, Winograd, direct convolutions by rows and by panels.
  const Graph graph = build({{1, 64, 64, 16}, {2, 96, 96, 48}, {2, 48, 48, 8}}, {.resolution = 161, .classes = 10});
  const Plan plan = compile(bind(graph, synthetic_weights(parameters(graph))), {.backend = Backend::own});
  const std::vector<float> images = synthetic_input(4 * static_cast<std::size_t>(graph.input_dims().count()));
  const auto run = [&](const SessionOptions& options) {
    const auto batch = static_cast<std::size_t>(options.batch);
    std::vector<float> logits(batch * 10);
    Session session(plan, options);
    for (int round = 0; round < 3; ++round) session.run(std::span(images).first(images.size() / 4 * batch), logits);
    return logits;
  };
  const std::vector<float> expected = run({4, 1});
  std::atomic<int> wrong = 0;
  in_threads(8, [&](int i) {
    const std::vector<float> logits = run({1 + i % 4, 1 + i % 3});
    wrong += !std::equal(logits.begin(), logits.end(), expected.begin());
  });
  return wrong == 0;
}

Model load_demo(const std::string& demo) {
  LoadOptions options;
  options.compile.backend = Backend::own;
  return load_model(demo + "/regnetx_fashion.safetensors", options);
}

// Models and sessions made, used and destroyed in three different threads.
bool models_move(const std::string& demo) {
  const Image image = load_image(demo + "/images/9/00000.png");
  std::vector<std::optional<Model>> models(4);
  std::vector<std::unique_ptr<Session>> sessions(4);
  std::atomic<int> wrong = 0;
  in_threads(4, [&](int i) {
    const auto at = static_cast<std::size_t>(i);
    models[at].emplace(load_demo(demo));
    sessions[at] = std::make_unique<Session>(models[at]->plan, SessionOptions{.batch = 1, .threads = 1 + i % 2});
  });
  in_threads(4, [&](int i) {
    const auto at = static_cast<std::size_t>((i + 1) % 4);
    for (int round = 0; round < 3; ++round) wrong += classify(*models[at], *sessions[at], image, 1).at(0).name != "Ankle boot";
  });
  in_threads(4, [&](int i) {
    models[static_cast<std::size_t>((i + 2) % 4)].reset();
    sessions[static_cast<std::size_t>((i + 2) % 4)].reset();
  });
  return wrong == 0;
}

// Two evaluations at once, of several workers each, whose progress and answers are told.
bool evaluations_agree(const std::string& demo) {
  const Model model = load_demo(demo);
  const Dataset dataset = spread_sample(open_dataset(demo + "/images", {.classes = model.plan.classes(), .class_names = model.class_names}), 60);
  const auto correct = [&](int threads) {
    int told = 0;
    EvaluateOptions options{.batch = 4, .threads = threads};
    options.on_answers = [&](std::size_t, std::span<const Answer> answers) { told += static_cast<int>(answers.size()); };
    const Report report = evaluate(model.plan, model.recipe, dataset, options, [&](int, int, int) { ++told; });
    return told > 60 ? report.top1_correct : -1;
  };
  const auto expected = correct(1);
  std::atomic<int> wrong = 0;
  in_threads(2, [&](int i) { wrong += correct(2 + i) != expected; });
  return wrong == 0;
}

// Handles of the C interface, and each thread's own message.
bool c_interface_agrees(const std::string& demo) {
  regnet_model* model = nullptr;
  if (regnet_open((demo + "/regnetx_fashion.safetensors").c_str(), nullptr, &model) != REGNET_OK) return false;
  std::ifstream file(demo + "/images/9/00000.png", std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::atomic<int> wrong = 0;
  in_threads(4, [&](int i) {
    const std::string missing = "/missing/" + std::to_string(i);
    regnet_model* none = nullptr;
    wrong += regnet_open(missing.c_str(), nullptr, &none) != REGNET_NOT_FOUND;
    regnet_session* session = nullptr;
    wrong += regnet_session_open(model, 1, 1 + i % 2, &session) != REGNET_OK;
    regnet_prediction best{};
    wrong += regnet_classify(model, session, bytes.data(), bytes.size(), &best, 1) != REGNET_OK || best.class_index != 9;
    wrong += std::string(regnet_last_error()).find(missing) == std::string::npos;
    regnet_session_close(session);
  });
  regnet_close(model);
  return wrong == 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const std::string demo = argv[1];
  int failures = 0;
  const auto check = [&](bool right, const char* what) {
    std::printf("%s: %s\n", what, right ? "right" : "WRONG");
    failures += !right;
  };
  check(sessions_share_a_plan(), "eight threads on one plan");
  check(models_move(demo), "models and sessions that move between threads");
  check(evaluations_agree(demo), "evaluations side by side");
  check(c_interface_agrees(demo), "the C interface in four threads");
  return failures;
}
