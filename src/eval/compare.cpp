#include <regnet/eval/compare.hpp>

#include <algorithm>
#include <cmath>
#include <unordered_map>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>

namespace regnet {

double mcnemar_exact(int a_alone, int b_alone) {
  const int n = a_alone + b_alone, fewer = std::min(a_alone, b_alone);
  double tail = 0;
  for (int k = 0; k <= fewer; ++k) tail += std::exp(std::lgamma(n + 1.0) - std::lgamma(k + 1.0) - std::lgamma(n - k + 1.0) - n * std::log(2.0));
  return std::min(1.0, 2 * tail);
}

Comparison compare(const Predictions& a, const Predictions& b) {
  Comparison result;
  std::unordered_map<std::string, const ImageResult*> of_b;
  for (const ImageResult& image : b.images)
    if (!of_b.emplace(image.image, &image).second) fail(Code::mismatch, in_quotes(image.image), " comes twice in the second run");
  std::unordered_map<std::string, bool> seen;
  const auto first = [](const ImageResult& image) { return image.answer.top.empty() ? -1 : image.answer.top[0]; };
  for (const ImageResult& image : a.images) {
    if (!seen.emplace(image.image, true).second) fail(Code::mismatch, in_quotes(image.image), " comes twice in the first run");
    const auto found = of_b.find(image.image);
    if (found == of_b.end()) {
      ++result.only_in_a;
      continue;
    }
    const ImageResult& other = *found->second;
    if (other.label != image.label)
      fail(Code::mismatch, in_quotes(image.image), " has label ", image.label, " in the first run and ", other.label, " in the second");
    const bool a_right = first(image) == image.label, b_right = first(other) == image.label;
    ++result.images;
    result.a_correct += a_right;
    result.b_correct += b_right;
    result.a_alone += a_right && !b_right;
    result.b_alone += b_right && !a_right;
    if (first(image) == first(other)) ++result.agree;
    else result.changes.push_back({image.image, image.label, first(image), first(other)});
  }
  if (result.images == 0) fail(Code::invalid_argument, "no image is in both runs");
  result.only_in_b = static_cast<int>(b.images.size()) - result.images;
  result.p_value = mcnemar_exact(result.a_alone, result.b_alone);
  return result;
}

}  // namespace regnet
