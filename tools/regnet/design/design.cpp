// design: the subcommands together, and those that only print what is known.
#include <iomanip>
#include <iostream>

#include <regnet/design/space.hpp>

#include "design/design.hpp"
#include "design/rows.hpp"
#include "json.hpp"

namespace {

struct GenerateOptions {
  std::vector<std::string> designs;
  NetworkChoice network;
  std::string output = "table";
};

int run(const GenerateOptions& options) {
  std::vector<DesignRow> rows;
  for (const std::string& design : options.designs) rows.push_back(read_row(design, options.network));
  print_rows(rows, options.output);
  return exit_done;
}

int print_spaces(const std::string& output) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const regnet::NamedSpace& space : regnet::spaces) {
    const regnet::SpaceSize size = regnet::size(space.space);
    list.push_back({{"name", space.name}, {"about", space.about}, {"paper_size", size.paper}, {"size", size.exact}});
  }
  if (output == "json") {
    print(list);
    return exit_done;
  }
  std::cout << std::left << std::setw(12) << "space" << std::right << std::setw(14) << "settings" << std::setw(20) << "as the paper counts"
            << "  what it is\n";
  for (const auto& space : list)
    std::cout << std::left << std::setw(12) << space["name"].get<std::string>() << std::right << std::setprecision(2) << std::scientific
              << std::setw(14) << space["size"].get<double>() << std::setw(20) << std::setprecision(1) << space["paper_size"].get<double>() << "  "
              << space["about"].get<std::string>() << '\n';
  return exit_done;
}

}  // namespace

Command add_design_generate(CLI::App& design) {
  CLI::App* app = design.add_subcommand("generate", "From numbers, a name or a pycls configuration to stages and costs");
  auto options = std::make_shared<GenerateOptions>();
  app->add_option("design", options->designs,
                  "Names, designs (w0=24,wa=24.48,wm=2.54,d=22,g=16), stages (ds=1-2-7-12,ws=32-64-160-384,gs=16), or pycls's FILE.yaml")
      ->type_name("DESIGN")
      ->required();
  app->add_option("--resolution", options->network.resolution, "Side of the input in pixels; without it 224, or what a configuration says");
  app->add_option("--classes", options->network.classes, "Number of classes; without it 1000, or what a configuration says");
  add_row_output(*app, options->output);
  return {app, [options] { return run(*options); }};
}

Command add_design_spaces(CLI::App& design) {
  CLI::App* app = design.add_subcommand("spaces", "The design spaces that can be sampled, and how large they are");
  auto output = std::make_shared<std::string>("table");
  add_output(*app, *output, {"table", "json"});
  return {app, [output] { return print_spaces(*output); }};
}

Command add_design(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("design", "The design space: generate, explain, sample, compare, fit, scale and choose networks");
  app->require_subcommand(1);
  const std::vector<Command> commands{add_design_generate(*app), add_design_explain(*app), add_design_spaces(*app), add_design_sample(*app),
                                      add_design_merge(*app),    add_design_edf(*app),     add_design_fit(*app),    add_design_scale(*app),
                                      add_design_pareto(*app),   add_design_report(*app),  add_design_export(*app)};
  return {app, [commands] {
            for (const Command& command : commands)
              if (command.app->parsed()) return command.run();
            return static_cast<int>(exit_bad_input);
          }};
}
