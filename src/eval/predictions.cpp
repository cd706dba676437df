#include <regnet/eval/predictions.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <ostream>
#include <set>
#include <string_view>

#include <regnet/base/csv.hpp>
#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

namespace regnet {

namespace {

constexpr std::size_t ranks = 5;
constexpr std::size_t fixed_columns = 5;

std::vector<std::string> column_names() {
  std::vector<std::string> names{"index", "of", "image", "label", "error"};
  for (std::size_t rank = 1; rank <= ranks; ++rank) {
    names.push_back(text("class", rank));
    names.push_back(text("logit", rank));
  }
  names.push_back("probability");
  return names;
}

std::string shortest(float value) {
  std::array<char, 32> digits;
  return {digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr};
}

template <class Number>
bool parse(const std::string& field, Number& number) {
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
  return error == std::errc{} && end == field.data() + field.size();
}

// Returns what is wrong, or nothing.
const char* parse_row(const std::vector<std::string>& fields, ImageResult& result, int& total) {
  if (fields.size() != fixed_columns + 2 * ranks + 1) return "expected 16 fields";
  if (!parse(fields[0], result.index) || !parse(fields[1], total) || result.index < 1 || result.index > total)
    return "expected an index from 1 up, and of how many";
  --result.index;
  result.image = fields[2];
  if (result.image.empty()) return "expected the name of an image";
  if (!parse(fields[3], result.label) || result.label < 0) return "expected a label from 0 up";
  result.answer.error = fields[4];
  for (std::size_t rank = 0; rank < ranks; ++rank) {
    const std::string& class_field = fields[fixed_columns + 2 * rank];
    const std::string& logit_field = fields[fixed_columns + 2 * rank + 1];
    if (class_field.empty() && logit_field.empty()) continue;
    int class_index = 0;
    float logit = 0;
    if (!parse(class_field, class_index) || class_index < 0 || !parse(logit_field, logit) || !std::isfinite(logit))
      return "expected a class and its logit";
    if (result.answer.top.size() != rank) return "expected classes without gaps, best first";
    result.answer.top.push_back(class_index);
    result.answer.logits.push_back(logit);
  }
  const std::string& probability = fields.back();
  if (result.answer.top.empty()
          ? !probability.empty()
          : !parse(probability, result.answer.probability) || !(result.answer.probability >= 0 && result.answer.probability <= 1))
    return "expected the probability of the first class";
  return result.answer.error.empty() == result.answer.top.empty() ? "expected either classes or an error" : nullptr;
}

}  // namespace

Counts count(const std::vector<ImageResult>& images, bool skip_errors) {
  Counts counts;
  for (const ImageResult& result : images) counts.add(result.answer, result.label, skip_errors);
  return counts;
}

std::string predictions_header() {
  std::string line;
  for (const std::string& name : column_names()) line += (line.empty() ? "" : ",") + name;
  return line + '\n';
}

void write_predictions(const Predictions& predictions, std::ostream& out) {
  out << predictions_header();
  write_rows(predictions, out);
}

void write_rows(const Predictions& predictions, std::ostream& out) {
  std::string line;
  for (const ImageResult& result : predictions.images) {
    line = text(result.index + 1, ',', predictions.total, ',', csv_field(result.image), ',', result.label, ',', csv_field(result.answer.error));
    for (std::size_t rank = 0; rank < ranks; ++rank) {
      if (rank < result.answer.top.size()) line += text(',', result.answer.top[rank], ',', shortest(result.answer.logits[rank]));
      else line += ",,";
    }
    line += result.answer.top.empty() ? "," : text(',', shortest(result.answer.probability));
    out << line << '\n';
  }
}

Predictions read_predictions(const std::filesystem::path& path) {
  const MappedFile file(path);
  return parse_predictions({reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()}, path.string());
}

Predictions parse_predictions(std::string_view text, const std::string& where) {
  CsvReader reader(text);
  std::vector<std::string> fields;
  const auto refuse = [&](const auto&... parts) { fail(Code::bad_format, where, ":", std::max(reader.line(), 1), ": ", parts...); };
  if (reader.at_end() || !reader.read(fields) || fields != column_names()) refuse("expected the line of names that regnet eval --predictions writes");
  Predictions predictions;
  while (!reader.at_end()) {
    ImageResult result;
    int total = 0;
    const char* fault = reader.read(fields) ? parse_row(fields, result, total) : "a quotation mark without its partner";
    if (fault) refuse(fault, fields.size() > 2 ? regnet::text(", for image ", in_quotes(fields[2])) : "; is the file truncated?");
    if (!predictions.images.empty() && total != predictions.total)
      refuse("of ", total, " images, of which the lines before have ", predictions.total);
    predictions.total = total;
    predictions.images.push_back(std::move(result));
  }
  return predictions;
}

namespace {

// "2/4" for the predictions of a shard: every fourth image from the second on. Empty when they are nothing of the kind.
std::string shard_name(const Predictions& shard) {
  if (shard.images.size() < 2) return "";
  const int first = shard.images[0].index, step = shard.images[1].index - first;
  for (std::size_t i = 0; i < shard.images.size(); ++i)
    if (shard.images[i].index != first + static_cast<int>(i) * step) return "";
  return first < step ? text(first + 1, '/', step) : "";
}

// The shards that are not there, when all others are of one division: "; shards 1/4, 3/4 are not among the files".
std::string missing_shards(const std::vector<Predictions>& shards) {
  std::set<std::string> names;
  std::string of;
  for (const Predictions& shard : shards) {
    const std::string name = shard_name(shard);
    if (name.empty()) return "?";
    const std::string division = name.substr(name.find('/') + 1);
    if (!of.empty() && of != division) return "?";
    of = division;
    names.insert(name);
  }
  std::string missing;
  for (int number = 1; number <= std::stoi(of); ++number)
    if (const std::string name = text(number, '/', of); !names.contains(name)) missing += (missing.empty() ? "" : ", ") + name;
  return missing.empty() ? "?" : "? Not among the files: shard " + missing;
}

std::string doubled_shard(const std::vector<Predictions>& shards) {
  std::set<std::string> names;
  for (const Predictions& shard : shards)
    if (const std::string name = shard_name(shard); !name.empty() && !names.insert(name).second) return "shard " + name + " is given twice";
  return "is a shard given twice?";
}

}  // namespace

Predictions merge(const std::vector<Predictions>& shards) {
  Predictions whole;
  for (const Predictions& shard : shards) {
    if (shard.images.empty()) continue;
    if (whole.images.empty()) whole.total = shard.total;
    if (shard.total != whole.total) fail(Code::mismatch, "shards of different data sets: of ", whole.total, " and of ", shard.total, " images");
    whole.images.insert(whole.images.end(), shard.images.begin(), shard.images.end());
  }
  if (whole.images.empty()) fail(Code::mismatch, "there are no predictions");
  std::stable_sort(whole.images.begin(), whole.images.end(), [](const ImageResult& a, const ImageResult& b) { return a.index < b.index; });
  for (std::size_t i = 1; i < whole.images.size(); ++i)
    if (whole.images[i].index == whole.images[i - 1].index)
      fail(Code::mismatch, "image ", whole.images[i].index + 1, " (", in_quotes(whole.images[i].image), ") comes twice: ", doubled_shard(shards));
  if (static_cast<int>(whole.images.size()) == whole.total) return whole;
  int missing = 0;
  while (missing < static_cast<int>(whole.images.size()) && whole.images[static_cast<std::size_t>(missing)].index == missing) ++missing;
  fail(Code::mismatch, whole.total - static_cast<int>(whole.images.size()), " of ", whole.total, " images are missing, the first is number ",
       missing + 1, ": is a shard lost", missing_shards(shards));
}

}  // namespace regnet
