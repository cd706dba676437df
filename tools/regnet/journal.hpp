// journal: a file that grows with a run, so that a run that was killed goes on where it was. It holds what the run is of (one line of JSON) and then
// predictions; each batch is written when it is done and is on the disk within a second.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include <regnet/eval/predictions.hpp>

class Journal {
 public:
  // Opens or creates the file. What is damaged at its end, as a killed run or a lost machine leaves it, is cut off and done again. Throws regnet::Error mismatch,
  // naming the difference, when it is of another run.
  Journal(const std::string& path, const nlohmann::ordered_json& run, int total);
  ~Journal();
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Those that were there when the file was opened.
  [[nodiscard]] const std::vector<regnet::ImageResult>& known() const { return x_known; }

  // Called by one thread at a time. Throws regnet::Error io.
  void add(const std::vector<regnet::ImageResult>& results);

 private:
  void write(const std::string& text);

  std::string x_path;
  int x_total;
  int x_file = -1;
  std::vector<regnet::ImageResult> x_known;
  std::chrono::steady_clock::time_point x_synced = std::chrono::steady_clock::now();
};
