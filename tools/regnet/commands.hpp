// The subcommands. Each adds itself to the command line and returns what to do when it is chosen; that returns the exit code.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

enum Exit { exit_done = 0, exit_failed_check = 1, exit_bad_input = 2, exit_some_failed = 3, exit_interrupted = 130 };

inline constexpr const char* weights_key_help =
    "Which weights of a PyTorch file: model, ema (averaged), auto (what its framework would take) or an entry's name such as model_state";

inline constexpr const char* dtype_help =
    "What is multiplied: f32, bf16 (CPUs with AMX or AVX512-BF16), int8 (CPUs with AVX2; of weights that \"regnet quantize\" wrote), or auto (the "
    "fastest); without "
    "it f32";
inline const std::set<std::string> dtype_names{"auto", "bf16", "f32", "int8"};

using Run = std::function<int()>;

struct Command {
  CLI::App* app = nullptr;
  Run run;
};

// The option for the form of the results on stdout; `form` holds the default.
inline void add_output(CLI::App& app, std::string& form, const std::vector<std::string>& forms) {
  app.add_option("-o,--output", form, "How the results are printed")->check(CLI::IsMember(forms))->capture_default_str();
}

Command add_info(CLI::App& regnet);
Command add_inspect(CLI::App& regnet);
Command add_convert(CLI::App& regnet);
Command add_compile(CLI::App& regnet);
Command add_quantize(CLI::App& regnet);
Command add_tune(CLI::App& regnet);
Command add_predict(CLI::App& regnet);
Command add_preprocess(CLI::App& regnet);
Command add_eval(CLI::App& regnet);
Command add_compare(CLI::App& regnet);
Command add_verify(CLI::App& regnet);
Command add_doctor(CLI::App& regnet);
Command add_bench(CLI::App& regnet);
Command add_design(CLI::App& regnet);
Command add_manual(CLI::App& regnet);
