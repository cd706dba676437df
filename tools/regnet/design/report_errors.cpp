// The errors of populations: their distribution, and what they hang on.
#include <algorithm>
#include <array>
#include <optional>

#include <regnet/base/error.hpp>
#include <regnet/design/population.hpp>

#include "design/page.hpp"

namespace {

constexpr std::array<const char*, 10> compared_numbers{"d", "w0", "wa", "wm", "g", "stages", "macs", "params", "activations", "latency"};

struct Sighting {  // of a network in a panel
  std::size_t population = 0;
  double number = 0, error = 0;
  bool front = false;
};

std::vector<Sighting> sightings_of(const std::string& number, const Populations& populations) {
  std::vector<Sighting> all;
  for (std::size_t i = 0; i < populations.size(); ++i) {
    const bool of_errors = populations[i].fronts_are_of_errors();
    for (const DesignRow& row : populations[i].rows)
      if (const std::optional<double> value = row.number(number); value && row.error)
        all.push_back({i, *value, *row.error, of_errors && std::find(row.fronts.begin(), row.fronts.end(), number) != row.fronts.end()});
  }
  return all;
}

// Nothing for a population that has no errors with this number.
std::optional<regnet::BestValue> best_of(const std::vector<Sighting>& all, std::size_t population) {
  std::vector<double> values, errors;
  for (const Sighting& one : all)
    if (one.population == population) values.push_back(one.number), errors.push_back(one.error);
  if (values.empty()) return std::nullopt;
  return regnet::best_value(values, errors);
}

constexpr double strip = 8;  // for a population's interval where there are several

// Where the best networks of each population are: for one population a line and its interval across the panel; for several, one below another on top.
void draw_best(Svg& svg, const std::vector<std::optional<regnet::BestValue>>& best, const Scale& x, const Scale& y) {
  const auto there = static_cast<std::size_t>(std::count_if(best.begin(), best.end(), [](const auto& one) { return one.has_value(); }));
  const double height = there == 1 ? y.from() - y.to() : strip - 2;
  double top = y.to();
  for (std::size_t i = 0; i < best.size() && top < y.from(); ++i) {
    if (!best[i]) continue;
    svg.rect(x(best[i]->low), top, std::max(1.0, x(best[i]->high) - x(best[i]->low)), height, (there == 1 ? "area " : "area strong ") + colour(i));
    svg.line(x(best[i]->median), top, x(best[i]->median), top + height, "curve " + colour(i));
    top += height + 2;
  }
}

std::string panel(const std::string& number, const std::vector<Sighting>& all, const std::vector<std::optional<regnet::BestValue>>& best) {
  constexpr double left = 44, right = 300, top = 30, bottom = 180;
  constexpr std::size_t many = 300;  // need smaller dots
  std::vector<double> values, errors;
  for (const Sighting& one : all) values.push_back(one.number), errors.push_back(one.error);
  const bool whole = number == "d" || number == "stages";
  const Spacing spacing = whole ? Spacing::linear : spacing_of(values);
  const Scale x = scale_of(values, left, right, spacing), below = scale_of(errors, bottom, top, Spacing::linear);
  // No network lies below the intervals of several populations, as long as those leave half of the panel.
  const auto strips = static_cast<double>(std::count_if(best.begin(), best.end(), [](const auto& one) { return one.has_value(); }));
  const double free = strips > 1 ? std::min(strips * strip, (bottom - top) / 2) : 0;
  const Scale y(below.low(), below.at((bottom - top) / (bottom - top - free)), bottom, top);
  Svg svg(right + 12, bottom + 42);
  draw_axes(svg, x, y, shown_name(number), "error (%)", whole ? whole_ticks(x.low(), x.high(), 5) : 5);
  std::vector<std::vector<Point>> points(best.size());
  for (const Sighting& one : thinned(all, most_points)) points[one.population].push_back({x(one.number), y(one.error)});
  for (std::size_t i = 0; i < points.size(); ++i) svg.dots(points[i], (all.size() > many ? "dots little " : "dots ") + colour(i));
  for (std::size_t i = 0; i < points.size(); ++i) {
    std::vector<Point> front;
    for (const Sighting& one : all)
      if (one.front && one.population == i) front.push_back({x(one.number), y(one.error)});
    std::sort(front.begin(), front.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
    svg.steps(front, "front");
  }
  draw_best(svg, best, x, y);
  return svg.str();
}

void write_best_values(std::ostream& out, const std::vector<std::string>& names, const Populations& populations,
                       const std::vector<std::vector<std::optional<regnet::BestValue>>>& best) {
  out << "<table>\n<tr><th>best value</th>";
  for (const Population& population : populations)
    if (!population.errors().empty()) out << "<th>" << html(population.name) << "</th>";
  out << "</tr>\n";
  for (std::size_t k = 0; k < names.size(); ++k) {
    out << "<tr><td>" << shown_name(names[k]) << "</td>";
    for (std::size_t i = 0; i < populations.size(); ++i) {
      if (populations[i].errors().empty()) continue;
      out << "<td>";
      if (best[k][i])
        out << short_number(best[k][i]->median) << " (" << short_number(best[k][i]->low) << " to " << short_number(best[k][i]->high) << ')';
      out << "</td>";
    }
    out << "</tr>\n";
  }
  out << "</table>\n";
}

}  // namespace

void write_edfs(std::ostream& out, const Populations& populations) {
  std::vector<double> all;
  for (const Population& population : populations) {
    const std::vector<double> errors = population.errors();
    all.insert(all.end(), errors.begin(), errors.end());
  }
  if (all.empty()) return begin_section(out, "Errors", "Left out: no network has an error.");
  begin_section(out, "Errors", "The part of each population whose error is lower, by error. The legend: networks | least error | mean error.");
  write_legend(out, populations, summary_of);
  constexpr double left = 50, right = 940, top = 30, bottom = 340;
  const Scale x = scale_of(all, left, right, Spacing::linear), y(0, 1, bottom, top);
  Svg svg(right + 20, bottom + 46);
  draw_axes(svg, x, y, "error (%)", "part of the population", 10);
  for (std::size_t i = 0; i < populations.size(); ++i) {
    if (populations[i].errors().empty()) continue;
    const regnet::Edf edf(populations[i].errors());
    const std::vector<double>& errors = edf.sorted_errors();
    std::vector<Point> points{{left, y(0)}};
    for (std::size_t k = 0; k < errors.size(); ++k) {
      const Point next{x(errors[k]), y(double(k + 1) / double(errors.size()))};
      // Steps that nobody can tell apart are one.
      if (points.size() > 1 && next.x - points.back().x < 0.2) points.back().y = next.y;
      else points.push_back(next);
    }
    points.push_back({right, y(1)});
    svg.steps(points, "curve " + colour(i));
  }
  out << svg.str();
}

void write_errors_by_number(std::ostream& out, const Populations& populations) {
  std::size_t most = 0;
  std::vector<std::string> names, missing;
  std::vector<std::vector<std::optional<regnet::BestValue>>> best;
  std::string panels;
  bool front = false;
  for (const char* number : compared_numbers) {
    const std::vector<Sighting> all = sightings_of(number, populations);
    if (all.empty()) {
      missing.push_back(shown_name(number));
      continue;
    }
    names.push_back(number);
    best.emplace_back();
    for (std::size_t i = 0; i < populations.size(); ++i) best.back().push_back(best_of(all, i));
    panels += panel(number, all, best.back());
    most = std::max(most, all.size());
    front = front || std::any_of(all.begin(), all.end(), [](const Sighting& one) { return one.front; });
  }
  if (names.empty()) return begin_section(out, "What errors hang on", "Left out: no network has an error.");
  std::string caption =
      "Each dot is a network. The line is the value that the best networks have, its band the 95% interval: the best of a quarter of the population, "
      "drawn "
      "10,000 times with replacement." +
      thinning_in_words(most);
  if (front) caption += " The stepped line joins the networks that no other beats in both error and cost.";
  for (std::size_t k = 0; k < missing.size(); ++k) caption += (k == 0 ? " No network with an error has: " : ", ") + missing[k];
  begin_section(out, "What errors hang on", missing.empty() ? caption : caption + '.');
  if (populations.size() > 1)
    write_legend(out, populations, [](const Population& population) { return population.errors().empty() ? "no errors" : ""; });
  out << "<div class=\"panels\">\n" << panels << "</div>\n";
  write_best_values(out, names, populations, best);
}
