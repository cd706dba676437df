#include "design/latency.hpp"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>

#include <regnet/design/sample.hpp>
#include <regnet/graph/build.hpp>

#include "text_file.hpp"

namespace {

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
  return read_file(file, regnet::latency_tables_from_json);
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

regnet::LatencyOptions timing_of(const TimingOptions& options, double seconds) {
  return {.session = {options.batch, options.threads}, .precision = *regnet::precision_of(options.dtype), .seconds = seconds};
}

std::string in_percent(double part) { return regnet::text(std::setprecision(2), 100 * part, '%'); }

}  // namespace

std::vector<CLI::Option*> add_timing_options(CLI::App& app, TimingOptions& options) {
  return {app.add_option("--table", options.table, "Where times of layers are kept; by default in the cache folder of this user")->type_name("FILE"),
          app.add_option("-b,--batch", options.batch, "Images per run")->check(CLI::Range(1, 4096))->capture_default_str(),
          app.add_option("-t,--threads", options.threads, "Threads of a run; by default as many as this process may use")->check(CLI::Range(1, 4096)),
          app.add_option("--dtype", options.dtype, "What is multiplied")->check(CLI::IsMember({"bf16", "f32"}))->capture_default_str()};
}

Foretold::Foretold(const TimingOptions& options, bool quiet) : x_resolution(options.resolution) {
  const std::string file = options.table.empty() ? default_table() : options.table;
  regnet::LatencyOptions timing = timing_of(options, regnet::LatencyOptions().seconds);
  regnet::LatencyTable key = latency_key(timing.session, options.resolution, timing.precision);
  std::vector<regnet::LatencyTable> tables = read_tables(file);
  auto table = std::find_if(tables.begin(), tables.end(), [&](const regnet::LatencyTable& one) { return one.fits(key) && !one.networks.empty(); });
  if (table == tables.end()) {
    const std::vector<std::string> names = networks_to_measure();
    if (!quiet) std::cerr << "measuring " << names.size() << " networks once, some minutes; kept in " << file << '\n';
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
  std::cerr << "latencies are foretold from " << table->networks.size() << " measured networks: published ones within " << in_percent(known.median)
            << " (median) and " << in_percent(known.worst) << " (worst), random ones, each from all others, within " << in_percent(others.median)
            << " and " << in_percent(others.worst) << '\n';
}

double Foretold::ms(const std::vector<regnet::Stage>& stages) const { return x_model->predict(regnet::build(stages, {.resolution = x_resolution})); }

void measure_rows(std::vector<DesignRow>& rows, const TimingOptions& options, double seconds) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < rows.size(); ++i) names.push_back(std::to_string(i));
  const auto graph = [&](const std::string& name) { return regnet::build(rows[std::stoul(name)].design.stages, rows[std::stoul(name)].network); };
  const std::vector<regnet::NetworkTime> times = measure_latencies(names, graph, timing_of(options, seconds));
  for (std::size_t i = 0; i < rows.size(); ++i) {
    rows[i].latency_ms = times[i].ms;
    rows[i].predicted = false;
  }
}
