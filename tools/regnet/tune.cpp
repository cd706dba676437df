// tune: measures which way each convolution is fastest here, and keeps it in a file for --tuning.
#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iostream>

#include <regnet/design/zoo.hpp>
#include <regnet/weights/synthetic.hpp>

#include "commands.hpp"
#include "table.hpp"
#include "tuning.hpp"

namespace {

struct TuneOptions {
  std::vector<std::string> models;
  std::string out;
  double seconds = 3;
  int batch = 1, threads = 0, resolution = 224;
  bool quiet = false;
};

// What was measured now goes before what a file has of the same shapes.
void merge(std::vector<regnet::Tuning>& kept, const regnet::Tuning& measured) {
  auto known = std::find_if(kept.begin(), kept.end(), [&](const regnet::Tuning& one) { return one.fits(measured); });
  if (known == kept.end())
    known = kept.insert(known, regnet::Tuning{measured.cpu, measured.instructions, measured.version, measured.threads, measured.batch, {}});
  for (const regnet::TunedLayer& layer : measured.layers) {
    std::erase_if(known->layers, [&](const regnet::TunedLayer& one) { return one.shape == layer.shape; });
    known->layers.push_back(layer);
  }
}

int run(const TuneOptions& options) {
  std::vector<regnet::Tuning> tunings;
  if (!options.out.empty() && std::filesystem::exists(options.out)) tunings = read_tunings(options.out);
  std::cout << "| Network | Layers | Direct ms | Winograd | Transformed | Rule | Best |\n|---|---|---:|---:|---:|---|---|\n";
  for (const std::string& name : options.models) {
    const regnet::Design design = regnet::find_design(name);
    const regnet::Graph graph = regnet::build(design.stages, {.resolution = options.resolution});
    const regnet::SessionOptions session{options.batch, options.threads};
    const regnet::Tuning tuning = regnet::tune(regnet::bind(graph, regnet::synthetic_weights(regnet::parameters(graph))), session, options.seconds);
    for (const regnet::TunedLayer& layer : tuning.layers)
      std::cout << "| " << design.name << " | " << layer.count << " x " << layer.shape << " | " << fixed(layer.ms.at("direct"), 3) << " | "
                << fixed(layer.ms.at("winograd"), 3) << " | " << fixed(layer.ms.at("winograd-transformed"), 3) << " | " << layer.rule << " | "
                << layer.best << (layer.best == layer.rule ? "" : " (differs)") << " |\n";
    merge(tunings, tuning);
  }
  if (options.out.empty()) return exit_done;
  std::ofstream file(options.out);
  file << regnet::to_json(tunings) << '\n';
  file.close();
  if (!file) regnet::fail(regnet::Code::io, options.out, ": cannot be written");
  if (!options.quiet) std::cerr << "kept in " << options.out << "; use it with --tuning\n";
  return exit_done;
}

}  // namespace

Command add_tune(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("tune", "Measures which kernel is the fastest for each layer, inside the running network");
  auto options = std::make_shared<TuneOptions>();
  app->add_option("-m,--model", options->models, "Networks or designs")->type_name("MODEL")->required();
  app->add_option("-b,--batch", options->batch, "Images per run")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("-t,--threads", options->threads, "Threads; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app->add_option("--resolution", options->resolution, "Side of the images")->check(CLI::Range(1, 4096))->capture_default_str();
  app->add_option("--seconds", options->seconds, "Seconds of measuring for each network")->check(CLI::Range(0.001, 3600.0))->capture_default_str();
  app->add_option("--out", options->out, "File to keep the choices in; other entries of it stay")->type_name("FILE");
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  return {app, [options] { return run(*options); }};
}
