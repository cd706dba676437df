// A checkpoint's path to a model, a model to sessions, arrays to logits and predictions. Whatever takes long runs without the GIL.
#include <cstddef>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include <nanobind/stl/filesystem.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/unique_ptr.h>
#include <nanobind/stl/vector.h>

#include <regnet/image/preprocess.hpp>

#include "arrays.hpp"
#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace regnet::python {

namespace {

std::size_t size_of(int number) { return static_cast<std::size_t>(number); }

// A session and its door: Python's threads may share one, and are then served one after the other. The plan inside keeps the model's weights alive.
struct GuardedSession {
  Session session;
  Dims input;
  int classes;
  std::mutex busy = {};

  GuardedSession(const Plan& plan, const SessionOptions& options) : session(plan, options), input(plan.input_dims()), classes(plan.classes()) {}

  // Waits for its turn. Without the GIL, or whoever runs could never finish.
  void run(std::span<const float> images, std::span<float> logits) {
    const std::lock_guard turn(busy);
    session.run(images, logits);
  }
};

struct LoadedModel {
  Model model;
  SessionOptions expected;
  std::mutex opening = {};
  std::optional<GuardedSession> own = {};  // of classify, opened by the first call

  LoadedModel(Model loaded, const SessionOptions& options) : model(std::move(loaded)), expected(options) {}

  GuardedSession& session() {
    const std::lock_guard turn(opening);
    if (!own) own.emplace(model.plan, SessionOptions{1, expected.threads});
    return *own;
  }
};

std::unique_ptr<LoadedModel> load(const std::filesystem::path& path, const std::string& model, const std::string& preset,
                                  const std::string& weights_key, int classes, const std::string& backend, const std::string& precision, int batch,
                                  int threads) {
  LoadOptions options;
  options.model = model;
  options.preset = preset;
  options.weights_key = weights_key;
  if (classes < 0) fail(Code::invalid_argument, "classes: expected 0 or more, found ", classes);
  options.classes = classes;
  options.compile.backend = backend_named(backend, "backend");
  options.compile.precision = precision_named(precision, "precision");
  options.compile.expected = {batch, threads};
  const nb::gil_scoped_release released;
  try {
    return std::make_unique<LoadedModel>(load_model(path, options), options.compile.expected);
  } catch (const Error& error) {
    std::error_code ignored;
    if (error.code() == Code::not_found && !std::filesystem::exists(path, ignored)) throw MissingFile(error.code(), error.what());
    throw;
  }
}

// An array, a Pillow image, or the bytes of an image file.
void preprocess_any(const Recipe& recipe, nb::handle image, std::span<float> dst) {
  if (nb::isinstance<nb::bytes>(image)) {
    const auto bytes = nb::borrow<nb::bytes>(image);
    const nb::gil_scoped_release released;
    preprocess_bytes({static_cast<const std::byte*>(bytes.data()), bytes.size()}, "image", recipe, Exif::ignore, dst);
    return;
  }
  const Pixels pixels(image);
  const nb::gil_scoped_release released;
  preprocess(pixels.copy(), recipe, dst);
}

nb::object preprocess_into(const LoadedModel& loaded, nb::handle image, nb::object out) {
  const Dims dims = loaded.model.plan.input_dims();
  const std::initializer_list<std::size_t> shape{size_of(dims.channels), size_of(dims.height), size_of(dims.width)};
  nb::object result = out_or_new(std::move(out), shape);
  const Floats<float> dst = writable_floats_of(result, "out", shape);
  preprocess_any(loaded.model.recipe, image, dst.values);
  return result;
}

nb::object run(GuardedSession& session, nb::handle images, nb::object out) {
  const auto batch = size_of(session.session.batch());
  const Floats<const float> src =
      floats_of(images, "images", {batch, size_of(session.input.channels), size_of(session.input.height), size_of(session.input.width)});
  const std::initializer_list<std::size_t> shape{batch, size_of(session.classes)};
  nb::object result = out_or_new(std::move(out), shape);
  const Floats<float> dst = writable_floats_of(result, "out", shape);
  const nb::gil_scoped_release released;
  session.run(src.values, dst.values);
  return result;
}

void require_some(int k) {
  if (k < 1) fail(Code::invalid_argument, "k: expected 1 or more, found ", k);
}

std::vector<Prediction> best_of(const LoadedModel& loaded, std::span<const float> logits, int k) {
  require_some(k);
  return predictions(loaded.model, logits, k);
}

std::vector<Prediction> classify_any(LoadedModel& loaded, nb::handle image, int k) {
  require_some(k);
  std::vector<float> input(size_of(static_cast<int>(loaded.model.plan.input_dims().count()))), logits(size_of(loaded.model.plan.classes()));
  preprocess_any(loaded.model.recipe, image, input);
  const nb::gil_scoped_release released;
  loaded.session().run(input, logits);
  return best_of(loaded, logits, k);
}

void bind_recipe(nb::module_& m) {
  nb::class_<Recipe>(m, "Recipe", "Everything between a decoded image and the network's input.")
      .def_ro("name", &Recipe::name, "The preset.")
      .def_ro("resize", &Recipe::resize, "Short side after resizing, in pixels.")
      .def_ro("crop", &Recipe::crop, "Side of the centred square, in pixels.")
      .def_prop_ro("interpolation", [](const Recipe& recipe) { return std::string(name_of(recipe.interpolation)); })
      .def_prop_ro(
          "crop_offset", [](const Recipe& recipe) { return std::string(name_of(recipe.crop_offset)); }, "How half a pixel is rounded.")
      .def_prop_ro(
          "channels", [](const Recipe& recipe) { return std::string(name_of(recipe.channels)); }, "Order into the network.")
      .def_ro("value_range", &Recipe::value_range, "Pixels are scaled to 0..value_range before mean and std.")
      .def_prop_ro(
          "mean", [](const Recipe& r) { return std::tuple(r.mean[0], r.mean[1], r.mean[2]); }, "Of red, green, blue.")
      .def_prop_ro(
          "std", [](const Recipe& r) { return std::tuple(r.std[0], r.std[1], r.std[2]); }, "Of red, green, blue.")
      .def("__repr__", [](const Recipe& recipe) { return text("Recipe(", to_json(recipe), ")"); });
}

void bind_prediction(nb::module_& m) {
  nb::class_<Prediction>(m, "Prediction", "A class and how likely the network finds it.")
      .def_ro("class_index", &Prediction::class_index)
      .def_ro("name", &Prediction::name, "Empty when the class has none.")
      .def_ro("logit", &Prediction::logit)
      .def_ro("probability", &Prediction::probability)
      .def("__repr__", [](const Prediction& p) {
        return text("Prediction(class_index=", p.class_index, ", name='", p.name, "', logit=", p.logit, ", probability=", p.probability, ")");
      });
}

void bind_session(nb::module_& m) {
  nb::class_<GuardedSession>(m, "Session",
                             "Activations and threads for one batch size. Threads that share one are served one after the other; open one for each.")
      .def_prop_ro(
          "batch", [](const GuardedSession& session) { return session.session.batch(); }, "Images per run.")
      .def_prop_ro("threads", [](const GuardedSession& session) { return session.session.threads(); })
      .def("run", run, "images"_a.none(), "out"_a = nb::none(),
           nb::sig("def run(self, images: regnet._arrays.Floats, out: typing.Optional[regnet._arrays.Floats] = None) -> "
                   "numpy.typing.NDArray[numpy.float32]"),
           "The logits, (batch, classes), of images, C-contiguous float32 (batch, 3, height, width), which are read where they are. `out` receives "
           "the logits\n"
           "and is returned.");
}

}  // namespace

void bind_model(nb::module_& m) {
  bind_recipe(m);
  bind_prediction(m);
  bind_session(m);
  nb::class_<LoadedModel>(m, "Model", "A network ready to run, with its preprocessing and class names. Immutable; threads share it.")
      .def_prop_ro(
          "name", [](const LoadedModel& loaded) { return loaded.model.name; }, "A published name, or the design.")
      .def_prop_ro("stages", [](const LoadedModel& loaded) { return loaded.model.stages; })
      .def_prop_ro(
          "classes", [](const LoadedModel& loaded) { return loaded.model.plan.classes(); }, "Logits per image.")
      .def_prop_ro(
          "class_names", [](const LoadedModel& loaded) { return loaded.model.class_names; }, "One per logit, or none.")
      .def_prop_ro("input_shape",
                   [](const LoadedModel& loaded) {
                     const Dims dims = loaded.model.plan.input_dims();
                     return std::tuple(dims.channels, dims.height, dims.width);
                   })
      .def_prop_ro(
          "recipe", [](const LoadedModel& loaded) { return loaded.model.recipe; }, "The preprocessing.")
      .def_prop_ro(
          "recipe_source", [](const LoadedModel& loaded) { return loaded.model.recipe_source; },
          "Why this recipe: 'chosen', 'stored in the file', ...")
      .def_prop_ro(
          "backend", [](const LoadedModel& loaded) { return std::string(name_of(loaded.model.plan.backend())); }, "What runs it, never 'auto'.")
      .def_prop_ro(
          "precision", [](const LoadedModel& loaded) { return std::string(name_of(loaded.model.plan.precision())); }, "Never 'auto'.")
      .def_prop_ro(
          "warnings", [](const LoadedModel& loaded) { return loaded.model.warnings; },
          "Lines about what is odd in the file or the process, though it runs.")
      .def("preprocess", preprocess_into, "image"_a.none(), "out"_a = nb::none(),
           nb::sig("def preprocess(self, image: regnet._arrays.Image, out: typing.Optional[regnet._arrays.Floats] = None) -> "
                   "numpy.typing.NDArray[numpy.float32]"),
           "The network's input, float32 (3, height, width), of uint8 RGB pixels (height, width, 3) whose rows may have any stride, of a Pillow "
           "image of mode\n"
           "RGB, or of the bytes of a JPEG or PNG file. `out` receives it and is returned.")
      .def(
          "session",
          [](const LoadedModel& loaded, std::optional<int> batch, std::optional<int> threads) {
            const SessionOptions options{batch.value_or(loaded.expected.batch), threads.value_or(loaded.expected.threads)};
            const nb::gil_scoped_release released;
            return std::make_unique<GuardedSession>(loaded.model.plan, options);
          },
          "batch"_a = nb::none(), "threads"_a = nb::none(),
          "What runs the model, for `batch` images at a time; 0 threads are all that this process may use. Without them, what load() was told.")
      .def(
          "predictions",
          [](const LoadedModel& loaded, nb::handle logits, int k) {
            return best_of(loaded, floats_of(logits, "logits", {size_of(loaded.model.plan.classes())}).values, k);
          },
          "logits"_a.none(), "k"_a = 5, nb::sig("def predictions(self, logits: regnet._arrays.Floats, k: int = 5) -> list[Prediction]"),
          "The k likeliest classes of one image's logits, the best first.")
      .def("classify", classify_any, "image"_a.none(), "k"_a = 5,
           nb::sig("def classify(self, image: regnet._arrays.Image, k: int = 5) -> list[Prediction]"),
           "Preprocesses, runs and ranks one image, given as to preprocess. Threads that call it run one after the other.")
      .def("__repr__", [](const LoadedModel& loaded) { return text("Model('", loaded.model.name, "', classes=", loaded.model.plan.classes(), ")"); });

  m.def(
      "load", load, "path"_a, nb::kw_only(), "model"_a = "", "preset"_a = "", "weights_key"_a = "", "classes"_a = 0, "backend"_a = "auto",
      "precision"_a = "f32", "batch"_a = 1, "threads"_a = 0,
      nb::sig(
          "def load(path: typing.Union[str, os.PathLike[str]], *, model: str = '', preset: str = '', weights_key: str = '', classes: int = 0, "
          "backend: typing.Literal['auto', 'own', 'onednn', 'reference'] = 'auto', precision: typing.Literal['auto', 'f32', 'bf16', 'int8'] = 'f32', "
          "batch: int = 1, threads: int = 0) -> Model"),
      "Reads a checkpoint, or a compiled plan, and makes it ready to run. Framework, network, preprocessing and class names are recognised.\n\n"
      "model: a name or design that the weights must fit. preset: another preprocessing than the file's. weights_key: an entry of a PyTorch file.\n"
      "classes: that the weights must have; 0: any. backend: auto, own, onednn or reference. precision: auto, f32, bf16 or int8.\n"
      "batch, threads: of the sessions to be expected, which weights are packed for; 0 threads are all that this process may use.");
}

}  // namespace regnet::python
