#include "plan/own_program.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <regnet/base/parallel.hpp>
#include <regnet/base/threads.hpp>

#include "plan/fold.hpp"
#include "plan/kernels/packing.hpp"

namespace regnet::detail {

namespace {

using kernels::Element;

constexpr int rounded_up(int value, int multiple) { return (value + multiple - 1) / multiple * multiple; }
constexpr std::size_t lines_up(std::size_t floats) { return (floats + 15) / 16 * 16; }

// Images are bf16 at first, or floats where int8 has those beside it, and all that follows the average is floats. What is not the output of a ReLU may be negative, and so is only
// added, or else stays wide.
void choose_elements(Program& program) {
  const Graph& graph = program.graph;
  const bool has_floats = program.precision == Precision::f32 || kernels_of(program.precision, program.quantization)->floats;
  program.elements.assign(graph.nodes().size(), has_floats ? Element::f32 : Element::bf16);
  program.scales.assign(graph.nodes().size(), 1.0f);
  std::vector<bool> is_source(graph.nodes().size());
  for (const Node& node : graph.nodes())
    if (!node.inputs.empty()) is_source[static_cast<std::size_t>(node.inputs[0])] = true;
  for (std::size_t i = 1; i < graph.nodes().size(); ++i) {
    const Node& node = graph.node(static_cast<NodeId>(i));
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv) {
      program.elements[i] = Element::f32;
      if (std::holds_alternative<GlobalAveragePool>(node.op)) program.scales[i] = program.scale(node.inputs[0]);
    } else if (program.precision == Precision::int8 && !program.quantization.wide.contains(node.name) && (conv->relu || !is_source[i])) {
      const auto scale = program.quantization.scales.find(node.name);
      if (scale == program.quantization.scales.end())
        fail(Code::invalid_argument, "compile: int8 needs a scale for each layer, as calibrate or \"regnet quantize\" finds them; there is none for ",
             node.name);
      if (!(scale->second > 0) || !std::isfinite(scale->second))
        fail(Code::invalid_argument, "compile: expected a positive scale for ", node.name, ", found ", scale->second);
      program.elements[i] = conv->relu ? Element::u8 : Element::s8;
      program.scales[i] = scale->second;
    }
  }
}

// What an output lies in. Kinds share no memory, so that a border stays as it is while outputs of one shape follow each other.
enum class Shelter {
  plain,
  bordered,  // a 3x3 convolution reads it, beyond its edges too
  banded     // bordered, and where the convolution before it works in bands, nothing touches these pages, and they take no memory
};

// Memory for outputs that do not live at the same time. The middle rows of all lie at one address, so that the same thread writes the same half of it again and again: a
// cache line that another core has written last takes hundreds of cycles to come over.
struct Slot {
  Shelter shelter;
  int per_word;  // of all of them: a kernel may read more than a pixel's channels, and what is left there must be finite in its eyes
  std::size_t above = 0, below = 0;  // floats before and from the middle row on
  NodeId last_use = -1;              // of the output that is in it
};

struct Layout {
  const Graph& graph;
  const std::vector<Element>& elements;
  const std::vector<Way>& ways;
  std::vector<NodeId> last_use;
  std::vector<int> border;

  Layout(const Graph& fused, const std::vector<Element>& of_nodes, const std::vector<Way>& chosen)
      : graph(fused), elements(of_nodes), ways(chosen), last_use(graph.nodes().size(), 0), border(graph.nodes().size(), 0) {
    for (NodeId id = 0; id <= graph.last(); ++id)
      for (const NodeId src : graph.node(id).inputs) {
        last_use[static_cast<std::size_t>(src)] = id;
        if (const auto* conv = std::get_if<Conv>(&graph.node(id).op); conv && conv->kernel > 1 && src == graph.node(id).inputs[0])
          border[static_cast<std::size_t>(src)] = conv->kernel / 2;
      }
    for (NodeId id = 0; id <= graph.last(); ++id)
      if (is_banded(id))
        for (const NodeId src : graph.node(id).inputs)
          last_use[static_cast<std::size_t>(src)] = std::max(last_use[static_cast<std::size_t>(src)], id + 1);
    for (NodeId id = graph.last(); id >= 0; --id)
      if (is_in_place(id)) last_use[static_cast<std::size_t>(graph.node(id).inputs[1])] = last_use[static_cast<std::size_t>(id)];
  }

  // A pointwise convolution whose large output only the strided convolution after it reads: both can be done band by band, and of that output only one band ever lies in memory, or
  // rather in the cache. What the first reads must then live as long as the second works.
  [[nodiscard]] bool is_banded(NodeId id) const {
    constexpr std::int64_t least = 192 * 1024;  // words: about what a second cache of 1 MiB holds beside the rest
    if (id == graph.last() || last_use[static_cast<std::size_t>(id)] != id + 1) return false;
    const auto *first = std::get_if<Conv>(&graph.node(id).op), *second = std::get_if<Conv>(&graph.node(id + 1).op);
    return first && second && first->kernel == 1 && second->kernel == 3 && second->stride > 1 && second->stride <= second->kernel && !first->add &&
           ways[static_cast<std::size_t>(id) + 1] == Way::direct && graph.node(id + 1).inputs == std::vector<NodeId>{id} &&
           graph.node(id).dims.count() / kernels::per_word(elements[static_cast<std::size_t>(id)]) > least;
  }

  // A convolution that adds writes over what it adds, where that is as large.
  [[nodiscard]] bool is_in_place(NodeId id) const {
    const auto* conv = std::get_if<Conv>(&graph.node(id).op);
    const auto size = [&](NodeId node) { return kernels::per_word(elements[static_cast<std::size_t>(node)]); };
    return conv && conv->add && size(id) == size(graph.node(id).inputs[1]);
  }
};

// The slot that grows least, or a new one.
std::size_t take_slot(std::vector<Slot>& slots, NodeId id, NodeId last_use, const Slot& wanted) {
  const auto growth = [&](const Slot& slot) {
    return std::max(slot.above, wanted.above) + std::max(slot.below, wanted.below) - slot.above - slot.below;
  };
  std::size_t best = slots.size();
  for (std::size_t i = 0; i < slots.size(); ++i)
    if (slots[i].shelter == wanted.shelter && slots[i].per_word == wanted.per_word && slots[i].last_use < id &&
        (best == slots.size() || growth(slots[i]) < growth(slots[best])))
      best = i;
  if (best == slots.size()) slots.push_back(wanted);
  Slot& slot = slots[best];
  slot = {slot.shelter, slot.per_word, std::max(slot.above, wanted.above), std::max(slot.below, wanted.below), last_use};
  return best;
}

// What makes this node's output.
const kernels::Kernels& kernels_for(const Program& program, NodeId id) {
  const std::vector<NodeId>& inputs = program.graph.node(id).inputs;
  const kernels::Kernels& best = *kernels::best_kernels(program.element(inputs.empty() ? 0 : inputs[0]), program.quantization.reduced_range);
  // A plan's weights depend on the kernels that its file names, and so on no other ones for floats.
  const kernels::Kernels* floats = kernels_of(program.precision, program.quantization)->floats;
  return floats && id > 0 && best.source == Element::f32 ? *floats : best;
}

// The way of each node that is a convolution.
std::vector<Way> choose_ways(const Program& program, const Ways& wanted, bool compact) {
  std::vector<Way> ways(program.graph.nodes().size(), Way::direct);
  for (NodeId id = 1; id <= program.graph.last(); ++id) {
    const Node& node = program.graph.node(id);
    const auto* conv = std::get_if<Conv>(&node.op);
    if (!conv) continue;
    const kernels::Kernels& kernels = kernels_for(program, id);
    const bool is_narrow = kernels.source != Element::f32;
    // In int8 what is wide is so to be exact, and what is rounded to u8 has a scale that Winograd does not know.
    if (!kernels.winograd || (is_narrow && (compact || program.precision != Precision::bf16 || program.element(id) != kernels.source))) continue;
    const auto found = wanted.find(node.name);
    Way& way = ways[static_cast<std::size_t>(id)];
    way = found == wanted.end() ? best_way(*conv, node.dims, compact, kernels.source) : found->second;
    if (is_narrow && (way == Way::winograd || (way != Way::direct && conv->stride > 1)))
      fail(Code::invalid_argument, "compile: ", node.name, ": expected direct", conv->stride > 1 ? "" : " or winograd-transformed", ", found ",
           name_of(way), ", which is for f32");
    if (compact && way == Way::transformed) way = Way::winograd;
  }
  return ways;
}

// Returns the slot of each node.
std::vector<std::size_t> place_outputs(Program& program, const Layout& layout) {
  const Graph& graph = program.graph;
  const bool is_narrow = program.precision != Precision::f32;
  const std::size_t count = graph.nodes().size();
  std::vector<int> tile(count);  // of inputs that Winograd reads for one of outputs, or 0
  for (std::size_t i = 1; i < count; ++i)
    if (const Node& node = graph.node(static_cast<NodeId>(i)); layout.ways[i] != Way::direct)
      tile[static_cast<std::size_t>(node.inputs[0])] = 4 * std::get<Conv>(node.op).stride;
  program.places.resize(count);
  std::vector<Slot> slots;
  std::vector<std::size_t> slot_of(count);
  std::vector<std::size_t> before(count);  // words from the slot's middle back to a node's first
  for (std::size_t i = 0; i < count; ++i) {
    const auto id = static_cast<NodeId>(i);
    const Dims& dims = graph.node(id).dims;
    Place& place = program.places[i];
    place.pixel = id == graph.last() ? program.padded_classes() : program.words(id, dims.channels);
    if (is_narrow && program.element(id) != Element::f32 && id > 0) {
      // A kernel that reads more than a pixel's channels must find finite values there.
      const kernels::Kernels* bf16 = kernels::best_kernels(Element::bf16);
      const int multiple = std::max(kernels_of(program.precision, program.quantization)->depth_multiple, bf16 ? bf16->depth_multiple : 1);
      place.pixel = rounded_up(static_cast<int>(place.pixel), multiple);
    }
    // Pixels that lie 2 or 4 KiB apart, or 1 where a tile is of 32 pixels, would fall into the same lines of the first cache.
    if (place.pixel % (is_narrow ? 256 : 512) == 0) place.pixel += 16;
    const int border = layout.border[i];
    int rows = dims.height, columns = dims.width;
    if (border > 0) {
      // Winograd reads whole tiles, up to three rows and columns more, or seven. Without it, the border on the right is that on the left of the next row.
      const int multiple = !is_narrow && tile[i] == 0 ? 4 : tile[i];
      rows = multiple > 0 ? rounded_up(rows, multiple) + 2 * border : rows + 2 * border + 1;
      columns = multiple > 0 ? rounded_up(columns, multiple) + 2 * border : columns + border;
    }
    place.row = place.pixel * columns;
    place.size = static_cast<std::size_t>(rows * place.row);
    place.origin = static_cast<std::size_t>(border * (place.row + place.pixel));
    const Shelter shelter = layout.is_banded(id) ? Shelter::banded : border > 0 ? Shelter::bordered : Shelter::plain;
    if (shelter != Shelter::banded) before[i] = place.origin + static_cast<std::size_t>(dims.height / 2 * place.row);
    slot_of[i] = layout.is_in_place(id)
                     ? slot_of[static_cast<std::size_t>(graph.node(id).inputs[1])]
                     : take_slot(slots, id, layout.last_use[i],
                                 {shelter, kernels::per_word(program.element(id)), lines_up(before[i]), lines_up(place.size - before[i] + 16), id});
  }
  std::vector<std::size_t> middles(slots.size());
  for (const bool last : {false, true})
    for (std::size_t s = 0; s < slots.size(); ++s) {
      if ((slots[s].shelter == Shelter::banded) != last) continue;
      middles[s] = program.arena_floats + slots[s].above;
      program.arena_floats = middles[s] + slots[s].below;
    }
  std::int64_t widest = 0;
  for (std::size_t i = 0; i < count; ++i) {
    Place& place = program.places[i];
    place.begin = middles[slot_of[i]] - before[i];
    place.origin += place.begin;
    widest = std::max(widest, place.pixel);
  }
  if (is_narrow) program.arena_floats += static_cast<std::size_t>(32 * widest);  // tiles of pixels may begin with the last one
  return slot_of;
}

// Which outputs find a border of zeros, left by one of their shape, and which do not. Arenas that see the late steps alone begin anew with them.
void choose_cleared(Program& program, const Layout& layout, const std::vector<std::size_t>& slot_of) {
  std::map<std::size_t, std::pair<Dims, std::int64_t>> borders;  // by slot: the shape whose border is there, and how far its rows are apart
  for (NodeId id = 0; id <= program.graph.last(); ++id) {
    if (id == program.late) borders.clear();
    const auto i = static_cast<std::size_t>(id);
    if (layout.border[i] == 0) continue;
    const std::pair shape(program.graph.node(id).dims, program.places[i].row);
    const auto known = borders.find(slot_of[i]);
    program.places[i].clears = known == borders.end() || known->second != shape;
    if (!layout.is_banded(id)) borders[slot_of[i]] = shape;  // or else it may not have been here
  }
}

void plan_band(Program& program, Step& step) {
  constexpr std::int64_t floats = 64 * 1024;  // about
  const Conv& next = std::get<Conv>(program.graph.node(step.node + 1).op);
  const std::int64_t row = program.place(step.node).row;
  step.band_rows = static_cast<int>(std::max<std::int64_t>(1, floats / row / next.stride));
  step.band_floats = static_cast<std::size_t>(((step.band_rows - 1) * next.stride + next.kernel) * row) + 64;
  program.scratch_floats = std::max(program.scratch_floats, step.band_floats);
}

Step make_step(Program& program, NodeId id, Way way) {
  const Node& node = program.graph.node(id);
  Step step;
  step.node = id;
  if (!node.inputs.empty()) step.src = node.inputs[0];
  std::string how = "copy";
  step.kernels = &kernels_for(program, id);
  const auto reserve = [&](std::size_t weights, std::size_t bias, std::size_t scales = 0) {
    step.weights = program.weights_floats;
    step.bias = step.weights + lines_up(weights);
    step.scales = step.bias + lines_up(bias);
    program.weights_floats = step.scales + lines_up(scales);
  };
  if (const auto* conv = std::get_if<Conv>(&node.op)) {
    const kernels::Kernels& kernels = *step.kernels;
    const int in = conv->in_channels / conv->groups, out = conv->out_channels / conv->groups;
    const auto count = static_cast<std::size_t>(conv->out_channels) * static_cast<std::size_t>(in * conv->kernel * conv->kernel);
    step.kind = Kind::convolution;
    if (conv->add) step.residual = node.inputs[1];
    if (conv->add) step.residual_scale = program.scale(step.residual) / program.scale(id);
    step.way = way;
    how = name_of(step.way);
    if (step.way == Way::direct) {
      const Place& src = program.place(step.src);
      const int most = kernels::groups_at_once(kernels, conv->groups, in);
      step.groups = (conv->groups + most - 1) / most;
      const int together = (conv->groups + step.groups - 1) / step.groups;
      step.taps = kernels::direct_taps(conv->kernel, src.row, src.pixel);
      step.tap_length = program.words(step.src, together * in);
      // Without groups, and with nothing between the pixels, what a row of the kernel reads is one run: 9 channels for the stem instead of 3 times 3.
      if (conv->groups == 1 && src.pixel == step.tap_length) {
        step.taps = kernels::row_taps(conv->kernel, src.row);
        step.tap_length *= conv->kernel;
      }
      step.panels = kernels.panels(together * out, nullptr) * step.groups;
      reserve(kernels::packed_words(kernels, step.groups, together * out, static_cast<int>(step.taps.size()), step.tap_length),
              static_cast<std::size_t>(conv->out_channels), kernels.source == Element::u8 ? static_cast<std::size_t>(conv->out_channels) : 0);
    } else {
      const bool transformed = step.way == Way::transformed;
      const int tiles = kernels::winograd_tiles(node.dims.height) * kernels::winograd_tiles(node.dims.width);
      const int in_word = kernels::per_word(kernels.source);
      step.tiles_at_once = kernels::winograd_block(in / in_word, conv->stride, tiles);
      step.blocks_per_group = (tiles + step.tiles_at_once - 1) / step.tiles_at_once;
      program.scratch_floats =
          std::max(program.scratch_floats, static_cast<std::size_t>(kernels.winograd_scratch(in, conv->stride, step.tiles_at_once, transformed)));
      reserve((transformed ? 4 * count : count) / static_cast<std::size_t>(in_word), static_cast<std::size_t>(conv->out_channels));
    }
  } else if (const auto* linear = std::get_if<Linear>(&node.op)) {
    step.kind = Kind::linear;
    how = name_of(Way::direct);
    step.taps = {0};
    step.tap_length = linear->in_features;
    step.panels = step.kernels->panels(program.padded_classes(), nullptr);
    reserve(static_cast<std::size_t>(program.padded_classes()) * static_cast<std::size_t>(linear->in_features),
            static_cast<std::size_t>(program.padded_classes()));
  } else if (std::holds_alternative<GlobalAveragePool>(node.op)) {
    step.kind = Kind::average;
    how = "average";
  }
  program.layers.push_back({node.name, kind_of(node.op), node.dims, text("own:", step.kernels->name, ':', how), false});
  return step;
}

// The first step from which on every stretch of steps, between outputs that alone are read later, has more words of weights than of outputs, and so few of these that those of four
// images stay in a second cache.
NodeId late_steps(const Program& program, const Layout& layout) {
  constexpr std::int64_t most_outputs = 64 * 1024;
  NodeId late = program.graph.last(), oldest = late;  // that is read from the step on
  std::int64_t weights = 0, outputs = 0;
  for (NodeId id = program.graph.last(); id > 0; --id) {
    const Step& step = program.steps[static_cast<std::size_t>(id)];
    weights += static_cast<std::int64_t>(step.bias - step.weights);
    outputs += program.words(id, static_cast<int>(program.graph.node(id).dims.count()));
    for (const NodeId src : program.graph.node(id).inputs) oldest = std::min(oldest, src);
    if (oldest < id - 1 || layout.is_banded(id - 1) || weights == 0) continue;  // the average has none, and goes with the layer before it
    if (id != program.graph.last() && (weights < outputs || outputs > most_outputs)) break;
    late = id;
    weights = outputs = 0;
  }
  return late;
}

// The codes that a checkpoint has, or those of its floats.
kernels::Int8Codes codes_of(const Program& program, const Step& step, const kernels::WeightShape& shape, const BoundWeights& weights,
                            const FoldedLayer& layer) {
  const std::string name = program.node(step).name + ".weight";
  const TensorView& stored = *weights.tensors.find(name);
  if (stored.dtype != DType::i8) return kernels::int8_codes(layer.weights, shape, program.quantization.reduced_range ? 4 : 2);
  const std::vector<float> codes = to_floats(stored);
  const int together = step.kernels->together;
  if (const float sum = together > 1 ? kernels::largest_together(codes, kernels::Meetings(shape, together)) : 0; sum > kernels::most_together)
    fail(Code::unsupported, name, ": ", step.kernels->name, " adds products of ", together, " int8 weights in 16 bits, which may add up to ",
         kernels::most_together, ", found ", sum, ": quantise it again with this version");
  return kernels::int8_codes(layer.weights, codes, shape.groups * shape.out);
}

// For kernels of less than 32 bits: the weights' codes, and their scales in steps of the output.
void pack_narrow(const Program& program, const Step& step, const BoundWeights& weights, const FoldedLayer& layer, float* packed) {
  const Node& node = program.node(step);
  const Conv& conv = std::get<Conv>(node.op);
  const kernels::WeightShape shape{conv.groups, conv.out_channels / conv.groups, conv.in_channels / conv.groups, conv.kernel};
  if (step.way == Way::transformed)
    return kernels::pack_winograd_bf16(kernels::best_kernels(), layer.weights, shape.groups, shape.out, packed + step.weights);
  std::vector<std::uint16_t> codes;
  if (step.kernels->source == Element::bf16) {
    codes = kernels::bf16_codes(layer.weights, conv.out_channels);
  } else {
    kernels::Int8Codes int8 = codes_of(program, step, shape, weights, layer);
    codes = std::move(int8.codes);
    for (std::size_t c = 0; c < int8.scales.size(); ++c)
      packed[step.scales + c] = int8.scales[c] * program.scale(step.src) / program.scale(step.node);
  }
  kernels::pack_codes(*step.kernels, codes, shape, step.groups, static_cast<int>(step.taps.size()), step.tap_length, packed + step.weights);
}

// One layer's weights, folded, as its kernel reads them. `layer` may grow.
void pack_layer(const Program& program, const Step& step, const BoundWeights& weights, FoldedLayer& layer, float* packed) {
  const Node& node = program.node(step);
  if (const auto* conv = std::get_if<Conv>(&node.op)) {
    const int in = conv->in_channels / conv->groups, out = conv->out_channels / conv->groups;
    if (const float out_scale = program.scale(step.node); out_scale != 1) {
      for (float& bias : layer.bias) bias /= out_scale;
      if (step.kernels->source != Element::u8)  // whose scales hold it
        for (float& weight : layer.weights) weight /= out_scale;
    }
    if (step.kernels->source != Element::f32) {
      pack_narrow(program, step, weights, layer, packed);
    } else if (step.way == Way::direct) {
      kernels::pack_direct(*step.kernels, layer.weights.data(), conv->groups, out, in, conv->kernel, packed + step.weights);
    } else if (step.way == Way::winograd) {
      kernels::pack_winograd(*step.kernels, layer.weights.data(), conv->groups, out, packed + step.weights);
    } else {
      const std::vector<float> panels = kernels::pack_winograd(*step.kernels, layer.weights, conv->groups, out);
      step.kernels->winograd_weights(panels.data(), conv->groups, out, conv->stride, packed + step.weights);
    }
  } else {
    const int in = std::get<Linear>(node.op).in_features;
    for (float& weight : layer.weights) weight *= program.scale(step.src);
    layer.weights.resize(static_cast<std::size_t>(program.padded_classes()) * static_cast<std::size_t>(in), 0.0f);
    kernels::pack_direct(*step.kernels, layer.weights.data(), 1, program.padded_classes(), in, 1, packed + step.weights);
  }
  std::copy(layer.bias.begin(), layer.bias.end(), packed + step.bias);
}

}  // namespace

std::string_view name_of(Way way) {
  switch (way) {
    case Way::direct: return "direct";
    case Way::winograd: return "winograd";
    case Way::transformed: return "winograd-transformed";
  }
  return "?";
}

std::optional<Way> way_of(std::string_view name) {
  for (const Way way : {Way::direct, Way::winograd, Way::transformed})
    if (name == name_of(way)) return way;
  return {};
}

bool can(Way way, const Conv& conv) {
  return way == Way::direct || (conv.kernel == 3 && conv.stride <= 2 && !conv.add && conv.in_channels == conv.out_channels);
}

bool can_be_programmed(const Graph& fused) {
  const std::vector<Node>& nodes = fused.nodes();
  if (nodes.empty() || !std::holds_alternative<Linear>(nodes.back().op)) return false;
  const std::vector<kernels::Element> floats(nodes.size(), Element::f32);
  const std::vector<Way> ways(nodes.size(), Way::direct);
  const Layout layout(fused, floats, ways);
  std::vector<NodeId> last_read(nodes.size(), 0);
  for (NodeId id = 0; id <= fused.last(); ++id)
    for (const NodeId src : fused.node(id).inputs) last_read[static_cast<std::size_t>(src)] = id;
  const auto border = [&](NodeId id) { return layout.border[static_cast<std::size_t>(id)]; };
  for (NodeId id = 0; id <= fused.last(); ++id) {
    const Node& node = fused.node(id);
    const bool fits = std::visit(
        Overloaded{[&](const Input&) { return id == 0; },
                   [&](const Conv& conv) {
                     if (conv.out_channels / conv.groups % 8 != 0 || (conv.kernel != 1 && conv.kernel != 3)) return false;
                     if (const Op& src = fused.node(node.inputs[0]).op; !std::holds_alternative<Input>(src) && !std::holds_alternative<Conv>(src))
                       return false;
                     if (!conv.add) return true;
                     const NodeId added = node.inputs[1];  // is overwritten
                     return added != node.inputs[0] && border(id) == 0 && border(added) == 0 && last_read[static_cast<std::size_t>(added)] == id;
                   },
                   [&](const GlobalAveragePool&) { return border(node.inputs[0]) == 0 && node.dims.channels % 8 == 0; },
                   [&](const Linear&) {
                     return id == fused.last() && fused.node(node.inputs[0]).dims.height == 1 && fused.node(node.inputs[0]).dims.width == 1;
                   },
                   [](const auto&) { return false; }},
        node.op);
    if (!fits) return false;
  }
  return true;
}

bool can_be_narrow(const Graph& fused) {
  constexpr int in_word = 4;  // of u8
  for (const Node& node : fused.nodes())
    if (const auto* conv = std::get_if<Conv>(&node.op); conv && conv->groups > 1)
      if (const int in = conv->in_channels / conv->groups; in % in_word != 0 && in_word % in != 0) return false;
  return fused.input_dims().channels == 3 && std::holds_alternative<GlobalAveragePool>(fused.node(fused.nodes().back().inputs[0]).op);
}

Way best_way(const Conv& conv, const Dims& dims, bool compact, Element source) {
  if (!can(Way::winograd, conv)) return Way::direct;
  // Maps of few tiles use each weight too seldom, and groups of few channels do too little with each transformed tile.
  const int tiles = kernels::winograd_tiles(dims.height) * kernels::winograd_tiles(dims.width), channels = conv.in_channels / conv.groups;
  // Of stride 2 it saves but half of the products, and is in no band with the layer before.
  if (conv.stride > 1) return source == Element::f32 && tiles >= 49 && channels >= 112 && !compact ? Way::transformed : Way::direct;
  if (source == Element::bf16) return tiles < 16 || channels < 40 ? Way::direct : Way::transformed;
  if (tiles < 16 || channels < 16 || (channels < 24 && tiles < 49)) return Way::direct;
  return compact ? Way::winograd : Way::transformed;
}

const kernels::Kernels* kernels_of(Precision precision, const Quantization& quantization) {
  const Element source = precision == Precision::int8 ? Element::u8 : precision == Precision::bf16 ? Element::bf16 : Element::f32;
  return kernels::best_kernels(source, quantization.reduced_range);
}

int Program::group_channels(const Step& step) const {
  const Conv& conv = std::get<Conv>(node(step).op);
  return (conv.groups + step.groups - 1) / step.groups * (conv.out_channels / conv.groups);
}

Program make_program(Graph fused, Precision precision, Quantization quantization, const Ways& ways, bool compact) {
  Program program{precision, std::move(fused), std::move(quantization), {}, {}, {}, {}, {}};
  choose_elements(program);
  const std::vector<Way> chosen = choose_ways(program, ways, compact);
  const Layout layout(program.graph, program.elements, chosen);
  const std::vector<std::size_t> slot_of = place_outputs(program, layout);
  for (NodeId id = 0; id <= program.graph.last(); ++id) {
    program.steps.push_back(make_step(program, id, chosen[static_cast<std::size_t>(id)]));
    if (layout.is_banded(id)) plan_band(program, program.steps.back());
  }
  program.late = late_steps(program, layout);
  choose_cleared(program, layout, slot_of);
  return program;
}

std::vector<Finding> pack(const Program& program, const BoundWeights& weights, float* packed) {
  std::vector<std::vector<Finding>> found(program.steps.size());
  const auto is_packed = [](const Step& step) { return step.kind == Kind::convolution || step.kind == Kind::linear; };
  std::int64_t most = 0;  // weights of a layer: vectors that grew with the layers would leave holes in the heap
  for (const Step& step : program.steps)
    if (is_packed(step)) most = std::max(most, element_count(weights.tensors.find(program.node(step).name + ".weight")->shape));
  parallel_for(program.steps.size(), default_threads().count, [&] {
    FoldedLayer layer;
    layer.weights.reserve(static_cast<std::size_t>(most));
    return [&, layer = std::move(layer)](std::size_t i) mutable {
      const Step& step = program.steps[i];
      if (!is_packed(step)) return;
      fold_layer(weights, program.node(step), layer, found[i]);
      pack_layer(program, step, weights, layer, packed);
    };
  });
  std::vector<Finding> findings;
  for (const std::vector<Finding>& of_layer : found) findings.insert(findings.end(), of_layer.begin(), of_layer.end());
  refuse_errors(findings);
  return findings;
}

}  // namespace regnet::detail
