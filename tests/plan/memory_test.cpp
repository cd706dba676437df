#include <regnet/plan/memory.hpp>

#include <gtest/gtest.h>

#include <random>

namespace regnet {
namespace {

void expect_valid(const std::vector<Lifetime>& buffers, const MemoryLayout& layout) {
  ASSERT_EQ(layout.offsets.size(), buffers.size());
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    EXPECT_EQ(layout.offsets[i] % 64, 0u);
    EXPECT_LE(layout.offsets[i] + buffers[i].bytes, layout.bytes);
    for (std::size_t j = 0; j < i; ++j) {
      const bool together = buffers[i].first <= buffers[j].last && buffers[j].first <= buffers[i].last;
      const bool apart = layout.offsets[i] + buffers[i].bytes <= layout.offsets[j] || layout.offsets[j] + buffers[j].bytes <= layout.offsets[i];
      EXPECT_TRUE(!together || apart) << i << " and " << j << " overlap";
    }
  }
}

TEST(PlanMemory, BuffersOfDifferentTimesShareOnePlace) {
  const std::vector<Lifetime> chain{{1000, 0, 1}, {500, 1, 2}, {1000, 2, 3}};
  const MemoryLayout layout = plan_memory(chain);
  expect_valid(chain, layout);
  EXPECT_EQ(layout.offsets[0], layout.offsets[2]);
  EXPECT_EQ(layout.bytes, 1024u + 512u);
}

TEST(PlanMemory, AGapThatIsLargeEnoughIsUsed) {
  const std::vector<Lifetime> buffers{{640, 0, 9}, {320, 0, 3}, {256, 0, 9}, {192, 5, 9}};
  const MemoryLayout layout = plan_memory(buffers);
  expect_valid(buffers, layout);
  EXPECT_EQ(layout.bytes, 640u + 320u + 256u);  // the last one lies where the second was
}

TEST(PlanMemory, RandomLifetimesNeverOverlap) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    std::vector<Lifetime> buffers(1 + random() % 40);
    for (Lifetime& life : buffers) {
      life.first = static_cast<int>(random() % 50);
      life.last = life.first + static_cast<int>(random() % 10);
      life.bytes = random() % 5000;
    }
    expect_valid(buffers, plan_memory(buffers));
  }
}

TEST(PlanMemory, NothingNeedsNothing) { EXPECT_EQ(plan_memory({}).bytes, 0u); }

}  // namespace
}  // namespace regnet
