// manual: the definition of the command line in; its man page, or its completion for bash, out. What they say of subcommands and options stands nowhere else.
#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

// What an option or argument takes, as its definition says.
struct OptionValue {
  std::string name;                  // as --help writes it, such as FILE; empty for a flag
  std::vector<std::string> choices;  // all that it can be; empty where that is no list
  std::string range;                 // "from 1 to 4096", or empty
  bool many = false;                 // takes what follows, up to the next option
};

OptionValue value_of(const CLI::Option& option);

// "regnet design sample"
std::string full_name(const CLI::App& app);

// In groff's man macros. The same bytes on every machine; it has no date, since that would have to come from a clock.
std::string man_page(const CLI::App& command);

// A script for bash 4.2 or newer, with or without the package bash-completion.
std::string bash_completion(const CLI::App& command);
