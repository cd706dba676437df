// Metrics: how many answers of which kind, and how long they took, as Prometheus reads it.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

class Metrics {
 public:
  void answered(int status) {
    const std::lock_guard lock(x_mutex);
    ++x_answers[status];
  }

  void took(double seconds) {
    const std::lock_guard lock(x_mutex);
    x_latencies[x_count++ % x_latencies.size()] = seconds;
    x_sum += seconds;
  }

  [[nodiscard]] std::string text(std::size_t depth) const {
    std::unique_lock lock(x_mutex);
    std::ostringstream out;
    out.precision(10);  // of a sum that grows for months
    for (const auto& [status, count] : x_answers) out << "regnet_classify_answers_total{code=\"" << status << "\"} " << count << '\n';
    const auto rejects = x_answers.find(503);
    out << "regnet_classify_rejects_total " << (rejects == x_answers.end() ? 0 : rejects->second) << "\nregnet_queue_depth " << depth << '\n';
    std::vector<double> sorted(x_latencies.begin(), x_latencies.begin() + static_cast<std::ptrdiff_t>(std::min(x_count, x_latencies.size())));
    out << "regnet_classify_seconds_sum " << x_sum << "\nregnet_classify_seconds_count " << x_count << '\n';
    lock.unlock();  // no answer waits for the sorting
    std::sort(sorted.begin(), sorted.end());
    for (const double quantile : {0.5, 0.9, 0.99})
      if (!sorted.empty())
        out << "regnet_classify_seconds{quantile=\"" << quantile << "\"} "
            << sorted[static_cast<std::size_t>(quantile * static_cast<double>(sorted.size() - 1))] << '\n';
    return out.str();
  }

 private:
  mutable std::mutex x_mutex;
  std::map<int, std::size_t> x_answers;  // to POST /classify, by status
  // Of the last answers with status 200: exact quantiles, and those of now rather than of all time.
  std::vector<double> x_latencies = std::vector<double>(10'000);
  std::size_t x_count = 0;
  double x_sum = 0;
};
