// The header of a plan file, the weights behind it zeros. A plan that is taken runs, by kernels that are compiled with the sanitizers.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <libdeflate.h>
#include <sys/mman.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include <regnet/graph/build.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/plan/plan.hpp>
#include <regnet/plan/plan_file.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/bind.hpp>
#include <regnet/weights/synthetic.hpp>

#include "fuzz/target.hpp"
#include "plan/impl.hpp"

namespace {

// A plan file in memory, with so many floats behind the header.
class File {
 public:
  File(const std::string& header, std::size_t floats) : x_descriptor(::memfd_create("plan", 0)) {
    regnet::fuzz::promise(x_descriptor >= 0, "the system gives memory for a file");
    const char magic[16] = "regnet plan\n";
    const std::uint64_t length = header.size();
    std::string bytes(magic, sizeof magic);
    bytes.append(reinterpret_cast<const char*>(&length), sizeof length);
    bytes += header;
    constexpr std::size_t page = 4096;
    bytes.resize((bytes.size() + page - 1) / page * page + floats * sizeof(float));
    regnet::fuzz::promise(::write(x_descriptor, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()), "and takes what is written to it");
  }
  ~File() { ::close(x_descriptor); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(x_descriptor); }

 private:
  int x_descriptor;
};

constexpr std::size_t most_floats = 1 << 16;     // of weights: more take long
constexpr std::int64_t most_products = 1 << 20;  // and so do these

// How many weights the header asks for, which only the refusal of a file without any tells; none for other refusals.
std::size_t wanted_floats(const std::string& header) {
  try {
    regnet::load_plan(File(header, 0).path());
    return 0;
  } catch (const regnet::Error& error) {
    regnet::fuzz::check(error.what());
    unsigned long floats = 0;
    const char* const at = std::strstr(error.what(), ": expected ");
    if (!at || !std::strstr(at, " weights from byte ") || std::sscanf(at, ": expected %lu weights", &floats) != 1) throw;
    return floats;
  }
}

using Json = nlohmann::json;

// The header of a plan that was just written, whatever the format and the version are.
Json written_header() {
  const regnet::Graph graph = regnet::build({{1, 8, 8, 8}}, {.resolution = 8, .classes = 2});
  const std::filesystem::path path = std::filesystem::temp_directory_path() / ("regnet-fuzz-plan-" + std::to_string(::getpid()));
  const regnet::Plan plan =
      regnet::compile(regnet::bind(graph, regnet::synthetic_weights(regnet::parameters(graph))), {.backend = regnet::Backend::own});
  regnet::save_plan(plan, path, "", regnet::Existing::replace);
  regnet::fuzz::promise(regnet::load_plan(path).plan.classes() == 2, "what was written is read");
  std::ifstream file(path, std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), {}};
  std::filesystem::remove(path);
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data() + 16, sizeof length);
  return Json::parse(bytes.substr(16 + sizeof length, length));
}

// With this format, version and instruction set, and the checksums of so many zeros, where these have a place.
std::string mended(const std::string& header, std::size_t floats) {
  static const Json written = written_header();
  int deepest = 0;
  Json json = Json::parse(
      header,
      [&](int depth, Json::parse_event_t, const Json&) {
        deepest = std::max(deepest, depth);
        return true;
      },
      false);
  if (!json.is_object() || deepest > 50) return header;  // printing what is deep takes a deep stack
  for (const char* const key : {"format", "version"})
    if (json.contains(key)) json[key] = written[key];
  if (json.contains("isa") && json["isa"] == "any") json["isa"] = written["isa"];  // of int8 it has another name
  const std::vector<float> zeros(floats);
  if (json.contains("crc32")) json["crc32"] = floats == 0 ? Json::array() : Json{::libdeflate_crc32(0, zeros.data(), floats * sizeof(float))};
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void use(const regnet::Plan& plan) {
  const regnet::Complexity all = regnet::complexity(regnet::detail::impl_of(plan).graph);
  if (all.macs > most_products || all.activations > most_products) return;
  const std::vector<float> image(static_cast<std::size_t>(plan.input_dims().count()), 1.0f);
  std::vector<float> logits(static_cast<std::size_t>(plan.classes()), -1.0f);
  regnet::Session(plan, {.batch = 1, .threads = 1}).run(image, logits);
  for (const float logit : logits) regnet::fuzz::promise(logit == 0, "without weights all logits are 0");
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  ::setenv("REGNET_MAX_ISA", "avx2", 1);
  return regnet::fuzz::run(data, size, [](std::span<const std::byte> bytes) {
    const std::string header = mended({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, 0);
    const std::size_t floats = wanted_floats(header);
    if (floats > most_floats) return;
    const File file(mended(header, floats), floats);
    const regnet::PlanFile loaded = regnet::load_plan(file.path());
    use(loaded.plan);
  });
}
