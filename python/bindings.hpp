// bindings: what each file adds to the module.
#pragma once

#include <filesystem>

#include <nanobind/nanobind.h>

#include <regnet/model.hpp>

namespace regnet::python {

// Stage, Design, models, design.
void bind_design(nanobind::module_& module);

// Recipe, Prediction, Session, Model, load.
void bind_model(nanobind::module_& module);

// A checkpoint that is not there: MissingFileError in Python.
class MissingFile : public Error {
 public:
  using Error::Error;
};

}  // namespace regnet::python
