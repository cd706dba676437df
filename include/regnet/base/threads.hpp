// threads: how many threads this process may really use. In: the affinity mask and the cgroup's quota; out: a number and where it came from.
#pragma once

#include <filesystem>
#include <string>

#include <regnet/base/export.hpp>

namespace regnet {

// A number of threads and the reason for it.
struct ThreadCount {
  int count = 1;
  std::string source;  // "affinity mask", "cgroup v2 quota", ...
};

// The smaller of the affinity mask and the CPU quota (cgroup v2 or v1), rounded up. In a container the number of CPUs of the host is no guide: with more
// threads than quota, each wait for a throttled thread costs a scheduling period. `root` is where /proc and /sys are looked for.
REGNET_API ThreadCount default_threads(const std::filesystem::path& root = "/");

}  // namespace regnet
