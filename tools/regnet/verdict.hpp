// verdict: a measured accuracy held against a published one, for one row or for a table of rows.
#pragma once

#include <string>
#include <vector>

#include <regnet/design/published.hpp>
#include <regnet/eval/metrics.hpp>

#include "eval.hpp"

// The row of the binary with this name, or that of a file ending in .json. Throws regnet::Error, listing near names.
regnet::PublishedAccuracy published_row(const std::string& name);

// Those whose names fit a pattern with * and ?, in the order of published_accuracies.
std::vector<regnet::PublishedAccuracy> published_rows(const std::string& pattern);

// {config, published_top1, published_top5, published_file, source, sha256_matches, n, measured_top1, measured_top5, interval_top1, interval_top5, difference,
// difference_top5, tolerance, verdict, explanation}. The verdict is reproduced (all 50,000 images; top-1 and top-5 within half a unit of the last published digit and five
// images), compatible (fewer images: both published numbers lie in the 95% intervals), too few images (below 200), not reproduced, other weights (by the sha256 in the
// file's name), or partial. Throws mismatch for a network of other than 1000 classes.
Json verdict(const regnet::PublishedAccuracy& row, const Outcome& outcome, const regnet::Counts& counts);

// Whether it says that something is wrong.
bool is_failure(const Json& verdict);

std::string in_words(const Json& verdict, int images);

// A whole table: the command `eval --configs PATTERN --weights-dir DIR`. Returns the exit code.
int run_table(const EvalOptions& options);
