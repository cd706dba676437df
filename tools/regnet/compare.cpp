#include <iomanip>
#include <iostream>

#include <regnet/eval/compare.hpp>

#include "commands.hpp"
#include "json.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct CompareOptions {
  std::string a, b, output = "text";
};

Json to_json(const regnet::Comparison& comparison) {
  Json changes = Json::array();
  for (const auto& change : comparison.changes)
    changes.push_back({{"image", change.image}, {"label", change.label}, {"a", change.a}, {"b", change.b}});
  const double n = comparison.images;
  return {{"images", comparison.images},
          {"only_in_a", comparison.only_in_a},
          {"only_in_b", comparison.only_in_b},
          {"agreement", comparison.agree / n},
          {"a_top1", comparison.a_correct / n},
          {"b_top1", comparison.b_correct / n},
          {"difference", (comparison.b_correct - comparison.a_correct) / n},
          {"a_alone", comparison.a_alone},
          {"b_alone", comparison.b_alone},
          {"mcnemar_p", comparison.p_value},
          {"changes", changes}};
}

void print_text(const regnet::Comparison& comparison) {
  const double n = comparison.images;
  std::cout << std::fixed << std::setprecision(2) << comparison.images << " images in both runs";
  if (comparison.only_in_a + comparison.only_in_b > 0)
    std::cout << " (" << comparison.only_in_a << " only in the first, " << comparison.only_in_b << " only in the second)";
  std::cout << "\nagreement   " << 100 * comparison.agree / n << "%  (" << comparison.changes.size() << " answers differ)\n"
            << "top-1       " << 100 * comparison.a_correct / n << "% and " << 100 * comparison.b_correct / n << "%, a difference of " << std::showpos
            << 100 * (comparison.b_correct - comparison.a_correct) / n << std::noshowpos << " points\n"
            << "right alone " << comparison.a_alone << " and " << comparison.b_alone << "; McNemar's exact p = " << std::defaultfloat
            << std::setprecision(3) << comparison.p_value << (comparison.p_value < 0.05 ? "" : ": no more than chance would give") << '\n';
  constexpr std::size_t limit = 20;
  for (std::size_t i = 0; i < comparison.changes.size() && i < limit; ++i) {
    const auto& change = comparison.changes[i];
    std::cout << "  " << change.image << "  label " << change.label << ": " << change.a << " and " << change.b << '\n';
  }
  if (comparison.changes.size() > limit) std::cout << "  and " << comparison.changes.size() - limit << " more (-o json lists all)\n";
}

int run(const CompareOptions& options) {
  const regnet::Comparison comparison = regnet::compare(regnet::read_predictions(options.a), regnet::read_predictions(options.b));
  if (options.output == "json") print(to_json(comparison));
  else print_text(comparison);
  return exit_done;
}

}  // namespace

Command add_compare(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("compare", "Two runs over the same images: agreement, and whether their accuracies really differ");
  auto options = std::make_shared<CompareOptions>();
  app->add_option("a", options->a, "A file of eval --predictions")->type_name("FILE")->required();
  app->add_option("b", options->b, "Another, over the same images")->type_name("FILE")->required();
  add_output(*app, options->output, {"text", "json"});
  return {app, [options] { return run(*options); }};
}
