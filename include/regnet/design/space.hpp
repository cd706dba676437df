// space: design spaces, that is ranges of numbers from which networks are drawn: RegNet's few, and AnyNetX's, free for each stage and narrowed step by step from A to E.
// Ranges, rules of drawing and their rounding are pycls's (sweep/random.py, sweep/samplers.py), bit for bit; sizes and AnyNetX are those of arXiv 2003.13678, section 3.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <random>
#include <string_view>
#include <variant>
#include <vector>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/design/stages.hpp>

namespace regnet {

// How the values of a range are likely: evenly, evenly in their logarithms, or as powers of two.
enum class Spread { uniform, log_uniform, power_of_two, power_of_two_or_log_uniform };

// The values low, low + quantum, ..., high that are drawn, or the powers of two from low to high. `power_of_two_or_log_uniform` draws powers of two below the quantum and
// multiples of it above.
struct Range {
  double low = 0, high = 0;
  Spread spread = Spread::uniform;
  double quantum = 1;

  friend bool operator==(const Range&, const Range&) = default;
};

// Throws invalid_argument, naming `name`, for a range that is empty, not positive, or whose ends are none of its values.
inline void validate(const Range& range, std::string_view name) {
  const auto expect = [&](bool holds, const char* expected) {
    if (!holds)
      fail(Code::invalid_argument, "range ", name, ": expected ", expected, ", found ", range.low, " to ", range.high, " in steps of ",
           range.quantum);
  };
  const auto is_power = [](double value) { return std::exp2(std::nearbyint(std::log2(value))) == value; };
  const auto is_multiple = [&](double value) { return std::abs(value / range.quantum - std::nearbyint(value / range.quantum)) < 1e-6; };
  expect(std::isfinite(range.low) && std::isfinite(range.high) && range.low > 0 && range.low <= range.high, "0 < low <= high");
  expect(range.high <= widest, "at most 65536");
  if (range.spread == Spread::uniform || range.spread == Spread::log_uniform)
    expect(is_multiple(range.low) && is_multiple(range.high), "ends that are whole steps");
  else expect(is_power(range.low) && is_power(range.high), "powers of two at both ends");
}

// How many values a range has.
inline double count(const Range& range) {
  const double steps = std::nearbyint((range.high - range.low) / range.quantum) + 1, powers = std::nearbyint(std::log2(range.high / range.low)) + 1;
  switch (range.spread) {
    case Spread::uniform:
    case Spread::log_uniform: return steps;
    case Spread::power_of_two: return powers;
    case Spread::power_of_two_or_log_uniform: {
      double values = 0;
      for (double power = range.low; power < range.quantum && power <= range.high; power *= 2) ++values;
      return values + std::floor(range.high / range.quantum) - std::ceil(std::max(range.low, range.quantum) / range.quantum) + 1;
    }
  }
  return 0;
}

// A value of the range. `uniform` returns doubles in [0, 1); one is taken, two by power_of_two_or_log_uniform when the first gives a power that is a whole quantum.
template <class Uniform>
double draw(const Range& range, Uniform& uniform) {
  const auto between = [&](double low, double high) { return low + (high - low) * uniform(); };
  // A multiple of the quantum is the double nearest to the decimal, as 0.1 x 3 is not.
  const auto multiple = [](double steps, double quantum) {
    const double inverse = std::nearbyint(1 / quantum);
    return quantum < 1 && std::abs(inverse * quantum - 1) < 1e-12 ? steps / inverse : steps * quantum;
  };
  const auto log_uniform = [&](double low, double high, double quantum) {
    const double value = std::exp(-between(-std::log(high), -std::log(low - std::min(quantum, low / 2))));
    return multiple(std::ceil(value / quantum), quantum);
  };
  switch (range.spread) {
    case Spread::uniform: return multiple(std::floor(between(range.low, range.high + range.quantum) / range.quantum), range.quantum);
    case Spread::log_uniform: return log_uniform(range.low, range.high, range.quantum);
    case Spread::power_of_two:
    case Spread::power_of_two_or_log_uniform: break;
  }
  const double power = std::exp2(std::floor(between(std::log2(range.low), std::log2(range.high) + 1)));
  if (range.spread == Spread::power_of_two || power < range.quantum) return power;
  return log_uniform(std::max(range.low, range.quantum), range.high, std::min(range.high, range.quantum));
}

// Six numbers make a network.
struct RegNetSpace {
  Range d, w_0, w_a, w_m, group_width, bottleneck;

  friend bool operator==(const RegNetSpace&, const RegNetSpace&) = default;
};

// Each stage has its own depth, width, group width and bottleneck, unless narrowed.
struct AnyNetSpace {
  int stages = 4;
  Range depth, width, group_width, bottleneck;
  bool one_bottleneck = false, one_group_width = false;  // for all stages
  bool widths_grow = false, depths_grow = false;         // from stage to stage, or stay

  friend bool operator==(const AnyNetSpace&, const AnyNetSpace&) = default;
};

// A design space of either kind.
using Space = std::variant<RegNetSpace, AnyNetSpace>;

// A space with its name and a line about it.
struct NamedSpace {
  std::string_view name, about;
  Space space;
};

namespace detail {

inline constexpr Range any_depth{1, 16, Spread::log_uniform, 1}, any_width{8, 1024, Spread::log_uniform, 8},
    any_group_width{1, 32, Spread::power_of_two, 1}, any_bottleneck{0.25, 1, Spread::power_of_two, 0.25};

constexpr AnyNetSpace any_net(int narrowed) {
  return {4, any_depth, any_width, any_group_width, any_bottleneck, narrowed >= 1, narrowed >= 2, narrowed >= 3, narrowed >= 4};
}

}  // namespace detail

// The spaces that have names.
inline constexpr std::array<NamedSpace, 7> spaces{{
    {"regnetx", "RegNetX as pycls samples it: bottleneck 1, group widths of 8 and more",
     RegNetSpace{{12, 28, Spread::uniform, 1},
                 {8, 256, Spread::log_uniform, 8},
                 {8, 256, Spread::log_uniform, 0.1},
                 {2, 3, Spread::log_uniform, 0.001},
                 {8, 128, Spread::power_of_two_or_log_uniform, 8},
                 {1, 1, Spread::power_of_two, 1.0 / 128}}},
    {"regnet", "the paper's RegNet, before it was narrowed",
     RegNetSpace{{1, 64, Spread::uniform, 1},
                 {8, 256, Spread::log_uniform, 8},
                 {8, 256, Spread::log_uniform, 0.1},
                 {1.5, 3, Spread::log_uniform, 0.001},
                 detail::any_group_width,
                 detail::any_bottleneck}},
    {"anynetx-a", "every stage free", detail::any_net(0)},
    {"anynetx-b", "A with one bottleneck for all stages", detail::any_net(1)},
    {"anynetx-c", "B with one group width", detail::any_net(2)},
    {"anynetx-d", "C with widths that do not shrink", detail::any_net(3)},
    {"anynetx-e", "D with depths that do not shrink", detail::any_net(4)},
}};

// Throws not_found with all names.
inline const NamedSpace& find_space(std::string_view name) {
  for (const NamedSpace& space : spaces)
    if (space.name == name) return space;
  fail(Code::not_found, "design space ", in_quotes(name), ": expected regnetx, regnet or anynetx-a to anynetx-e");
}

// How many networks a space holds, counted in two ways.
struct SpaceSize {
  double paper = 0;  // as the paper counts: an order of n stages is one of n!, and RegNet's d, w_0, w_a and w_m take 64 values each
  double exact = 0;  // how many different settings the ranges hold
};

// The size of a space that validate accepts.
inline SpaceSize size(const Space& space) {
  if (const auto* regnet = std::get_if<RegNetSpace>(&space)) {
    const double rest = count(regnet->group_width) * count(regnet->bottleneck);
    return {std::pow(64.0, 4) * rest, count(regnet->d) * count(regnet->w_0) * count(regnet->w_a) * count(regnet->w_m) * rest};
  }
  const auto& any = std::get<AnyNetSpace>(space);
  double orders = 1;
  for (int i = 2; i <= any.stages; ++i) orders *= i;
  const auto power = [&](const Range& range, bool one) { return std::pow(count(range), one ? 1 : any.stages); };
  const auto rising = [&](double values) {  // sequences that do not fall: combinations with repetition
    double all = 1;
    for (int i = 0; i < any.stages; ++i) all = all * (values + i) / (i + 1);
    return all;
  };
  const double shared = power(any.bottleneck, any.one_bottleneck) * power(any.group_width, any.one_group_width);
  const double depths = power(any.depth, false), widths = power(any.width, false);
  return {shared * depths / (any.depths_grow ? orders : 1) * widths / (any.widths_grow ? orders : 1),
          shared * (any.depths_grow ? rising(count(any.depth)) : depths) * (any.widths_grow ? rising(count(any.width)) : widths)};
}

// Throws invalid_argument for what holds settings that are no network's.
inline void validate(const Space& space) {
  const auto expect_design = [](const Range& d, const Range& b) {
    validate(d, "d"), validate(b, "b");
    if (d.high > most_blocks) fail(Code::invalid_argument, "range d: expected at most ", most_blocks, " blocks, found ", d.high);
    if (b.low < 1.0 / 64 || b.high > 64) fail(Code::invalid_argument, "range b: expected 1/64 to 64, found ", b.low, " to ", b.high);
  };
  if (const auto* regnet = std::get_if<RegNetSpace>(&space)) {
    expect_design(regnet->d, regnet->bottleneck);
    validate(regnet->w_0, "w0"), validate(regnet->w_a, "wa"), validate(regnet->w_m, "wm"), validate(regnet->group_width, "g");
    return;
  }
  const auto& any = std::get<AnyNetSpace>(space);
  // Of more stages hardly any draw is in order, and each is drawn until it is.
  if (any.stages < 1 || any.stages > 8) fail(Code::invalid_argument, "design space: expected 1 to 8 stages, found ", any.stages);
  expect_design(any.depth, any.bottleneck);
  validate(any.width, "w"), validate(any.group_width, "g");
}

// One setting of a space, in pycls's order of drawing: d, w_0, w_a, w_m, group width, bottleneck.
template <class Uniform>
Params draw(const RegNetSpace& space, Uniform& uniform) {
  Params params;
  params.d = static_cast<int>(draw(space.d, uniform));
  params.w_0 = static_cast<int>(draw(space.w_0, uniform));
  params.w_a = draw(space.w_a, uniform);
  params.w_m = draw(space.w_m, uniform);
  params.group_width = static_cast<int>(draw(space.group_width, uniform));
  params.bottleneck = draw(space.bottleneck, uniform);
  return params;
}

// Depths, widths, group widths, bottlenecks, stage by stage; depths, or widths, that shrink are drawn again, all of them. Widths are fitted to their groups.
template <class Uniform>
std::vector<Stage> draw(const AnyNetSpace& space, Uniform& uniform) {
  const auto n = static_cast<std::size_t>(space.stages);
  const auto list = [&](const Range& range, bool one, bool grows) {
    std::vector<double> values(n);
    do {
      for (double& value : values) value = one && &value != &values[0] ? values[0] : draw(range, uniform);
    } while (grows && !std::is_sorted(values.begin(), values.end()));
    return values;
  };
  const std::vector<double> depths = list(space.depth, false, space.depths_grow), widths = list(space.width, false, space.widths_grow),
                            group_widths = list(space.group_width, space.one_group_width, false),
                            bottlenecks = list(space.bottleneck, space.one_bottleneck, false);
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < n; ++i) {
    const FittedWidth fitted = fit_width(static_cast<int>(widths[i]), bottlenecks[i], static_cast<int>(group_widths[i]));
    stages.push_back({static_cast<int>(depths[i]), fitted.width, fitted.bottleneck_width, fitted.group_width});
  }
  return stages;
}

}  // namespace regnet
