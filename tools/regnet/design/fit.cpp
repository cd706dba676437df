#include <iomanip>
#include <iostream>

#include <regnet/design/fit.hpp>

#include "design/design.hpp"
#include "design/rows.hpp"
#include "json.hpp"

namespace {

struct FitOptions {
  std::vector<std::string> designs;
  bool before_groups = false;
  std::string output = "table";
};

int run(const FitOptions& options) {
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const std::string& name : options.designs) {
    const regnet::Design design = read_row(name).design;
    const regnet::Fit fit = regnet::fit(design.stages, !options.before_groups);
    list.push_back({{"stages", to_string(design.stages)},
                    {"fit", to_string(fit.params)},
                    {"fit_stages", to_string(to_stages(fit.params))},
                    {"e_fit", fit.e_fit},
                    {"same", fit.same}});
  }
  if (options.output == "json") {
    print(list);
    return exit_done;
  }
  for (const auto& row : list)
    std::cout << row["stages"].get<std::string>() << "\n  " << row["fit"].get<std::string>() << "  e_fit " << std::fixed << std::setprecision(4)
              << row["e_fit"].get<double>()
              << (row["same"] == true ? ", the same network\n" : ", which makes " + row["fit_stages"].get<std::string>() + '\n');
  return exit_done;
}

}  // namespace

Command add_design_fit(CLI::App& design) {
  CLI::App* app = design.add_subcommand("fit", "The w0, wa and wm that come nearest to given stages");
  auto options = std::make_shared<FitOptions>();
  app->add_option("design", options->designs, "Stages (ds=1-2-7-12,ws=32-64-160-384,gs=16), names, designs, or pycls's FILE.yaml")
      ->type_name("DESIGN")
      ->required();
  app->add_flag("--before-groups", options->before_groups,
                "Compare widths before they are fitted to their groups, as the paper does with free widths");
  add_output(*app, options->output, {"table", "json"});
  return {app, [options] { return run(*options); }};
}
