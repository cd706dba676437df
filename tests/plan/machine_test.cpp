#include <regnet/plan/machine.hpp>

#include <gtest/gtest.h>

#include <string>

namespace regnet {
namespace {

TEST(Machine, LimitsAreThoseOfTheInstructionsInUse) {
  const MachineLimits limits = measure_machine(2, 0.01);
  EXPECT_GT(limits.gflops, 0);
  EXPECT_GT(limits.read_gbs, 0);
  EXPECT_TRUE(limits.instructions == "avx512" || limits.instructions == "avx2" || limits.instructions == "portable") << limits.instructions;
  // Narrow types are multiplied by instructions that no CPU without AVX-512 has here.
  if (limits.instructions != "avx512") {
    EXPECT_EQ(limits.bf16_gflops + limits.int8_gops, 0);
  }
}

TEST(Machine, ACacheLineTakesTimeFromCoreToCore) {
  EXPECT_GE(measure_handover(0.001), 0);  // 0: there is one thread only
  EXPECT_FALSE(cpu_name().empty());
}

}  // namespace
}  // namespace regnet
