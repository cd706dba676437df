// bench: latency and throughput of networks on this CPU, beside what the CPU can do at most. A network is timed only after its logits agree with the reference.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <iomanip>
#include <iostream>
#include <map>
#include <optional>
#include <sstream>
#include <thread>

#include <sys/resource.h>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/graph/complexity.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/identify.hpp>
#include <regnet/plan/machine.hpp>
#include <regnet/plan/session.hpp>
#include <regnet/version.hpp>
#include <regnet/weights/open.hpp>
#include <regnet/weights/synthetic.hpp>

#include "commands.hpp"
#include "json.hpp"
#include "machine.hpp"
#include "table.hpp"
#include "tuning.hpp"

namespace {

using Json = nlohmann::ordered_json;
using Clock = std::chrono::steady_clock;

struct BenchOptions {
  std::vector<std::string> models;
  std::string batches = "1", threads;
  std::string weights, weights_key, backend = "auto", dtype, tuning, hint, output = "md";
  double min_time = 1;
  int streams = 1, resolution = 224;
  bool compact = false, reduce_range = false, layers = false, interactive = false, quiet = false;
};

double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

// One network with weights, and what the reference says of one image.
struct Network {
  std::string name;
  regnet::BoundWeights weights;
  regnet::Quantization quantization;  // of int8: the file's, or found on the one image
  std::vector<float> image, expected;
  double macs = 0;  // of an image
};

// "1,2,4-8": numbers and ranges.
std::vector<int> parse_numbers(const char* option, const std::string& list) {
  std::vector<int> numbers;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t comma = std::min(list.find(',', at), list.size());
    const char *begin = list.data() + at, *end = list.data() + comma;
    int first = 0, last = 0;
    auto parsed = std::from_chars(begin, end, first);
    last = first;
    if (parsed.ec == std::errc{} && parsed.ptr != end && *parsed.ptr == '-') parsed = std::from_chars(parsed.ptr + 1, end, last);
    if (parsed.ec != std::errc{} || parsed.ptr != end || first < 1 || last < first || last > 4096)
      regnet::fail(regnet::Code::invalid_argument, "bench: ", option, ": expected numbers from 1 to 4096 such as 1,2,4-8, found ",
                   regnet::in_quotes(list));
    for (int number = first; number <= last; ++number) numbers.push_back(number);
    at = comma + 1;
  }
  return numbers;
}

// Networks of the zoo by names with wildcards, or designs; several with commas between them, which designs have too.
std::vector<std::string> expand_models(const std::vector<std::string>& lists) {
  std::vector<std::string> wanted, names;
  for (const std::string& list : lists) {
    if (list.find('=') != std::string::npos) {
      wanted.push_back(list);
      continue;
    }
    std::istringstream items(list);
    for (std::string item; std::getline(items, item, ',');) wanted.push_back(item);
  }
  for (const std::string& name : wanted) {
    if (name.find('*') == std::string::npos) {
      names.push_back(regnet::find_design(name).name);
      continue;
    }
    const std::string beginning = name.substr(0, name.find('*')), end = name.substr(name.rfind('*') + 1);
    const std::size_t before = names.size();
    for (const regnet::ZooEntry& entry : regnet::zoo)
      if (entry.name.size() >= beginning.size() + end.size() && entry.name.starts_with(beginning) && entry.name.ends_with(end))
        names.emplace_back(entry.name);
    if (names.size() == before) regnet::fail(regnet::Code::not_found, "bench: no network fits ", regnet::in_quotes(name));
  }
  return names;
}

Network prepare(const std::string& name, const BenchOptions& options) {
  Network network;
  if (options.weights.empty()) {
    network.name = name;
    const regnet::Graph graph = regnet::build(regnet::find_design(name).stages, {.resolution = options.resolution});
    network.weights = regnet::bind(graph, regnet::synthetic_weights(parameters(graph)));
  } else {
    const regnet::Checkpoint checkpoint = regnet::open_checkpoint(options.weights, options.weights_key);
    const regnet::CanonicalTensors canonical = regnet::to_canonical(checkpoint.tensors);
    const regnet::NetworkShape shape = regnet::recognise(canonical.tensors);
    network.name = regnet::network_name(shape, checkpoint);
    network.weights = regnet::bind(regnet::build(shape.stages, {options.resolution, shape.classes, shape.stem_width}), canonical.tensors);
    network.quantization = regnet::quantization_of(checkpoint);
  }
  const regnet::Graph& graph = network.weights.graph;
  network.macs = static_cast<double>(regnet::complexity(graph).macs);
  network.image = regnet::synthetic_input(static_cast<std::size_t>(graph.input_dims().count()));
  network.expected.resize(static_cast<std::size_t>(graph.classes()));
  const bool makes_int8 = options.dtype == "int8" && network.quantization.scales.empty();
  if (options.reduce_range && !makes_int8)
    regnet::fail(regnet::Code::invalid_argument, "bench: --reduce-range is for --dtype int8 of weights that are not quantised yet, found ",
                 network.quantization.scales.empty() ? "another dtype" : "quantised ones");
  if (makes_int8) {
    bool given = false;
    network.quantization = regnet::calibrate(network.weights, [&](std::span<float> image) {
      std::copy(network.image.begin(), network.image.end(), image.begin());
      return !std::exchange(given, true);
    });
    network.quantization.reduced_range = options.reduce_range;
  }
  regnet::Session reference(regnet::compile(network.weights, {regnet::Backend::reference, {1, 1}}), {1, 1});
  reference.run(network.image, network.expected);
  return network;
}

// A session with its memory.
struct Runner {
  regnet::Session session;
  std::vector<float> input, logits;

  Runner(const regnet::Plan& plan, const Network& network, regnet::SessionOptions options) : session(plan, options) {
    for (int i = 0; i < options.batch; ++i) input.insert(input.end(), network.image.begin(), network.image.end());
    logits.resize(static_cast<std::size_t>(options.batch) * network.expected.size());
  }
  double run() {
    const Clock::time_point start = Clock::now();
    session.run(input, logits);
    return ms_since(start);
  }
};

// Of floats, the largest difference counts. Random networks amplify what is rounded, so that only the direction of the logits can be held against the reference.
void check(const Network& network, const std::vector<float>& logits, regnet::Precision precision) {
  if (precision != regnet::Precision::f32) {
    const double least = precision == regnet::Precision::bf16 ? 0.99 : 0.97;
    for (std::size_t begin = 0; begin < logits.size(); begin += network.expected.size()) {
      double product = 0, squares = 0, expected_squares = 0;
      for (std::size_t i = 0; i < network.expected.size(); ++i) {
        const double found = logits[begin + i], expected = network.expected[i];
        product += found * expected, squares += found * found, expected_squares += expected * expected;
      }
      if (const double cosine = product / std::sqrt(squares * expected_squares); !(cosine >= least))
        regnet::fail(regnet::Code::numeric, "bench: ", network.name, ": logits have a cosine of ", cosine,
                     " with the reference's; expected at least ", least);
    }
    return;
  }
  constexpr double tolerance = 5e-5;  // standard deviations
  double sum = 0, squares = 0, worst = 0;
  for (const float value : network.expected) sum += value, squares += double{value} * value;
  const double n = static_cast<double>(network.expected.size()), deviation = std::sqrt(std::max(squares / n - sum / n * (sum / n), 0.0));
  for (std::size_t i = 0; i < logits.size(); ++i)
    worst = std::max(worst, std::abs(double{logits[i]} - network.expected[i % network.expected.size()]));
  if (!(worst <= tolerance * deviation))
    regnet::fail(regnet::Code::numeric, "bench: ", network.name, ": logits differ from the reference by ", worst / deviation,
                 " of their standard deviation");
}

regnet::Plan compile_for(const Network& network, const BenchOptions& options, const regnet::SessionOptions& session) {
  return regnet::compile(network.weights,
                         {*regnet::backend_of(options.backend), session, options.compact, tuned_ways(options.tuning, session, options.quiet),
                          *regnet::precision_of(options.dtype.empty() ? "f32" : options.dtype), network.quantization});
}

double quantile(const std::vector<double>& sorted, double q) {
  return sorted[std::min(sorted.size() - 1, static_cast<std::size_t>(q * static_cast<double>(sorted.size())))];
}

double own_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Runs until the medians of two windows that follow each other agree within 3%, or for `limit_ms`.
void warm_up(Runner& runner, double limit_ms) {
  double before = 0;
  for (const Clock::time_point start = Clock::now(); ms_since(start) < limit_ms;) {
    std::vector<double> times;
    for (const Clock::time_point window = Clock::now(); times.empty() || ms_since(window) < limit_ms / 8;) times.push_back(runner.run());
    std::sort(times.begin(), times.end());
    const double median = quantile(times, 0.5);
    if (before > 0 && std::abs(median - before) < 0.03 * before) return;
    before = median;
  }
}

double peak_of(regnet::Precision precision, const regnet::MachineLimits& limits) {
  return precision == regnet::Precision::bf16 ? limits.bf16_gflops : precision == regnet::Precision::int8 ? limits.int8_gops : limits.gflops;
}

double bytes_of(regnet::Precision precision) { return precision == regnet::Precision::bf16 ? 2 : precision == regnet::Precision::int8 ? 1 : 4; }

// Layers of one network may differ: what a kernel of ours is called says what it multiplies.
regnet::Precision precision_of_kernel(const std::string& implementation) {
  const auto has = [&](const char* part) { return implementation.starts_with("own:") && implementation.find(part) != std::string::npos; };
  return has("bf16") ? regnet::Precision::bf16 : has("int8") || has("vnni") ? regnet::Precision::int8 : regnet::Precision::f32;
}

Json layers_json(Runner& runner, const Network& network, const regnet::MachineLimits& limits) {
  std::map<std::string, regnet::Complexity> costs;
  for (const regnet::Node& node : network.weights.graph.nodes()) costs[node.name] = regnet::complexity(network.weights.graph, node);
  std::vector<double> best;
  for (int round = 0; round < 20; ++round) {
    std::size_t i = 0;
    Clock::time_point last = Clock::now();
    runner.session.run(runner.input, runner.logits, [&](const regnet::LayerReport&, const std::function<std::vector<float>()>&) {
      const double time = ms_since(last);
      if (i == best.size()) best.push_back(time);
      else best[i] = std::min(best[i], time);
      ++i;
      last = Clock::now();
    });
  }
  double total = 0;
  for (const double time : best) total += time;
  Json list = Json::array();
  for (std::size_t i = 0; i < best.size(); ++i) {
    const regnet::LayerReport& layer = runner.session.layers()[i % runner.session.layers().size()];
    const regnet::Complexity& cost = costs[layer.name];
    const double gflop = 2e-9 * static_cast<double>(cost.macs),
                 gigabytes = bytes_of(precision_of_kernel(layer.implementation)) * 1e-9 * static_cast<double>(cost.params);
    const double peak = peak_of(precision_of_kernel(layer.implementation), limits);
    const double compute_ms = gflop / peak * 1e3, memory_ms = gigabytes / limits.read_gbs * 1e3;
    list.push_back({{"layer", layer.name},
                    {"kind", layer.kind},
                    {"shape", {layer.dims.channels, layer.dims.height, layer.dims.width}},
                    {"implementation", layer.implementation},
                    {"ms", best[i]},
                    {"share", best[i] / total},
                    {"gflops", gflop / best[i] * 1e3},
                    {"peak_fraction", gflop / best[i] * 1e3 / peak},
                    {"bound", memory_ms > compute_ms ? "weights from memory" : "multiply-adds"},
                    {"bound_ms", std::max(compute_ms, memory_ms)}});
  }
  return list;
}

Json measure(const Network& network, const BenchOptions& options, int batch, int threads, const regnet::MachineLimits& limits) {
  const regnet::SessionOptions session{batch, threads};
  const Clock::time_point start = Clock::now();
  const regnet::Plan plan = compile_for(network, options, session);
  std::vector<std::unique_ptr<Runner>> runners;
  for (int i = 0; i < options.streams; ++i) runners.push_back(std::make_unique<Runner>(plan, network, session));
  const double load_ms = ms_since(start), first_ms = runners[0]->run();
  check(network, runners[0]->logits, plan.precision());
  warm_up(*runners[0], 1000 * std::min(options.min_time, 2.0));
  std::vector<std::vector<double>> samples(runners.size());
  const double busy = busy_seconds(), own = own_seconds();
  const Clock::time_point begin = Clock::now();
  {
    std::vector<std::jthread> streams;
    for (std::size_t i = 0; i < runners.size(); ++i) {
      const auto stream = [&, i] {
        while (samples[i].size() < 3 || ms_since(begin) < 1000 * options.min_time) samples[i].push_back(runners[i]->run());
      };
      if (i + 1 < runners.size()) streams.emplace_back(stream);
      else stream();
    }
  }
  const double seconds = ms_since(begin) / 1000;
  const double foreign = std::max(0.0, (busy_seconds() - busy - (own_seconds() - own)) / seconds);  // cores
  for (const auto& runner : runners) check(network, runner->logits, plan.precision());
  std::vector<double> all;
  for (const auto& of_stream : samples) all.insert(all.end(), of_stream.begin(), of_stream.end());
  Json raw = all;
  std::sort(all.begin(), all.end());
  const double p50 = quantile(all, 0.5), gflop = 2e-9 * network.macs * batch;
  const double images_per_s = static_cast<double>(all.size()) * batch / seconds;
  Json row{{"model", network.name},
           {"batch", batch},
           {"threads", threads},
           {"streams", options.streams},
           {"dtype", name_of(plan.precision())},
           {"p50_ms", p50},
           {"p90_ms", quantile(all, 0.9)},
           {"p99_ms", quantile(all, 0.99)},
           {"min_ms", all[0]},
           {"images_per_s", images_per_s},
           {"gflops", options.streams > 1 ? images_per_s * 2e-9 * network.macs : gflop / p50 * 1e3},
           {"peak_fraction", 0.0},
           {"first_ms", first_ms},
           {"load_ms", load_ms},
           {"rss_mib", resident_mib()},
           {"stable", quantile(all, 0.9) < 1.15 * p50 && foreign < 0.1},
           {"foreign_cores", foreign}};
  row["peak_fraction"] = row["gflops"].get<double>() / peak_of(plan.precision(), limits);
  if (options.layers) row["layers"] = layers_json(*runners[0], network, limits);
  row["samples_ms"] = raw;
  row["provenance"] = {{"cpu", regnet::cpu_name()},
                       {"backend", name_of(plan.backend())},
                       {"compact", options.compact},
                       {"reduced_range", network.quantization.reduced_range},
                       {"tuning", options.tuning},
                       {"hint", options.hint},
                       {"instructions", limits.instructions},
                       {"peak_gflops", limits.gflops},
                       {"peak_bf16_gflops", limits.bf16_gflops},
                       {"peak_int8_gops", limits.int8_gops},
                       {"read_gbs", limits.read_gbs},
                       {"engine", regnet::engine_description()},
                       {"resolution", options.resolution},
                       {"weights", options.weights.empty() ? "synthetic" : options.weights},
                       {"version", regnet::version()},
                       {"commit", regnet::commit()}};
  return row;
}

void print_report(const std::vector<Json>& rows) {
  std::cout
      << "| Model | Batch | Threads | Streams | p50 ms | p90 | p99 | min | Images/s | GFLOP/s | Of peak | First ms | Load ms | RSS MiB | Stable |\n"
         "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---|\n";
  for (const Json& row : rows) {
    std::cout << "| " << row["model"].get<std::string>() << " | " << row["batch"] << " | " << row["threads"] << " | " << row["streams"];
    for (const char* key : {"p50_ms", "p90_ms", "p99_ms", "min_ms"}) std::cout << " | " << fixed(row[key], 2);
    std::cout << " | " << fixed(row["images_per_s"], 1) << " | " << fixed(row["gflops"], 0) << " | "
              << fixed(100 * row["peak_fraction"].get<double>(), 0) << "% | " << fixed(row["first_ms"], 1) << " | " << fixed(row["load_ms"], 0)
              << " | " << fixed(row["rss_mib"], 0) << " | " << (row["stable"] == true ? "yes" : "no") << " |\n";
  }
  for (const Json& row : rows) {
    if (!row.contains("layers")) continue;
    std::cout << "\n"
              << row["model"].get<std::string>() << ", batch " << row["batch"] << ", " << row["threads"] << " threads\n\n"
              << "| Layer | Kind | Channels x h x w | Implementation | ms | Share | GFLOP/s | Of peak | Bound "
                 "|\n|---|---|---|---|---:|---:|---:|---:|---|\n";
    for (const Json& layer : row["layers"])
      std::cout << "| " << layer["layer"].get<std::string>() << " | " << layer["kind"].get<std::string>() << " | " << layer["shape"][0] << "x"
                << layer["shape"][1] << "x" << layer["shape"][2] << " | " << layer["implementation"].get<std::string>() << " | "
                << fixed(layer["ms"], 4) << " | " << fixed(100 * layer["share"].get<double>(), 1) << "% | " << fixed(layer["gflops"], 0) << " | "
                << fixed(100 * layer["peak_fraction"].get<double>(), 0) << "% | " << layer["bound"].get<std::string>() << " |\n";
  }
  if (rows.empty()) return;
  const Json& from = rows[0]["provenance"];
  std::cout << "\nPeak " << fixed(from["peak_gflops"], 0) << " GFLOP/s (bf16 " << fixed(from["peak_bf16_gflops"], 0) << ", int8 "
            << fixed(from["peak_int8_gops"], 0) << ") and " << fixed(from["read_gbs"], 0) << " GB/s measured with "
            << from["instructions"].get<std::string>() << "; backend " << from["backend"].get<std::string>() << "; " << from["cpu"].get<std::string>()
            << "; " << from["engine"].get<std::string>() << "; regnet " << from["version"].get<std::string>() << " ("
            << from["commit"].get<std::string>() << ")\n";
}

void print_csv(const std::vector<Json>& rows) {
  const std::vector<const char*> keys{"model",  "batch",        "threads", "streams",       "dtype",    "p50_ms",  "p90_ms",  "p99_ms",
                                      "min_ms", "images_per_s", "gflops",  "peak_fraction", "first_ms", "load_ms", "rss_mib", "stable"};
  for (std::size_t i = 0; i < keys.size(); ++i) std::cout << (i ? "," : "") << keys[i];
  std::cout << '\n';
  for (const Json& row : rows) {
    for (std::size_t i = 0; i < keys.size(); ++i)
      std::cout << (i ? "," : "") << (row[keys[i]].is_string() ? row[keys[i]].get<std::string>() : row[keys[i]].dump());
    std::cout << '\n';
  }
}

// Answers each line "run SECONDS" with the times of as many runs, so that engines can be timed in turns, and "handover SECONDS" with how fast the cores talk.
int converse(const Network& network, const BenchOptions& options, const regnet::SessionOptions& session) {
  const regnet::Plan plan = compile_for(network, options, session);
  Runner runner(plan, network, session);
  runner.run();
  check(network, runner.logits, plan.precision());
  std::cout << "ready" << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::istringstream words(line);
    std::string word;
    double seconds = 0;
    if (!(words >> word >> seconds) || (word != "run" && word != "handover") || !(seconds > 0) || seconds > 3600)
      regnet::fail(regnet::Code::invalid_argument, "bench: expected a line \"run SECONDS\" or \"handover SECONDS\", found ", regnet::in_quotes(line));
    if (word == "handover") {
      std::cout << Json{{"handover_ns", regnet::measure_handover(seconds)}}.dump() << std::endl;
      continue;
    }
    Json times = Json::array();
    for (const Clock::time_point start = Clock::now(); times.empty() || ms_since(start) < 1000 * seconds;) times.push_back(runner.run());
    std::cout << Json{{"times_ms", times}}.dump() << std::endl;
  }
  return exit_done;
}

int run(BenchOptions options) {
  const std::vector<int> batches = parse_numbers("--batch", options.batches);
  const int here = regnet::default_threads().count;
  const std::vector<int> all_threads = options.threads.empty() ? std::vector<int>{here} : parse_numbers("--threads", options.threads);
  if (options.models.empty() && options.weights.empty()) options.models = {"regnetx_*"};
  const std::vector<std::string> models = options.weights.empty() ? expand_models(options.models) : std::vector<std::string>{""};
  if (options.interactive) {
    if (options.streams != 1 || options.hint == "throughput" || options.layers)
      regnet::fail(regnet::Code::invalid_argument,
                   "bench: --interactive times the runs of one session; expected neither --streams, --layers nor --hint throughput");
    if (models.size() != 1 || batches.size() != 1 || all_threads.size() != 1)
      regnet::fail(regnet::Code::invalid_argument, "bench: --interactive takes one network, one batch and one number of threads");
    return converse(prepare(models[0], options), options, {batches[0], all_threads[0]});
  }
  std::map<int, regnet::MachineLimits> limits;
  std::vector<Json> rows;
  for (const std::string& model : models) {
    const Network network = prepare(model, options);
    for (int threads : all_threads)
      for (const int batch : batches) {
        if (options.hint == "throughput") {
          // A batch is divided among the threads of one session, image by image; fewer images go to sessions of one thread each.
          threads = batch >= here ? here : 1;
          options.streams = batch >= here ? 1 : here;
        }
        const int cores = threads * options.streams;
        if (!limits.contains(cores)) limits[cores] = regnet::measure_machine(cores);
        rows.push_back(measure(network, options, batch, threads, limits[cores]));
        const Json& row = rows.back();
        if (options.output == "jsonl") std::cout << row.dump() << std::endl;
        if (!options.quiet)
          std::cerr << network.name << ", batch " << batch << ", " << threads << " threads: " << fixed(row["p50_ms"], 2) << " ms, "
                    << fixed(row["images_per_s"], 1) << " images/s"
                    << (row["stable"] == true ? "" : " (unstable: other work, or a clock that changes)") << '\n';
      }
  }
  if (options.output == "json") print(Json(rows));
  else if (options.output == "csv") print_csv(rows);
  else if (options.output == "md") print_report(rows);
  return exit_done;
}

}  // namespace

Command add_bench(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("bench", "Latency and throughput on this CPU, beside what the CPU can do at most");
  auto options = std::make_shared<BenchOptions>();
  CLI::Option* models = app->add_option("-m,--model", options->models,
                                        "Networks: names with commas between them, a design, or wildcards such as 'regnetx_*' (the default)")
                            ->type_name("MODEL");
  app->add_option("-b,--batch", options->batches, "Images per run: numbers and ranges, such as 1,2,4-8")->type_name("LIST")->capture_default_str();
  CLI::Option* threads =
      app->add_option("-t,--threads", options->threads, "Threads of a session: numbers and ranges; by default as many as this process may use")
          ->type_name("LIST");
  CLI::Option* streams = app->add_option("--streams", options->streams, "Sessions that run at the same time on the same weights")
                             ->check(CLI::Range(1, 1024))
                             ->capture_default_str();
  app->add_option("--hint", options->hint, "latency (all threads on each run) or throughput (each thread its own images)")
      ->check(CLI::IsMember({"latency", "throughput"}))
      ->excludes(threads)
      ->excludes(streams);
  app->add_flag("--compact", options->compact, "Own kernels with weights at their own size: up to half the memory");
  app->add_flag("--reduce-range", options->reduce_range, "int8 of weights that are not quantised yet: as quantize --reduce-range makes them");
  app->add_option("--tuning", options->tuning, tuning_help)->type_name("FILE");
  app->add_option("--weights", options->weights, "A checkpoint; without it synthetic weights, which take as long")
      ->type_name("FILE")
      ->excludes(models);
  app->add_option("--weights-key", options->weights_key, weights_key_help)->type_name("KEY");
  app->add_option("--resolution", options->resolution, "Side of the images")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--backend", options->backend, "own or onednn (kernels), or auto (the faster)")
      ->check(CLI::IsMember({"auto", "own", "onednn", "reference"}))
      ->capture_default_str();
  app->add_option("--dtype", options->dtype, dtype_help)->check(CLI::IsMember(dtype_names))->capture_default_str();
  app->add_option("--min-time", options->min_time, "Seconds for each row, after warming up")->check(CLI::Range(0.001, 3600.0))->capture_default_str();
  app->add_flag("--layers", options->layers, "Each layer's time, share and implementation, and what bounds it");
  app->add_flag("--interactive", options->interactive, "Print \"ready\", then answer each line \"run SECONDS\" with the times of one network");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"md", "csv", "json", "jsonl"});
  return {app, [options] { return run(*options); }};
}
