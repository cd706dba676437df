#include <cmath>
#include <iomanip>
#include <iostream>
#include <optional>
#include <sstream>

#include <regnet/base/foreign_text.hpp>

#include "eval.hpp"

namespace {

Json class_json(int index, const Outcome& outcome) {
  const auto i = static_cast<std::size_t>(index);
  return {{"class", index}, {"name", index >= 0 && i < outcome.class_names.size() ? Json(outcome.class_names[i]) : Json(nullptr)}};
}

std::string speed_line(const Json& results) {
  const double decoding = results["decode_seconds"], network = results["forward_seconds"], busy = decoding + network;
  std::ostringstream out;
  out << std::fixed << std::setprecision(0) << "speed  " << results["images_per_s"].get<double>() << " images/s  (" << std::setprecision(2)
      << results["seconds"].get<double>() << " s; decoding " << percent(busy > 0 ? decoding / busy : 0) << " of the work, network "
      << percent(busy > 0 ? network / busy : 0) << "; " << results["bound"].get<std::string>() << ")\n";
  return out.str();
}

}  // namespace

double share(int hits, int n) { return n > 0 ? double(hits) / n : 0; }

std::string percent(double share) {
  std::ostringstream out;
  out << std::fixed << std::setprecision(2) << 100 * share << '%';
  return out.str();
}

std::string class_text(int index, const Outcome& outcome) {
  const auto i = static_cast<std::size_t>(index);
  return std::to_string(index) + (i < outcome.class_names.size() ? " " + regnet::one_line(outcome.class_names[i]) : "");
}

std::vector<regnet::ImageResult> counted(const EvalOptions& options, const Outcome& outcome) {
  std::vector<regnet::ImageResult> images = outcome.predictions.images;
  if (options.evaluate.skip_errors) std::erase_if(images, [](const regnet::ImageResult& image) { return !image.answer.error.empty(); });
  return images;
}

Json results_json(const EvalOptions& options, const Outcome& outcome, const regnet::Counts& counts,
                  const std::optional<regnet::RealLabels>& real_labels) {
  const auto [low, high] = regnet::wilson_interval(counts.top1_correct, counts.n);
  const auto [low5, high5] = regnet::wilson_interval(counts.top5_correct, counts.n);
  Json json{{"n", counts.n},
            {"top1_correct", counts.top1_correct},
            {"top5_correct", counts.top5_correct},
            {"top1", share(counts.top1_correct, counts.n)},
            {"top5", share(counts.top5_correct, counts.n)},
            {"top1_ci95", {low, high}},
            {"top5_ci95", {low5, high5}},
            {"errors", counts.errors},
            {"skipped", counts.skipped},
            {"partial", outcome.partial},
            {"listed", outcome.predictions.total}};
  json.update(outcome.speed);
  json["preset"] = outcome.preset;
  json["failed_images"] = Json::array();
  for (const regnet::ImageResult& image : outcome.predictions.images)
    if (!image.answer.error.empty()) json["failed_images"].push_back({{"image", image.image}, {"error", image.answer.error}});
  json["most_confused"] = Json::array();
  for (const regnet::Confusion& pair : regnet::most_confused(counted(options, outcome), 10))
    json["most_confused"].push_back(
        {{"label", class_json(pair.label, outcome)}, {"predicted", class_json(pair.predicted, outcome)}, {"count", pair.count}});
  if (options.per_class) {
    json["per_class"] = Json::array();
    for (const regnet::ClassCount& row : regnet::per_class(counted(options, outcome))) {
      Json entry = class_json(row.label, outcome);
      entry.update({{"n", row.n}, {"top1_correct", row.top1_correct}, {"top1", share(row.top1_correct, row.n)}});
      json["per_class"].push_back(entry);
    }
  }
  if (real_labels) {
    const regnet::RealCounts real = count_real(outcome.predictions.images, *real_labels);
    json["real"] = {{"n", real.n}, {"top1_correct", real.top1_correct}, {"top1", share(real.top1_correct, real.n)}};
  }
  json["provenance"] = outcome.provenance;
  return json;
}

void print_results(const Json& results, const EvalOptions& options, const Outcome& outcome) {
  const auto number = [&](const char* key) { return results[key].get<int>(); };
  if (outcome.partial) std::cout << "partial: interrupted after " << outcome.predictions.images.size() << " images\n";
  std::cout << "top-1  " << percent(results["top1"]) << "  (" << number("top1_correct") << " of " << number("n") << "; 95% interval "
            << percent(results["top1_ci95"][0]) << " to " << percent(results["top1_ci95"][1]) << ")\n"
            << "top-5  " << percent(results["top5"]) << "  (" << number("top5_correct") << " of " << number("n") << ")\n";
  if (results.contains("bound")) std::cout << speed_line(results);
  if (results.contains("real")) {
    const Json& real = results["real"];
    std::cout << "ReaL   " << percent(real["top1"]) << "  (" << real["top1_correct"] << " of the " << real["n"] << " images with ReaL labels)\n";
  }
  if (number("errors") > 0)
    std::cout << "errors " << number("errors") << " images could not be read, "
              << (number("skipped") > 0 ? "left out of the count" : "counted as wrong") << '\n';
  if (!options.per_class) return;
  for (const regnet::ClassCount& row : regnet::per_class(counted(options, outcome)))
    std::cout << std::setw(7) << percent(share(row.top1_correct, row.n)) << "  (" << row.top1_correct << " of " << row.n << ")  "
              << class_text(row.label, outcome) << '\n';
  for (const regnet::Confusion& pair : regnet::most_confused(counted(options, outcome), 10))
    std::cout << "confused " << pair.count << " times: " << class_text(pair.label, outcome) << " taken for " << class_text(pair.predicted, outcome)
              << '\n';
}
