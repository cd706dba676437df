// The best and the worst networks of populations, drawn.
#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include <regnet/base/error.hpp>

#include "design/page.hpp"
#include "table.hpp"

namespace {

constexpr std::size_t shown_networks = 4;  // at each end

// What networks are ranked by: the first of these that two of the population have; less is better.
enum class Rank { error, latency_per_mac, macs };

double value_by(Rank rank, const DesignRow& row) {
  if (rank == Rank::error) return *row.error;
  return rank == Rank::macs ? double(row.cost.macs) : *row.latency_ms / double(row.cost.macs);
}

bool has(const DesignRow& row, Rank rank) { return rank == Rank::macs || (rank == Rank::error ? row.error : row.latency_ms).has_value(); }

Rank rank_of(const Population& population) {
  for (const Rank rank : {Rank::error, Rank::latency_per_mac})
    if (std::count_if(population.rows.begin(), population.rows.end(), [&](const DesignRow& row) { return has(row, rank); }) > 1) return rank;
  return Rank::macs;
}

// Long designs are broken behind a comma.
std::string with_breaks(const std::string& html) {
  std::string out;
  for (const char c : html) out += c == ',' ? std::string(",<wbr/>") : std::string(1, c);
  return out;
}

// One bar for each stage: as high as it is wide (log), as broad as it is deep.
std::string drawing(const DesignRow& row, const Scale& y) {
  constexpr double left = 4, right = 216, gap = 2;
  const std::vector<regnet::Stage>& stages = row.design.stages;
  int depth = 0;
  for (const regnet::Stage& stage : stages) depth += stage.depth;
  const double unit = (right - left - gap * double(stages.size() - 1)) / depth;
  Svg svg(right + 4, y.from() + 20);
  double at = left, free_above = 0, free_below = 0;
  for (const regnet::Stage& stage : stages) {
    const double broad = unit * stage.depth, middle = at + broad / 2;
    svg.rect(at, y(stage.width), std::max(broad, 1.0), y.from() - y(stage.width), "block s0",
             regnet::text(stage.depth, stage.depth == 1 ? " block" : " blocks", ", ", stage.width, " wide, in groups of ", stage.group_width));
    // Names that would run into the one before are left out: the numbers stand below the drawing.
    const auto label = [&](double height, const std::string& words, double& free) {
      const double half = 3.1 * double(words.size()), place = std::clamp(middle, left + half, right - half);
      if (place - half < free) return;
      svg.text(place, height, words, "small middle");
      free = place + half + 3;
    };
    label(y(stage.width) - 4, std::to_string(stage.width), free_above);
    label(y.from() + 13, regnet::text('g', stage.group_width), free_below);
    at += broad + gap;
  }
  return svg.str();
}

void write_network(std::ostream& out, const DesignRow& row, const Scale& y) {
  const std::vector<regnet::Stage>& stages = row.design.stages;
  std::ostringstream measured;
  if (row.error) measured << std::fixed << std::setprecision(2) << *row.error << "% error, ";
  if (row.latency_ms) measured << short_number(*row.latency_ms) << " ms" << (row.predicted ? " (predicted), " : ", ");
  measured << short_number(double(row.cost.macs)) << " MACs, " << short_number(double(row.cost.params)) << " params";
  out << "<figure>" << drawing(row, y) << "<figcaption><b>" << html(measured.str()) << "</b><br/>depths "
      << joined(each_stage(stages, &regnet::Stage::depth)) << "<br/>widths " << joined(each_stage(stages, &regnet::Stage::width)) << "<br/>groups of "
      << joined(each_stage(stages, &regnet::Stage::group_width));
  if (row.design.params.d != 0) out << "<br/>" << with_breaks(html(row.design.name));
  out << "</figcaption></figure>\n";
}

void write_ends(std::ostream& out, const Population& population, const Scale& y) {
  const Rank rank = rank_of(population);
  std::vector<const DesignRow*> rows;
  for (const DesignRow& row : population.rows)
    if (has(row, rank)) rows.push_back(&row);
  std::stable_sort(rows.begin(), rows.end(), [&](const DesignRow* a, const DesignRow* b) { return value_by(rank, *a) < value_by(rank, *b); });
  const std::size_t ends = std::min(shown_networks, rows.size() / 2);
  const auto write = [&](const char* what, std::size_t from, std::size_t to) {
    out << "<h3>" << html(population.name + ": " + what) << "</h3>\n<div class=\"networks\">\n";
    for (std::size_t i = from; i < to; ++i) write_network(out, *rows[i], y);
    out << "</div>\n";
  };
  if (rows.size() == 1) return write("its one network", 0, 1);
  const char* const best = rank == Rank::error ? "the lowest errors" : rank == Rank::macs ? "the fewest MACs" : "the least time for a MAC";
  const char* const worst = rank == Rank::error ? "the highest errors" : rank == Rank::macs ? "the most MACs" : "the most time for a MAC";
  write(best, 0, ends);
  write(worst, rows.size() - ends, rows.size());
}

}  // namespace

void write_networks(std::ostream& out, const Populations& populations) {
  std::vector<double> widths;
  for (const Population& population : populations)
    for (const DesignRow& row : population.rows)
      for (const regnet::Stage& stage : row.design.stages) widths.push_back(stage.width);
  const auto [least, most] = std::minmax_element(widths.begin(), widths.end());
  const Scale y(*least / 2, *most * 1.1, 110, 18, Spacing::log);
  begin_section(
      out, "Networks",
      "A bar is a stage: its height the width (on a log scale, the same for all), its breadth the depth; below it the width of its groups.");
  for (const Population& population : populations) write_ends(out, population, y);
}
