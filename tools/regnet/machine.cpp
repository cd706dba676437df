#include "machine.hpp"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <vector>

#include <unistd.h>

#include <regnet/base/threads.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/plan/machine.hpp>
#include <regnet/plan/plan.hpp>
#include <regnet/version.hpp>

using Json = nlohmann::ordered_json;

namespace {

std::string first_line_with(const char* file, const std::string& key) {
  std::ifstream in(file);
  for (std::string line; std::getline(in, line);)
    if (line.starts_with(key)) return line.substr(std::min(line.size(), line.find_first_not_of(" \t:", key.size())));
  return "";
}

std::vector<std::string> names_of_openmp_runtimes() {
  std::vector<std::string> names;
  for (const std::filesystem::path file : regnet::openmp_runtimes()) names.push_back(file.filename().string());
  return names;
}

std::string instruction_sets() {
  const std::string flags = " " + first_line_with("/proc/cpuinfo", "flags") + " ";
  std::string out;
  for (const char* flag :
       {"sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512_vnni", "avx512_bf16", "avx_vnni", "amx_bf16", "amx_int8"})
    if (flags.find(std::string(" ") + flag + " ") != std::string::npos) out += (out.empty() ? "" : " ") + std::string(flag);
  return out;
}

}  // namespace

Json machine_report() {
  const regnet::ThreadCount threads = regnet::default_threads();
  Json json{{"version", regnet::version()},
            {"commit", regnet::commit()},
            {"cpu", regnet::cpu_name()},
            {"instruction_sets", instruction_sets()},
            {"threads", threads.count},
            {"threads_from", threads.source},
            {"memory", first_line_with("/proc/meminfo", "MemTotal")},
            {"engine", regnet::engine_description()},
            {"openmp_runtimes", names_of_openmp_runtimes()},
            {"decoders", regnet::decoder_versions()}};
  json["problems"] = Json::array();
  if (json["openmp_runtimes"].size() > 1) json["problems"].push_back("several OpenMP runtimes are loaded: they compete for the cores");
  return json;
}

double resident_mib() { return std::strtod(first_line_with("/proc/self/status", "VmRSS").c_str(), nullptr) / 1024; }

double busy_seconds() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  double user = 0, nice = 0, system = 0, idle = 0, wait = 0, interrupts = 0, soft = 0, stolen = 0;
  stat >> cpu >> user >> nice >> system >> idle >> wait >> interrupts >> soft >> stolen;
  return (user + nice + system + interrupts + soft + stolen) / static_cast<double>(::sysconf(_SC_CLK_TCK));
}
