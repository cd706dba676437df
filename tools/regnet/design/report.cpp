#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <regnet/base/error.hpp>
#include <regnet/design/population.hpp>

#include "design/design.hpp"
#include "design/page.hpp"

namespace {

constexpr const char* design_style =
    R"(.legend{margin:.3rem 0;font-size:.85rem}.legend span{display:inline-block;margin-right:1.4rem;overflow-wrap:anywhere}
.legend i{display:inline-block;width:.8rem;height:.8rem;border-radius:3px;background:currentColor;margin-right:.4rem;vertical-align:-.08rem}
.panels{display:grid;grid-template-columns:repeat(auto-fill,minmax(300px,1fr));gap:.6rem}.panels svg{width:100%}.panels+table{margin-top:1rem}
.networks{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:.8rem;margin:.5rem 0 1rem}.networks svg{width:100%}
h3{font-size:1rem;margin:1.2rem 0 .3rem;font-weight:600;overflow-wrap:anywhere}
th{padding:.15rem 1rem .15rem 0;text-align:left;font-weight:600;border-bottom:1px solid var(--rule)}td.number,th.number{text-align:right}
)";

struct ReportOptions {
  std::string page, title = "Populations of networks";
  std::vector<std::string> files;
  bool quiet = false;
};

// What is far off would make pictures in which nothing else can be seen.
void expect_plausible(const std::string& file, const DesignRow& row) {
  constexpr double most_ms = 1e9;  // twelve days
  const auto expect = [&](bool holds, const char* expected, double found) {
    if (!holds) regnet::fail(regnet::Code::bad_format, file, ": ", row.design.name, ": expected ", expected, ", found ", found);
  };
  expect(row.error.value_or(0) <= 100, "an error in percent", row.error.value_or(0));
  expect(row.latency_ms.value_or(0) <= most_ms, "a latency in milliseconds", row.latency_ms.value_or(0));
}

// Populations are called by the stems of their files, or by the whole paths where two stems are the same.
Populations read_populations(const ReportOptions& options) {
  Populations populations;
  for (const std::string& file : options.files) {
    const std::string stem = std::filesystem::path(file).stem().string();
    const auto same = std::count_if(options.files.begin(), options.files.end(),
                                    [&](const std::string& other) { return std::filesystem::path(other).stem().string() == stem; });
    populations.push_back({same > 1 ? file : stem, read_rows(file, options.quiet)});
    for (const DesignRow& row : populations.back().rows) expect_plausible(file, row);
    if (populations.back().rows.empty()) regnet::fail(regnet::Code::bad_format, file, ": expected designs, found none");
  }
  return populations;
}

void write_summary(std::ostream& out, const Populations& populations) {
  out << "<table>\n<tr><th>population</th><th class=\"number\">networks</th><th class=\"number\">with errors</th><th class=\"number\">least "
         "error</th>"
         "<th class=\"number\">mean error</th><th class=\"number\">measured</th><th class=\"number\">predicted</th><th "
         "class=\"number\">input</th></tr>\n";
  for (const Population& population : populations) {
    const auto count = [&](auto holds) { return std::count_if(population.rows.begin(), population.rows.end(), holds); };
    const auto number = [&](const std::string& value) { out << "<td class=\"number\">" << value << "</td>"; };
    const auto percent = [](double value) {
      std::ostringstream text;
      text << std::fixed << std::setprecision(2) << value << '%';
      return text.str();
    };
    const std::vector<double> errors = population.errors();
    const auto by_resolution = [](const DesignRow& a, const DesignRow& b) { return a.network.resolution < b.network.resolution; };
    const auto [least, most] = std::minmax_element(population.rows.begin(), population.rows.end(), by_resolution);
    out << "<tr><td>" << html(population.name) << "</td>";
    number(std::to_string(population.rows.size()));
    number(std::to_string(errors.size()));
    if (errors.empty()) {
      number(""), number("");
    } else {
      const regnet::Edf edf(errors);
      number(percent(edf.summary().min)), number(percent(edf.summary().mean));
    }
    number(std::to_string(count([](const DesignRow& row) { return row.latency_ms && !row.predicted; })));
    number(std::to_string(count([](const DesignRow& row) { return row.latency_ms && row.predicted; })));
    number(regnet::text(least->network.resolution,
                        least->network.resolution == most->network.resolution ? "" : regnet::text(" to ", most->network.resolution)));
    out << "</tr>\n";
  }
  out << "</table>\n<p class=\"soft\">Errors are top-1, in percent. Measured and predicted are latencies. MACs are the papers' FLOPs.</p>\n";
}

std::string page_of(const ReportOptions& options, const Populations& populations) {
  std::ostringstream out;
  begin_page(out, options.title, design_style);
  write_summary(out, populations);
  write_edfs(out, populations);
  write_errors_by_number(out, populations);
  write_latencies(out, populations);
  write_distributions(out, populations);
  write_networks(out, populations);
  end_page(out);
  return out.str();
}

// Before any work is done: whoever forgets the page's name must not lose a list of designs, and a pipe or a device is no page.
void check_target(const std::string& page) {
  if (!page.ends_with(".html") && !page.ends_with(".htm"))
    regnet::fail(regnet::Code::invalid_argument, "design report: expected the page to write, OUT.html, before the lists of designs, found ",
                 regnet::in_quotes(page));
  std::error_code unreachable;  // is reported when the file is made
  const std::filesystem::file_status there = std::filesystem::status(page, unreachable);
  if (std::filesystem::exists(there) && !std::filesystem::is_regular_file(there))
    regnet::fail(regnet::Code::io, page, ": exists and is no regular file");
}

int run(const ReportOptions& options) {
  check_target(options.page);
  const std::string page = page_of(options, read_populations(options));
  std::ofstream file(options.page, std::ios::binary);
  if (!(file << page).flush()) regnet::fail(regnet::Code::io, options.page, ": cannot be written");
  return exit_done;
}

}  // namespace

std::vector<double> Population::errors() const {
  std::vector<double> errors;
  for (const DesignRow& row : rows)
    if (row.error) errors.push_back(*row.error);
  return errors;
}

void begin_section(std::ostream& out, const std::string& title, const std::string& caption) {
  out << "<h2>" << html(title) << "</h2>\n<p class=\"soft\">" << html(caption) << "</p>\n";
}

void write_legend(std::ostream& out, const Populations& populations, const std::function<std::string(const Population&)>& more) {
  out << "<p class=\"legend\">";
  for (std::size_t i = 0; i < populations.size(); ++i) {
    const std::string words = more(populations[i]);
    out << "<span><i class=\"" << colour(i) << "\"></i>" << html(populations[i].name + (words.empty() ? "" : ": " + words)) << "</span>";
  }
  out << "</p>\n";
}

std::string summary_of(const Population& population) {
  const std::vector<double> errors = population.errors();
  if (errors.empty()) return "no errors";
  const regnet::ErrorSummary summary = regnet::Edf(errors).summary();
  std::ostringstream out;
  out << summary.n << std::fixed << std::setprecision(2) << " | " << summary.min << " | " << summary.mean;
  return out.str();
}

std::string shown_name(const std::string& number) {
  if (number == "macs") return "MACs";
  return number == "latency" ? "latency (ms)" : number;
}

std::string thinning_in_words(std::size_t all) {
  return all <= most_points ? "" : regnet::text(" Of ", all, " networks ", most_points, " are drawn, evenly chosen.");
}

Command add_design_report(CLI::App& design) {
  CLI::App* app = design.add_subcommand("report", "One page about populations of networks: errors, latencies, distributions, the best and the worst");
  auto options = std::make_shared<ReportOptions>();
  app->add_option("page", options->page, "HTML file to write, which needs nothing else")->type_name("FILE")->required();
  app->add_option("file", options->files,
                  "Lists of designs, each a population: of \"design sample\" or \"design pareto\", CSV, or pycls's sweep.json")
      ->type_name("FILE")
      ->required();
  app->add_option("--title", options->title, "The page's title")->capture_default_str();
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  return {app, [options] { return run(*options); }};
}
