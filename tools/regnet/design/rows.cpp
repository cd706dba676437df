#include "design/rows.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iostream>
#include <map>
#include <sstream>

#include <regnet/base/csv.hpp>
#include <regnet/base/foreign_text.hpp>

#include "commands.hpp"
#include "design/pycls_yaml.hpp"
#include "json.hpp"
#include "table.hpp"
#include "text_file.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Code;
using regnet::fail;
using regnet::in_quotes;

// A whole number within the range, without a word of how large it was meant to be.
int whole(const Json& json, const char* key, int otherwise) {
  const auto found = json.find(key);
  if (found == json.end() || found->is_null()) return otherwise;
  constexpr double most = 1e6;  // above any resolution and number of classes that are taken
  const double value = found->is_number() ? found->get<double>() : std::nan("");
  if (!(value >= 0 && value <= most) || value != std::floor(value))
    fail(Code::bad_format, key, ": expected a whole number up to ", most, ", found ", regnet::printable(found->dump()));
  return static_cast<int>(value);
}

double finite(double value, const char* what) {
  if (!std::isfinite(value) || value < 0) fail(Code::bad_format, what, ": expected a number from 0 up, found ", value);
  return value;
}

// A row as json_of writes it. What it costs is counted again.
DesignRow row_from_json(const Json& json) {
  if (!json.is_object()) fail(Code::bad_format, "expected an object, found ", regnet::printable(json.dump()));
  const auto found = json.find("design");
  if (found == json.end() || !found->is_string()) fail(Code::bad_format, "expected \"design\", a string");
  const auto number = [&](const char* key) -> std::optional<double> {
    const auto at = json.find(key);
    if (at == json.end() || at->is_null()) return std::nullopt;
    if (!at->is_number()) fail(Code::bad_format, key, ": expected a number, found ", regnet::printable(at->dump()));
    return finite(at->get<double>(), key);
  };
  const regnet::NetworkOptions network{.resolution = whole(json, "resolution", 224), .classes = whole(json, "classes", 1000)};
  DesignRow row = row_of(regnet::find_design(found->get<std::string>()), network);
  if (const auto draw = number("draw")) row.draw = static_cast<std::int64_t>(std::min(*draw, 1e15));
  row.error = number("error");
  row.latency_ms = number("latency_ms");
  if (const auto kind = json.find("latency"); kind != json.end()) row.predicted = *kind == "predicted";
  if (const auto fronts = json.find("fronts"); fronts != json.end() && fronts->is_array())
    for (const Json& front : *fronts)
      if (front.is_string()) row.fronts.push_back(front);
  return row;
}

DesignRow row_of_config(const PyclsConfig& config, const NetworkChoice& choice) {
  const regnet::NetworkOptions usual;
  return row_of(config.design, {.resolution = choice.resolution.value_or(config.resolution.value_or(usual.resolution)),
                                .classes = choice.classes.value_or(config.classes.value_or(usual.classes))});
}

// The error that pycls reports of a run: the least of the averaged weights, or of the weights themselves.
std::optional<double> error_of_run(const Json& run) {
  for (const char* kind : {"test_ema_epoch", "test_epoch"}) {
    const auto epochs = run.find(kind);
    if (epochs == run.end() || !epochs->is_object()) continue;
    const auto errors = epochs->find("min_top1_err");
    if (errors == epochs->end() || !errors->is_array()) continue;
    std::optional<double> least;
    for (const Json& error : *errors)
      if (error.is_number() && (!least || error.get<double>() < *least)) least = error.get<double>();
    if (least) return least;
  }
  return std::nullopt;
}

// A run of a sweep: {"cfg": {"MODEL": {"TYPE": ...}, "REGNET": {...}}, "test_ema_epoch": {"min_top1_err": [...]}}. Nothing for one without errors or of another family.
std::optional<DesignRow> row_from_run(const Json& run) {
  const std::optional<double> error = error_of_run(run);
  const auto cfg = run.find("cfg");
  if (!error || cfg == run.end()) return std::nullopt;
  const std::optional<PyclsConfig> config = config_of_pycls(*cfg);
  if (!config) return std::nullopt;
  DesignRow row = row_of_config(*config, {});
  row.error = finite(*error, "min_top1_err");
  return row;
}

std::vector<DesignRow> rows_from_json(const std::string& text, const std::string& file, bool quiet) {
  Json json = parse_json(text);
  if (json.is_discarded()) {  // a line for each
    json = Json::array();
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty()) continue;
      json.push_back(parse_json(line));
      if (json.back().is_discarded()) fail(Code::bad_format, "line ", json.size(), ": expected JSON, found ", in_quotes(line));
    }
  }
  if (json.is_object() && json.contains("designs")) json = Json(json["designs"]);
  else if (json.is_object()) json = Json::array({json});  // one line for one design
  if (!json.is_array()) fail(Code::bad_format, "expected a list of designs, found ", regnet::printable(json.dump()));
  std::vector<DesignRow> rows;
  std::size_t left_out = 0;
  for (std::size_t i = 0; i < json.size(); ++i) {
    try {
      if (!json[i].is_object() || !json[i].contains("cfg")) rows.push_back(row_from_json(json[i]));
      else if (const auto row = row_from_run(json[i])) rows.push_back(*row);
      else ++left_out;
    } catch (const regnet::Error& error) {
      fail(error.code(), "entry ", i + 1, ": ", error.what());
    }
  }
  if (left_out > 0 && rows.empty()) fail(Code::bad_format, "expected runs with errors of a RegNetX or AnyNetX, found none of ", json.size());
  if (left_out > 0 && !quiet)
    std::cerr << "regnet: note: " << file << ": " << left_out << " of " << json.size()
              << " runs have no errors yet, or are no RegNetX or AnyNetX, and are left out\n";
  return rows;
}

std::vector<DesignRow> rows_from_csv(const std::string& text) {
  regnet::CsvReader reader(text);
  std::vector<std::string> names, fields;
  if (!reader.read(names)) fail(Code::bad_format, "line 1: expected names of columns");
  const auto column = [&](const char* name) { return std::find(names.begin(), names.end(), name) - names.begin(); };
  const auto has = [&](const char* name) { return column(name) < static_cast<std::ptrdiff_t>(names.size()); };
  const bool by_design = has("design");
  for (const char* name : {"w0", "wa", "wm", "d", "g"})
    if (!by_design && !has(name))
      fail(Code::bad_format, "line 1: expected a column design, or columns w0, wa, wm, d and g, found ", in_quotes(text.substr(0, text.find('\n'))));
  std::vector<DesignRow> rows;
  while (!reader.at_end()) {
    const bool sound = reader.read(fields);
    if (sound && fields.size() == 1 && fields[0].empty()) continue;
    try {
      if (!sound || fields.size() != names.size()) fail(Code::bad_format, "expected ", names.size(), " fields, found ", fields.size());
      const auto field = [&](const char* name) { return fields[static_cast<std::size_t>(column(name))]; };
      const auto number = [&](const char* name) -> std::optional<double> {
        if (!has(name) || field(name).empty()) return std::nullopt;
        double value = 0;
        const std::string digits = field(name);
        const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
        if (error != std::errc{} || end != digits.data() + digits.size())
          fail(Code::bad_format, name, ": expected a number, found ", in_quotes(digits));
        return finite(value, name);
      };
      std::string design;
      if (by_design) design = field("design");
      else
        for (const char* name : {"w0", "wa", "wm", "d", "g", "b"})
          if (has(name)) design += regnet::text(design.empty() ? "" : ",", name, "=", field(name));
      const Json sizes{{"resolution", number("resolution").value_or(224)}, {"classes", number("classes").value_or(1000)}};
      DesignRow row = row_of(regnet::find_design(design), {.resolution = whole(sizes, "resolution", 0), .classes = whole(sizes, "classes", 0)});
      row.error = number("error");
      row.latency_ms = number("latency_ms");
      if (const auto draw = number("draw")) row.draw = static_cast<std::int64_t>(std::min(*draw, 1e15));
      row.predicted = has("latency") && field("latency") == "predicted";
      if (has("fronts")) {
        std::istringstream fronts(field("fronts"));
        for (std::string front; fronts >> front;) row.fronts.push_back(front);
      }
      rows.push_back(row);
    } catch (const regnet::Error& error) {
      fail(error.code(), "line ", reader.line(), ": ", error.what());
    }
  }
  return rows;
}

// Columns that no row has anything for are left out.
std::vector<Cells> cells_of(const std::vector<DesignRow>& rows) {
  const auto any = [&](auto has) { return std::any_of(rows.begin(), rows.end(), has); };
  const bool errors = any([](const DesignRow&row) { return row.error.has_value(); }),
             latencies = any([](const DesignRow&row) { return row.latency_ms.has_value(); }),
             fronts = any([](const DesignRow&row) { return !row.fronts.empty(); });
  const bool sizes = any([](const DesignRow& row) { return row.network.resolution != regnet::NetworkOptions().resolution; });
  std::vector<Cells> table{{"design", "depths", "widths", "group widths", "MACs (G)", "params (M)", "activations (M)"}};
  if (sizes) table[0].push_back("input");
  if (latencies) table[0].push_back("ms");
  if (errors) table[0].push_back("error (%)");
  if (fronts) table[0].push_back("best of its kind in");
  for (const DesignRow& row : rows) {
    Cells cells{row.design.name,
                joined(each_stage(row.design.stages, &regnet::Stage::depth)),
                joined(each_stage(row.design.stages, &regnet::Stage::width)),
                joined(each_stage(row.design.stages, &regnet::Stage::group_width)),
                fixed(double(row.cost.macs) / 1e9, 3),
                fixed(double(row.cost.params) / 1e6, 2),
                fixed(double(row.cost.activations) / 1e6, 2)};
    if (sizes) cells.push_back(std::to_string(row.network.resolution));
    if (latencies) cells.push_back(row.latency_ms ? (row.predicted ? "~" : "") + fixed(*row.latency_ms, 2) : "");
    if (errors) cells.push_back(row.error ? fixed(*row.error, 2) : "");
    if (fronts) {
      std::string names;
      for (const std::string& front : row.fronts) names += (names.empty() ? "" : ", ") + front;
      cells.push_back(names);
    }
    table.push_back(cells);
  }
  return table;
}

constexpr std::size_t text_columns = 4;  // the rest are numbers

void print_csv(const std::vector<DesignRow>& rows) {
  std::cout << "draw,design,depths,widths,group_widths,resolution,classes,macs,params,activations,latency_ms,latency,error,fronts\n";
  for (const DesignRow& row : rows) {
    const auto optional = [](const auto& value) { return value ? Json(*value).dump() : std::string(); };
    std::cout << optional(row.draw) << "," << regnet::csv_field(to_string(row.design)) << ","
              << joined(each_stage(row.design.stages, &regnet::Stage::depth)) << ',' << joined(each_stage(row.design.stages, &regnet::Stage::width))
              << ',' << joined(each_stage(row.design.stages, &regnet::Stage::group_width)) << ',' << row.network.resolution << ','
              << row.network.classes << ',' << row.cost.macs << ',' << row.cost.params << ',' << row.cost.activations << ','
              << optional(row.latency_ms) << ','
              << (!row.latency_ms ? ""
                  : row.predicted ? "predicted"
                                  : "measured")
              << ',' << optional(row.error) << ',';
    for (std::size_t i = 0; i < row.fronts.size(); ++i) std::cout << (i ? " " : "") << row.fronts[i];
    std::cout << '\n';
  }
}

}  // namespace

std::optional<double> DesignRow::number(const std::string& name) const {
  const regnet::Params& p = design.params;
  int depth = 0;
  for (const regnet::Stage& stage : design.stages) depth += stage.depth;
  if (name == "stages") return static_cast<double>(design.stages.size());
  if (name == "width") return design.stages.back().width;
  if (name == "depth" || name == "d") return depth;
  if (name == "macs") return static_cast<double>(cost.macs);
  if (name == "params") return static_cast<double>(cost.params);
  if (name == "activations") return static_cast<double>(cost.activations);
  if (name == "latency") return latency_ms;
  if (p.d == 0) return std::nullopt;
  const std::map<std::string, double> numbers{{"w0", p.w_0}, {"wa", p.w_a}, {"wm", p.w_m}, {"g", p.group_width}, {"b", p.bottleneck}};
  const auto found = numbers.find(name);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

DesignRow row_of(const regnet::Design& design, const regnet::NetworkOptions& network) {
  DesignRow row;
  row.design = design;
  row.cost = complexity(design.stages, network);
  row.network = network;
  return row;
}

DesignRow read_row(const std::string& argument, const NetworkChoice& choice) {
  if (argument.ends_with(".yaml") || argument.ends_with(".yml")) return row_of_config(read_pycls_yaml(argument), choice);
  return row_of_config(PyclsConfig{regnet::find_design(argument), {}, {}}, choice);
}

std::vector<DesignRow> read_rows(const std::string& file, bool quiet) {
  return read_file(file, [&](const std::string& text) {
    const std::size_t first = text.find_first_not_of(" \t\r\n");
    if (first == std::string::npos) fail(Code::bad_format, "is empty, expected a list of designs");
    return text[first] == '[' || text[first] == '{' ? rows_from_json(text, file, quiet) : rows_from_csv(text);
  });
}

Json json_of(const DesignRow& row) {
  Json json;
  if (row.draw) json["draw"] = *row.draw;
  json["name"] = row.design.name;
  json["design"] = to_string(row.design);
  json["depths"] = each_stage(row.design.stages, &regnet::Stage::depth);
  json["widths"] = each_stage(row.design.stages, &regnet::Stage::width);
  json["group_widths"] = each_stage(row.design.stages, &regnet::Stage::group_width);
  json["resolution"] = row.network.resolution;
  json["classes"] = row.network.classes;
  json["macs"] = row.cost.macs;
  json["params"] = row.cost.params;
  json["activations"] = row.cost.activations;
  if (row.latency_ms) {
    json["latency_ms"] = *row.latency_ms;
    json["latency"] = row.predicted ? "predicted" : "measured";
  }
  if (row.error) json["error"] = *row.error;
  if (!row.fronts.empty()) json["fronts"] = row.fronts;
  return json;
}

void add_row_output(CLI::App& app, std::string& format) { add_output(app, format, {"table", "md", "csv", "json", "jsonl"}); }

void print_rows(const std::vector<DesignRow>& rows, const std::string& format) {
  if (format == "csv") return print_csv(rows);
  if (format == "md") return print_markdown(cells_of(rows), text_columns);
  if (format == "table") return print_aligned(cells_of(rows), text_columns);
  if (format == "jsonl") {
    for (const DesignRow& row : rows) std::cout << json_of(row).dump() << '\n';
    return;
  }
  Json list = Json::array();
  for (const DesignRow& row : rows) list.push_back(json_of(row));
  print(list);
}
