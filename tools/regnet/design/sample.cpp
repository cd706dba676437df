#include <chrono>
#include <iomanip>
#include <iostream>
#include <set>
#include <sstream>

#include <regnet/design/sample.hpp>
#include <regnet/graph/build.hpp>

#include "design/design.hpp"
#include "design/intervals.hpp"
#include "design/latency.hpp"
#include "design/rows.hpp"
#include "json.hpp"
#include "shard.hpp"
#include "text_file.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Code;
using regnet::fail;
using regnet::in_quotes;

struct SampleOptions {
  std::string space = "regnetx", sampler = "regnet", shard, flops, params, activations, depth, stages, width, tolerance, output = "table";
  std::vector<std::string> ranges;
  double latency_ms = 0;
  std::uint64_t seed = 0;
  std::int64_t count = 100, draws = 1'000'000;
  bool lean = false, skipped = false, everything = false, quiet = false;
  int resolution = 224;
  TimingOptions latency;
};

// "w0=8..256": narrows or widens one of the numbers.
void set_range(regnet::Space& space, const std::string& text) {
  const std::size_t equals = std::min(text.find('='), text.size());
  const std::string name = text.substr(0, equals);
  regnet::Range* range = nullptr;
  if (auto* regnet = std::get_if<regnet::RegNetSpace>(&space))
    range = name == "d"    ? &regnet->d
            : name == "w0" ? &regnet->w_0
            : name == "wa" ? &regnet->w_a
            : name == "wm" ? &regnet->w_m
            : name == "g"  ? &regnet->group_width
            : name == "b"  ? &regnet->bottleneck
                           : nullptr;
  else {
    auto& any = std::get<regnet::AnyNetSpace>(space);
    range = name == "d" ? &any.depth : name == "w" ? &any.width : name == "g" ? &any.group_width : name == "b" ? &any.bottleneck : nullptr;
  }
  if (!range || equals == text.size())
    fail(Code::invalid_argument, "--range: expected NAME=LOW..HIGH with d, w0, wa, wm, g or b of a RegNet, or d, w, g or b of an AnyNetX, found ",
         in_quotes(text));
  const regnet::Interval interval = parse_interval("--range " + name, text.substr(equals + 1));
  range->low = interval.low, range->high = interval.high;
  validate(*range, name);
}

regnet::SampleRequest request_of(const SampleOptions& options) {
  regnet::SampleRequest request;
  request.space = regnet::find_space(options.space).space;
  for (const std::string& range : options.ranges) set_range(request.space, range);
  request.seed = options.seed;
  request.count = options.count;
  request.draws = options.draws;
  request.everything = options.everything;
  request.stream = options.sampler == "pycls" ? regnet::Stream::pycls : regnet::Stream::regnet;
  regnet::DesignLimits& limits = request.limits;
  limits.network.resolution = options.resolution;
  if (!options.flops.empty()) {
    limits.macs = parse_interval("--flops", options.flops);
    if (options.flops.find("..") == std::string::npos) {
      const double share = parse_share("--tol", options.tolerance.empty() ? "1%" : options.tolerance);
      limits.macs = {limits.macs.high * (1 - share), limits.macs.high * (1 + share)};
    }
  }
  if (!options.tolerance.empty() && (options.flops.empty() || options.flops.find("..") != std::string::npos))
    fail(Code::invalid_argument, "--tol: expected one number of --flops beside it");
  const auto limit = [](regnet::Interval& interval, const char* option, const std::string& text, double alone) {
    if (!text.empty()) interval = parse_interval(option, text, alone);
  };
  limit(limits.params, "--params", options.params, 0);  // one number is the most
  limit(limits.activations, "--activations", options.activations, 0);
  limit(limits.width, "--width", options.width, 0);
  limit(limits.depth, "--depth", options.depth, 1);
  limit(limits.stages, "--stages", options.stages.empty() ? "4" : options.stages, 1);
  limits.lean = options.lean;
  limits.no_skipped_levels = !options.skipped;
  const Shard shard = parse_shard(options.shard);
  request.shard = shard.number, request.shards = shard.of;
  return request;
}

// What made the draws, and so must be the same in all shards.
Json identity(const SampleOptions& options) {
  return {{"space", options.space},
          {"ranges", options.ranges},
          {"seed", options.seed},
          {"draws", options.draws},
          {"count", options.count},
          {"flops", options.flops},
          {"tolerance", options.tolerance},
          {"params", options.params},
          {"activations", options.activations},
          {"depth", options.depth},
          {"stages", options.stages},
          {"width", options.width},
          {"lean", options.lean},
          {"skipped_levels", options.skipped},
          {"everything", options.everything},
          {"resolution", options.resolution}};
}

std::string part_in_percent(double part, double whole) {
  std::ostringstream out;
  out << std::setprecision(3) << 100 * part / whole << '%';
  return out.str();
}

void report(const regnet::SampledDesigns& sample, const SampleOptions& options, double seconds) {
  const auto examined = static_cast<double>(sample.examined), found = static_cast<double>(sample.designs.size());
  std::cerr << "accepted " << sample.designs.size() << " of " << sample.examined << " draws (" << part_in_percent(found, examined) << ") in "
            << std::setprecision(3) << seconds << " s";
  std::string separator = "; refused for ";
  for (const auto& [why, count] : sample.refused) {
    std::cerr << separator << (why == "accept" ? "latency" : why) << ' ' << part_in_percent(static_cast<double>(count), examined);
    separator = ", ";
  }
  std::cerr << '\n';
  if (options.shard.empty() && !options.everything && static_cast<std::int64_t>(sample.designs.size()) < options.count)
    std::cerr << "regnet: note: " << options.draws << " draws gave " << sample.designs.size() << " of the " << options.count
              << " designs asked for: the limits leave little of this space; a wider --flops, other --range, or more --draws would\n";
}

std::vector<DesignRow> rows_of(const std::vector<regnet::SampledDesign>& designs, int resolution) {
  std::vector<DesignRow> rows;
  for (const regnet::SampledDesign& design : designs) {
    DesignRow row;
    row.design = {"", design.params, design.stages};
    row.design.name = to_string(row.design);
    row.cost = design.cost;
    row.network.resolution = resolution;
    row.draw = design.draw;
    rows.push_back(std::move(row));
  }
  return rows;
}

int run(SampleOptions options) {
  const bool limited = options.latency_ms > 0 || options.lean || options.skipped ||
                       !(options.flops + options.params + options.activations + options.depth + options.stages + options.width).empty();
  if (options.everything && limited) fail(Code::invalid_argument, "design sample: --no-constraints takes every draw; expected no limits beside it");
  regnet::SampleRequest request = request_of(options);
  std::optional<Foretold> foretold;
  options.latency.resolution = options.resolution;
  if (options.latency_ms > 0) {
    if (!options.shard.empty()) fail(Code::invalid_argument, "design sample: --latency-ms depends on this machine; expected no --shard beside it");
    foretold.emplace(options.latency, options.quiet);
    request.accept = [&](const regnet::SampledDesign& design) { return foretold->ms(design.stages) <= options.latency_ms; };
  }
  const auto start = std::chrono::steady_clock::now();
  const regnet::SampledDesigns sample = regnet::sample(request);
  if (!options.quiet) report(sample, options, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  std::vector<DesignRow> rows = rows_of(sample.designs, options.resolution);
  if (foretold)
    for (DesignRow& row : rows) {
      row.latency_ms = foretold->ms(row.design.stages);
      row.predicted = true;
    }
  if (options.shard.empty()) {
    print_rows(rows, options.output);
    return static_cast<std::int64_t>(rows.size()) < options.count ? exit_failed_check : exit_done;
  }
  Json list = Json::array();
  for (const DesignRow& row : rows) list.push_back(json_of(row));
  print({{"sample", identity(options)}, {"shard", request.shard}, {"shards", request.shards}, {"examined", sample.examined}, {"designs", list}});
  return exit_done;
}

struct MergeOptions {
  std::vector<std::string> files;
  std::string output = "table";
};

constexpr int most_shards = 1'000'000;

int run_merge(const MergeOptions& options) {
  Json sample;
  std::set<int> missing, seen;
  std::vector<regnet::SampledDesign> designs;
  int resolution = 224;
  for (const std::string& file : options.files) {
    const Json json = read_file(file, [](const std::string& text) { return parse_json(text); });
    const auto is_number = [&](const char* key) {
      return json.contains(key) && json[key].is_number_integer() && json[key] >= 1 && json[key] <= most_shards;
    };
    if (!json.is_object() || !json.contains("sample") || !json.contains("designs") || !is_number("shard") || !is_number("shards"))
      fail(Code::bad_format, file, ": expected what \"regnet design sample --shard\" prints");
    const int shard = json["shard"], shards = json["shards"];
    if (sample.is_null()) {
      sample = json["sample"];
      for (int i = 1; i <= shards; ++i) missing.insert(i);
    }
    if (json["sample"] != sample || static_cast<std::size_t>(shards) != missing.size() + seen.size())
      fail(Code::mismatch, file, ": is a shard of another sample than ", options.files[0]);
    if (!seen.insert(shard).second) fail(Code::mismatch, file, ": shard ", shard, " was given before");
    if (missing.erase(shard) == 0) fail(Code::bad_format, file, ": expected a shard from 1 to ", shards, ", found ", shard);
    for (DesignRow& row : read_rows(file, true)) {
      if (!row.draw) fail(Code::bad_format, file, ": design ", row.design.name, ": expected the number of its draw");
      designs.push_back({*row.draw, row.design.params, row.design.stages, row.cost});
      resolution = row.network.resolution;
    }
  }
  if (!missing.empty())
    fail(Code::mismatch, "design merge: expected all shards, found none for number ", *missing.begin(),
         missing.size() > 1 ? regnet::text(" and ", missing.size() - 1, " more") : "");
  if (!sample.is_object() || !sample.contains("count") || !sample["count"].is_number_integer() || sample["count"] < 1)
    fail(Code::bad_format, options.files[0], ": expected a \"count\" from 1 up in \"sample\"");
  const std::int64_t count = sample["count"];
  const std::vector<regnet::SampledDesign> merged = regnet::merge(std::move(designs), count, sample.value("everything", Json()) == true);
  print_rows(rows_of(merged, resolution), options.output);
  return static_cast<std::int64_t>(merged.size()) < count ? exit_failed_check : exit_done;
}

}  // namespace

Command add_design_sample(CLI::App& design) {
  CLI::App* app = design.add_subcommand("sample", "Networks drawn from a design space within limits");
  auto options = std::make_shared<SampleOptions>();
  app->add_option("--space", options->space,
                  "Where designs are drawn from: regnetx, regnet, or anynetx-a to anynetx-e (see \"regnet design spaces\")")
      ->type_name("SPACE")
      ->capture_default_str();
  app->add_option("--range", options->ranges,
                  "Another range for one number: d=12..28, w0=8..256, wa=, wm=, g=, b= (AnyNetX: d, w, g, b); again for each")
      ->type_name("RANGE");
  app->add_option("-n,--count", options->count, "Designs wanted")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1'000'000'000}))
      ->capture_default_str();
  app->add_option("--draws", options->draws, "Draws at most, of all shards together")
      ->check(CLI::Range(std::int64_t{1}, std::int64_t{1} << 40))
      ->capture_default_str();
  app->add_option("--seed", options->seed, "Equal seeds give equal designs")
      ->check(CLI::Range(std::uint64_t{0}, std::uint64_t{0xffffffff}))
      ->capture_default_str();
  app->add_option("--flops", options->flops, "Multiply-adds: 400M with --tol, or 360M..400M")->type_name("RANGE");
  app->add_option("--tol", options->tolerance, "How far from one number of --flops: 0.01 or 1% (the default)")->type_name("TOLERANCE");
  app->add_option("--params", options->params, "Parameters: 10M (at most) or 5M..10M")->type_name("RANGE");
  app->add_option("--activations", options->activations, "Activations: 4M (at most) or 2M..4M")->type_name("RANGE");
  app->add_option("--depth", options->depth, "Blocks: 20 or 12..28")->type_name("RANGE");
  app->add_option("--stages", options->stages, "Stages: 4 (the default), or 3..5")->type_name("RANGE");
  app->add_option("--width", options->width, "Width of the last stage: 1024 (at most), or 512..1024")->type_name("RANGE");
  app->add_flag(
      "--lean", options->lean,
      "With F thousand million multiply-adds at most 3 + 5.5 F million parameters and 6.5 sqrt(F) million activations (pycls's rule of thumb)");
  app->add_flag("--skipped-levels", options->skipped, "Also designs that skip a power of wm, which pycls refuses");
  app->add_flag("--no-constraints", options->everything, "Every draw as it comes, also duplicates");
  app->add_option("--sampler", options->sampler, "regnet (can be sharded), or pycls (its stream of numbers exactly)")
      ->check(CLI::IsMember({"pycls", "regnet"}))
      ->capture_default_str();
  app->add_option("--shard", options->shard, "Every N-th part of the draws from the I-th on, as JSON; \"regnet design merge\" joins them")
      ->type_name("I/N");
  app->add_option("--resolution", options->resolution, "Side of the input in pixels")->capture_default_str();
  CLI::Option* const latency =
      app->add_option("--latency-ms", options->latency_ms, "Only networks that are foretold to take at most so long on this CPU")
          ->check(CLI::Range(1e-6, 1e9));
  for (CLI::Option* const timing : add_timing_options(*app, options->latency)) timing->needs(latency);
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_row_output(*app, options->output);
  return {app, [options] { return run(*options); }};
}

Command add_design_merge(CLI::App& design) {
  CLI::App* app = design.add_subcommand("merge", "The shards of a sample: the same designs as one process finds");
  auto options = std::make_shared<MergeOptions>();
  app->add_option("shard", options->files, "What each \"regnet design sample --shard I/N\" printed")->type_name("FILE")->required();
  add_row_output(*app, options->output);
  return {app, [options] { return run_merge(*options); }};
}
