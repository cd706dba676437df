// Latency beside multiply-adds: which networks compute more in their time.
#include <algorithm>
#include <set>

#include <regnet/base/error.hpp>

#include "design/page.hpp"

namespace {

struct Timed {
  std::size_t population = 0;
  double macs = 0, ms = 0;
  bool predicted = false;
};

// Places for names beside points: the first of four that is free, or none.
class Labels {
 public:
  Labels(double left, double right) : x_left(left), x_right(right) {}
  void place(Svg& svg, const Point& at, const std::string& words) {
    const double width = 6.8 * double(words.size()), height = 13;
    for (const Point& corner : {Point{at.x + 7, at.y - 6}, Point{at.x - 7 - width, at.y - 6}, Point{at.x - width / 2, at.y - 21},
                                Point{at.x - width / 2, at.y + 7}, Point{at.x + 7, at.y + 4}, Point{at.x - 7 - width, at.y - 17}}) {
      const Box box{corner.x, corner.y, corner.x + width, corner.y + height};
      if (box.left < x_left || box.right > x_right) continue;
      if (std::any_of(x_taken.begin(), x_taken.end(), [&](const Box& other) { return overlap(box, other); })) continue;
      x_taken.push_back(box);
      svg.text(box.left, box.bottom - 3, words, "axis halo");
      return;
    }
  }
  void keep_free(const Point& at) { x_taken.push_back({at.x - 5, at.y - 5, at.x + 5, at.y + 5}); }

 private:
  struct Box {
    double left, top, right, bottom;
  };
  static bool overlap(const Box& a, const Box& b) { return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom; }
  double x_left, x_right;
  std::vector<Box> x_taken;
};

void draw_front(Svg& svg, const Population& population, std::size_t series, const Scale& x, const Scale& y) {
  std::vector<Point> front;
  for (const DesignRow& row : population.rows)
    if (row.latency_ms && *row.latency_ms > 0 && std::find(row.fronts.begin(), row.fronts.end(), "latency") != row.fronts.end())
      front.push_back({x(double(row.cost.macs)), y(*row.latency_ms)});
  std::sort(front.begin(), front.end(), [](const Point& a, const Point& b) { return a.x < b.x; });
  // The least time for at least so many MACs: it rises at once behind a network, to the next one's.
  std::vector<Point> steps;
  for (const Point& point : front) {
    if (!steps.empty()) steps.push_back({steps.back().x, point.y});
    steps.push_back(point);
  }
  if (!population.fronts_are_of_errors()) svg.polyline(steps, "front");
  for (const Point& point : front) svg.circle(point.x, point.y, 4, "ring " + colour(series));
}

// "3.2GF": all are of one family.
std::string short_title(const regnet::ZooEntry& entry) {
  const std::string title(entry.title.substr(entry.title.find_last_of("-_") + 1));
  return entry.params.rule == regnet::WidthRule::torchvision ? title + " (torchvision)" : title;
}

void draw_published(Svg& svg, const Populations& populations, const Scale& x, const Scale& y) {
  std::vector<std::pair<Point, std::string>> published;
  Labels labels(x.from(), x.to());
  std::set<std::string_view> named;
  for (std::size_t i = 0; i < populations.size(); ++i)
    for (const DesignRow& row : populations[i].rows) {
      const regnet::ZooEntry* const entry = row.latency_ms && *row.latency_ms > 0 ? regnet::find_in_zoo(row.design.stages) : nullptr;
      if (!entry) continue;
      const Point at{x(double(row.cost.macs)), y(*row.latency_ms)};
      svg.circle(at.x, at.y, 4.5, (row.predicted ? "area strong " : "block ") + colour(i),
                 regnet::text(std::string(entry->title), ": ", short_number(*row.latency_ms), " ms", row.predicted ? " (predicted)" : ""));
      if (row.predicted) svg.crosses({at}, "crosses " + colour(i));  // which may be thinned out
      labels.keep_free(at);
      if (named.insert(entry->title).second) published.push_back({at, short_title(*entry)});
    }
  for (const auto& [at, name] : published) labels.place(svg, at, name);
}

}  // namespace

void write_latencies(std::ostream& out, const Populations& populations) {
  std::vector<Timed> all;
  bool fronts_of_macs = false, fronts_of_errors = false, predicted = false;
  for (std::size_t i = 0; i < populations.size(); ++i)
    for (const DesignRow& row : populations[i].rows) {
      if (!row.latency_ms || *row.latency_ms <= 0) continue;
      all.push_back({i, double(row.cost.macs), *row.latency_ms, row.predicted});
      predicted = predicted || row.predicted;
      if (std::find(row.fronts.begin(), row.fronts.end(), "latency") != row.fronts.end())
        (populations[i].fronts_are_of_errors() ? fronts_of_errors : fronts_of_macs) = true;
    }
  if (all.empty())
    return begin_section(out, "Latency", "Left out: no network has a latency (\"regnet design pareto -o json\" measures or predicts it).");
  std::string caption = std::string("MACs and milliseconds for one image; ") +
                        (predicted ? "dots are measured, crosses predicted from times of layers" : "all are measured") +
                        ". Published networks are discs with their names." + thinning_in_words(all.size());
  if (fronts_of_macs) caption += " The stepped line is the Pareto front: no other network has more MACs in less time.";
  if (fronts_of_errors) caption += " Rings are on the front of latency and error: no other network is faster and better.";
  begin_section(out, "Latency", caption);
  write_legend(out, populations, [](const Population& population) {
    const auto timed = std::count_if(population.rows.begin(), population.rows.end(), [](const DesignRow& row) { return row.latency_ms.has_value(); });
    return timed == 0 ? std::string("no latencies") : regnet::text(timed, timed == 1 ? " network" : " networks");
  });
  constexpr double left = 60, right = 940, top = 34, bottom = 460;
  std::vector<double> macs, times;
  for (const Timed& one : all) macs.push_back(one.macs), times.push_back(one.ms);
  const Scale x = scale_of(macs, left, right, Spacing::log), y = scale_of(times, bottom, top, Spacing::log);
  Svg svg(right + 20, bottom + 46);
  draw_axes(svg, x, y, "MACs", "latency (ms)", 10);
  std::vector<std::vector<Point>> dots(populations.size()), crosses(populations.size());
  for (const Timed& one : thinned(all, most_points)) (one.predicted ? crosses : dots)[one.population].push_back({x(one.macs), y(one.ms)});
  for (std::size_t i = 0; i < populations.size(); ++i) {
    svg.dots(dots[i], "dots " + colour(i));
    svg.crosses(crosses[i], "crosses " + colour(i));
  }
  for (std::size_t i = 0; i < populations.size(); ++i) draw_front(svg, populations[i], i, x, y);
  draw_published(svg, populations, x, y);
  out << svg.str();
}
