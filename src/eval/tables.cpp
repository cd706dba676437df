#include <regnet/eval/tables.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace regnet {

std::vector<ClassCount> per_class(const std::vector<ImageResult>& images) {
  std::map<int, ClassCount> classes;
  for (const ImageResult& image : images) {
    ClassCount& row = classes[image.label];
    row.label = image.label;
    ++row.n;
    row.top1_correct += !image.answer.top.empty() && image.answer.top[0] == image.label;
  }
  std::vector<ClassCount> rows;
  for (const auto& [label, row] : classes) rows.push_back(row);
  return rows;
}

std::vector<Confusion> confusion(const std::vector<ImageResult>& images) {
  std::map<std::pair<int, int>, int> counts;
  for (const ImageResult& image : images) ++counts[{image.label, image.answer.top.empty() ? -1 : image.answer.top[0]}];
  std::vector<Confusion> entries;
  for (const auto& [pair, n] : counts) entries.push_back({pair.first, pair.second, n});
  return entries;
}

std::vector<Confusion> most_confused(const std::vector<ImageResult>& images, std::size_t limit) {
  std::vector<Confusion> entries = confusion(images);
  std::erase_if(entries, [](const Confusion& entry) { return entry.label == entry.predicted || entry.predicted < 0; });
  std::stable_sort(entries.begin(), entries.end(), [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  entries.resize(std::min(limit, entries.size()));
  return entries;
}

}  // namespace regnet
