// doctor: a checkpoint and labelled images in, the likely mistake in how they are put together out. Each suspicion is a change that is tried on the same sample of
// images; one that makes significantly more of them right is named with the evidence.
#include <algorithm>
#include <functional>
#include <iomanip>
#include <iostream>
#include <map>
#include <numeric>
#include <optional>
#include <random>
#include <set>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/imagenet.hpp>
#include <regnet/eval/compare.hpp>
#include <regnet/eval/evaluate.hpp>

#include "commands.hpp"
#include "eval.hpp"
#include "machine.hpp"
#include "model_choice.hpp"

namespace {

struct DoctorOptions {
  ModelChoice model;
  std::string data, labels, order = "auto", output = "text";
  int limit = 500, threads = 0;
  bool quiet = false;
};

// Suspicions

// The top-1 answers of a run, in the order of the samples; -1 for images that could not be read.
using Answers = std::vector<int>;

struct Suspicion {
  std::string mistake;  // "the channels are in the other order"
  std::string remedy;   // what to write instead
  int right = 0, n = 0;
  double p = 1;  // of the change in right answers, McNemar's exact test against the run as it was asked for
};

class Diagnosis {
 public:
  Diagnosis(std::vector<int> labels, Answers answers, int classes)
      : x_labels(std::move(labels)), x_answers(std::move(answers)), x_classes(classes), x_base(right_with(x_answers, x_labels)) {}

  // Other answers to the same labels.
  void try_answers(const std::string& mistake, const std::string& remedy, const Answers& answers) {
    add(mistake, remedy, right_with(answers, x_labels), x_base);
  }

  // The same answers, when what the labels say were another class: map gives it, or -1.
  void try_labels(const std::string& mistake, const std::string& remedy, const std::function<int(int)>& map) {
    std::vector<int> labels;
    for (const int label : x_labels) labels.push_back(map(label));
    const std::vector<bool> right = right_with(x_answers, labels);
    // Images of one label are no witnesses independent of each other: an order shows in several.
    std::set<int> of_labels, of_answers;
    for (std::size_t i = 0; i < right.size(); ++i)
      if (right[i] && !x_base[i]) {
        of_labels.insert(x_labels[i]);
        of_answers.insert(x_answers[i]);
      }
    if (of_labels.size() < 3 || of_answers.size() < 3) return add(mistake, remedy, std::vector<bool>(right.size()), std::vector<bool>(right.size()));
    add(mistake, remedy, right, x_base);
  }

  // Labels of an order that nobody foresaw: what most images of a label are taken for in one half of the sample must hold in the other.
  void try_any_order() {
    std::mt19937 coin(1);  // by chance, since lists are often in an order of their own
    std::vector<bool> learning;
    for (std::size_t i = 0; i < x_labels.size(); ++i) learning.push_back(coin() % 2 == 0);
    std::map<int, std::map<int, int>> taken_for;
    for (std::size_t i = 0; i < x_labels.size(); ++i)
      if (learning[i]) ++taken_for[x_labels[i]][x_answers[i]];
    std::map<int, int> order;
    std::set<int> used;
    for (const auto& [label, counts] : taken_for) {
      const auto most = std::max_element(counts.begin(), counts.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
      order[label] = most->first;
      used.insert(most->first);
    }
    if (used.size() < 3 || 3 * used.size() < 2 * order.size()) return;  // several labels that are one class to the network are no order
    std::vector<bool> mapped, base;
    for (std::size_t i = 0; i < x_labels.size(); ++i) {
      if (learning[i]) continue;
      const auto place = order.find(x_labels[i]);
      mapped.push_back(place != order.end() && place->second == x_answers[i] && x_answers[i] >= 0);
      base.push_back(x_base[i]);
    }
    add("the labels are in another order than the network's classes, though a consistent one",
        "look at the labels file, or at the order of the class folders", mapped, base);
  }

  [[nodiscard]] int right() const { return static_cast<int>(std::count(x_base.begin(), x_base.end(), true)); }
  [[nodiscard]] int n() const { return static_cast<int>(x_base.size()); }
  [[nodiscard]] int classes() const { return x_classes; }
  [[nodiscard]] const std::vector<Suspicion>& suspicions() const { return x_suspicions; }

  // Whether all images that could be read got the same answer.
  [[nodiscard]] bool one_answer() const {
    std::set<int> distinct(x_answers.begin(), x_answers.end());
    distinct.erase(-1);
    return distinct.size() == 1 && x_answers.size() > 1;
  }

  // The suspicion that does best though the sample is too small to be sure of it, when it does much better.
  [[nodiscard]] const Suspicion* possible() const {
    const Suspicion* best = nullptr;
    for (const Suspicion& suspicion : x_suspicions)
      if (suspicion.p < 0.05 && share(suspicion.right, suspicion.n) > share(right(), n()) + 0.2 && (!best || suspicion.right > best->right))
        best = &suspicion;
    return best;
  }

  // The suspicion that explains most, when one does better than chance allows after so many trials. Of equal ones the first: special ones are tried before general ones.
  [[nodiscard]] const Suspicion* likely() const {
    constexpr double significant = 1e-3;
    const Suspicion* best = nullptr;
    for (const Suspicion& suspicion : x_suspicions)
      if (suspicion.p * static_cast<double>(x_suspicions.size()) < significant &&
          (!best || share(suspicion.right, suspicion.n) > share(best->right, best->n) + 0.02))
        best = &suspicion;
    return best;
  }

 private:
  static std::vector<bool> right_with(const Answers& answers, const std::vector<int>& labels) {
    std::vector<bool> right;
    for (std::size_t i = 0; i < answers.size(); ++i) right.push_back(answers[i] >= 0 && answers[i] == labels[i]);
    return right;
  }

  void add(const std::string& mistake, const std::string& remedy, const std::vector<bool>& right, const std::vector<bool>& base) {
    int lost = 0, won = 0;
    for (std::size_t i = 0; i < right.size(); ++i) {
      lost += base[i] && !right[i];
      won += right[i] && !base[i];
    }
    x_suspicions.push_back({mistake, remedy, static_cast<int>(std::count(right.begin(), right.end(), true)), static_cast<int>(right.size()),
                            won > lost ? regnet::mcnemar_exact(lost, won) : 1});
  }

  std::vector<int> x_labels;
  Answers x_answers;
  int x_classes;
  std::vector<bool> x_base;
  std::vector<Suspicion> x_suspicions;
};

// Label orders that people meet. `place` tables hold for each label what it would be.

// The numbers below `count` in the order of their texts: 0, 1, 10, 100, 101, ...
std::vector<int> sorted_as_text(int count) {
  std::vector<int> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [](int a, int b) { return std::to_string(a) < std::to_string(b); });
  return order;
}

std::vector<int> sorted_by_name(const std::vector<std::string>& names) {
  std::vector<int> order(names.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return names[static_cast<std::size_t>(a)] < names[static_cast<std::size_t>(b)]; });
  return order;
}

std::vector<int> inverse(const std::vector<int>& order) {
  std::vector<int> places(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) places[static_cast<std::size_t>(order[i])] = static_cast<int>(i);
  return places;
}

// Nothing else can explain what these explain, so they need no images of their own.
void try_label_orders(Diagnosis& diagnosis, const regnet::Model& model) {
  const auto through = [](std::vector<int> table) {
    return [table = std::move(table)](int label) {
      return label >= 0 && label < static_cast<int>(table.size()) ? table[static_cast<std::size_t>(label)] : -1;
    };
  };
  diagnosis.try_labels("the labels count from 1", "subtract 1 from the numbers, or name folders and labels by WordNet id",
                       [](int label) { return label - 1; });
  diagnosis.try_labels("the labels are one too low", "add 1 to the numbers", [](int label) { return label + 1; });
  const auto imagenet = regnet::imagenet_classes();
  if (model.plan.classes() == static_cast<int>(imagenet.size())) {
    std::vector<int> ids, class_of(imagenet.size() + 1, -1);
    for (std::size_t i = 0; i < imagenet.size(); ++i) {
      ids.push_back(imagenet[i].devkit_id);
      class_of[static_cast<std::size_t>(imagenet[i].devkit_id)] = static_cast<int>(i);
    }
    std::vector<int> class_of_previous(class_of.begin() + 1, class_of.end());
    diagnosis.try_labels("the labels are ILSVRC2012_IDs of the development kit, taken for class indices", "--labels-order ilsvrc", through(class_of));
    diagnosis.try_labels("the labels are ILSVRC2012_IDs of the development kit minus 1, taken for class indices",
                         "add 1 and use --labels-order ilsvrc", through(class_of_previous));
    diagnosis.try_labels("the labels are class indices, taken for ILSVRC2012_IDs", "--labels-order classes", through(ids));
  }
  const std::vector<int> by_text = sorted_as_text(model.plan.classes());
  diagnosis.try_labels("the numbered classes were sorted as text (0, 1, 10, 11, ..., 2)", "number the labels by the network's order",
                       through(by_text));
  diagnosis.try_labels("the network's classes were sorted as text (0, 1, 10, 11, ..., 2)", "number the labels by the network's order",
                       through(inverse(by_text)));
  if (!model.class_names.empty()) {
    const std::vector<int> by_name = sorted_by_name(model.class_names);
    diagnosis.try_labels("the labels number the class names in alphabetical order",
                         "name the folders by class, or number the labels by the network's order", through(by_name));
    diagnosis.try_labels("the network's classes are in alphabetical order, the labels are not", "name the folders by class",
                         through(inverse(by_name)));
  }
}

// Preprocessing

struct Change {
  std::string mistake, remedy;
  regnet::Recipe recipe;
  regnet::Exif exif;
};

std::vector<Change> preprocessing_changes(const regnet::Recipe& recipe, regnet::Exif exif) {
  std::vector<Change> changes;
  const auto add = [&](const std::string& mistake, const std::string& remedy, const auto& change) {
    regnet::Recipe changed = recipe;
    change(changed);
    if (changed != recipe) changes.push_back({mistake, remedy, changed, exif});
  };
  const regnet::ChannelOrder other = recipe.channels == regnet::ChannelOrder::rgb ? regnet::ChannelOrder::bgr : regnet::ChannelOrder::rgb;
  const std::string other_name(name_of(other));
  add("the channels are in the other order: the network wants " + other_name, "--channels " + other_name,
      [&](regnet::Recipe& r) { r.channels = other; });
  const regnet::Exif turned = exif == regnet::Exif::apply ? regnet::Exif::ignore : regnet::Exif::apply;
  changes.push_back({turned == regnet::Exif::apply ? "the images lie on their sides: their EXIF orientation is ignored"
                                                   : "the images are turned by their EXIF orientation",
                     turned == regnet::Exif::apply ? "--exif apply" : "--exif ignore", recipe, turned});
  const regnet::CropOffset offset = recipe.crop_offset == regnet::CropOffset::ceil ? regnet::CropOffset::half_even : regnet::CropOffset::ceil;
  add("the crop is a pixel off", "--crop-offset " + std::string(name_of(offset)), [&](regnet::Recipe& r) { r.crop_offset = offset; });
  for (const regnet::Interpolation interpolation : {regnet::Interpolation::opencv_bilinear_u8, regnet::Interpolation::opencv_bilinear_f32,
                                                    regnet::Interpolation::pillow_bilinear, regnet::Interpolation::pillow_bicubic})
    add("the images are resized by another interpolation", "--interpolation " + std::string(name_of(interpolation)),
        [&](regnet::Recipe& r) { r.interpolation = interpolation; });
  for (const double ratio : {256.0 / 224, 232.0 / 224, 236.0 / 224, 1.0}) {
    const int resize = static_cast<int>(std::lround(ratio * recipe.crop));
    add("the images are resized to another size before the crop", "--resize " + std::to_string(resize),
        [&](regnet::Recipe& r) { r.resize = resize; });
  }
  struct Normalisation {
    const char* words;
    std::array<float, 3> mean, std;
  };
  constexpr float level = 1 / 255.0f;
  for (const auto& [words, mean, std] :
       {Normalisation{"ImageNet's mean and standard deviation", {0.485f, 0.456f, 0.406f}, {0.229f, 0.224f, 0.225f}},
        Normalisation{"values from 0 to 1", {0, 0, 0}, {1, 1, 1}}, Normalisation{"values from -1 to 1", {0.5f, 0.5f, 0.5f}, {0.5f, 0.5f, 0.5f}},
        Normalisation{"grey levels from 0 to 255", {0, 0, 0}, {level, level, level}}}) {
    std::string numbers_of_mean, numbers_of_std;
    const auto scaled = [&](const std::array<float, 3>& values, std::string& numbers) {
      std::array<float, 3> out{};
      for (std::size_t i = 0; i < 3; ++i) {
        out[i] = values[i] * recipe.value_range;
        numbers += (i ? "," : "") + regnet::text(out[i]);
      }
      return out;
    };
    const auto new_mean = scaled(mean, numbers_of_mean), new_std = scaled(std, numbers_of_std);
    add(regnet::text("the pixels are normalised in another way: the network wants ", words),
        regnet::text("--mean ", numbers_of_mean, " --std ", numbers_of_std), [&](regnet::Recipe& r) { r.mean = new_mean, r.std = new_std; });
  }
  for (const regnet::Recipe& preset : regnet::presets()) {
    regnet::Recipe scaled = preset;
    scaled.crop = recipe.crop;
    scaled.resize = static_cast<int>(std::lround(double(preset.resize) * recipe.crop / preset.crop));
    if (scaled != recipe) changes.push_back({"the preprocessing is another framework's: " + preset.name, "--preset " + preset.name, scaled, exif});
  }
  return changes;
}

Json as_json(const Suspicion& suspicion) {
  return {{"mistake", suspicion.mistake},
          {"remedy", suspicion.remedy},
          {"right", suspicion.right},
          {"n", suspicion.n},
          {"share", share(suspicion.right, suspicion.n)},
          {"p", suspicion.p}};
}

Json examine_data(const DoctorOptions& options) {
  const regnet::Model model = options.model.load(options.quiet, {.batch = 8, .threads = 1});
  const std::string data = options.data.empty() ? demo_images().string() : options.data;
  const regnet::Dataset whole =
      regnet::open_dataset(data, {options.labels, model.plan.classes(), model.class_names, regnet::parse_label_order(options.order), true});
  regnet::Dataset sample = spread_sample(whole, options.limit);
  const auto answers_of = [&](const regnet::Plan& plan, const regnet::Recipe& recipe, regnet::Exif exif, const regnet::Dataset& images) {
    regnet::EvaluateOptions evaluate;
    evaluate.threads = options.threads;
    evaluate.exif = exif;
    Answers answers;
    for (const regnet::Answer& answer : regnet::evaluate(plan, recipe, images, evaluate).answers)
      answers.push_back(answer.top.empty() ? -1 : answer.top[0]);
    return answers;
  };
  const auto labels_of = [](const regnet::Dataset& images) {
    std::vector<int> labels;
    for (const regnet::Sample& image : images.samples) labels.push_back(image.label);
    return labels;
  };
  // Images that cannot be read say nothing.
  Answers asked = answers_of(model.plan, model.recipe, options.model.exif(), sample);
  const auto unreadable = std::count(asked.begin(), asked.end(), -1);
  for (std::size_t i = asked.size(); i-- > 0;)
    if (asked[i] < 0) sample.samples.erase(sample.samples.begin() + static_cast<std::ptrdiff_t>(i));
  std::erase(asked, -1);
  if (asked.empty()) regnet::fail(regnet::Code::invalid_argument, "doctor: none of the ", unreadable, " images could be read");
  Diagnosis diagnosis(labels_of(sample), asked, model.plan.classes());
  try_label_orders(diagnosis, model);
  // A change under which logits overflow is no better one.
  const auto try_run = [&](const std::string& mistake, const std::string& remedy, const auto& run) {
    try {
      diagnosis.try_answers(mistake, remedy, run());
    } catch (const regnet::Error& error) {
      if (error.code() != regnet::Code::numeric && error.code() != regnet::Code::mismatch && error.code() != regnet::Code::unsupported) throw;
    }
  };
  for (const Change& change : preprocessing_changes(model.recipe, options.model.exif()))
    try_run(change.mistake, change.remedy, [&] { return answers_of(model.plan, change.recipe, change.exif, sample); });
  if (const regnet::Model plain = options.model.without_recipe().load(true, {.batch = 8, .threads = 1}); plain.recipe != model.recipe)
    try_run("the preprocessing is not the weights' own, which is " + plain.recipe.name + " (" + plain.recipe_source + ")",
            "leave out the options that change it", [&] { return answers_of(plain.plan, plain.recipe, options.model.exif(), sample); });
  for (const std::string& key : model.other_weights_keys)
    try_run("the weights are of another entry of the file", "--weights-key " + key, [&] {
      ModelChoice other = options.model;
      other.choose_weights_key(key);
      const regnet::Model loaded = other.load(true, {.batch = 8, .threads = 1});
      return answers_of(loaded.plan, loaded.recipe, options.model.exif(), sample);
    });
  // The most general suspicion needs most images, and is the last: four of each class.
  const int needed = 4 * diagnosis.classes();
  std::optional<Suspicion> order;
  if (!diagnosis.likely() && diagnosis.n() < needed && static_cast<int>(whole.samples.size()) >= needed) {
    const regnet::Dataset larger = spread_sample(whole, needed);
    Diagnosis of_more(labels_of(larger), answers_of(model.plan, model.recipe, options.model.exif(), larger), model.plan.classes());
    of_more.try_any_order();
    if (!of_more.suspicions().empty()) order = of_more.suspicions().back();
    if (!of_more.likely()) order.reset();
  } else if (diagnosis.n() >= needed) {
    diagnosis.try_any_order();
  }

  Json json{{"right", diagnosis.right()},
            {"n", diagnosis.n()},
            {"unreadable", unreadable},
            {"ignored_files", whole.ignored},
            {"labelling", whole.labelling}};
  json["tried"] = Json::array();
  for (const Suspicion& suspicion : diagnosis.suspicions()) json["tried"].push_back(as_json(suspicion));
  const Suspicion *likely = order ? &*order : diagnosis.likely(), *possible = diagnosis.possible();
  json["likely"] = likely ? as_json(*likely) : Json(nullptr);
  json["possible"] = !likely && possible ? as_json(*possible) : Json(nullptr);
  json["one_answer"] = diagnosis.one_answer();
  json["order_tried"] = diagnosis.n() >= needed || static_cast<int>(whole.samples.size()) >= needed;
  const double chance = 1.0 / model.plan.classes();
  const bool guessing = regnet::wilson_interval(diagnosis.right(), diagnosis.n()).first <= chance;
  json["guessing"] = guessing && !likely && !possible;
  json["weights_problems"] = model.warnings;
  return json;
}

// Printing

void print_machine(const Json& json) {
  for (const auto& [key, value] : json.items()) {
    std::string words = value.is_string() ? value.get<std::string>() : value.dump();
    if (value.is_array()) {
      words.clear();
      for (const Json& item : value) words += (words.empty() ? "" : ", ") + item.get<std::string>();
      if (words.empty()) words = "none";
    }
    std::cout << std::left << std::setw(18) << key << regnet::one_line(words) << '\n';
  }
}

void print_diagnosis(const Json& json) {
  std::cout << "as asked for: " << json["right"] << " of " << json["n"] << " images right (" << percent(share(json["right"], json["n"]))
            << "), labels by " << regnet::one_line(json["labelling"].get<std::string>()) << '\n';
  if (json["unreadable"] > 0) std::cout << json["unreadable"] << " others cannot be read\n";
  for (const Json& suspicion : json["tried"])
    std::cout << "  " << std::setw(7) << std::right << percent(suspicion["share"]) << "  if " << suspicion["mistake"].get<std::string>() << " ("
              << regnet::one_line(suspicion["remedy"].get<std::string>()) << ")\n";
  if (!json["likely"].is_null()) {
    const Json& likely = json["likely"];
    std::cout << "likely mistake: " << likely["mistake"].get<std::string>() << ".\nevidence: " << likely["right"] << " of " << likely["n"]
              << " images are right then (" << percent(likely["share"]) << "; p = " << std::setprecision(2) << likely["p"].get<double>()
              << ").\nremedy: " << regnet::one_line(likely["remedy"].get<std::string>()) << '\n';
  } else if (!json["possible"].is_null()) {
    const Json& possible = json["possible"];
    std::cout << "too few images to be sure; the best is if " << possible["mistake"].get<std::string>() << " (" << possible["right"] << " of "
              << possible["n"] << " right): " << regnet::one_line(possible["remedy"].get<std::string>()) << '\n';
  } else if (json["one_answer"] == true) {
    std::cout << "likely mistake: the network gives all images the same answer. The weights are untrained or damaged, or the input is not what they "
                 "expect.\n";
  } else if (json["guessing"] == true) {
    std::cout << "likely mistake: no single change does better than guessing. The weights are untrained or of other classes, the images or labels "
                 "are of another data set"
              << (json["order_tried"] == true ? "" : ", or the labels are in an order that takes more images to find (four of each class)") << ".\n";
  } else {
    std::cout << "nothing found\n";
  }
}

bool is_sound(const Json& diagnosis) {
  return diagnosis["likely"].is_null() && diagnosis["possible"].is_null() && diagnosis["guessing"] == false && diagnosis["one_answer"] == false;
}

int run(const DoctorOptions& options) {
  Json json{{"machine", machine_report()}};
  const bool with_data = !options.model.is_demo() || !options.data.empty();
  if (with_data && (options.model.is_demo() != options.data.empty()) && options.data.empty())
    regnet::fail(regnet::Code::invalid_argument, "doctor: --weights without --data: name the folder of images");
  if (with_data) json["diagnosis"] = examine_data(options);
  if (options.output == "json") {
    print(json);
  } else if (with_data) {
    print_diagnosis(json["diagnosis"]);
  } else {
    print_machine(json["machine"]);
  }
  if (!with_data) return json["machine"]["problems"].empty() ? exit_done : exit_failed_check;
  return is_sound(json["diagnosis"]) ? exit_done : exit_failed_check;
}

}  // namespace

Command add_doctor(CLI::App& regnet) {
  CLI::App* app =
      regnet.add_subcommand("doctor", "What is wrong with an accuracy: tries label orders, preprocessing and weights on a sample; or the machine");
  auto options = std::make_shared<DoctorOptions>();
  options->model.add_options(*app);
  app->add_option("--data", options->data, "Labelled images, as for eval")->type_name("PATH");
  app->add_option("--labels", options->labels, "Labels of images without class folders, as for eval")->type_name("FILE");
  app->add_option("--labels-order", options->order, "What numbers are: classes (indices from 0), ilsvrc (ids of the development kit)")
      ->check(CLI::IsMember({"auto", "classes", "ilsvrc"}))
      ->capture_default_str();
  app->add_option("--limit", options->limit, "Images in the sample, spread evenly over the list")
      ->check(CLI::Range(1, 1'000'000))
      ->capture_default_str();
  app->add_option("--threads", options->threads, "Threads; by default as many as this process may use")->check(CLI::Range(1, 4096));
  app->add_flag("-q,--quiet", options->quiet, "No notes on stderr");
  add_output(*app, options->output, {"text", "json"});
  return {app, [options] { return run(*options); }};
}
