#include "tuning.hpp"

#include <fstream>
#include <iostream>
#include <iterator>

#include <regnet/base/error.hpp>

std::vector<regnet::Tuning> read_tunings(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  if (!in) regnet::fail(regnet::Code::not_found, file, ": cannot be read");
  const std::string content{std::istreambuf_iterator<char>(in), {}};
  try {
    return regnet::tunings_from_json(content);
  } catch (const regnet::Error& error) {
    regnet::fail(error.code(), file, ": ", error.what());
  }
}

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
