#include <regnet/plan/plan_file.hpp>

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <random>
#include <set>

#include <nlohmann/json.hpp>

#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

#include "base/expect_error.hpp"
#include "base/temporary_folder.hpp"
#include "plan/kernels/kernels.hpp"

namespace regnet {
namespace {

// Has layers of every way: maps of 16 x 16 and 8 x 8, groups of 24.
BoundWeights network() {
  const Graph graph = build({{2, 48, 48, 24}, {2, 48, 48, 24}}, {.resolution = 64, .classes = 5});
  return bind(graph, synthetic_weights(parameters(graph)));
}

std::vector<float> run(const Plan& plan) {
  Session session(plan, {.batch = 1, .threads = 2});
  const std::vector<float> image = synthetic_input(static_cast<std::size_t>(plan.input_dims().count()));
  std::vector<float> logits(static_cast<std::size_t>(plan.classes()));
  session.run(image, logits);
  return logits;
}

std::string bytes_of(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A plan's bytes.
std::string saved(const TemporaryFolder& folder) {
  const auto path = folder.path() / "x.plan";
  save_plan(compile(network(), {.backend = Backend::own}), path, "about it");
  return bytes_of(path);
}

std::uint64_t header_length(const std::string& plan) {
  std::uint64_t length = 0;
  std::memcpy(&length, plan.data() + 16, sizeof length);
  return length;
}

TEST(PlanFile, GivesTheSameLogitsWhateverWaysWereTaken) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "x.plan";
  for (const bool compact : {false, true}) {
    const Plan plan = compile(network(), {.backend = Backend::own, .expected = {}, .compact = compact});
    save_plan(plan, path, "about it", Existing::replace);
    EXPECT_TRUE(is_plan_file(path));
    const PlanFile loaded = load_plan(path);
    EXPECT_EQ(loaded.about, "about it");
    EXPECT_EQ(run(loaded.plan), run(plan));
    ASSERT_EQ(loaded.plan.layers().size(), plan.layers().size());
    std::set<std::string> ways;
    for (std::size_t i = 0; i < plan.layers().size(); ++i) {
      EXPECT_EQ(loaded.plan.layers()[i].implementation, plan.layers()[i].implementation);
      ways.insert(plan.layers()[i].implementation);
    }
    EXPECT_TRUE(ways.contains(text("own:", kernels::best_kernels().name, compact ? ":winograd" : ":winograd-transformed")));
  }
  EXPECT_REGNET_ERROR(save_plan(compile(network(), {.backend = Backend::onednn}), path, ""), Code::invalid_argument, "own backend");
  EXPECT_REGNET_ERROR(save_plan(compile(network(), {.backend = Backend::own}), folder.path() / "no" / "x.plan", ""), Code::not_found, "no");
  EXPECT_REGNET_ERROR(save_plan(compile(network(), {.backend = Backend::own}), path, ""), Code::io, "exists already");
}

TEST(PlanFile, DamageIsFoundWhereverItIs) {
  const TemporaryFolder folder;
  const std::string whole = saved(folder);
  for (const std::size_t kept : {std::size_t{0}, std::size_t{10}, std::size_t{30}, std::size_t{4000}, whole.size() / 2, whole.size() - 1}) {
    folder.write("cut.plan", whole.substr(0, kept));
    EXPECT_REGNET_ERROR(load_plan(folder.path() / "cut.plan"), Code::bad_format, "cut.plan");
  }
  std::string other = whole;
  other[whole.size() - 1] = static_cast<char>(other[whole.size() - 1] ^ 1);
  folder.write("other.plan", other);
  EXPECT_REGNET_ERROR(load_plan(folder.path() / "other.plan"), Code::bad_format, "damaged");
  const auto replaced = [&](const std::string& from, const std::string& to) {
    std::string changed = whole;
    changed.replace(changed.find(from), from.size(), to);
    folder.write("changed.plan", changed);
    return folder.path() / "changed.plan";
  };
  EXPECT_REGNET_ERROR(load_plan(replaced(text("\"isa\":\"", kernels::best_kernels().name),
                                         text("\"isa\":\"", std::string(std::string_view(kernels::best_kernels().name).size(), 'x')))),
                      Code::unsupported, "compile it again");
  EXPECT_REGNET_ERROR(load_plan(replaced("\"version\":\"0", "\"version\":\"9")), Code::unsupported, "compile it again");
  EXPECT_REGNET_ERROR(load_plan(replaced("\"format\":5", "\"format\":6")), Code::unsupported, "compile it again");
}

TEST(PlanFile, NamesThatNoMessageCanShowAreNotWritten) {
  const TemporaryFolder folder;
  for (const std::string& name : {std::string("f\n"), std::string("\xff"), std::string(201, 'f')}) {
    Graph graph;
    const NodeId input = graph.append("i", Input{{8, 4, 4}}, {}), conv = graph.append("c", Conv{.in_channels = 8, .out_channels = 8}, {input});
    graph.append(name, Linear{8, 2}, {graph.append("p", GlobalAveragePool{}, {conv})});
    const Plan plan = compile(bind(graph, synthetic_weights(parameters(graph))), {.backend = Backend::own});
    EXPECT_REGNET_ERROR(save_plan(plan, folder.path() / "x.plan", ""), Code::invalid_argument, "printable ASCII");
    EXPECT_FALSE(std::filesystem::exists(folder.path() / "x.plan"));
  }
}

// Headers that are well formed and mean harm.
TEST(PlanFile, GraphsThatNobodyCompiledAreRefused) {
  const TemporaryFolder folder;
  const std::string whole = saved(folder);
  const std::uint64_t length = header_length(whole);
  const nlohmann::json header = nlohmann::json::parse(whole.substr(24, length));
  const auto refused = [&](const nlohmann::json& changed, const char* words) {
    const std::string text = changed.dump();
    const std::uint64_t size = text.size();
    std::string bytes = whole.substr(0, 16) + std::string(reinterpret_cast<const char*>(&size), 8) + text;
    bytes.resize((bytes.size() + 4095) / 4096 * 4096);
    bytes += whole.substr((24 + length + 4095) / 4096 * 4096);
    folder.write("h.plan", bytes);
    EXPECT_REGNET_ERROR(load_plan(folder.path() / "h.plan"), Code::bad_format, words);
  };
  const auto with_graph = [&](const char* graph, nlohmann::json ways = nlohmann::json::object()) {
    nlohmann::json changed = header;
    changed["graph"] = nlohmann::json::parse(graph);
    changed["ways"] = std::move(ways);
    changed["crc32"] = nlohmann::json::array();
    return changed;
  };
  refused(with_graph("[]"), "expected 1 to");
  refused(with_graph("{}"), "expected 1 to");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[3,8,8],"inputs":[]}])"), "cannot run");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[3,8,8],"inputs":[]},{"name":"j","op":"input","dims":[3,900,900],"inputs":[]},
                         {"name":"p","op":"global_average_pool","inputs":[1]},{"name":"f","op":"linear","linear":[3,8],"inputs":[2]}])"),
          "cannot run");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[8,1048576,1048576],"inputs":[]},{"name":"c","op":"conv","conv":[8,8,3,1,1],"inputs":[0]}])",
                     {{"c", "winograd"}}),
          "at most 2^30");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[8,16,16],"inputs":[]},{"name":"a","op":"conv","conv":[8,8,3,1,1],"inputs":[0]},
                         {"name":"a","op":"conv","conv":[8,8,1,1,1],"inputs":[1]}])"),
          "two nodes are called");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[8,16,16],"inputs":[]},{"name":"p","op":"global_average_pool","inputs":[0]},
                         {"name":"f","op":"linear","linear":[8,5000],"inputs":[1]},{"name":"g","op":"linear","linear":[5000,8],"inputs":[2]}])"),
          "cannot run");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[8,16,16.5],"inputs":[]}])"), "expected an integer");
  refused(with_graph(R"([{"name":"i","op":"input","dims":[8,16,16],"inputs":[4294967296]}])"), "expected an integer");
  refused(with_graph(R"([{"name":"i","op":"sorcery","inputs":[]}])"), "sorcery");
  // Which a terminal would obey.
  refused(with_graph(R"([{"name":"i\u001b[2J","op":"input","dims":[8,16,16],"inputs":[]}])"), R"(printable ASCII characters, found 'i\x1b[2J')");
  refused(with_graph(R"([{"name":"\u202e","op":"input","dims":[8,16,16],"inputs":[]}])"), "printable ASCII");
  nlohmann::json changed = header;
  changed["ways"]["s1.b1.f.a"] = "winograd";
  refused(changed, "no layer");
  changed = header;
  changed["crc32"] = {1e300};
  refused(changed, "expected an integer");
  changed.erase("about");
  refused(changed, "");
}

// Whatever the header's bytes become, the answer is a plan or an Error, and no memory is touched that is not there (the asan preset would tell).
TEST(PlanFile, MutatedHeadersAreRefusedOrRun) {
  const TemporaryFolder folder;
  const std::string whole = saved(folder);
  const std::uint64_t length = header_length(whole);
  std::mt19937 random(5);
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    std::string changed = whole;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      const std::size_t at = 16 + random() % (8 + length);
      changed[at] = random() % 2 ? static_cast<char>('0' + random() % 10) : static_cast<char>(random());
    }
    folder.write("m.plan", changed);
    try {
      run(load_plan(folder.path() / "m.plan").plan);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 300);
}

}  // namespace
}  // namespace regnet
