// What oneDNN itself says it executes: its verbose lines during a run of a session that has run before.
#include <gtest/gtest.h>

#include <sstream>

#include <oneapi/dnnl/dnnl.h>

#include <regnet/design/zoo.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

namespace regnet {
namespace {

// One line per primitive: "onednn_verbose,exec,cpu,<kind>,<implementation>,...".
std::vector<std::string> executed(Session& session, std::span<const float> images, std::span<float> logits) {
  testing::internal::CaptureStdout();
  dnnl_set_verbose(1);
  session.run(images, logits);
  dnnl_set_verbose(0);
  std::istringstream output(testing::internal::GetCapturedStdout());
  std::vector<std::string> lines;
  for (std::string line; std::getline(output, line);)
    if (line.find(",exec,") != std::string::npos) lines.push_back(line);
  return lines;
}

class Verbose : public testing::TestWithParam<std::tuple<std::string, int>> {};

// A stack that reordered its weights on every call, or fell to a reference kernel for one layer, gave right answers slowly for years.
TEST_P(Verbose, ASecondRunReordersNoWeightsAndUsesNoReferenceKernel) {
  const auto& [model, batch] = GetParam();
  const Graph graph = build(to_stages(find_design(model).params));
  const SessionOptions options{.batch = batch, .threads = 1};
  Session session(compile(bind(graph, synthetic_weights(parameters(graph))), {Backend::onednn, options}), options);
  const std::vector<float> images = synthetic_input(static_cast<std::size_t>(batch * graph.input_dims().count()));
  std::vector<float> logits(static_cast<std::size_t>(batch * graph.classes()));
  session.run(images, logits);
  const std::vector<std::string> lines = executed(session, images, logits);
  EXPECT_EQ(lines.size(), session.layers().size());
  int reorders = 0;
  for (const std::string& line : lines) {
    EXPECT_EQ(line.find(",ref"), std::string::npos) << line;
    EXPECT_EQ(line.find("convolution,x64:gemm"), std::string::npos) << line;
    if (line.find(",reorder,") == std::string::npos) continue;
    ++reorders;
    EXPECT_NE(line.find("," + std::to_string(batch) + "x3x224x224,"), std::string::npos) << "not the input: " << line;
  }
  EXPECT_LE(reorders, 1);
}

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo) names.emplace_back(entry.name);
  return names;
}

INSTANTIATE_TEST_SUITE_P(Zoo, Verbose, testing::Combine(testing::ValuesIn(zoo_names()), testing::Values(1, 2)), [](const auto& model) {
  std::string name = std::get<0>(model.param) + "_batch" + std::to_string(std::get<1>(model.param));
  std::replace(name.begin(), name.end(), '.', '_');
  return name;
});

}  // namespace
}  // namespace regnet
