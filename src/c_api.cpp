// The C interface over the facade: handles, codes instead of exceptions, and a message for each thread.
#include <regnet/regnet.h>

#include <new>

#include <regnet/image/preprocess.hpp>
#include <regnet/model.hpp>
#include <regnet/version.hpp>

struct regnet_model {
  regnet::Model model;
};

struct regnet_session {
  regnet::Session session;
};

namespace {

using regnet::Code;

thread_local std::string last_error;

regnet_status failed(regnet_status status, const char* message) noexcept {
  try {
    last_error = message;
  } catch (...) {
    last_error.clear();  // no memory for the message
  }
  return status;
}

constexpr regnet_status status_of(Code code) {
  switch (code) {
    case Code::invalid_argument: return REGNET_INVALID_ARGUMENT;
    case Code::not_found: return REGNET_NOT_FOUND;
    case Code::io: return REGNET_IO;
    case Code::bad_format: return REGNET_BAD_FORMAT;
    case Code::unsupported: return REGNET_UNSUPPORTED;
    case Code::mismatch: return REGNET_MISMATCH;
    case Code::numeric: return REGNET_NUMERIC;
  }
  return REGNET_INTERNAL;
}

template <class Body>
regnet_status guarded(Body body) noexcept {
  try {
    body();
    return REGNET_OK;
  } catch (const regnet::Error& error) {
    return failed(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(REGNET_OUT_OF_MEMORY, "not enough memory");
  } catch (const std::exception& error) {
    return failed(REGNET_INTERNAL, error.what());
  } catch (...) {
    return failed(REGNET_INTERNAL, "an exception of unknown type");
  }
}

void need(const void* pointer, const char* name) {
  if (pointer == nullptr) regnet::fail(Code::invalid_argument, name, ": expected a pointer, found NULL");
}

const char* at(const std::vector<std::string>& texts, int index) {
  return index < 0 || static_cast<std::size_t>(index) >= texts.size() ? nullptr : texts[static_cast<std::size_t>(index)].c_str();
}

const char* or_empty(const char* text) { return text == nullptr ? "" : text; }

regnet::LoadOptions load_options(const regnet_options* given) {
  regnet::LoadOptions options;
  if (given == nullptr) return options;
  if (given->size != sizeof(regnet_options))
    regnet::fail(Code::invalid_argument, "options.size: expected ", sizeof(regnet_options), ", found ", given->size);
  options.model = or_empty(given->model);
  options.preset = or_empty(given->preset);
  options.weights_key = or_empty(given->weights_key);
  if (given->classes < 0) regnet::fail(Code::invalid_argument, "options.classes: expected 0 or more, found ", given->classes);
  options.classes = given->classes;
  if (given->backend != nullptr) options.compile.backend = regnet::backend_named(given->backend, "options.backend");
  if (given->precision != nullptr) options.compile.precision = regnet::precision_named(given->precision, "options.precision");
  options.compile.expected = {given->batch == 0 ? 1 : given->batch, given->threads};
  return options;
}

std::span<const std::byte> bytes_of(const void* data, std::size_t count) {
  need(data, "file_bytes");
  return {static_cast<const std::byte*>(data), count};
}

void write_top(const regnet::Model& model, std::span<const float> logits, regnet_prediction* predictions, int count) {
  need(predictions, "predictions");
  if (count < 1 || count > model.plan.classes())
    regnet::fail(Code::invalid_argument, "number of predictions: expected 1 to ", model.plan.classes(), ", found ", count);
  if (logits.size() != static_cast<std::size_t>(model.plan.classes()))
    regnet::fail(Code::invalid_argument, "logits: expected ", model.plan.classes(), " floats, found ", logits.size());
  const std::vector<regnet::Prediction> best = regnet::predictions(model, logits, count);
  for (std::size_t i = 0; i < best.size(); ++i) {
    const auto index = static_cast<std::size_t>(best[i].class_index);
    predictions[i] = {best[i].class_index, best[i].logit, best[i].probability,
                      model.class_names.empty() ? nullptr : model.class_names[index].c_str()};
  }
}

}  // namespace

const char* regnet_version() {
  static const std::string version(regnet::version());
  return version.c_str();
}

const char* regnet_last_error() { return last_error.c_str(); }

regnet_status regnet_open(const char* path, const regnet_options* options, regnet_model** model) {
  return guarded([&] {
    need(path, "path");
    need(model, "model");
    *model = new regnet_model{regnet::load_model(path, load_options(options))};
  });
}

void regnet_close(regnet_model* model) { delete model; }

const char* regnet_name(const regnet_model* model) { return model == nullptr ? nullptr : model->model.name.c_str(); }
int regnet_classes(const regnet_model* model) { return model == nullptr ? 0 : model->model.plan.classes(); }
std::size_t regnet_input_size(const regnet_model* model) {
  return model == nullptr ? 0 : static_cast<std::size_t>(model->model.plan.input_dims().count());
}
int regnet_input_height(const regnet_model* model) { return model == nullptr ? 0 : model->model.plan.input_dims().height; }
int regnet_input_width(const regnet_model* model) { return model == nullptr ? 0 : model->model.plan.input_dims().width; }

const char* regnet_class_name(const regnet_model* model, int class_index) {
  return model == nullptr ? nullptr : at(model->model.class_names, class_index);
}
const char* regnet_warning(const regnet_model* model, int index) { return model == nullptr ? nullptr : at(model->model.warnings, index); }

regnet_status regnet_preprocess(const regnet_model* model, const void* file_bytes, std::size_t count, float* input, std::size_t input_size) {
  return guarded([&] {
    need(model, "model");
    need(input, "input");
    regnet::preprocess_bytes(bytes_of(file_bytes, count), "image", model->model.recipe, regnet::Exif::ignore, {input, input_size});
  });
}

regnet_status regnet_preprocess_rgb(const regnet_model* model, const std::uint8_t* rgb, int width, int height, std::size_t row_bytes, float* input,
                                    std::size_t input_size) {
  return guarded([&] {
    need(model, "model");
    need(rgb, "rgb");
    need(input, "input");
    regnet::preprocess(regnet::image_of(rgb, width, height, row_bytes), model->model.recipe, {input, input_size});
  });
}

regnet_status regnet_session_open(const regnet_model* model, int batch, int threads, regnet_session** session) {
  return guarded([&] {
    need(model, "model");
    need(session, "session");
    *session = new regnet_session{regnet::Session(model->model.plan, {batch, threads})};
  });
}

void regnet_session_close(regnet_session* session) { delete session; }

regnet_status regnet_run(regnet_session* session, const float* images, std::size_t images_size, float* logits, std::size_t logits_size) {
  return guarded([&] {
    need(session, "session");
    need(images, "images");
    need(logits, "logits");
    session->session.run({images, images_size}, {logits, logits_size});
  });
}

regnet_status regnet_top(const regnet_model* model, const float* logits, std::size_t logits_size, regnet_prediction* predictions, int count) {
  return guarded([&] {
    need(model, "model");
    need(logits, "logits");
    write_top(model->model, {logits, logits_size}, predictions, count);
  });
}

regnet_status regnet_classify(const regnet_model* model, regnet_session* session, const void* file_bytes, std::size_t count,
                              regnet_prediction* predictions, int prediction_count) {
  return guarded([&] {
    need(model, "model");
    need(session, "session");
    if (session->session.batch() != 1) regnet::fail(Code::invalid_argument, "session: expected one with batch 1, found ", session->session.batch());
    std::vector<float> input(regnet_input_size(model)), logits(static_cast<std::size_t>(regnet_classes(model)));
    regnet::preprocess_bytes(bytes_of(file_bytes, count), "image", model->model.recipe, regnet::Exif::ignore, input);
    session->session.run(input, logits);
    write_top(model->model, logits, predictions, prediction_count);
  });
}
