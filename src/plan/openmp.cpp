// What is to be known of the process before its OpenMP runtime is used: whether it was forked, how many threads can start, and which runtimes are loaded.
#include "plan/openmp.hpp"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>

#include <dlfcn.h>
#include <link.h>
#include <unistd.h>

#include <regnet/plan/plan.hpp>

namespace regnet {

namespace detail {

namespace {

const pid_t loading_process = ::getpid();

// A flag of the kernel: forked, and no other program executed since.
bool is_forked_without_exec() {
  constexpr unsigned long fork_no_exec = 0x40;
  std::ifstream file("/proc/self/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  text.erase(0, text.rfind(')') + 1);  // a program's name may hold anything
  std::istringstream fields(text);
  std::string skipped;
  unsigned long flags = 0;
  for (int i = 0; i < 6; ++i) fields >> skipped;
  return fields >> flags && (flags & fork_no_exec) != 0;
}

}  // namespace

bool is_forked() {
  static const bool at_first = is_forked_without_exec();
  return at_first || ::getpid() != loading_process;
}

int startable_threads(int count) {
  std::atomic<bool> counted{false};
  std::vector<std::jthread> others;
  others.reserve(static_cast<std::size_t>(count));
  try {
    while (static_cast<int>(others.size()) + 1 < count) others.emplace_back([&] { counted.wait(false); });
  } catch (const std::exception&) {  // no more of them
  }
  const int startable = static_cast<int>(others.size()) + 1;
  counted = true;
  counted.notify_all();
  return startable;
}

std::string file_of(const void* function) {
  Dl_info where = {};
  return dladdr(function, &where) != 0 && where.dli_fname != nullptr ? where.dli_fname : "";
}

}  // namespace detail

std::vector<std::string> openmp_runtimes() {
  std::vector<std::string> files;
#if DNNL_CPU_THREADING_RUNTIME == DNNL_RUNTIME_OMP
  if (std::string own = detail::file_of(reinterpret_cast<const void*>(&GOMP_parallel)); !own.empty()) files.push_back(std::move(own));
#endif
  const auto note = [](dl_phdr_info* object, std::size_t, void* data) {
    auto& known = *static_cast<std::vector<std::string>*>(data);
    const std::string name = std::filesystem::path(object->dlpi_name).filename().string();
    const bool is_runtime = name.starts_with("libgomp") || name.starts_with("libomp.") || name.starts_with("libomp-") || name.starts_with("libiomp5");
    if (is_runtime && std::find(known.begin(), known.end(), object->dlpi_name) == known.end()) known.emplace_back(object->dlpi_name);
    return 0;
  };
  dl_iterate_phdr(note, &files);
  return files;
}

}  // namespace regnet
