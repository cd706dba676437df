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
  // No CPU without AVX-512 has instructions for bf16 here, and every one with AVX2 some for int8.
  if (limits.instructions != "avx512") {
    EXPECT_EQ(limits.bf16_gflops, 0);
  }
  EXPECT_EQ(limits.int8_gops > 0, limits.instructions != "portable");
}

TEST(Machine, ACacheLineTakesTimeFromCoreToCore) {
  EXPECT_GE(measure_handover(0.001), 0);  // 0: there is one thread only
  EXPECT_FALSE(cpu_name().empty());
}

}  // namespace
}  // namespace regnet
