#include <regnet/design/published.hpp>

#include <algorithm>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/design/zoo.hpp>

#include "design/published_texts.hpp"

namespace regnet {

namespace {

using nlohmann::json;

constexpr std::size_t largest_text = 1 << 12;  // a row takes 200 bytes; the bound keeps hostile nesting shallow

class Fields {
 public:
  Fields(std::string_view name, json object) : x_name(name), x_object(std::move(object)) {
    if (!x_object.is_object()) refuse("expected a JSON object, found ", x_object.is_discarded() ? "bytes that are no JSON" : x_object.type_name());
  }

  std::string take_string(const char* key) {
    const json value = take(key);
    if (!value.is_string() || value.get_ref<const std::string&>().empty()) refuse(key, ": expected a string, found ", printable(value.dump()));
    return value.get<std::string>();
  }

  double take_percentage(const char* key) {
    const json value = take(key);
    if (!value.is_number() || value < 0 || value > 100) refuse(key, ": expected a percentage, found ", printable(value.dump()));
    return value.get<double>();
  }

  int take_pixels(const char* key) {
    if (!x_object.contains(key)) return 0;
    const json value = take(key);
    if (!value.is_number_unsigned() || value < 1 || value > 16384) refuse(key, ": expected a number of pixels, found ", printable(value.dump()));
    return value.get<int>();
  }

  void expect_none_left() const {
    if (!x_object.empty()) refuse("unknown key ", in_quotes(x_object.begin().key()));
  }

 private:
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail(Code::bad_format, "config ", printable(x_name), ": ", parts...);
  }

  json take(const char* key) {
    const auto found = x_object.find(key);
    if (found == x_object.end()) refuse("key '", key, "' is missing");
    json value = *found;
    x_object.erase(found);
    return value;
  }

  std::string_view x_name;
  json x_object;
};

std::size_t place_in_zoo(const PublishedAccuracy& row) {
  return static_cast<std::size_t>(std::find_if(zoo.begin(), zoo.end(), [&](const ZooEntry& entry) { return entry.name == row.model; }) - zoo.begin());
}

}  // namespace

PublishedAccuracy parse_published(std::string_view name, std::string_view text) {
  if (text.size() > largest_text)
    fail(Code::bad_format, "config ", printable(name), ": expected at most ", largest_text, " bytes, found ", text.size());
  Fields fields(name, json::parse(text, nullptr, false));
  PublishedAccuracy row;
  row.name = name;
  try {
    row.model = find_design(fields.take_string("model")).name;
  } catch (const Error& error) {
    if (error.code() == Code::bad_format) throw;  // it names the config itself
    fail(error.code(), "config ", printable(name), ": ", error.what());
  }
  row.preset = fields.take_string("preset");
  row.resize = fields.take_pixels("resize");
  row.file = fields.take_string("file");
  row.top1 = fields.take_percentage("top1");
  row.top5 = fields.take_percentage("top5");
  row.source = fields.take_string("source");
  fields.expect_none_left();
  if (row.top5 < row.top1) fail(Code::bad_format, "config ", printable(name), ": top5: expected at least top1, ", row.top1, ", found ", row.top5);
  return row;
}

std::span<const PublishedAccuracy> published_accuracies() {
  static const std::vector<PublishedAccuracy> rows = [] {
    std::vector<PublishedAccuracy> parsed;
    for (const detail::PublishedText& text : detail::published_texts()) parsed.push_back(parse_published(text.name, text.json));
    std::stable_sort(parsed.begin(), parsed.end(),
                     [](const PublishedAccuracy& a, const PublishedAccuracy& b) { return place_in_zoo(a) < place_in_zoo(b); });
    return parsed;
  }();
  return rows;
}

const PublishedAccuracy* find_published(std::string_view name) {
  for (const PublishedAccuracy& row : published_accuracies())
    if (row.name == name) return &row;
  return nullptr;
}

}  // namespace regnet
