// regnet: the command. Parses, runs one subcommand, and turns every error into one line and an exit code.
#include <exception>
#include <filesystem>
#include <iostream>
#include <new>
#include <vector>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/image/decode.hpp>
#include <regnet/plan/plan.hpp>
#include <regnet/version.hpp>

#include "commands.hpp"

namespace {

std::string version_text() {
  const regnet::ThreadCount threads = regnet::default_threads();
  return regnet::text("regnet ", regnet::version(), " (", regnet::commit(), ")\n", regnet::engine_description(), "\n", regnet::decoder_versions(),
                      "\n", threads.count, " threads (", threads.source, ")");
}

int usage_error(const CLI::App& app, const CLI::ParseError& error) {
  if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {  // --help, --version
    app.exit(error);
    return std::cout.flush() ? exit_done : exit_bad_input;
  }
  std::string message = error.what();
  for (char& c : message)
    if (c == '\n') c = ' ';
  std::cerr << "regnet: " << message << " (regnet --help shows the usage)\n";
  return exit_bad_input;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"RegNetX on CPUs: from design numbers to logits to a measured accuracy"};
  app.name("regnet");
  app.require_subcommand(1);
  app.set_help_flag("-h,--help", "The usage of the command or, after a subcommand, of that one");
  app.set_version_flag("--version", version_text, "Version, commit, instruction set, libraries and threads");
  const std::vector<Command> commands{add_info(app),   add_inspect(app), add_convert(app),    add_compile(app), add_quantize(app),
                                      add_tune(app),   add_predict(app), add_preprocess(app), add_eval(app),    add_compare(app),
                                      add_verify(app), add_doctor(app),  add_bench(app),      add_design(app),  add_manual(app)};
  for (int i = 1; i < argc; ++i) {
    // A script's unset variable must not turn "these weights" into "the demo".
    if (*argv[i] != '\0') continue;
    std::cerr << "regnet: argument " << i << ": expected a value, found an empty one\n";
    return exit_bad_input;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return usage_error(app, error);
  }
  try {
    for (const Command& command : commands) {
      if (!command.app->parsed()) continue;
      const int exit_code = command.run();
      if (!std::cout.flush()) regnet::fail(regnet::Code::io, "stdout: cannot write the results");
      return exit_code;
    }
  } catch (const std::bad_alloc&) {
    std::cerr << "regnet: not enough memory (a smaller --batch, --crop or number of --threads needs less)\n";
  } catch (const std::filesystem::filesystem_error& error) {
    std::cerr << "regnet: " << error.path1().string() << ": " << error.code().message() << '\n';
  } catch (const std::exception& error) {
    std::cerr << "regnet: " << regnet::one_line(error.what(), 4000) << '\n';
  }
  return exit_bad_input;
}
