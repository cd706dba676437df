// report: the results of a run as one HTML page that needs nothing else.
#pragma once

#include <string>

#include "eval.hpp"

// `results` are those of results_json, with the verdict as "published" where there is one. Thumbnails are there when the run's images are.
std::string report_page(const Json& results, const Outcome& outcome, const std::vector<regnet::ImageResult>& counted);
