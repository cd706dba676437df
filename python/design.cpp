// Networks from their design numbers: what they are built of and what they cost.
#include <string>
#include <vector>

#include <nanobind/operators.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <regnet/design/complexity.hpp>
#include <regnet/design/zoo.hpp>

#include "bindings.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace regnet::python {

namespace {

struct Priced {
  Design design;
  Complexity complexity;
};

Priced design_of(const std::string& name, int resolution, int classes) {
  Design design = find_design(name);
  const Complexity cost = complexity(design.stages, {resolution, classes});
  return {std::move(design), cost};
}

std::vector<std::string> models() {
  std::vector<std::string> names;
  for (const ZooEntry& entry : zoo) names.emplace_back(entry.name);
  return names;
}

std::string shown(const Stage& stage) {
  return text("Stage(depth=", stage.depth, ", width=", stage.width, ", bottleneck_width=", stage.bottleneck_width,
              ", group_width=", stage.group_width, ", stride=", stage.stride, ")");
}

std::string shown(const Priced& priced) {
  const auto& [design, cost] = priced;
  return text("Design(name='", design.name, "', params=", cost.params, ", macs=", cost.macs, ", activations=", cost.activations, ")");
}

}  // namespace

void bind_design(nb::module_& m) {
  nb::class_<Stage>(m, "Stage", "Blocks of one width.")
      .def_ro("depth", &Stage::depth, "Blocks.")
      .def_ro("width", &Stage::width, "Channels out of each block.")
      .def_ro("bottleneck_width", &Stage::bottleneck_width, "Channels of the 3x3 convolution.")
      .def_ro("group_width", &Stage::group_width, "Channels per group of the 3x3 convolution.")
      .def_ro("stride", &Stage::stride, "Of the first block.")
      .def_prop_ro("groups", &Stage::groups, "Groups of the 3x3 convolution.")
      .def(nb::self == nb::self, nb::sig("def __eq__(self, other: object, /) -> bool"))
      .def("__hash__", [](const Stage& s) { return nb::hash(nb::make_tuple(s.depth, s.width, s.bottleneck_width, s.group_width, s.stride)); })
      .def("__repr__", [](const Stage& stage) { return shown(stage); });

  nb::class_<Priced>(m, "Design", "A network by its design numbers, and what it costs per image.")
      .def_prop_ro(
          "name", [](const Priced& priced) { return priced.design.name; }, "A published name, or the numbers.")
      .def_prop_ro(
          "numbers", [](const Priced& priced) { return to_string(priced.design); }, "As design() reads them: 'w0=24,wa=24.48,wm=2.54,d=22,g=16'.")
      .def_prop_ro("stages", [](const Priced& priced) { return priced.design.stages; })
      .def_prop_ro(
          "params", [](const Priced& priced) { return priced.complexity.params; }, "Weights, biases, and two numbers per batch-normalised channel.")
      .def_prop_ro(
          "macs", [](const Priced& priced) { return priced.complexity.macs; }, "Multiply-adds of convolutions and of the head: the papers' FLOPs.")
      .def_prop_ro(
          "activations", [](const Priced& priced) { return priced.complexity.activations; }, "Output elements of convolutions and of the head.")
      .def("__repr__", [](const Priced& priced) { return shown(priced); });

  m.def("models", models, "The published RegNetX by name, the smallest first.");
  m.def("design", design_of, "name"_a, nb::kw_only(), "resolution"_a = 224, "classes"_a = 1000,
        "The network of a name in any spelling ('RegNetX-3.2GF', 'regnetx_032'), of numbers ('w0=24,wa=24.48,wm=2.54,d=22,g=16') or of stages\n"
        "('ds=1-2-7-12,ws=32-64-160-384,gs=16').");
}

}  // namespace regnet::python
