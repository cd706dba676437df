#include <regnet/eval/tables.hpp>

#include <algorithm>
#include <map>
#include <utility>

#include <nlohmann/json.hpp>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

#include "eval/labels.hpp"

namespace regnet {

RealLabels read_real_labels(const std::filesystem::path& path) {
  const MappedFile file(path);
  const auto* begin = reinterpret_cast<const char*>(file.bytes().data());
  const nlohmann::json json = nlohmann::json::parse(begin, begin + file.bytes().size(), nullptr, false);
  const auto refuse = [&](const auto&... parts) { fail(Code::bad_format, path.string(), ": expected a list of lists of class indices", parts...); };
  if (!json.is_array()) refuse(", as in real.json");
  RealLabels labels;
  for (const nlohmann::json& row : json) {
    std::vector<int>& classes = labels.emplace_back();
    if (!row.is_array()) refuse(", found something else as image ", labels.size());
    for (const nlohmann::json& item : row) {
      if (!item.is_number_unsigned() || item.get<std::uint64_t>() >= 1000) refuse(" from 0 to 999, found something else for image ", labels.size());
      classes.push_back(item.get<int>());
    }
  }
  return labels;
}

RealCounts count_real(const std::vector<ImageResult>& images, const RealLabels& labels) {
  RealCounts counts;
  for (const ImageResult& image : images) {
    const int number = image_number(image_key(image.image));
    if (number < 1 || number > static_cast<int>(labels.size()))
      fail(Code::mismatch, in_quotes(image.image), ": expected a name like ILSVRC2012_val_00000001, with a number up to ", labels.size(),
           ", for its ReaL labels");
    const std::vector<int>& classes = labels[static_cast<std::size_t>(number) - 1];
    if (classes.empty()) continue;
    ++counts.n;
    counts.top1_correct += !image.answer.top.empty() && std::find(classes.begin(), classes.end(), image.answer.top[0]) != classes.end();
  }
  return counts;
}

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
