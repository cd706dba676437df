// svg: the few shapes that the command's plots are made of. One style sheet, so that all plots look alike and follow a dark page.
#pragma once

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

// Values onto pixels.
class Scale {
 public:
  Scale(double low, double high, double from, double to) : x_low(low), x_high(high), x_from(from), x_to(to) {}
  double operator()(double value) const { return x_from + (value - x_low) / (x_high - x_low) * (x_to - x_from); }

  // At most about `count` round values in the range.
  [[nodiscard]] std::vector<double> ticks(int count) const {
    const double raw = (x_high - x_low) / count, power = std::pow(10, std::floor(std::log10(raw)));
    double step = power;
    for (const double factor : {2.0, 5.0, 10.0})
      if (step < raw) step = factor * power;
    std::vector<double> out;
    for (double tick = std::ceil(x_low / step) * step; tick <= x_high + step * 1e-9; tick += step) out.push_back(tick + 0.0);  // no -0
    return out;
  }

 private:
  double x_low, x_high, x_from, x_to;
};

class Svg {
 public:
  Svg(double width, double height) {
    x_out << R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 )" << width << ' ' << height << R"(" width=")" << width << R"(" height=")"
          << height << R"(" role="img"><style>
text{font:12px system-ui,sans-serif;fill:currentColor}.title{font-size:14px;font-weight:600}.middle{text-anchor:middle}.end{text-anchor:end}
.grid{stroke:#8884;stroke-width:1}.interval{stroke:#3b82c4;stroke-width:2}.published{stroke:#e07b39;stroke-width:3}.good{fill:#3b82c4}.bad{fill:#d23f4c}
.dashed{stroke:#888;stroke-dasharray:4 4}
</style>
)";
  }
  void line(double x1, double y1, double x2, double y2, const char* kind) {
    x_out << "<line x1=\"" << x1 << "\" y1=\"" << y1 << "\" x2=\"" << x2 << "\" y2=\"" << y2 << "\" class=\"" << kind << "\"/>\n";
  }
  void circle(double x, double y, double radius, const char* kind) {
    x_out << "<circle cx=\"" << x << "\" cy=\"" << y << "\" r=\"" << radius << "\" class=\"" << kind << "\"/>\n";
  }
  void text(double x, double y, const std::string& words, const char* kind) {
    x_out << "<text x=\"" << x << "\" y=\"" << y << "\" class=\"" << kind << "\">" << escaped(words) << "</text>\n";
  }
  [[nodiscard]] std::string str() const { return x_out.str() + "</svg>\n"; }

 private:
  std::ostringstream x_out;
};
