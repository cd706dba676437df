#include "progress.hpp"

#include <iomanip>
#include <iostream>
#include <sstream>

#include <unistd.h>

ProgressLine::ProgressLine(std::string what, bool quiet) : x_what(std::move(what)), x_quiet(quiet), x_terminal(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::update(int done, int total, const std::string& result) {
  if (x_quiet) return;
  const Clock::time_point now = Clock::now();
  const bool finished = done == total;
  const auto interval = x_terminal ? std::chrono::milliseconds(100) : std::chrono::milliseconds(5000);
  if (!finished && now - x_shown < interval) return;
  x_shown = now;
  const double seconds = std::chrono::duration<double>(now - x_start).count();
  const double rate = seconds > 0 ? done / seconds : 0;
  std::ostringstream line;
  line << x_what << ' ' << done << '/' << total << std::fixed << std::setprecision(1) << "  " << rate << " images/s";
  if (!finished && rate > 0) line << "  " << std::setprecision(0) << (total - done) / rate << " s left";
  line << "  " << result;
  if (!x_terminal) {
    std::cerr << line.str() << std::endl;
    return;
  }
  constexpr int width = 24;
  const int filled = total > 0 ? static_cast<int>(static_cast<long long>(width) * done / total) : width;
  std::cerr << "\r[" << std::string(static_cast<std::size_t>(filled), '#') << std::string(static_cast<std::size_t>(width - filled), '.') << "] "
            << line.str() << "\x1b[K" << (finished ? "\n" : "") << std::flush;
}
