// Program: a network as steps over our own kernels: where each output lies, which kernel makes it, and where that kernel's weights are. Made from a graph and choices alone,
// so that weights which were packed once (plan file) fit it again.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include <regnet/plan/plan.hpp>

#include "plan/kernels/kernels.hpp"

namespace regnet::detail {

// How a convolution can be computed.
enum class Way {
  direct,
  winograd,    // its weights are transformed on the way, for each block of tiles anew
  transformed  // Winograd with weights that were transformed before: four times as large
};

std::string_view name_of(Way way);
std::optional<Way> way_of(std::string_view name);  // the inverse
bool can(Way way, const Conv& conv);

// Other ways than the rule's, by name of the node.
using Ways = std::map<std::string, Way>;

// Where a node's output lies in the arena, in words of 4 bytes. `origin` is its first pixel, inside the border where there is one.
struct Place {
  std::size_t begin = 0, size = 0, origin = 0;
  std::int64_t pixel = 0, row = 0;
  bool clears = false;  // its border is written with it, since what was there before had another
};

enum class Kind { input, convolution, average, linear };

struct Step {
  Kind kind = Kind::input;
  Way way = Way::direct;
  const kernels::Kernels* kernels = nullptr;
  NodeId node = 0, src = -1, residual = -1;
  std::size_t weights = 0, bias = 0, scales = 0;  // in the packed weights, in floats
  float residual_scale = 1;
  int groups = 1;                  // direct: as the kernel sees them, which may be several of the network's at once
  std::vector<std::int64_t> taps;  // and how many words from each on
  int tap_length = 0;
  int tiles_at_once = 0, blocks_per_group = 0;  // Winograd
  int panels = 0;                               // direct, of all groups
  // More than 0: may be done together with the next step, so many of that one's rows at a time, in scratch memory of so many words.
  int band_rows = 0;
  std::size_t band_floats = 0;
};

// Those of most layers, in a precision other than automatic; nullptr where this CPU has none, or may not use them.
const kernels::Kernels* kernels_of(Precision precision, const Quantization& quantization = {});

struct Program {
  Precision precision;
  Graph graph;  // fused
  Quantization quantization;
  std::vector<kernels::Element> elements;  // by node: what its outputs are
  std::vector<float> scales;               // by node: what one step of them is worth
  std::vector<Place> places;               // by node
  std::vector<Step> steps;                 // by node
  std::vector<LayerReport> layers;
  std::size_t weights_floats = 0, arena_floats = 0, scratch_floats = 0;
  // From this step on layers have more weights than outputs, and read nothing older than the output of the step before: several images may go through them side by side,
  // so that weights that come from far are used more than once.
  NodeId late = 0;

  [[nodiscard]] const Node& node(const Step& step) const { return graph.node(step.node); }
  [[nodiscard]] const Place& place(NodeId id) const { return places[static_cast<std::size_t>(id)]; }
  [[nodiscard]] kernels::Element element(NodeId id) const { return elements[static_cast<std::size_t>(id)]; }
  [[nodiscard]] float scale(NodeId id) const { return scales[static_cast<std::size_t>(id)]; }
  // Words of so many channels of a node's output.
  [[nodiscard]] int words(NodeId id, int channels) const { return kernels::words_of(element(id), channels); }
  // The instruction set that the weights are packed for.
  [[nodiscard]] const char* isa() const { return kernels_of(precision, quantization)->name; }
  // Output channels of a group, as a direct step's kernel sees it.
  [[nodiscard]] int group_channels(const Step& step) const;
  // Of the last layer: a multiple of 8 logits.
  [[nodiscard]] int padded_classes() const { return (graph.classes() + 7) / 8 * 8; }
};

// Whether make_program's ways of placing outputs and our kernels do for this fused graph, as they do for RegNetX and whatever is built of such blocks.
bool can_be_programmed(const Graph& fused);

// Whether they do in less than 32 bits, too: images are woven into words, no group begins within one, and what the last layer reads is floats. Precondition: can_be_programmed.
bool can_be_narrow(const Graph& fused);

// The rule: measured on Zen 4, Zen 5 and Sapphire Rapids, batch 1, weights not in the caches (bench/kernel_bench, docs/PERFORMANCE.md).
// With stride 2 Winograd is for wide groups on large maps, where whole networks gain on Zen 5 and Zen 3; elsewhere only its layers do by themselves, and `tune` finds out.
// `compact` keeps no transformed weights.
Way best_way(const Conv& conv, const Dims& dims, bool compact, kernels::Element source = kernels::Element::f32);

// Precondition: can_be_programmed, there are kernels for that precision, and int8 has a quantization. Throws invalid_argument when that lacks a
// scale or has one that is not positive, and for a way that the kernels do not have.
Program make_program(Graph fused, Precision precision, Quantization quantization, const Ways& ways, bool compact);

// Folds and packs all weights, on several threads; `packed` is zeroed memory for weights_floats. Throws what refuse_errors throws; returns what else was found.
std::vector<Finding> pack(const Program& program, const BoundWeights& weights, float* packed);

}  // namespace regnet::detail
