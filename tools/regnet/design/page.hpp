// page: the sections of the page about populations of designs. Rows in, HTML out; a section whose data no row has is one line that says so.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "design/figure.hpp"
#include "design/rows.hpp"
#include "html.hpp"

struct Population {
  std::string name;  // foreign text
  std::vector<DesignRow> rows;

  [[nodiscard]] std::vector<double> errors() const;
  // "design pareto" holds costs against errors where all networks have one, else against MACs.
  [[nodiscard]] bool fronts_are_of_errors() const { return errors().size() == rows.size(); }
};

using Populations = std::vector<Population>;

// More points are thinned.
inline constexpr std::size_t most_points = 3000;

void write_edfs(std::ostream& out, const Populations& populations);
void write_latencies(std::ostream& out, const Populations& populations);
void write_distributions(std::ostream& out, const Populations& populations);
void write_errors_by_number(std::ostream& out, const Populations& populations);
void write_networks(std::ostream& out, const Populations& populations);

// A heading, and what there is to say below it.
void begin_section(std::ostream& out, const std::string& title, const std::string& caption);

// The colour of each population with its name and what else `more` says of it.
void write_legend(std::ostream& out, const Populations& populations, const std::function<std::string(const Population&)>& more);

// "n | min | mean" of errors, or "no errors".
std::string summary_of(const Population& population);

// How a page spells the number that a population is looked at by: "w0", "MACs".
std::string shown_name(const std::string& number);

// " Of 10000 networks 3000 are drawn, evenly chosen." when some are left out.
std::string thinning_in_words(std::size_t all);
