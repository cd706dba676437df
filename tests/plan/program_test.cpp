// Where a program puts its outputs: what is still needed lies alone, and a border holds zeros when it is read. Runs are played with marks instead of values, but borders are
// cleared as a session clears them.
#include "plan/own_steps.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/rewrite.hpp>

namespace regnet::detail {
namespace {

// An output is written as its node's number and one; 0 is a border.
class Arena {
 public:
  explicit Arena(const Program& program) : x_program(program), x_steps(program, nullptr), x_marks(program.arena_floats) {}

  void write(NodeId id) { write(id, x_program.place(id).clears); }

  void write(NodeId id, bool clears) {
    constexpr int threads = 3;
    const int height = x_program.graph.node(id).dims.height;
    for (int thread = 0; clears && thread < threads; ++thread) x_steps.clear_border(x_marks.data(), id, part(height, threads, thread));
    each_pixel(id, [&](float& mark) { mark = mark_of(id); });
  }

  void expect_readable(NodeId id, NodeId reader) {
    const Place& place = x_program.place(id);
    const std::string where = x_program.graph.node(id).name + " for " + x_program.graph.node(reader).name;
    bool whole = true;
    each_pixel(id, [&](const float& mark) { whole &= mark == mark_of(id); });
    ASSERT_TRUE(whole) << where;
    const auto count = [&](float mark) { return std::count(begin(place), begin(place) + size(place), mark); };
    if (place.origin != place.begin) {
      ASSERT_EQ(count(mark_of(id)) + count(0), size(place)) << where << ": its border";
    }
  }

 private:
  static float mark_of(NodeId id) { return static_cast<float>(id + 1); }
  std::vector<float>::iterator begin(const Place& place) { return x_marks.begin() + static_cast<std::ptrdiff_t>(place.begin); }
  static std::ptrdiff_t size(const Place& place) { return static_cast<std::ptrdiff_t>(place.size); }

  template <class Do>
  void each_pixel(NodeId id, const Do& act) {
    const Dims& dims = x_program.graph.node(id).dims;
    const Place& place = x_program.place(id);
    for (int y = 0; y < dims.height; ++y)
      for (std::int64_t word = 0; word < dims.width * place.pixel; ++word)
        act(x_marks.at(place.origin + static_cast<std::size_t>(y * place.row + word)));
  }

  const Program& x_program;
  const OwnSteps x_steps;
  std::vector<float> x_marks;
};

// The steps from `first` on; what is read of those before comes as one output that was copied. Banded steps are done together with the next or not, by chance.
void play(const Program& program, Arena& arena, NodeId first, std::mt19937& random) {
  if (first > 0) arena.write(first - 1, true);  // as OwnSteps::copy_output does
  for (NodeId id = first; id <= program.graph.last(); ++id) {
    const Step& step = program.steps[static_cast<std::size_t>(id)];
    const bool together = step.band_rows > 0 && random() % 2 == 0;
    for (const NodeId src : program.graph.node(id).inputs) arena.expect_readable(src, id);
    if (together) {
      arena.write(id + 1);  // while the first step still reads
      for (const NodeId src : program.graph.node(id).inputs) arena.expect_readable(src, id + 1);
      ++id;
    } else {
      arena.write(id);
    }
    if (testing::Test::HasFatalFailure()) return;
  }
}

void expect_sound(const Program& program) {
  std::mt19937 random(1);
  Arena arena(program), late(program);
  for (int run = 0; run < 3; ++run) {
    play(program, arena, 0, random);
    if (program.late > 0) play(program, late, program.late, random);
    if (testing::Test::HasFatalFailure()) return;
  }
}

class Programs : public testing::TestWithParam<Precision> {
 protected:
  void SetUp() override {
    if (!kernels_of(GetParam())) GTEST_SKIP() << "this CPU has no kernels for " << regnet::name_of(GetParam());
  }
};

TEST_P(Programs, ReadWhatWasWrittenAndBordersOfZeros) {
  std::set<bool> banded, late;
  struct Case {
    const char* design;
    int resolution;
  };
  // The last one's late steps begin in the middle of a shape.
  for (const auto& [name, resolution] : {Case{"regnetx_200mf", 64}, Case{"regnetx_400mf", 64}, Case{"regnetx_400mf", 225}, Case{"regnetx_3.2gf", 64},
                                         Case{"w0=24,wa=16,wm=2,d=8,g=16,b=2", 64}, Case{"", 48}}) {
    const std::vector<Stage> stages = *name ? find_design(name).stages
                                            : std::vector<Stage>{{.depth = 2, .width = 64, .bottleneck_width = 64, .group_width = 8, .stride = 2},
                                                                 {.depth = 2, .width = 64, .bottleneck_width = 64, .group_width = 64, .stride = 1},
                                                                 {.depth = 2, .width = 96, .bottleneck_width = 96, .group_width = 96, .stride = 2}};
    const Program program = make_program(fuse(build(stages, {.resolution = resolution, .classes = 10})), GetParam(), {}, {}, false);
    SCOPED_TRACE(testing::Message() << name << " of " << resolution);
    expect_sound(program);
    for (const Step& step : program.steps) banded.insert(step.band_rows > 0);
    late.insert(program.late < program.graph.last());
  }
  EXPECT_EQ(banded.size(), 2u) << "bands were not tried";
  EXPECT_TRUE(late.contains(true)) << "late steps were not tried";
}

INSTANTIATE_TEST_SUITE_P(Of, Programs, testing::Values(Precision::f32, Precision::bf16),
                         [](const auto& param) { return std::string(regnet::name_of(param.param)); });

}  // namespace
}  // namespace regnet::detail
