#include "design/figure.hpp"

#include <algorithm>
#include <cmath>
#include <iomanip>
#include <sstream>

#include <regnet/base/error.hpp>

std::string short_number(double value) {
  const double size = std::abs(value);
  const auto [unit, letter] = size >= 999.95e6   ? std::pair(1e9, "G")
                              : size >= 999.95e3 ? std::pair(1e6, "M")
                              : size >= 1e4      ? std::pair(1e3, "k")
                                                 : std::pair(1.0, "");
  std::ostringstream out;
  out << std::setprecision(4) << value / unit << letter;
  return out.str();
}

Scale scale_of(const std::vector<double>& values, double from, double to, Spacing spacing) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  double low = values.empty() ? 1 : *least, high = values.empty() ? 2 : *most;
  constexpr double room = 0.04;
  if (spacing == Spacing::log) {
    const double decades = std::log10(high) - std::log10(low), ratio = std::pow(10, decades < 0.005 ? 0.2 : room * decades);
    return {std::max(low / ratio, 1e-300), std::min(high * ratio, 1e300), from, to, spacing};
  }
  const double span = high - low, wider = span > 1e-6 * std::abs(high) ? room * span : std::max(0.1 * std::abs(high), 0.5);
  return {low - wider, high + wider, from, to, spacing};
}

Spacing spacing_of(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  return least != values.end() && *least > 0 && *most > 8 * *least ? Spacing::log : Spacing::linear;
}

int whole_ticks(double low, double high, int most) { return static_cast<int>(std::clamp(std::ceil(high - low - 1e-9), 1.0, double(most))); }

void draw_axes(Svg& svg, const Scale& x, const Scale& y, const std::string& x_name, const std::string& y_name, int ticks) {
  for (const double tick : x.ticks(ticks)) {
    svg.line(x(tick), y.from(), x(tick), y.to(), "grid");
    svg.text(x(tick), y.from() + 16, short_number(tick), "axis middle");
  }
  const double height = std::abs(y.from() - y.to());
  for (const double tick : y.ticks(std::clamp(static_cast<int>(height / 40), 2, 8))) {
    svg.line(x.from(), y(tick), x.to(), y(tick), "grid");
    svg.text(x.from() - 6, y(tick) + 4, short_number(tick), "axis end");
  }
  svg.text((x.from() + x.to()) / 2, y.from() + 34, x_name, "axis middle");
  if (!y_name.empty()) svg.text(x.from() - 6, y.to() - 10, y_name, "axis");
}

std::string colour(std::size_t series) { return regnet::text("s", series % series_colours); }
