#include "tuning.hpp"

#include <iostream>

#include "text_file.hpp"

std::vector<regnet::Tuning> read_tunings(const std::string& file) { return read_file(file, regnet::tunings_from_json); }

std::map<std::string, std::string> tuned_ways(const std::string& file, const regnet::SessionOptions& session, bool quiet) {
  if (file.empty()) return {};
  const regnet::Tuning wanted = regnet::tuning_key(session);
  for (const regnet::Tuning& tuning : read_tunings(file))
    if (tuning.fits(wanted)) return tuning.ways();
  if (!quiet)
    std::cerr << "regnet: note: " << file << " has no entry for " << wanted.cpu << ", " << wanted.instructions << ", " << wanted.threads
              << " threads, batch " << wanted.batch << ", regnet " << wanted.version << "; the rule decides\n";
  return {};
}
