// zoo: the published RegNetX designs, the only copy of their numbers, and how people spell their names.
// In: a name or a design string; out: a Design. Sources: pycls configs/dds_baselines, torchvision models/regnet.py.
#pragma once

#include <algorithm>
#include <array>
#include <charconv>
#include <map>
#include <numeric>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/foreign_text.hpp>
#include <regnet/design/params.hpp>
#include <regnet/design/stages.hpp>

namespace regnet {

// A published design and its names.
struct ZooEntry {
  std::string_view name;         // canonical, as the command prints it
  std::string_view title;        // as the papers print it
  std::string_view timm;         // timm's name
  std::string_view torchvision;  // torchvision's name; empty where it has none
  Params params;
};

// From the smallest to the largest; torchvision's 400MF, a network of its own, comes last.
inline constexpr std::array<ZooEntry, 13> zoo{{
    {"regnetx_200mf", "RegNetX-200MF", "regnetx_002", "", {24, 36.44, 2.49, 13, 8}},
    {"regnetx_400mf", "RegNetX-400MF", "regnetx_004", "", {24, 24.48, 2.54, 22, 16}},
    {"regnetx_600mf", "RegNetX-600MF", "regnetx_006", "", {48, 36.97, 2.24, 16, 24}},
    {"regnetx_800mf", "RegNetX-800MF", "regnetx_008", "regnet_x_800mf", {56, 35.73, 2.28, 16, 16}},
    {"regnetx_1.6gf", "RegNetX-1.6GF", "regnetx_016", "regnet_x_1_6gf", {80, 34.01, 2.25, 18, 24}},
    {"regnetx_3.2gf", "RegNetX-3.2GF", "regnetx_032", "regnet_x_3_2gf", {88, 26.31, 2.25, 25, 48}},
    {"regnetx_4.0gf", "RegNetX-4.0GF", "regnetx_040", "", {96, 38.65, 2.43, 23, 40}},
    {"regnetx_6.4gf", "RegNetX-6.4GF", "regnetx_064", "", {184, 60.83, 2.07, 17, 56}},
    {"regnetx_8.0gf", "RegNetX-8.0GF", "regnetx_080", "regnet_x_8gf", {80, 49.56, 2.88, 23, 120}},
    {"regnetx_12gf", "RegNetX-12GF", "regnetx_120", "", {168, 73.36, 2.37, 19, 112}},
    {"regnetx_16gf", "RegNetX-16GF", "regnetx_160", "regnet_x_16gf", {216, 55.59, 2.1, 22, 128}},
    {"regnetx_32gf", "RegNetX-32GF", "regnetx_320", "regnet_x_32gf", {320, 69.86, 2.0, 23, 168}},
    {"regnet_x_400mf", "torchvision RegNet_X_400MF", "regnetx_004_tv", "regnet_x_400mf", {24, 24.48, 2.54, 22, 16, 1, WidthRule::torchvision}},
}};

// A network under the name it was asked for by.
struct Design {
  std::string name;  // a zoo name, or the design string
  Params params;     // d is 0 for a network that was given by its stages
  std::vector<Stage> stages;
};

// The numbers, or the stages, that find_design makes the same network of.
inline std::string to_string(const Design& design) { return design.params.d == 0 ? to_string(design.stages) : to_string(design.params); }

// Understands the zoo's names in any spelling ("RegNetX-3.2GF", "regnetx_032", "regnetx_8gf"), design strings such as
// "w0=24,wa=24.48,wm=2.54,d=22,g=16" (optional b= and rule=pycls|torchvision), and stages such as "ds=1-2-7-12,ws=32-64-160-384,gs=16" (one number serves all;
// optional bs=), whose widths are fitted to their groups where these are not whole. Throws not_found listing near names, or invalid_argument.
Design find_design(std::string_view name);

// The zoo entry with exactly these stages, or nullptr: how a checkpoint's shapes get a name.
inline const ZooEntry* find_in_zoo(const std::vector<Stage>& stages) {
  for (const ZooEntry& entry : zoo)
    if (to_stages(entry.params) == stages) return &entry;
  return nullptr;
}

namespace detail {

// Lower case with one separator and without the ".0" of "4.0gf": what all spellings of a name have in common.
inline std::string spelling_key(std::string_view name) {
  std::string key;
  for (const char c : name) {
    if (c == '-' || c == ' ') key += '_';
    else key += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (const auto at = key.find(".0gf"); at != std::string::npos) key.erase(at, 2);
  return key;
}

inline int edit_distance(std::string_view a, std::string_view b) {
  std::vector<int> row(b.size() + 1);
  std::iota(row.begin(), row.end(), 0);
  for (std::size_t i = 0; i < a.size(); ++i) {
    int diagonal = row[0];
    row[0] = static_cast<int>(i) + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const int substituted = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({row[j] + 1, row[j + 1] + 1, substituted});
    }
  }
  return row.back();
}

inline std::string near_names(const std::string& key) {
  std::array<const ZooEntry*, zoo.size()> entries{};
  std::transform(zoo.begin(), zoo.end(), entries.begin(), [](const ZooEntry& entry) { return &entry; });
  std::stable_sort(entries.begin(), entries.end(),
                   [&](const ZooEntry* a, const ZooEntry* b) { return edit_distance(key, a->name) < edit_distance(key, b->name); });
  return text(entries[0]->name, ", ", entries[1]->name, ", ", entries[2]->name);
}

inline double parse_number(std::string_view design, std::string_view key, std::string_view value, bool whole) {
  double number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc{} || end != value.data() + value.size() || (whole && (number != std::nearbyint(number) || std::abs(number) > 1e6)))
    fail(Code::invalid_argument, "design ", in_quotes(design), ": ", in_quotes(key), ": expected a ", whole ? "whole number" : "number", ", found ",
         in_quotes(value));
  return number;
}

inline Params parse_params(std::string_view design) {
  Params params;
  std::string missing = "w0 wa wm d g ";
  for (std::string_view rest = design; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    const std::size_t equals = item.find('=');
    const std::string_view key = item.substr(0, equals);
    const std::string_view value = equals == std::string_view::npos ? std::string_view{} : item.substr(equals + 1);
    const auto whole = [&] { return static_cast<int>(parse_number(design, key, value, true)); };
    const auto real = [&] { return parse_number(design, key, value, false); };
    if (key == "w0") params.w_0 = whole();
    else if (key == "wa") params.w_a = real();
    else if (key == "wm") params.w_m = real();
    else if (key == "d") params.d = whole();
    else if (key == "g") params.group_width = whole();
    else if (key == "b") params.bottleneck = real();
    else if (key == "rule" && (value == "pycls" || value == "torchvision"))
      params.rule = value == "pycls" ? WidthRule::pycls : WidthRule::torchvision;
    else
      fail(Code::invalid_argument, "design ", in_quotes(design), ": expected w0, wa, wm, d, g, b or rule=pycls|torchvision, found ", in_quotes(item));
    if (const auto at = missing.find(text(key, ' ')); at != std::string::npos) missing.erase(at, key.size() + 1);
  }
  if (!missing.empty())
    fail(Code::invalid_argument, "design ", in_quotes(design), ": missing ", missing, "(example: w0=24,wa=24.48,wm=2.54,d=22,g=16)");
  validate(params);
  return params;
}

// One number for each of `count` stages, or one for all; 0 is any count.
inline std::vector<double> parse_list(std::string_view design, std::string_view key, std::string_view list, std::size_t count, bool whole) {
  std::vector<double> values;
  for (std::size_t at = 0; at <= list.size();) {
    const std::size_t end = std::min(list.find('-', at), list.size());
    values.push_back(parse_number(design, key, list.substr(at, end - at), whole));
    at = end + 1;
  }
  if (count != 0 && values.size() == 1) values.assign(count, values[0]);
  if (values.size() > 64 || (count != 0 && values.size() != count))
    fail(Code::invalid_argument, "design ", in_quotes(design), ": ", in_quotes(key), ": expected ", count == 0 ? "at most 64" : std::to_string(count),
         " numbers with '-' between them, found ", values.size());
  return values;
}

// As it is where its groups are whole, else fitted to them.
inline Stage parse_stage(std::string_view design, double depth, double width, double bottleneck, double group_width) {
  const auto expect = [&](bool holds, const char* what, double found) {
    if (!holds) fail(Code::invalid_argument, "design ", in_quotes(design), ": expected ", what, ", found ", found);
  };
  expect(depth >= 1 && depth <= most_blocks, "ds from 1 to 1024", depth);
  expect(width >= 1 && width <= widest, "ws from 1 to 65536", width);
  expect(group_width >= 1 && group_width <= widest, "gs from 1 to 65536", group_width);
  const int g = static_cast<int>(group_width), w = static_cast<int>(width);
  const double inner = std::nearbyint(width * bottleneck);
  expect(inner >= 1 && inner <= widest, "bs that make bottlenecks 1 to 65536 wide", bottleneck);
  if (g <= inner && std::fmod(inner, g) == 0) return {static_cast<int>(depth), w, static_cast<int>(inner), g};
  expect(bottleneck <= 1 || bottleneck == std::floor(bottleneck), "bs below 1 or whole where widths are fitted to groups", bottleneck);
  const FittedWidth fitted = fit_width(w, bottleneck, g);
  return {static_cast<int>(depth), fitted.width, fitted.bottleneck_width, fitted.group_width};
}

inline std::vector<Stage> parse_stages(std::string_view design) {
  std::map<std::string_view, std::string_view> items{{"bs", "1"}};
  for (std::string_view rest = design; !rest.empty();) {
    const std::string_view item = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), item.size() + 1));
    const std::string_view key = item.substr(0, 3);
    if (key != "ds=" && key != "ws=" && key != "gs=" && key != "bs=")
      fail(Code::invalid_argument, "design ", in_quotes(design), ": expected ds, ws, gs or bs, found ", in_quotes(item));
    items[item.substr(0, 2)] = item.substr(3);
  }
  for (const std::string_view key : {"ds", "ws", "gs"})
    if (!items.contains(key))
      fail(Code::invalid_argument, "design ", in_quotes(design), ": missing ", key, " (example: ds=1-2-7-12,ws=32-64-160-384,gs=16)");
  const std::vector<double> depths = parse_list(design, "ds", items["ds"], 0, true);
  const auto list = [&](std::string_view key, bool whole) { return parse_list(design, key, items[key], depths.size(), whole); };
  const std::vector<double> widths = list("ws", true), group_widths = list("gs", true), bottlenecks = list("bs", false);
  std::vector<Stage> stages;
  for (std::size_t i = 0; i < depths.size(); ++i) stages.push_back(parse_stage(design, depths[i], widths[i], bottlenecks[i], group_widths[i]));
  validate(stages);
  return stages;
}

}  // namespace detail

inline Design find_design(std::string_view name) {
  const auto made = [](std::string_view named, const Params& params) { return Design{std::string(named), params, to_stages(params)}; };
  if (name.find("ds=") != std::string_view::npos) {
    const std::vector<Stage> stages = detail::parse_stages(name);
    const ZooEntry* const entry = find_in_zoo(stages);
    return entry ? made(entry->name, entry->params) : Design{to_string(stages), {}, stages};
  }
  if (name.find('=') != std::string_view::npos) {
    const Params params = detail::parse_params(name);
    for (const ZooEntry& entry : zoo)
      if (entry.params == params) return made(entry.name, params);
    return made(to_string(params), params);
  }
  const std::string key = detail::spelling_key(name);
  for (const ZooEntry& entry : zoo)
    for (const std::string_view spelling : {entry.name, entry.timm, entry.torchvision})
      if (!key.empty() && key == detail::spelling_key(spelling)) return made(entry.name, entry.params);
  fail(Code::not_found, "model ", in_quotes(name), ": no such RegNetX; near names: ", detail::near_names(key.substr(0, 64)),
       "; a design is given as w0=24,wa=24.48,wm=2.54,d=22,g=16");
}

}  // namespace regnet
