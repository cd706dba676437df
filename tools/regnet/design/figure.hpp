// figure: what the plots of designs have in common. Values in, axes with few round numbers out.
#pragma once

#include <string>
#include <vector>

#include "svg.hpp"

// "3.18G", "56M", "400": four digits at most, as axes and captions have them.
std::string short_number(double value);

// A scale that holds all values with some room on both sides, also when they are equal. Values of a log scale are above 0.
Scale scale_of(const std::vector<double>& values, double from, double to, Spacing spacing);

// Log for values above 0 that spread over more than a factor of eight.
Spacing spacing_of(const std::vector<double>& values);

// How many ticks an axis of whole numbers may have, so that there is none between two of them.
int whole_ticks(double low, double high, int most);

// Grid, numbers and names; the y axis has its name above it, where it can be read.
void draw_axes(Svg& svg, const Scale& x, const Scale& y, const std::string& x_name, const std::string& y_name, int ticks);

// Every k-th of more points than a page should have; in their order.
template <class T>
std::vector<T> thinned(const std::vector<T>& all, std::size_t limit) {
  if (all.size() <= limit) return all;
  std::vector<T> some;
  for (std::size_t i = 0; i < limit; ++i) some.push_back(all[i * all.size() / limit]);
  return some;
}

std::string colour(std::size_t series);  // the class s0, s1, ...
