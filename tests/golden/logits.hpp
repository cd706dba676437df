// Runs a network and compares its logits with golden ones.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <span>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/plan/session.hpp>

// One thread: tests run side by side, and a team of threads that waits for a busy core is many times slower.
inline std::vector<float> logits_of(const regnet::Plan& plan, int batch, std::span<const float> images) {
  regnet::Session session(plan, {.batch = batch, .threads = 1});
  std::vector<float> logits(static_cast<std::size_t>(batch * plan.classes()));
  session.run(images, logits);
  return logits;
}

// The largest difference, in standard deviations of the golden logits.
inline double worst_difference(const std::vector<float>& found, const std::vector<double>& golden) {
  double worst = 0, sum = 0, squares = 0;
  for (std::size_t i = 0; i < golden.size(); ++i) {
    worst = std::max(worst, std::abs(found.at(i) - golden[i]));
    sum += golden[i];
    squares += golden[i] * golden[i];
  }
  const double n = static_cast<double>(golden.size()), mean = sum / n;
  return worst / std::sqrt(squares / n - mean * mean);
}

// Logits as written in JSON, of one image or of several.
inline std::vector<double> flattened(const nlohmann::json& logits) {
  std::vector<double> all;
  for (const nlohmann::json& item : logits) {
    if (item.is_array()) all.insert(all.end(), item.begin(), item.end());
    else all.push_back(item);
  }
  return all;
}

// Of two lists of numbers as directions.
template <class A, class B>
double cosine(const A& a, const B& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0) /
         std::sqrt(std::inner_product(a.begin(), a.end(), a.begin(), 0.0) * std::inner_product(b.begin(), b.end(), b.begin(), 0.0));
}

// 1e-4 is the promise; float networks of these depths come within 1e-5.
inline void expect_golden(const std::vector<float>& found, const nlohmann::json& golden_logits) {
  const std::vector<double> golden = flattened(golden_logits);
  ASSERT_EQ(found.size(), golden.size());
  const double worst = worst_difference(found, golden);
  EXPECT_LT(worst, 1e-4);
  testing::Test::RecordProperty("worst_difference_in_std", std::to_string(worst));
}
