#include "manual.hpp"

#include <iostream>
#include <sstream>

#include "commands.hpp"

OptionValue value_of(const CLI::Option& option) {
  OptionValue value;
  if (option.get_items_expected_max() == 0) return value;
  // CLI11 appends what each check says of itself: "TEXT:{own,onednn}", "INT:INT in [1 - 4096]", "FLOAT:POSITIVE".
  const std::string type = option.get_type_name();
  const std::size_t colon = type.find(':');
  value.name = type.substr(0, colon);
  value.many = option.get_items_expected_max() > 1;
  if (colon == std::string::npos) return value;
  std::string check = type.substr(colon + 1);
  if (check.starts_with('{') && check.ends_with('}')) {
    std::istringstream names(check.substr(1, check.size() - 2));
    for (std::string name; std::getline(names, name, ',');) value.choices.push_back(name);
  } else if (const std::size_t open = check.find(" in ["), middle = check.find(" - ", open); middle != std::string::npos) {
    value.range = "from " + check.substr(open + 5, middle - open - 5) + " to " + check.substr(middle + 3, check.size() - middle - 4);
  } else {
    value.range = check == "POSITIVE" ? "above 0" : check;
  }
  return value;
}

std::string full_name(const CLI::App& app) { return app.get_parent() ? full_name(*app.get_parent()) + ' ' + app.get_name() : app.get_name(); }

Command add_manual(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("manual", "The man page of this command, or its completion for bash");
  auto form = std::make_shared<std::string>("man");
  app->add_option("-o,--output", *form,
                  "man, to be read with \"regnet manual | man -l -\", or bash, to be loaded with \"source <(regnet manual -o bash)\"")
      ->check(CLI::IsMember({"man", "bash"}))
      ->capture_default_str();
  return {app, [form, &regnet] {
            std::cout << (*form == "man" ? man_page(regnet) : bash_completion(regnet));
            return static_cast<int>(exit_done);
          }};
}
