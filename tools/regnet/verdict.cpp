#include "verdict.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <iostream>
#include <sstream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

#include "commands.hpp"
#include "sha256.hpp"
#include "svg.hpp"

namespace {

constexpr int published_images = 50'000;

bool fits(std::string_view pattern, std::string_view name) {
  if (pattern.empty()) return name.empty();
  if (pattern[0] == '*') return fits(pattern.substr(1), name) || (!name.empty() && fits(pattern, name.substr(1)));
  return !name.empty() && (pattern[0] == '?' || pattern[0] == name[0]) && fits(pattern.substr(1), name.substr(1));
}

// What is not as in the published evaluation: "resize 232 instead of 256". `mild` stays true where that is known to move accuracies by some tenths of a point at most.
std::string changes(const regnet::PublishedAccuracy& row, const Outcome& outcome, bool& mild) {
  const Json& used = outcome.preset;
  if (!used.is_object()) return "";
  regnet::RecipeOverrides overrides;
  if (row.resize > 0) overrides.resize = row.resize;
  const Json expected = Json::parse(to_json(overrides.applied_to(regnet::find_preset(row.preset))));
  std::string out;
  const auto add = [&](const std::string& words) { out += (out.empty() ? "" : ", ") + words; };
  for (const auto& [key, value] : expected.items())
    if (key != "name" && used[key] != value) {
      const auto shown = [](const Json& json) { return json.is_string() ? json.get<std::string>() : json.dump(); };
      add(key + " " + shown(used[key]) + " instead of " + shown(value));
      mild = mild && (key == "resize" || key == "interpolation" || key == "crop_offset");
    }
  if (outcome.provenance.value("exif", "ignore") != "ignore") add("EXIF orientation applied");
  if (outcome.provenance.value("subset_logits", false)) {
    add("answers only among the classes of the data set");
    mild = false;
  }
  return out;
}

// Half a unit of the last digit that was published, in points.
double rounding(const regnet::PublishedAccuracy& row) {
  double unit = 1;
  const auto has = [&](double value) { return std::abs(value / unit - std::round(value / unit)) < 1e-6 / unit; };
  while (unit > 2e-3 && !(has(row.top1) && has(row.top5))) unit /= 10;
  return unit / 2;
}

// Where a row's checkpoint lies below a folder: by its published name, which for files without a hash in it needs the row's folder.
std::string find_weights(const std::string& folder, const regnet::PublishedAccuracy& row) {
  const std::filesystem::path root = folder;
  for (const std::filesystem::path& candidate : {root / row.name / row.file, root / row.origin() / row.file, root / row.file})
    if (std::error_code error;
        std::filesystem::is_regular_file(candidate, error) && (candidate != root / row.file || row.file != "model.safetensors"))
      return candidate.string();
  return "";
}

std::string points(double value) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << value;
  return out.str();
}

std::string as_markdown(const Json& rows) {
  std::ostringstream out;
  out << "| Row | Images | Top-1 | 95% interval | Published | Difference | Top-5 | Published | Verdict "
         "|\n|---|---:|---:|---:|---:|---:|---:|---:|---|\n";
  for (const Json& row : rows) {
    out << "| " << row["config"].get<std::string>() << " | ";
    if (row.contains("error")) {
      out << "| | | " << points(row["published_top1"]) << " | | | " << points(row["published_top5"])
          << " | not evaluated: " << regnet::one_line(row["error"].get<std::string>()) << " |\n";
      continue;
    }
    const std::string explanation = row["explanation"];
    out << row["n"] << " | " << points(row["measured_top1"]) << " | " << points(100 * row["interval_top1"][0].get<double>()) << " to "
        << points(100 * row["interval_top1"][1].get<double>()) << " | " << points(row["published_top1"]) << " | " << std::showpos << std::fixed
        << std::setprecision(3) << row["difference"].get<double>() << std::noshowpos << " | " << points(row["measured_top5"]) << " | "
        << points(row["published_top5"]) << " | " << row["verdict"].get<std::string>() << (explanation.empty() ? "" : ": " + explanation) << " |\n";
  }
  return out.str();
}

// Each row's measured accuracy with its interval, beside a tick for the published one.
std::string as_svg(const Json& rows) {
  double low = 100, high = 0;
  for (const Json& row : rows) {
    low = std::min(low, row["published_top1"].get<double>());
    high = std::max(high, row["published_top1"].get<double>());
    if (row.contains("error")) continue;
    low = std::min(low, 100 * row["interval_top1"][0].get<double>());
    high = std::max(high, 100 * row["interval_top1"][1].get<double>());
  }
  constexpr double line = 22, left = 220, width = 640, top = 44;
  const double height = top + line * static_cast<double>(rows.size()) + 40;
  const Scale x(std::floor(low) - 1, std::ceil(high) + 1, left, left + width);
  Svg svg(left + width + 40, height);
  svg.text(left, 20, "Top-1 on ImageNet val, percent: measured (dot, 95% interval) and published (tick)", "title");
  for (const double tick : x.ticks(8)) {
    svg.line(x(tick), top - 8, x(tick), height - 34, "grid");
    svg.text(x(tick), height - 18, points(tick).substr(0, points(tick).find('.')), "axis middle");
  }
  double y = top + line / 2;
  for (const Json& row : rows) {
    svg.text(left - 10, y + 4, row["config"].get<std::string>(), "axis end");
    const double published = x(row["published_top1"]);
    svg.line(published, y - 7, published, y + 7, "published");
    if (!row.contains("error")) {
      svg.line(x(100 * row["interval_top1"][0].get<double>()), y, x(100 * row["interval_top1"][1].get<double>()), y, "interval");
      svg.circle(x(row["measured_top1"]), y, 4, row["verdict"] == "not reproduced" ? "bad" : "good");
    }
    y += line;
  }
  return svg.str();
}

void write(const std::filesystem::path& path, const std::string& content) {
  std::ofstream file(path);
  if (!(file << content).flush()) regnet::fail(regnet::Code::io, path.string(), ": cannot be written");
}

}  // namespace

regnet::PublishedAccuracy published_row(const std::string& name) {
  if (name.ends_with(".json")) {
    const regnet::MappedFile file(name);
    return regnet::parse_published(name, {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()});
  }
  if (const regnet::PublishedAccuracy* row = regnet::find_published(name)) return *row;
  std::string near;
  for (const regnet::PublishedAccuracy& row : regnet::published_accuracies())
    if (row.model.find(name) != std::string::npos || row.origin() == std::string_view(name).substr(0, name.find('/')))
      near += (near.empty() ? "" : ", ") + row.name;
  regnet::fail(regnet::Code::invalid_argument, "--config: expected SOURCE/MODEL such as mmcls/regnetx_400mf, or a .json file, found ",
               regnet::in_quotes(name), near.empty() ? std::string() : "; there are " + near);
}

std::vector<regnet::PublishedAccuracy> published_rows(const std::string& pattern) {
  std::vector<regnet::PublishedAccuracy> rows;
  for (const regnet::PublishedAccuracy& row : regnet::published_accuracies())
    if (fits(pattern, row.name)) rows.push_back(row);
  if (rows.empty())
    regnet::fail(regnet::Code::invalid_argument, "--configs: no row fits ", regnet::in_quotes(pattern), "; expected one like 'mmcls/*'");
  return rows;
}

Json verdict(const regnet::PublishedAccuracy& row, const Outcome& outcome, const regnet::Counts& counts) {
  constexpr int flips = 5;     // images of 50,000 whose answer may hang on the last bit of a logit
  constexpr int fewest = 200;  // images that say something
  if (outcome.classes != 0 && outcome.classes != 1000)
    regnet::fail(regnet::Code::mismatch, "config ", row.name, ": expected a network of ImageNet's 1000 classes, found ", outcome.classes);
  const double top1 = 100 * share(counts.top1_correct, counts.n), top5 = 100 * share(counts.top5_correct, counts.n);
  const auto interval1 = regnet::wilson_interval(counts.top1_correct, counts.n), interval5 = regnet::wilson_interval(counts.top5_correct, counts.n);
  const bool whole = counts.n == published_images;
  const double tolerance = rounding(row) + 100.0 * flips / published_images + 1e-9;
  const auto agrees = [&](double measured, double published, const std::pair<double, double>& interval) {
    return whole ? std::abs(measured - published) <= tolerance : 100 * interval.first <= published && published <= 100 * interval.second;
  };
  const bool right1 = agrees(top1, row.top1, interval1), right5 = agrees(top5, row.top5, interval5);
  const std::string expected_digest = digest_in_name(row.file);
  const std::string digest = outcome.provenance.value("weights_sha256", "");
  const Json same_file = expected_digest.empty() || digest.empty() ? Json(nullptr) : Json(digest.starts_with(expected_digest));
  bool mild = true;
  const std::string changed = changes(row, outcome, mild);
  const double difference = top1 - row.top1;
  std::string explanation;
  const auto explain = [&](const std::string& words) { explanation += (explanation.empty() ? "" : "; ") + words; };
  if (same_file == Json(false)) explain("the weights are not the published file, whose sha256 begins with " + expected_digest);
  if (outcome.provenance.value("weights_sha256", "").empty()) explain("weights and preprocessing are not known from predictions alone");
  if (!changed.empty()) explain("not as published: " + changed);
  if (right1 && !right5) explain("top-1 agrees, top-5 does not");
  if (!right1 && same_file != Json(false) && mild && std::abs(difference) <= 0.3) explain("of the size that preprocessing alone explains");
  const char* word = outcome.partial            ? "partial"
                     : same_file == Json(false) ? "other weights"
                     : !(right1 && right5)      ? "not reproduced"
                     : whole                    ? "reproduced"
                     : counts.n < fewest        ? "too few images"
                                                : "compatible";
  return {{"config", row.name},
          {"published_top1", row.top1},
          {"published_top5", row.top5},
          {"published_file", row.file},
          {"source", row.source},
          {"sha256_matches", same_file},
          {"n", counts.n},
          {"measured_top1", top1},
          {"measured_top5", top5},
          {"interval_top1", {interval1.first, interval1.second}},
          {"interval_top5", {interval5.first, interval5.second}},
          {"difference", difference},
          {"difference_top5", top5 - row.top5},
          {"tolerance", tolerance},
          {"verdict", word},
          {"explanation", explanation}};
}

bool is_failure(const Json& verdict) { return verdict["verdict"] == "not reproduced" || verdict["verdict"] == "other weights"; }

std::string in_words(const Json& verdict, int images) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(3) << "published " << verdict["published_top1"].get<double>() << "%, measured "
      << verdict["measured_top1"].get<double>() << "%: " << verdict["verdict"].get<std::string>() << " (" << std::showpos
      << verdict["difference"].get<double>() << std::noshowpos << " points on " << images << " images)";
  if (const std::string explanation = verdict["explanation"]; !explanation.empty()) out << "; " << explanation;
  return out.str();
}

int run_table(const EvalOptions& options) {
  if (options.weights_dir.empty()) regnet::fail(regnet::Code::invalid_argument, "--configs: name the folder of the checkpoints with --weights-dir");
  if (options.data.empty()) regnet::fail(regnet::Code::invalid_argument, "--configs: name the data set with --data");
  for (const std::string& path : {options.weights_dir, options.data})
    if (std::error_code error; !std::filesystem::exists(path, error)) regnet::fail(regnet::Code::not_found, path, ": No such file or directory");
  const std::filesystem::path folder = options.table;
  Json rows = Json::array();
  const auto write_table = [&] {  // after each row, so that hours of work outlive what happens in the next
    if (options.table.empty()) return;
    std::filesystem::create_directories(folder);
    write(folder / "table.md", as_markdown(rows));
    write(folder / "table.json", rows.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
    if (!rows.empty()) write(folder / "table.svg", as_svg(rows));
  };
  const std::vector<regnet::PublishedAccuracy> chosen = published_rows(options.configs);
  write_table();
  int failed = 0, wrong = 0;
  bool partial = false;
  for (const regnet::PublishedAccuracy& row : chosen) {
    try {
      const std::string weights = find_weights(options.weights_dir, row);
      if (weights.empty()) regnet::fail(regnet::Code::not_found, "no ", row.file, " below ", options.weights_dir);
      EvalOptions one = options;
      one.model.expect(row, weights);
      if (!options.journal.empty()) {
        std::filesystem::create_directories(options.journal);
        std::string name = row.name;
        std::replace(name.begin(), name.end(), '/', '-');
        one.journal = (std::filesystem::path(options.journal) / (name + ".journal")).string();
      }
      if (!options.quiet) std::cerr << row.name << ": " << weights << '\n';
      const Outcome outcome = run_network(one);
      const regnet::Counts counts = regnet::count(outcome.predictions.images, options.evaluate.skip_errors);
      partial = partial || outcome.partial;
      rows.push_back(verdict(row, outcome, counts));
      rows.back()["errors"] = counts.errors;
      rows.back()["provenance"] = outcome.provenance;
      wrong += is_failure(rows.back());
      failed += counts.errors > 0 && !options.evaluate.skip_errors;
    } catch (const std::exception& error) {
      ++failed;
      rows.push_back(
          {{"config", row.name}, {"published_top1", row.top1}, {"published_top5", row.top5}, {"published_file", row.file}, {"error", error.what()}});
      std::cerr << "regnet: " << row.name << ": " << regnet::one_line(error.what()) << '\n';
    }
    write_table();
    if (partial) break;
  }
  if (options.output == "json") print(rows);
  else std::cout << as_markdown(rows);
  if (partial) return exit_interrupted;
  return failed > 0 ? exit_some_failed : wrong > 0 ? exit_failed_check : exit_done;
}
