// svg: the few shapes that the command's plots are made of. One style sheet, so that all plots look alike and follow a dark page.
#pragma once

#include <algorithm>
#include <cmath>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

// Text as it may stand in XML and HTML.
inline std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '&') out += "&amp;";
    else if (c == '<') out += "&lt;";
    else if (c == '>') out += "&gt;";
    else if (c == '"') out += "&quot;";
    else out += c;
  }
  return out;
}

enum class Spacing { linear, log };

// Values onto pixels. Those of a log scale are above 0.
class Scale {
 public:
  Scale(double low, double high, double from, double to, Spacing spacing = Spacing::linear)
      : x_spacing(spacing), x_low(low), x_high(high), x_from(from), x_to(to) {}
  double operator()(double value) const { return x_from + (place(value) - place(x_low)) / (place(x_high) - place(x_low)) * (x_to - x_from); }
  // The value at a part of the way from low to high.
  [[nodiscard]] double at(double part) const {
    const double place_there = place(x_low) + part * (place(x_high) - place(x_low));
    return x_spacing == Spacing::log ? std::pow(10, place_there) : place_there;
  }
  [[nodiscard]] double low() const { return x_low; }
  [[nodiscard]] double high() const { return x_high; }
  [[nodiscard]] double from() const { return x_from; }
  [[nodiscard]] double to() const { return x_to; }

  // At most about `count` round values in the range.
  [[nodiscard]] std::vector<double> ticks(int count) const { return x_spacing == Spacing::log ? log_ticks(count) : linear_ticks(count); }

 private:
  [[nodiscard]] double place(double value) const { return x_spacing == Spacing::log ? std::log10(value) : value; }

  [[nodiscard]] std::vector<double> linear_ticks(int count) const {
    const double raw = (x_high - x_low) / count, power = std::pow(10, std::floor(std::log10(raw)));
    double step = power;
    for (const double factor : {2.0, 5.0, 10.0})
      if (step < raw) step = factor * power;
    std::vector<double> out;
    for (double i = std::ceil(x_low / step - 1e-9); i * step <= x_high + step * 1e-9; ++i) out.push_back(i * step + 0.0);  // no -0
    return out;
  }

  // 1, 2 and 5 of each decade where they are few enough, else 1 and 3, or only powers of ten, then every second, third ... of them. Less than a decade may have only one of
  // those, and takes linear ticks.
  [[nodiscard]] std::vector<double> log_ticks(int count) const {
    const double decades = std::log10(x_high) - std::log10(x_low);
    if (decades < 0.8) return linear_ticks(count);
    const std::vector<double> digits = 3 * decades <= count   ? std::vector<double>{1, 2, 5}
                                       : 2 * decades <= count ? std::vector<double>{1, 3}
                                                              : std::vector<double>{1};
    const double step = std::max(1.0, std::ceil(decades / count));
    std::vector<double> out;
    for (double power = std::floor(std::log10(x_low) / step) * step; power <= std::log10(x_high); power += step)
      for (const double digit : digits)
        if (const double tick = digit * std::pow(10, power); tick >= x_low * (1 - 1e-9) && tick <= x_high * (1 + 1e-9)) out.push_back(tick);
    return out;
  }

  Spacing x_spacing;
  double x_low, x_high, x_from, x_to;
};

struct Point {
  double x = 0, y = 0;
};

// How many colours there are for series: the classes s0, s1, ... colour what has the class curve, band, area, block, ring, dots or crosses beside it.
inline constexpr std::size_t series_colours = 8;

class Svg {
 public:
  // Follows a dark page, also as a file of its own.
  Svg(double width, double height) {
    x_out << R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 )" << width << ' ' << height << R"(" width=")" << width << R"(" height=")"
          << height << R"(" role="img"><style>
svg{color:#1c2430}svg:root{color-scheme:light dark}@media(prefers-color-scheme:dark){svg{color:#e6eaf0}}
text{font:12px system-ui,sans-serif;fill:currentColor}.title{font-size:14px;font-weight:600}.small{font-size:10px}.middle{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:#8884;stroke-width:1}.interval{stroke:#3b82c4;stroke-width:2}.published{stroke:#e07b39;stroke-width:3}.good{fill:#3b82c4}.bad{fill:#d23f4c}
.dashed{stroke:#888;stroke-dasharray:4 4}
.s0{color:#3b82c4}.s1{color:#e07b39}.s2{color:#2f9e6b}.s3{color:#a565cf}.s4{color:#d23f4c}.s5{color:#2aa6b5}.s6{color:#b8962a}.s7{color:#8a8f98}
.curve{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}.band{fill:none;stroke:currentColor;stroke-width:7;opacity:.45}
.area{fill:currentColor;fill-opacity:.18;stroke:none}.block{fill:currentColor}.ring{fill:none;stroke:currentColor;stroke-width:1.5}
.dots{fill:none;stroke:currentColor;stroke-width:4.5;stroke-linecap:round;opacity:.6}.crosses{fill:none;stroke:currentColor;stroke-width:1.2;opacity:.8}
.thin{stroke-width:1.4}.strong{fill-opacity:.45}.dots.little{stroke-width:3.2}.front{fill:none;stroke:#8a8f98;stroke-width:1.6}
.halo{paint-order:stroke;stroke:var(--paper,Canvas);stroke-width:3px;stroke-linejoin:round}
</style>
)";
  }
  void line(double x1, double y1, double x2, double y2, const std::string& kind) {
    x_out << "<line x1=\"" << x1 << "\" y1=\"" << y1 << "\" x2=\"" << x2 << "\" y2=\"" << y2 << "\" class=\"" << kind << "\"/>\n";
  }
  void circle(double x, double y, double radius, const std::string& kind, const std::string& tip = "") {
    x_out << "<circle cx=\"" << x << "\" cy=\"" << y << "\" r=\"" << radius << "\" class=\"" << kind << '"';
    close("circle", tip);
  }
  void rect(double x, double y, double width, double height, const std::string& kind, const std::string& tip = "") {
    x_out << "<rect x=\"" << x << "\" y=\"" << y << "\" width=\"" << width << "\" height=\"" << height << "\" class=\"" << kind << '"';
    close("rect", tip);
  }
  void text(double x, double y, const std::string& words, const std::string& kind) {
    x_out << "<text x=\"" << x << "\" y=\"" << y << "\" class=\"" << kind << "\">" << escaped(words) << "</text>\n";
  }
  void polyline(const std::vector<Point>& points, const std::string& kind) {
    path(points, kind, [&](std::size_t i) { x_out << (i == 0 ? 'M' : 'L') << tenth(points[i].x) << ' ' << tenth(points[i].y); });
  }
  // From each point level to the next one's place, and there up or down to it.
  void steps(const std::vector<Point>& points, const std::string& kind) {
    path(points, kind, [&](std::size_t i) {
      if (i == 0) x_out << 'M' << tenth(points[i].x) << ' ' << tenth(points[i].y);
      else x_out << 'H' << tenth(points[i].x) << 'V' << tenth(points[i].y);
    });
  }
  // Thousands of marks are one path, a few bytes for each.
  void dots(const std::vector<Point>& points, const std::string& kind) {
    path(points, kind, [&](std::size_t i) { x_out << 'M' << tenth(points[i].x) << ' ' << tenth(points[i].y) << "h0"; });
  }
  void crosses(const std::vector<Point>& points, const std::string& kind) {
    path(points, kind, [&](std::size_t i) { x_out << 'M' << tenth(points[i].x - 3) << ' ' << tenth(points[i].y) << "h6m-3-3v6"; });
  }
  [[nodiscard]] std::string str() const { return x_out.str() + "</svg>\n"; }

 private:
  static double tenth(double pixels) { return std::nearbyint(pixels * 10) / 10; }
  template <class Write>
  void path(const std::vector<Point>& points, const std::string& kind, Write write) {
    if (points.empty()) return;
    x_out << "<path class=\"" << kind << "\" d=\"";
    for (std::size_t i = 0; i < points.size(); ++i) write(i);
    x_out << "\"/>\n";
  }
  void close(const char* element, const std::string& tip) {
    if (tip.empty()) x_out << "/>\n";
    else x_out << "><title>" << escaped(tip) << "</title></" << element << ">\n";
  }

  std::ostringstream x_out;
};
