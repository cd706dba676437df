// How long networks take on this CPU: measured in turns, or foretold from a table of layers that is measured once and kept.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include <regnet/plan/latency.hpp>

#include "design/rows.hpp"

struct TimingOptions {
  std::string table, dtype = "f32";
  int batch = 1, threads = 0, resolution = 224;
};

// The options, so that a command can say what they go with.
std::vector<CLI::Option*> add_timing_options(CLI::App& app, TimingOptions& options);

class Foretold {
 public:
  // Reads the table, or measures it and keeps it; says so on stderr, with how far off it is, unless `quiet`.
  Foretold(const TimingOptions& options, bool quiet);
  [[nodiscard]] double ms(const std::vector<regnet::Stage>& stages) const;

 private:
  int x_resolution;
  std::unique_ptr<regnet::LatencyModel> x_model;
};

// Runs all of them in rounds for `seconds` each. Throws as measure_latencies does.
void measure_rows(std::vector<DesignRow>& rows, const TimingOptions& options, double seconds);
