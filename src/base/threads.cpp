#include <regnet/base/threads.hpp>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <optional>
#include <sstream>

#include <sched.h>

namespace regnet {

namespace {

int affinity_count() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (::sched_getaffinity(0, sizeof(set), &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// This process's path below a controller's mount, from lines "id:controllers:path" of /proc/self/cgroup.
std::string cgroup_path(const std::filesystem::path& root, const std::string& controller) {
  std::ifstream file(root / "proc/self/cgroup");
  for (std::string line; std::getline(file, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controllers.find("," + controller + ",") != std::string::npos) return line.substr(second + 1);
  }
  return "/";
}

// A quota holds for the group and for all below it, so the tightest one from here up to the mount counts.
template <class Read>
std::optional<double> tightest(const std::filesystem::path& mount, const std::string& path, Read read) {
  std::optional<double> cpus;
  std::filesystem::path below = std::filesystem::path(path).relative_path();
  while (true) {
    if (const std::optional<double> here = read(mount / below)) cpus = std::min(cpus.value_or(*here), *here);
    if (below.empty()) return cpus;
    below = below.parent_path();
  }
}

std::optional<double> ratio(double quota, double period) {
  if (quota > 0 && period > 0) return quota / period;
  return {};
}

std::optional<double> read_v2(const std::filesystem::path& group) {
  std::ifstream file(group / "cpu.max");
  double quota = 0, period = 0;
  if (file >> quota >> period) return ratio(quota, period);  // "max 100000" fails to parse: no quota
  return {};
}

std::optional<double> read_v1(const std::filesystem::path& group) {
  std::ifstream quota_file(group / "cpu.cfs_quota_us"), period_file(group / "cpu.cfs_period_us");
  double quota = 0, period = 0;
  if (quota_file >> quota && period_file >> period) return ratio(quota, period);  // -1: no quota
  return {};
}

}  // namespace

ThreadCount default_threads(const std::filesystem::path& root) {
  ThreadCount best{affinity_count(), "affinity mask"};
  const auto limit = [&](std::optional<double> cpus, const char* source) {
    if (!cpus) return;
    const int count = std::max(1, static_cast<int>(std::ceil(std::min(*cpus, 1e6))));
    if (count < best.count) best = {count, source};
  };
  const std::filesystem::path cgroup = root / "sys/fs/cgroup";
  limit(tightest(cgroup, cgroup_path(root, ""), read_v2), "cgroup v2 quota");
  limit(tightest(cgroup / "cpu", cgroup_path(root, "cpu"), read_v1), "cgroup v1 quota");
  return best;
}

}  // namespace regnet
