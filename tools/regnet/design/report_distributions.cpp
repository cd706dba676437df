// How the numbers of populations are distributed.
#include <algorithm>
#include <array>
#include <cmath>

#include "design/page.hpp"

namespace {

constexpr std::array<const char*, 9> shown_numbers{"d", "w0", "wa", "wm", "g", "stages", "macs", "params", "activations"};

// The ends of bars: at most 24 with as many whole numbers each, or equal parts of the scale; what is drawn in eights, and so has gaps on a log scale, has powers of two.
std::vector<double> ends_of(const std::string& number, const std::vector<double>& values) {
  constexpr int most = 24;
  const auto [least, last] = std::minmax_element(values.begin(), values.end());
  std::vector<double> ends;
  if (number == "w0" || number == "g") {
    for (double end = std::exp2(std::floor(std::log2(*least))); ends.empty() || ends.back() <= *last; end *= 2) ends.push_back(end);
  } else if (number == "d" || number == "stages") {
    const double step = std::ceil((*last - *least + 1) / most);
    for (double end = *least - 0.5; ends.empty() || ends.back() < *last; end += step) ends.push_back(end);
  } else {
    const Scale parts = scale_of(values, 0, 1, spacing_of(values));
    for (int i = 0; i <= most; ++i) ends.push_back(parts.at(double(i) / most));
  }
  return ends;
}

std::string panel(const std::string& number, const std::vector<std::vector<double>>& values) {
  constexpr double left = 44, right = 300, top = 30, bottom = 150;
  std::vector<double> all;
  for (const std::vector<double>& some : values) all.insert(all.end(), some.begin(), some.end());
  const std::vector<double> ends = ends_of(number, all);
  const bool whole = number == "d" || number == "stages";
  const Scale x(ends.front(), ends.back(), left, right, number == "w0" || number == "g" ? Spacing::log : whole ? Spacing::linear : spacing_of(all));
  std::vector<std::vector<double>> shares;
  double highest = 0;
  for (const std::vector<double>& some : values) {
    shares.emplace_back(ends.size() - 1, 0.0);
    for (const double value : some) {
      const auto above = std::upper_bound(ends.begin(), ends.end(), value) - ends.begin();
      shares.back()[static_cast<std::size_t>(std::clamp<std::ptrdiff_t>(above - 1, 0, std::ssize(ends) - 2))] += 100.0 / double(some.size());
    }
    highest = std::max(highest, *std::max_element(shares.back().begin(), shares.back().end()));
  }
  const Scale y(0, highest * 1.08, bottom, top);
  Svg svg(right + 12, bottom + 42);
  draw_axes(svg, x, y, shown_name(number), "% of networks", whole ? whole_ticks(x.low(), x.high(), 5) : 5);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (values[i].empty()) continue;
    std::vector<Point> outline{{x(ends[0]), y(0)}};
    for (std::size_t k = 0; k + 1 < ends.size(); ++k) {
      outline.push_back({x(ends[k]), y(shares[i][k])});
      outline.push_back({x(ends[k + 1]), y(shares[i][k])});
    }
    outline.push_back({x(ends.back()), y(0)});
    svg.polyline(outline, "area " + colour(i));
    svg.polyline(outline, "curve thin " + colour(i));
  }
  return svg.str();
}

}  // namespace

void write_distributions(std::ostream& out, const Populations& populations) {
  std::string panels, missing;
  for (const char* number : shown_numbers) {
    std::vector<std::vector<double>> values;
    bool any = false;
    for (const Population& population : populations) {
      values.emplace_back();
      for (const DesignRow& row : population.rows)
        if (const std::optional<double> value = row.number(number)) values.back().push_back(*value);
      any = any || !values.back().empty();
    }
    if (any) panels += panel(number, values);
    else missing += (missing.empty() ? "" : ", ") + shown_name(number);
  }
  begin_section(out, "Distributions",
                "How many networks of each population have which number, in percent." +
                    (missing.empty() ? "" : " Left out, since all networks are given by their stages: " + missing + "."));
  if (populations.size() > 1) write_legend(out, populations, [](const Population&) { return ""; });
  out << "<div class=\"panels\">\n" << panels << "</div>\n";
}
