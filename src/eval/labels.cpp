#include "eval/labels.hpp"

#include <algorithm>
#include <charconv>
#include <filesystem>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/imagenet.hpp>

namespace regnet {

bool is_wnid(std::string_view name) {
  return name.size() == 9 && name[0] == 'n' && name.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

int imagenet_label(std::string_view wnid) {
  const auto classes = imagenet_classes();
  const auto found = std::lower_bound(classes.begin(), classes.end(), wnid, [](const ImagenetClass& a, std::string_view b) { return a.wnid < b; });
  return found == classes.end() || found->wnid != wnid ? -1 : static_cast<int>(found - classes.begin());
}

int number_label(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return text.empty() || error != std::errc{} || end != text.data() + text.size() || value < 0 ? -1 : value;
}

std::unordered_map<std::string, int> parse_labels(std::string_view text, const std::string& where) {
  std::unordered_map<std::string, int> labels;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.remove_suffix(1);
    if (line.empty() || line[0] == '#') continue;
    const std::size_t split = line.find_last_of(" ,\t");
    const std::string_view value = split == std::string_view::npos ? std::string_view() : line.substr(split + 1);
    const int label = is_wnid(value) ? imagenet_label(value) : number_label(value);
    if (label < 0) fail(Code::bad_format, where, ":", number, ": expected 'name label', found ", in_quotes(line));
    if (!labels.emplace(std::filesystem::path(line.substr(0, split)).filename().string(), label).second)
      fail(Code::bad_format, where, ":", number, ": ", in_quotes(line.substr(0, split)), " is listed twice");
  }
  return labels;
}

}  // namespace regnet
