// predictions: what a run said about each image. Out of a data set and its answers in, a CSV file out, and back: counts, merging of shards and comparison
// of runs need nothing else.
#pragma once

#include <filesystem>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include <regnet/base/export.hpp>
#include <regnet/eval/evaluate.hpp>

namespace regnet {

// An image and what was said about it.
struct ImageResult {
  int index = 0;      // in the list of the whole data set, from 0
  std::string image;  // relative to the data set's folder
  int label = 0;
  Answer answer;
};

// A run, or a shard of one.
struct Predictions {
  int total = 0;  // images of the whole data set; more than images.size() in a shard
  std::vector<ImageResult> images;
};

// Counts right answers; `skip_errors` as in EvaluateOptions.
REGNET_API Counts count(const std::vector<ImageResult>& images, bool skip_errors);

// One line for each image after a line of names: index and of (from 1, of the whole data set), image, label, error, and class and logit of up to five classes,
// best first, and the probability of the first. Fields with commas, quotes or line ends are quoted as in RFC 4180; logits have the digits that give the same float again.
REGNET_API void write_predictions(const Predictions& predictions, std::ostream& out);

// The first line of what write_predictions writes, with its line end.
REGNET_API std::string predictions_header();

// The other lines.
REGNET_API void write_rows(const Predictions& predictions, std::ostream& out);

// Throws not_found or io, and bad_format with path and line for what write_predictions would not have written.
REGNET_API Predictions read_predictions(const std::filesystem::path& path);

// The same for the text of such a file; messages begin with `where`.
REGNET_API Predictions parse_predictions(std::string_view text, const std::string& where);

// The whole of several shards, in the order of the data set. Throws mismatch, naming images or shards, when some are missing, doubled, or of different data sets.
REGNET_API Predictions merge(const std::vector<Predictions>& shards);

}  // namespace regnet
