// The file that "regnet tune" keeps.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <regnet/plan/tune.hpp>

inline constexpr const char* tuning_help =
    "Kernels that \"regnet tune\" found; those of another CPU, version, batch or number of threads are not used";

// Throws regnet::Error with the file in front.
std::vector<regnet::Tuning> read_tunings(const std::string& file);

// Of the entry that fits this machine and session; without one, a note on stderr, and the rule decides. Empty for no file.
std::map<std::string, std::string> tuned_ways(const std::string& file, const regnet::SessionOptions& session, bool quiet);
