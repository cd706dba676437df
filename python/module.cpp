// regnet._core: the library for Python, and its exceptions.
#include <exception>
#include <string>

#include <nanobind/nanobind.h>
#include <nanobind/stl/string.h>

#include <regnet/version.hpp>

#include "bindings.hpp"

namespace nb = nanobind;

namespace {

constexpr const char* name_of(regnet::Code code) {
  switch (code) {
    case regnet::Code::invalid_argument: return "invalid_argument";
    case regnet::Code::not_found: return "not_found";
    case regnet::Code::io: return "io";
    case regnet::Code::bad_format: return "bad_format";
    case regnet::Code::unsupported: return "unsupported";
    case regnet::Code::mismatch: return "mismatch";
    case regnet::Code::numeric: return "numeric";
  }
  return "?";
}

void raise(const char* type, const regnet::Error& error) {
  const std::string message = error.what();
  // A path need not be UTF-8.
  const auto line = nb::steal(PyUnicode_DecodeUTF8(message.data(), static_cast<Py_ssize_t>(message.size()), "backslashreplace"));
  const nb::object errors = nb::module_::import_("regnet._errors");
  const nb::object raised = errors.attr(type)(line, name_of(error.code()));
  PyErr_SetObject(raised.type().ptr(), raised.ptr());
}

void translate(const std::exception_ptr& thrown, void*) {
  try {
    std::rethrow_exception(thrown);
  } catch (const regnet::python::MissingFile& error) {
    raise("MissingFileError", error);
  } catch (const regnet::Error& error) {
    raise(error.code() == regnet::Code::invalid_argument ? "ArgumentError" : "Error", error);
  }
}

}  // namespace

NB_MODULE(_core, m) {
  nb::register_exception_translator(translate);
  m.def("version", [] { return std::string(regnet::version()); });
  regnet::python::bind_design(m);
  regnet::python::bind_model(m);
}
