// Progress on stderr: a bar with rate and time left on a terminal, a line every few seconds elsewhere, nothing when quiet.
#pragma once

#include <chrono>
#include <string>

class ProgressLine {
 public:
  ProgressLine(std::string what, bool quiet);
  void update(int done, int total, const std::string& result);

 private:
  using Clock = std::chrono::steady_clock;
  std::string x_what;
  bool x_quiet;
  bool x_terminal;
  Clock::time_point x_start = Clock::now();
  Clock::time_point x_shown = x_start;
};
