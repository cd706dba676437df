#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>

#include <regnet/base/csv.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/design/population.hpp>

#include "design/design.hpp"
#include "design/intervals.hpp"
#include "design/rows.hpp"
#include "json.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Code;
using regnet::fail;

struct EdfOptions {
  std::vector<std::string> files, filters;
  std::vector<std::string> numbers{"d", "w0", "wa", "wm", "g", "b", "stages", "width", "macs", "params", "activations"};
  std::string output = "table", csv;
  regnet::BootstrapOptions bootstrap;
  bool quiet = false;
};

struct ErrorsOfPopulation {
  std::string name;
  std::vector<DesignRow> rows;
  std::vector<double> errors;
};

void expect_number(const char* option, const std::string& name) {
  if (std::find(design_numbers.begin(), design_numbers.end(), name) != design_numbers.end()) return;
  std::string known;
  for (const std::string& number : design_numbers) known += (known.empty() ? "" : ", ") + number;
  fail(Code::invalid_argument, option, ": expected one of ", known, ", found ", regnet::in_quotes(name));
}

// "macs=360M..400M": only designs within it.
void keep(std::vector<DesignRow>& rows, const std::string& filter) {
  const std::size_t equals = std::min(filter.find('='), filter.size());
  const std::string name = filter.substr(0, equals);
  if (name != "error") expect_number("--filter", name);
  if (equals == filter.size()) fail(Code::invalid_argument, "--filter: expected NAME=LOW..HIGH, found ", regnet::in_quotes(filter));
  const regnet::Interval interval = parse_interval("--filter " + name, filter.substr(equals + 1));
  std::erase_if(rows, [&](const DesignRow& row) {
    const std::optional<double> number = name == "error" ? row.error : row.number(name);
    return !number || !interval.contains(*number);
  });
}

ErrorsOfPopulation read_population(const std::string& file, const EdfOptions& options) {
  ErrorsOfPopulation population{regnet::one_line(std::filesystem::path(file).stem().string()), read_rows(file, options.quiet), {}};
  const std::size_t all = population.rows.size();
  std::erase_if(population.rows, [](const DesignRow& row) { return !row.error; });
  const std::size_t without = all - population.rows.size();
  for (const std::string& filter : options.filters) keep(population.rows, filter);
  for (const DesignRow& row : population.rows) population.errors.push_back(*row.error);
  if (population.errors.empty())
    fail(Code::bad_format, file, ": expected designs with errors", options.filters.empty() ? "" : " that pass the filters", ", found none of ", all);
  if (without > 0 && !options.quiet)
    std::cerr << "regnet: note: " << file << ": " << without << " of " << all << " designs have no error and are left out\n";
  return population;
}

// The best value of each number that all designs have and that differs among them.
Json best_values(const ErrorsOfPopulation& population, const EdfOptions& options) {
  Json best = Json::object();
  for (const std::string& name : options.numbers) {
    std::vector<double> values;
    for (const DesignRow& row : population.rows)
      if (const auto number = row.number(name)) values.push_back(*number);
    if (values.size() != population.rows.size() || std::all_of(values.begin(), values.end(), [&](double value) { return value == values[0]; }))
      continue;
    const regnet::BestValue value = regnet::best_value(values, population.errors, options.bootstrap);
    best[name] = {{"low", value.low}, {"median", value.median}, {"high", value.high}};
  }
  return best;
}

int run(const EdfOptions& options) {
  for (const std::string& name : options.numbers) expect_number("--numbers", name);
  std::vector<ErrorsOfPopulation> populations;
  for (const std::string& file : options.files) populations.push_back(read_population(file, options));
  if (!options.csv.empty()) {
    std::ofstream out(options.csv);
    out << "population,error,below,at_most\n";
    for (const ErrorsOfPopulation& population : populations) {
      const regnet::Edf edf(population.errors);
      const std::vector<double>& sorted = edf.sorted_errors();
      for (std::size_t i = 0; i < sorted.size(); ++i)
        out << regnet::csv_field(population.name) << ',' << Json(sorted[i]).dump() << ',' << Json(edf(sorted[i])).dump() << ','
            << Json(static_cast<double>(i + 1) / static_cast<double>(sorted.size())).dump() << '\n';
    }
    out.close();
    if (!out) fail(Code::io, options.csv, ": cannot be written");
  }
  Json list = Json::array();
  for (const ErrorsOfPopulation& population : populations) {
    const regnet::Edf edf(population.errors);
    const regnet::ErrorSummary summary = edf.summary();
    list.push_back({{"population", population.name},
                    {"n", summary.n},
                    {"min", summary.min},
                    {"mean", summary.mean},
                    {"best", best_values(population, options)}});
  }
  if (options.output == "json") {
    print(list);
    return exit_done;
  }
  std::size_t widest = 10;
  for (const ErrorsOfPopulation& population : populations) widest = std::max(widest, population.name.size());
  std::cout << std::fixed << std::setprecision(2) << std::left << std::setw(static_cast<int>(widest)) << "population"
            << "       n |   min |  mean\n";
  for (const Json& row : list)
    std::cout << std::left << std::setw(static_cast<int>(widest)) << row["population"].get<std::string>() << std::right << std::setw(8)
              << row["n"].get<std::size_t>() << " | " << std::setw(5) << row["min"].get<double>() << " | " << std::setw(5)
              << row["mean"].get<double>() << '\n';
  for (const Json& row : list) {
    std::cout << '\n'
              << row["population"].get<std::string>() << ": values of the best (" << 100 - options.bootstrap.alpha
              << "% of draws between low and high)\n";
    for (const auto& [name, value] : row["best"].items())
      std::cout << "  " << std::defaultfloat << std::setprecision(6) << std::left << std::setw(12) << name << std::right << std::setw(16)
                << value["low"].get<double>() << std::setw(16) << value["median"].get<double>() << std::setw(16) << value["high"].get<double>()
                << '\n';
  }
  return exit_done;
}

}  // namespace

Command add_design_edf(CLI::App& design) {
  CLI::App* app = design.add_subcommand("edf", "Distributions of errors of populations, and the values that their best have in common");
  auto options = std::make_shared<EdfOptions>();
  app->add_option("population", options->files, "Designs with errors: pycls's sweep.json, CSV (design or w0,wa,wm,d,g; error), or JSON")
      ->type_name("FILE")
      ->required();
  app->add_option("--filter", options->filters, "Only designs within it: macs=360M..400M, d=12..28, error=..40, ...; again for each")
      ->type_name("RANGE");
  app->add_option("--numbers", options->numbers,
                  "Numbers to find the best value of: d, w0, wa, wm, g, b, stages, width, depth, macs, params, activations, latency")
      ->type_name("LIST")
      ->delimiter(',');
  app->add_option("--repeats", options->bootstrap.repeats, "Draws of the bootstrap")->check(CLI::Range(1, 10'000'000))->capture_default_str();
  app->add_option("--fraction", options->bootstrap.fraction, "The part of a population that each draw holds")
      ->check(CLI::Range(0.0, 1.0))
      ->capture_default_str();
  app->add_option("--seed", options->bootstrap.seed, "Seed of the bootstrap; equal seeds give equal results")->capture_default_str();
  app->add_option("--csv", options->csv,
                  "CSV file to write, the distribution functions: error, the part below it (the paper's), the part at most it (pycls's)")
      ->type_name("FILE");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"table", "json"});
  return {app, [options] { return run(*options); }};
}
