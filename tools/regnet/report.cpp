#include "report.hpp"

#include <algorithm>
#include <array>
#include <iomanip>
#include <sstream>

#include "html.hpp"
#include "thumbnail.hpp"
#include "verdict.hpp"

namespace {

constexpr const char* report_style =
    R"(.pair{display:flex;align-items:center;gap:.8rem;margin:.5rem 0;flex-wrap:wrap}.pair img{height:56px;border-radius:4px}.pair span{flex:0 0 22rem}
.bars{columns:2 380px;column-gap:1.5rem;font-size:.8rem}.bar{display:grid;grid-template-columns:9rem 1fr 5.5rem;gap:.5rem;align-items:center;break-inside:avoid}
.bar>span:first-child{white-space:nowrap;overflow:hidden;text-overflow:ellipsis}.bar i{display:block;height:.6rem;background:var(--good);border-radius:2px}
)";

std::string shown(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

void card(std::ostream& out, const std::string& title, const std::string& value, const std::string& note, const char* kind = "card") {
  out << "<div class=\"" << kind << "\">" << html(title) << "<b>" << html(value) << "</b><span class=\"soft\">" << html(note) << "</span></div>\n";
}

std::string interval(const Json& ends) { return "95% interval " + percent(ends[0]) + " to " + percent(ends[1]); }

void write_headline(std::ostream& out, const Json& results) {
  out << "<div class=\"cards\">\n";
  card(out, "Top-1", percent(results["top1"]), interval(results["top1_ci95"]));
  card(out, "Top-5", percent(results["top5"]), interval(results["top5_ci95"]));
  card(out, "Images", results["n"].dump(), results["errors"] == 0 ? "all were read" : results["errors"].dump() + " could not be read");
  if (results.contains("real")) card(out, "ReaL", percent(results["real"]["top1"]), "of " + results["real"]["n"].dump() + " images with ReaL labels");
  if (results.contains("published"))
    card(out, results["published"]["config"], results["published"]["verdict"], in_words(results["published"], results["n"]), "card verdict");
  out << "</div>\n";
  if (results["partial"] == true) out << "<p><b>Partial:</b> the run was interrupted.</p>\n";
}

// How often answers of a given probability are right: for a calibrated network as often as it says.
struct Bin {
  int n = 0, right = 0;
  double probability = 0;  // summed
};
constexpr std::size_t bin_count = 10;

std::array<Bin, bin_count> calibration(const std::vector<regnet::ImageResult>& images) {
  std::array<Bin, bin_count> bins{};
  for (const regnet::ImageResult& image : images) {
    if (image.answer.top.empty()) continue;
    Bin& bin = bins[std::min(bin_count - 1, static_cast<std::size_t>(image.answer.probability * float{bin_count}))];
    ++bin.n;
    bin.right += image.answer.top[0] == image.label;
    bin.probability += image.answer.probability;
  }
  return bins;
}

void write_calibration(std::ostream& out, const std::vector<regnet::ImageResult>& images) {
  const auto bins = calibration(images);
  const double side = 300, left = 50, top = 12;
  const Scale x(0, 1, left, left + side), y(0, 1, top + side, top);
  Svg svg(left + side + 20, top + side + 44);
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    svg.line(x(tick), y(0), x(tick), y(1), "grid");
    svg.line(x(0), y(tick), x(1), y(tick), "grid");
    svg.text(x(tick), y(0) + 18, percent(tick).substr(0, percent(tick).find('.')) + "%", "axis middle");
    svg.text(x(0) - 6, y(tick) + 4, percent(tick).substr(0, percent(tick).find('.')) + "%", "axis end");
  }
  svg.line(x(0), y(0), x(1), y(1), "dashed");
  double error = 0;
  int total = 0;
  for (const Bin& bin : bins) total += bin.n;
  for (const Bin& bin : bins) {
    if (bin.n == 0) continue;
    const auto [low, high] = regnet::wilson_interval(bin.right, bin.n);
    const double says = bin.probability / bin.n, is = share(bin.right, bin.n);
    svg.line(x(says), y(low), x(says), y(high), "interval");
    svg.circle(x(says), y(is), 3 + 6 * std::sqrt(double(bin.n) / total), "good");
    error += std::abs(says - is) * bin.n / total;
  }
  svg.text(x(0.5), y(0) + 38, "probability the network gives its answer", "axis middle");
  out << "<h2>Calibration</h2>\n<p class=\"soft\">How often answers are right, by the probability given to them; on the dashed line both agree. The "
         "area of a dot is "
         "the number of images, the bar its 95% interval. Expected calibration error: "
      << percent(error) << ".</p>\n"
      << svg.str();
}

void write_classes(std::ostream& out, const Outcome& outcome, const std::vector<regnet::ImageResult>& counted) {
  std::vector<regnet::ClassCount> classes = regnet::per_class(counted);
  std::stable_sort(classes.begin(), classes.end(),
                   [](const regnet::ClassCount& a, const regnet::ClassCount& b) { return share(a.top1_correct, a.n) < share(b.top1_correct, b.n); });
  out << "<h2>Classes</h2>\n<p class=\"soft\">Top-1 of each class, the lowest first.</p>\n<div class=\"bars\">\n";
  for (const regnet::ClassCount& row : classes) {
    const std::string name = html(class_text(row.label, outcome));
    out << "<div class=\"bar\"><span title=\"" << name << "\">" << name << "</span><span><i style=\"width:" << percent(share(row.top1_correct, row.n))
        << "\"></i></span><span>" << row.top1_correct << " of " << row.n << "</span></div>\n";
  }
  out << "</div>\n";
}

std::string picture(const regnet::ImageResult& image, const Outcome& outcome) {
  const auto index = static_cast<std::size_t>(image.index);
  if (index >= outcome.dataset.samples.size()) return "";
  const std::string data = thumbnail(outcome.dataset.samples[index], 128);
  return data.empty() ? "" : "<img src=\"" + data + "\" alt=\"" + html(image.image) + "\" title=\"" + html(image.image) + "\">";
}

void write_pairs(std::ostream& out, const Outcome& outcome, const std::vector<regnet::ImageResult>& counted) {
  constexpr std::size_t pairs = 10, examples = 5;
  const auto confused = regnet::most_confused(counted, pairs);
  if (confused.empty()) return;
  out << "<h2>Most confused</h2>\n";
  for (const regnet::Confusion& pair : confused) {
    out << "<div class=\"pair\"><span>" << html(class_text(pair.label, outcome)) << " taken for "
        << html(pair.predicted < 0 ? "nothing (not read)" : class_text(pair.predicted, outcome)) << ": " << pair.count << " times</span>";
    std::size_t shown_images = 0;
    for (const regnet::ImageResult& image : outcome.predictions.images)
      if (shown_images < examples && image.label == pair.label && !image.answer.top.empty() && image.answer.top[0] == pair.predicted) {
        out << picture(image, outcome);
        ++shown_images;
      }
    out << "</div>\n";
  }
}

void write_mistakes(std::ostream& out, const Outcome& outcome) {
  constexpr std::size_t limit = 24;
  std::vector<const regnet::ImageResult*> wrong;
  for (const regnet::ImageResult& image : outcome.predictions.images)
    if (!image.answer.top.empty() && image.answer.top[0] != image.label) wrong.push_back(&image);
  if (wrong.empty()) return;
  std::stable_sort(wrong.begin(), wrong.end(),
                   [](const regnet::ImageResult* a, const regnet::ImageResult* b) { return a->answer.probability > b->answer.probability; });
  wrong.resize(std::min(wrong.size(), limit));
  out << "<h2>The worst mistakes</h2>\n<p class=\"soft\">The wrong answers that the network was surest of. Some are wrong labels.</p>\n<div "
         "class=\"pictures\">\n";
  for (const regnet::ImageResult* image : wrong)
    out << "<figure>" << picture(*image, outcome) << "<b>" << html(class_text(image->answer.top[0], outcome)) << "</b> "
        << percent(image->answer.probability) << "<figcaption>labelled " << html(class_text(image->label, outcome)) << "<br>" << html(image->image)
        << "</figcaption></figure>\n";
  out << "</div>\n";
}

void write_failures(std::ostream& out, const Json& results) {
  if (results["failed_images"].empty()) return;
  out << "<h2>Images that could not be read</h2>\n<p class=\"soft\">" << (results["skipped"] > 0 ? "Left out of the count." : "Counted as wrong.")
      << "</p>\n<ul>\n";
  for (const Json& image : results["failed_images"]) out << "<li>" << html(image["error"]) << "</li>\n";
  out << "</ul>\n";
}

void write_table(std::ostream& out, const char* title, const Json& values) {
  if (!values.is_object() || values.empty()) return;
  out << "<h2>" << title << "</h2>\n<table>\n";
  for (const auto& [key, value] : values.items()) {
    if (value == "") continue;

    out << "<tr><td class=\"soft\">" << html(key) << "</td><td>" << html(shown(value)) << "</td></tr>\n";
  }
  out << "</table>\n";
}

}  // namespace

std::string report_page(const Json& results, const Outcome& outcome, const std::vector<regnet::ImageResult>& counted) {
  const Json& provenance = results["provenance"];
  const std::string title =
      provenance.contains("model") ? shown(provenance["model"]) + " on " + shown(provenance["data"]) : std::string("Predictions");
  std::ostringstream out;
  begin_page(out, title, report_style);
  write_headline(out, results);
  write_calibration(out, outcome.predictions.images);
  write_mistakes(out, outcome);
  write_pairs(out, outcome, counted);
  write_classes(out, outcome, counted);
  write_failures(out, results);
  write_table(out, "Preprocessing", results["preset"]);
  write_table(out, "Provenance", provenance);
  end_page(out);
  return out.str();
}
