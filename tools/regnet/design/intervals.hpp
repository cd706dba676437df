// intervals: numbers and ranges as people write them: "400M", "360M..400M", "..10", "8..".
#pragma once

#include <charconv>
#include <cmath>
#include <string>
#include <string_view>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/sample.hpp>

// A number from 0 up, with K, M or G (or B) for thousands, millions, and thousands of millions.
inline double parse_quantity(std::string_view option, std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  const double factor = unit.empty() ? 1 : unit == "K" || unit == "k" ? 1e3 : unit == "M" ? 1e6 : unit == "G" || unit == "B" ? 1e9 : 0;
  if (error != std::errc{} || factor == 0 || !std::isfinite(value) || value < 0)
    regnet::fail(regnet::Code::invalid_argument, option, ": expected a number such as 12, 400M or 1.6G, found ", regnet::in_quotes(text));
  return value * factor;
}

// A part of a whole: "1%" or "0.01".
inline double parse_share(std::string_view option, std::string_view text) {
  const bool percent = text.ends_with('%');
  double value = 0;
  const char* const last = text.data() + text.size() - percent;
  const auto [end, error] = std::from_chars(text.data(), last, value);
  value /= percent ? 100 : 1;
  if (error != std::errc{} || end != last || !(value >= 0 && value <= 1))
    regnet::fail(regnet::Code::invalid_argument, option, ": expected a part such as 1% or 0.01, found ", regnet::in_quotes(text));
  return value;
}

// "LOW..HIGH" with either end left out, or one number, which is `alone` of itself and itself.
inline regnet::Interval parse_interval(std::string_view option, std::string_view text, double alone = 1) {
  const std::size_t dots = text.find("..");
  regnet::Interval interval;
  if (dots == std::string_view::npos) {
    interval.high = parse_quantity(option, text);
    interval.low = alone * interval.high;
    return interval;
  }
  if (dots > 0) interval.low = parse_quantity(option, text.substr(0, dots));
  if (dots + 2 < text.size()) interval.high = parse_quantity(option, text.substr(dots + 2));
  if (!(interval.low <= interval.high)) regnet::fail(regnet::Code::invalid_argument, option, ": expected LOW..HIGH, found ", regnet::in_quotes(text));
  return interval;
}
