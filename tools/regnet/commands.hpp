// The subcommands. Each adds itself to the command line and returns what to do when it is chosen; that returns the exit code.
#pragma once

#include <functional>

#include <CLI/CLI.hpp>

enum Exit { exit_done = 0, exit_failed_check = 1, exit_bad_input = 2, exit_some_failed = 3 };

using Run = std::function<int()>;

struct Command {
  CLI::App* app = nullptr;
  Run run;
};

Command add_info(CLI::App& regnet);
Command add_inspect(CLI::App& regnet);
Command add_convert(CLI::App& regnet);
Command add_predict(CLI::App& regnet);
Command add_preprocess(CLI::App& regnet);
Command add_eval(CLI::App& regnet);
