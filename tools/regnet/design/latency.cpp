#include "design/latency.hpp"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <iterator>

#include <regnet/base/threads.hpp>
#include <regnet/design/sample.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/weights/synthetic.hpp>

namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

std::string default_table() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::string(value ? value : "");
  };
  const std::string cache = variable("XDG_CACHE_HOME"), home = variable("HOME");
  if (cache.empty() && home.empty())
    regnet::fail(regnet::Code::invalid_argument, "--table: expected a file to keep times in, since there is no home folder");
  return (cache.empty() ? home + "/.cache" : cache) + "/regnet/latency.json";
}

std::vector<regnet::LatencyTable> read_tables(const std::string& file) {
  if (!std::filesystem::exists(file)) return {};
  std::ifstream in(file, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  if (!in) regnet::fail(regnet::Code::io, file, ": cannot be read");
  try {
    return regnet::latency_tables_from_json(text);
  } catch (const regnet::Error& error) {
    regnet::fail(error.code(), file, ": ", error.what());
  }
}

void write_tables(const std::string& file, const std::vector<regnet::LatencyTable>& tables) {
  const std::filesystem::path path(file);
  if (path.has_parent_path()) std::filesystem::create_directories(path.parent_path());
  const std::string part = file + ".part";
  std::ofstream out(part, std::ios::binary);
  out << to_json(tables) << '\n';
  out.close();
  if (!out) regnet::fail(regnet::Code::io, part, ": cannot be written");
  std::filesystem::rename(part, path);
}

regnet::Graph graph_of(const std::string& name, int resolution) {
  return regnet::build(regnet::find_design(name).stages, {.resolution = resolution});
}

bool is_published(const std::string& name) { return name.find('=') == std::string::npos; }

// The published networks, and others from 100 million to 16 thousand million multiply-adds, so that layers of any shape have some that are like them.
std::vector<std::string> networks_to_measure() {
  constexpr int steps = 12;
  constexpr std::int64_t of_a_step = 4;
  std::vector<std::string> names;
  for (const regnet::ZooEntry& entry : regnet::zoo)
    if (entry.params.rule == regnet::WidthRule::pycls) names.emplace_back(entry.name);
  for (int i = 0; i < steps; ++i) {
    regnet::SampleRequest request;
    request.space = regnet::find_space("regnetx").space;
    request.seed = static_cast<std::uint64_t>(i);
    request.count = of_a_step;
    request.limits.stages = {4, 4};
    request.limits.macs = {1e8 * std::pow(160, double(i) / steps), 1e8 * std::pow(160, double(i + 1) / steps)};
    for (const regnet::SampledDesign& design : regnet::sample(request).designs) names.push_back(to_string(design.params));
  }
  return names;
}

std::string percent(double part) { return regnet::text(std::setprecision(2), 100 * part, '%'); }

}  // namespace

void add_timing_options(CLI::App& app, TimingOptions& options) {
  app.add_option("--table", options.table, "Where times of layers are kept; by default in the cache folder of this user");
  app.add_option("-b,--batch", options.batch, "Images per run")->check(CLI::Range(1, 4096))->capture_default_str();
  app.add_option("-t,--threads", options.threads, "Threads of a run; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app.add_option("--dtype", options.dtype, "f32 or bf16")->check(CLI::IsMember({"bf16", "f32"}))->capture_default_str();
}

Foretold::Foretold(const TimingOptions& options, bool quiet) : x_resolution(options.resolution) {
  const std::string file = options.table.empty() ? default_table() : options.table;
  const regnet::SessionOptions session{options.batch, options.threads};
  regnet::LatencyTable key = latency_key(session, options.resolution, *regnet::precision_of(options.dtype));
  std::vector<regnet::LatencyTable> tables = read_tables(file);
  auto table = std::find_if(tables.begin(), tables.end(), [&](const regnet::LatencyTable& one) { return one.fits(key) && !one.networks.empty(); });
  if (table == tables.end()) {
    const std::vector<std::string> names = networks_to_measure();
    if (!quiet) std::cerr << "measuring " << names.size() << " networks once, some minutes; kept in " << file << '\n';
    regnet::LatencyOptions timing{session, key.precision};
    if (!quiet)
      timing.progress = [&](int round, std::size_t done) {
        if (done == names.size()) std::cerr << "round " << round + 1 << " of " << timing.rounds << '\n';
      };
    key.networks = measure_latencies(
        names, [&](const std::string& name) { return graph_of(name, options.resolution); }, timing);
    std::erase_if(tables, [&](const regnet::LatencyTable& one) { return one.fits(key); });
    table = tables.insert(tables.end(), key);
    write_tables(file, tables);
  }
  x_model = std::make_unique<regnet::LatencyModel>(*table);
  if (quiet) return;
  const auto graph = [&](const std::string& name) { return graph_of(name, options.resolution); };
  const regnet::PredictionError known = fitted_error(*table, graph, is_published),
                                others = cross_validate(*table, graph, [](const std::string&name) { return !is_published(name); });
  std::cerr << "latencies are foretold from " << table->networks.size() << " measured networks: published ones within " << percent(known.median)
            << " (median) and " << percent(known.worst) << " (worst), random ones, each from all others, within " << percent(others.median) << " and "
            << percent(others.worst) << '\n';
}

double Foretold::ms(const std::vector<regnet::Stage>& stages) const { return x_model->predict(regnet::build(stages, {.resolution = x_resolution})); }

void measure_rows(std::vector<DesignRow>& rows, const TimingOptions& options, double seconds, bool quiet) {
  struct Runner {
    regnet::Session session;
    std::vector<float> images, logits;
    std::vector<double> ms = {};
    void run() {
      const Clock::time_point start = Clock::now();
      session.run(images, logits);
      ms.push_back(1000 * seconds_since(start));
    }
  };
  constexpr int rounds = 8;
  constexpr std::size_t at_once = 16;  // more would need much memory
  const regnet::SessionOptions session{options.batch, options.threads > 0 ? options.threads : regnet::default_threads().count};
  for (std::size_t begin = 0; begin < rows.size(); begin += at_once) {
    const std::size_t end = std::min(rows.size(), begin + at_once);
    std::vector<Runner> runners;
    for (std::size_t i = begin; i < end; ++i) {
      const regnet::Graph graph = regnet::build(rows[i].design.stages, {.resolution = rows[i].resolution});
      const regnet::Plan plan = regnet::compile(regnet::bind(graph, regnet::synthetic_weights(regnet::parameters(graph))),
                                                {.expected = session, .precision = *regnet::precision_of(options.dtype)});
      runners.push_back({regnet::Session(plan, session),
                         regnet::synthetic_input(static_cast<std::size_t>(session.batch * graph.input_dims().count())),
                         std::vector<float>(static_cast<std::size_t>(session.batch * plan.classes()))});
    }
    for (int round = 0; round < rounds; ++round)
      for (Runner& runner : runners) {
        runner.run();
        runner.ms.pop_back();  // others ran before, so that nothing of this one is in the caches
        const Clock::time_point start = Clock::now();
        do runner.run();
        while (seconds_since(start) < seconds / rounds);
      }
    for (std::size_t i = begin; i < end; ++i) {
      std::vector<double>& ms = runners[i - begin].ms;
      const auto tenth = ms.begin() + static_cast<std::ptrdiff_t>(ms.size() / 10);  // as in tables
      std::nth_element(ms.begin(), tenth, ms.end());
      rows[i].latency_ms = *tenth;
      rows[i].predicted = false;
    }
    if (!quiet && rows.size() > at_once) std::cerr << end << " of " << rows.size() << " networks measured\n";
  }
}
