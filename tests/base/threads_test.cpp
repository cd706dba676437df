#include <regnet/base/threads.hpp>

#include <gtest/gtest.h>

#include <algorithm>

#include <sched.h>

#include "base/temporary_folder.hpp"

namespace regnet {
namespace {

int affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  sched_getaffinity(0, sizeof(set), &set);
  return CPU_COUNT(&set);
}

// An engine that counted the host's CPUs ran 45 times slower in a container.
TEST(Threads, QuotaOfCgroupV2LimitsAndRoundsUp) {
  const TemporaryFolder root;  // a made-up /proc and /sys
  root.write("proc/self/cgroup", "0::/pod/box");
  root.write("sys/fs/cgroup/pod/box/cpu.max", "50000 100000");
  EXPECT_EQ(default_threads(root.path()).count, 1);
  root.write("sys/fs/cgroup/pod/box/cpu.max", "100001 100000");
  EXPECT_EQ(default_threads(root.path()).count, std::min(2, affinity()));
}

TEST(Threads, QuotaOfAParentGroupCountsToo) {
  const TemporaryFolder root;  // a made-up /proc and /sys
  root.write("proc/self/cgroup", "0::/pod/box");
  root.write("sys/fs/cgroup/pod/cpu.max", "100000 100000");
  root.write("sys/fs/cgroup/pod/box/cpu.max", "max 100000");
  EXPECT_EQ(default_threads(root.path()).count, 1);
}

TEST(Threads, WithoutAQuotaTheAffinityMaskDecides) {
  const TemporaryFolder root;  // a made-up /proc and /sys
  EXPECT_EQ(default_threads(root.path()).count, affinity());
  root.write("proc/self/cgroup", "0::/");
  root.write("sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_EQ(default_threads(root.path()).count, affinity());
  EXPECT_EQ(default_threads(root.path()).source, "affinity mask");
}

TEST(Threads, QuotaOfCgroupV1LimitsUnlessItIsMinusOne) {
  const TemporaryFolder root;  // a made-up /proc and /sys
  root.write("proc/self/cgroup", "4:cpu,cpuacct:/box\n3:memory:/other");
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "90000");
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_period_us", "100000");
  EXPECT_EQ(default_threads(root.path()).count, 1);
  root.write("sys/fs/cgroup/cpu/box/cpu.cfs_quota_us", "-1");
  EXPECT_EQ(default_threads(root.path()).count, affinity());
}

}  // namespace
}  // namespace regnet
