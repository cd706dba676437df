// The subcommands of "regnet design". Each adds itself and returns what to do when it is chosen.
#pragma once

#include "commands.hpp"

Command add_design_generate(CLI::App& design);
Command add_design_explain(CLI::App& design);
Command add_design_spaces(CLI::App& design);
Command add_design_sample(CLI::App& design);
Command add_design_merge(CLI::App& design);
Command add_design_edf(CLI::App& design);
Command add_design_fit(CLI::App& design);
Command add_design_scale(CLI::App& design);
Command add_design_pareto(CLI::App& design);
Command add_design_report(CLI::App& design);
Command add_design_export(CLI::App& design);
