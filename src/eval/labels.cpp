#include "eval/labels.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/imagenet.hpp>

namespace regnet {

namespace {

struct Line {
  std::string_view text;
  int number = 0;
};

std::vector<Line> lines_of(std::string_view text) {
  std::vector<Line> lines;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    while (!line.empty() && (line.back() == '\r' || line.back() == ' ' || line.back() == '\t')) line.remove_suffix(1);
    if (!line.empty() && line[0] != '#') lines.push_back({line, number});
  }
  return lines;
}

int label_of(std::string_view value) { return is_wnid(value) ? imagenet_label(value) : number_label(value); }

// "name,wnid 85 1 499 272": the boxes behind the id are for detection.
bool split_boxes(std::string_view line, std::string_view& name, std::string_view& value) {
  const std::size_t comma = line.find(',');
  if (comma == std::string_view::npos) return false;
  name = line.substr(0, comma);
  value = line.substr(comma + 1);
  const std::size_t space = value.find(' ');
  if (space == std::string_view::npos || !is_wnid(value.substr(0, space))) return false;
  value = value.substr(0, space);
  return true;
}

Labels parse_names(const std::vector<Line>& lines, const std::string& where, LabelOrder order) {
  Labels labels{"names and labels", {}, {}};
  for (const auto& [line, number] : lines) {
    std::string_view name, value;
    if (!split_boxes(line, name, value)) {
      const std::size_t split = line.find_last_of(" ,\t");
      name = line.substr(0, split == std::string_view::npos ? 0 : split);
      value = line.substr(split == std::string_view::npos ? 0 : split + 1);
    }
    int label = name.empty() ? -1 : label_of(value);
    if (label < 0) fail(Code::bad_format, where, ":", number, ": expected 'name label', found ", in_quotes(line));
    if (order == LabelOrder::ilsvrc && !is_wnid(value)) label = devkit_label(label);
    if (label < 0) fail(Code::bad_format, where, ":", number, ": expected an ILSVRC2012_ID from 1 to 1000, found ", in_quotes(value));
    if (!labels.by_name.emplace(image_key(std::string(name)), label).second)
      fail(Code::bad_format, where, ":", number, ": ", in_quotes(name), " is listed twice");
  }
  return labels;
}

Labels parse_list(const std::vector<Line>& lines, const std::string& where, LabelOrder order) {
  const bool wnids = is_wnid(lines[0].text);
  Labels labels{wnids ? "a WordNet id per line" : "a number per line", {}, {}};
  for (const auto& [line, number] : lines) {
    const int label = wnids == is_wnid(line) ? label_of(line) : -1;
    if (label < 0)
      fail(Code::bad_format, where, ":", number, ": expected a ", wnids ? "WordNet id of ImageNet" : "number", ", found ", in_quotes(line));
    labels.by_order.push_back(label);
  }
  if (wnids || order == LabelOrder::classes) return labels;
  const auto [least, most] = std::minmax_element(labels.by_order.begin(), labels.by_order.end());
  if (order == LabelOrder::automatic && *least == 0) return labels;
  if (order == LabelOrder::automatic && *most < 1000)
    fail(Code::invalid_argument, where, ": numbers from ", *least, " to ", *most,
         " could be class indices or ids of ILSVRC's development kit; say which with --labels-order");
  labels.form = "an ILSVRC2012_ID per line";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const int id = labels.by_order[i];
    labels.by_order[i] = devkit_label(id);
    if (labels.by_order[i] < 0) fail(Code::bad_format, where, ":", lines[i].number, ": expected an ILSVRC2012_ID from 1 to 1000, found ", id);
  }
  return labels;
}

}  // namespace

bool is_image_name(const std::string& name) {
  static constexpr std::array extensions{".jpg", ".jpeg", ".jpe", ".png", ".gif", ".webp", ".bmp", ".tif", ".tiff"};
  std::string extension = std::filesystem::path(name).extension().string();
  for (char& c : extension)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return std::find(extensions.begin(), extensions.end(), extension) != extensions.end();
}

std::string image_key(const std::string& name) {
  const std::filesystem::path path(name);
  return (is_image_name(name) ? path.stem() : path.filename()).string();
}

int image_number(const std::string& key) {
  const std::size_t underscore = key.rfind('_');
  return underscore != std::string::npos && key.size() - underscore == 9 ? number_label(std::string_view(key).substr(underscore + 1)) : -1;
}

bool is_wnid(std::string_view name) {
  return name.size() == 9 && name[0] == 'n' && name.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

int imagenet_label(std::string_view wnid) {
  const auto classes = imagenet_classes();
  const auto found = std::lower_bound(classes.begin(), classes.end(), wnid, [](const ImagenetClass& a, std::string_view b) { return a.wnid < b; });
  return found == classes.end() || found->wnid != wnid ? -1 : static_cast<int>(found - classes.begin());
}

int devkit_label(int id) {
  const auto classes = imagenet_classes();
  const auto found = std::find_if(classes.begin(), classes.end(), [id](const ImagenetClass& candidate) { return candidate.devkit_id == id; });
  return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
}

int number_label(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return text.empty() || error != std::errc{} || end != text.data() + text.size() || value < 0 ? -1 : value;
}

Labels parse_labels(std::string_view text, const std::string& where, LabelOrder order) {
  std::vector<Line> lines = lines_of(text);
  if (!lines.empty() && lines[0].text == "ImageId,PredictionString") lines.erase(lines.begin());
  if (lines.empty()) fail(Code::bad_format, where, ": expected labels, found none");
  const bool list =
      std::all_of(lines.begin(), lines.end(), [](const Line& line) { return line.text.find_first_of(" ,\t") == std::string_view::npos; });
  return list ? parse_list(lines, where, order) : parse_names(lines, where, order);
}

}  // namespace regnet
