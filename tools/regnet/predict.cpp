#include <algorithm>
#include <iomanip>
#include <iostream>

#include <regnet/base/foreign_text.hpp>
#include <regnet/image/preprocess.hpp>

#include "commands.hpp"
#include "image_list.hpp"
#include "json.hpp"
#include "model_choice.hpp"
#include "npy.hpp"

namespace {

using Json = nlohmann::ordered_json;

struct PredictOptions {
  ModelChoice model;
  std::vector<std::string> images;
  std::string logits, output = "text";
  int top = 5, threads = 0;
  bool quiet = false;
};

// One input of the network: an image file, or a row of a .npy file.
struct Result {
  std::string image;
  std::vector<regnet::Prediction> top;
  std::string error;
};

class Predictor {
 public:
  Predictor(const regnet::Model& model, const PredictOptions& options)
      : x_model(model),
        x_options(options),
        x_session(model.plan, {.batch = 1, .threads = options.threads}),
        x_input(static_cast<std::size_t>(model.plan.input_dims().count())),
        x_logits(static_cast<std::size_t>(model.plan.classes())) {}

  void add_image(const std::string& path) {
    listing_errors(path, [&] {
      regnet::preprocess_file(path, x_model.recipe, x_options.model.exif(), x_input);
      add(path, x_input);
    });
  }

  void add_array(const std::string& path) {
    listing_errors(path, [&] {
      const NpyArray array = read_npy_images(path, x_model.plan.input_dims());
      for (std::size_t i = 0; i * x_input.size() < array.values.size(); ++i) {
        const std::string name = regnet::text(path, "#", i);
        listing_errors(name, [&] { add(name, std::span(array.values).subspan(i * x_input.size(), x_input.size())); });
      }
    });
  }

  std::vector<Result> results;
  std::vector<float> all_logits;  // of the images without error, in order

 private:
  // An input that cannot be answered is a result of its own, and the others go on.
  template <class Body>
  void listing_errors(const std::string& name, Body body) {
    try {
      body();
    } catch (const regnet::Error& error) {
      results.push_back({name, {}, error.what()});
      std::cerr << "regnet: " << regnet::one_line(error.what()) << '\n';
    }
  }

  void add(const std::string& name, std::span<const float> input) {
    try {
      x_session.run(input, x_logits);
      results.push_back({name, regnet::predictions(x_model, x_logits, x_options.top), {}});
    } catch (const regnet::Error& error) {
      regnet::fail(error.code(), name, ": ", error.what());
    }
    all_logits.insert(all_logits.end(), x_logits.begin(), x_logits.end());
  }

  const regnet::Model& x_model;
  const PredictOptions& x_options;
  regnet::Session x_session;
  std::vector<float> x_input, x_logits;
};

void print_json(const std::vector<Result>& results) {
  Json list = Json::array();
  for (const Result& result : results) {
    Json top = Json::array();
    for (const regnet::Prediction& p : result.top)
      top.push_back({{"class", p.class_index}, {"name", p.name}, {"probability", p.probability}, {"logit", p.logit}});
    list.push_back({{"image", result.image}, {"top", top}});
    if (!result.error.empty()) list.back()["error"] = result.error;
  }
  print(list);
}

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) out += c == '"' ? std::string("\"\"") : std::string(1, c);
  return out + '"';
}

void print_csv(const std::vector<Result>& results) {
  std::cout << "image,rank,class,name,probability,logit\n";
  for (const Result& result : results)
    for (std::size_t rank = 0; rank < result.top.size(); ++rank) {
      const regnet::Prediction& p = result.top[rank];
      std::cout << quoted(result.image) << ',' << rank + 1 << ',' << p.class_index << ',' << quoted(p.name) << ',' << std::setprecision(9)
                << p.probability << ',' << p.logit << '\n';
    }
}

void print_text(const std::vector<Result>& results) {
  for (const Result& result : results) {
    if (!result.error.empty()) continue;
    std::cout << regnet::one_line(result.image) << '\n';
    for (const regnet::Prediction& p : result.top)
      std::cout << "  " << std::fixed << std::setprecision(2) << std::setw(6) << 100 * p.probability << "%  " << std::setw(4) << p.class_index << "  "
                << regnet::one_line(p.name) << '\n';
  }
}

int run(const PredictOptions& options) {
  const std::vector<std::string> images = expand_images(options.images);
  const regnet::Model model = options.model.load(options.quiet, {.batch = 1, .threads = options.threads});
  Predictor predictor(model, options);
  for (const std::string& image : images) {
    if (image.ends_with(".npy")) predictor.add_array(image);
    else predictor.add_image(image);
  }
  const auto failed = std::count_if(predictor.results.begin(), predictor.results.end(), [](const Result& result) { return !result.error.empty(); });
  if (failed == static_cast<std::ptrdiff_t>(predictor.results.size())) return exit_bad_input;
  if (!options.logits.empty()) {
    // Rows of an array cannot say which image they belong to, so a file with holes would mislead.
    if (failed > 0)
      regnet::fail(regnet::Code::bad_format, options.logits, ": not written, since ", failed, " of ", predictor.results.size(),
                   " images could not be read");
    write_npy(options.logits, {static_cast<std::int64_t>(predictor.results.size()), model.plan.classes()}, predictor.all_logits);
  }
  if (options.output == "json") print_json(predictor.results);
  else if (options.output == "csv") print_csv(predictor.results);
  else print_text(predictor.results);
  return failed > 0 ? exit_some_failed : exit_done;
}

}  // namespace

Command add_predict(CLI::App& regnet) {
  CLI::App* app = regnet.add_subcommand("predict", "The likeliest classes of images");
  auto options = std::make_shared<PredictOptions>();
  app->add_option("image", options->images,
                  "Images, folders, .npy files of float32 [n, 3, h, w] that are already preprocessed, or - for a list of paths on stdin")
      ->type_name("PATH")
      ->required();
  options->model.add_options(*app);
  app->add_option("--top", options->top, "Classes per image")->check(CLI::Range(1, 1'000'000))->capture_default_str();
  app->add_option("--logits", options->logits, "Write the logits of all images as a .npy file, float32 [images, classes]")->type_name("FILE");
  app->add_option("--threads", options->threads, "Threads; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"text", "json", "csv"});
  return {app, [options] { return run(*options); }};
}
