#include <regnet/design/fit.hpp>

#include <array>
#include <limits>
#include <tuple>

namespace regnet {

namespace {

struct Tried {
  double e_fit;
  bool other;  // stages than those looked for, though no block's width need differ
  Params params;

  friend bool operator<(const Tried& a, const Tried& b) {
    return std::tie(a.e_fit, a.other, a.params.w_0, a.params.w_m, a.params.w_a) <
           std::tie(b.e_fit, b.other, b.params.w_0, b.params.w_m, b.params.w_a);
  }
};

// Keeps the best few.
void keep(std::vector<Tried>& best, const Tried& tried, std::size_t count) {
  if (best.size() == count && !(tried < best.back())) return;
  best.insert(std::upper_bound(best.begin(), best.end(), tried), tried);
  if (best.size() > count) best.pop_back();
}

// The double nearest to a decimal.
double rounded(double value, double inverse_step) { return std::nearbyint(value * inverse_step) / inverse_step; }

}  // namespace

Fit fit(const std::vector<Stage>& stages, bool fitted_to_groups) {
  validate(stages);
  const std::vector<int> widths = detail::widths_of_blocks(stages);
  constexpr std::size_t most = 128;  // the search takes seconds then
  if (widths.size() > most) fail(Code::invalid_argument, "fit: expected at most ", most, " blocks, found ", widths.size());
  Params start;
  start.d = static_cast<int>(widths.size());
  for (const Stage& stage : stages) {
    start.group_width = std::max(start.group_width, stage.group_width);
    start.bottleneck = std::max(start.bottleneck == 1 ? 0.0 : start.bottleneck, double(stage.bottleneck_width) / stage.width);
  }
  const auto tried = [&](int w_0, double w_a, double w_m) {
    Params params = start;
    params.w_0 = w_0, params.w_a = rounded(w_a, 100), params.w_m = rounded(w_m, 1000);
    const bool possible = params.w_0 >= width_quantum && params.w_a >= 0 && params.w_m > 1;
    const double e_fit = possible ? fit_error(stages, params, fitted_to_groups) : std::numeric_limits<double>::infinity();
    return Tried{e_fit, e_fit != 0 || to_stages(params) != stages, params};
  };
  const auto [least, greatest] = std::minmax_element(widths.begin(), widths.end());
  const double steepest = 2.0 * (*greatest - *least) / std::max(1, start.d - 1) + 8;
  constexpr std::size_t starts = 8;  // for each w_0, so that one good place does not hide another
  constexpr int slopes = 96, first_widths = 32;
  constexpr double least_ratio = 1.1, most_ratio = 9, ratio_step = 1.006;
  std::vector<Tried> best;
  for (int w_0 = width_quantum, step = std::max(1, *least * 2 / width_quantum / first_widths) * width_quantum; w_0 <= *least * 2 + width_quantum;
       w_0 += step) {
    std::vector<Tried> here;
    for (double w_m = least_ratio; w_m < most_ratio; w_m *= ratio_step)
      for (int i = 0; i <= slopes; ++i) keep(here, tried(w_0, steepest * i / slopes, w_m), starts);
    best.insert(best.end(), here.begin(), here.end());
  }
  std::sort(best.begin(), best.end());
  // Each start moves to the best place around it, in steps that halve when there is none better.
  std::vector<Tried> ends;
  for (Tried here : best) {
    double slope = steepest / 16, ratio = 0.1;
    while (slope >= 0.01 || ratio >= 0.001) {
      Tried better = here;
      for (const int w : {-1, 0, 1})
        for (const int a : {-3, -2, -1, 0, 1, 2, 3})
          for (const int m : {-3, -2, -1, 0, 1, 2, 3})
            better = std::min(better, tried(here.params.w_0 + w * width_quantum, here.params.w_a + a * slope, here.params.w_m + m * ratio));
      if (std::tie(better.e_fit, better.other) < std::tie(here.e_fit, here.other)) {
        here = better;
      } else {
        slope /= 2;
        ratio /= 2;
      }
    }
    keep(ends, here, 1);
    if (!ends[0].other) break;
  }
  const Tried& found = ends.at(0);
  return {found.params, found.e_fit, std::isfinite(found.e_fit) && to_stages(found.params) == stages};
}

}  // namespace regnet
