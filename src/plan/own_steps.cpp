#include "plan/own_steps.hpp"

#include <algorithm>
#include <bit>

#include <regnet/base/finite.hpp>

namespace regnet::detail {

using kernels::Range;

void OwnSteps::clear_border(float* arena, NodeId id, Range rows) const {
  const Place& place = x_program.place(id);
  const Dims& dims = x_program.graph.node(id).dims;
  float* const first = arena + place.origin;
  if (rows.begin == 0) std::fill(arena + place.begin, first, 0.0f);
  for (int y = rows.begin; y < rows.end; ++y)
    std::fill(first + y * place.row + dims.width * place.pixel, y + 1 < dims.height ? first + (y + 1) * place.row : arena + place.begin + place.size,
              0.0f);
}

bool OwnSteps::copy_input(float* arena, const Step& step, Range rows, const float* image) const {
  const Dims& dims = x_program.graph.node(step.node).dims;
  const Place& dst = x_program.place(step.node);
  const std::int64_t area = std::int64_t{dims.height} * dims.width;
  bool finite = true;
  for (int y = rows.begin; y < rows.end; ++y) {
    const float* from = image + std::int64_t{y} * dims.width;
    float* to = arena + dst.origin + static_cast<std::size_t>(y * dst.row);
    for (int c = 0; c < dims.channels; ++c) finite &= all_finite({from + c * area, static_cast<std::size_t>(dims.width)});
    if (dims.channels == 3) {
      step.kernels->weave(from, area, dims.width, to);
      continue;
    }
    for (int x = 0; x < dims.width; ++x, ++from, to += dst.pixel)
      for (int c = 0; c < dims.channels; ++c) to[c] = from[c * area];
  }
  return finite;
}

kernels::Convolution OwnSteps::convolution(float* arena, const Step& step) const {
  const Node& node = x_program.node(step);
  const Conv& conv = std::get<Conv>(node.op);
  const Place &src = x_program.place(step.src), &dst = x_program.place(step.node);
  const int channels = x_program.group_channels(step);
  kernels::Convolution layer;
  layer.src = arena + (conv.kernel > 1 ? src.begin : src.origin);
  layer.src_pixel = conv.stride * src.pixel;
  layer.src_row = conv.stride * src.row;
  layer.src_group = x_program.words(step.src, channels / (conv.out_channels / conv.groups) * (conv.in_channels / conv.groups));
  layer.taps = step.taps.data();
  layer.tap_count = static_cast<int>(step.taps.size());
  layer.tap_length = step.tap_length;
  layer.weights = x_weights + step.weights;
  layer.bias = x_weights + step.bias;
  layer.residual = step.residual >= 0 ? arena + x_program.place(step.residual).origin : nullptr;
  layer.dst = arena + dst.origin;
  layer.dst_pixel = dst.pixel;
  layer.dst_row = dst.row;
  layer.columns = node.dims.width;
  layer.groups = step.groups;
  layer.channels = channels;
  layer.out_channels = conv.out_channels;
  layer.relu = conv.relu;
  layer.dst_element = x_program.element(step.node);
  layer.scales = x_weights + step.scales;
  if (step.residual >= 0) {
    layer.residual_element = x_program.element(step.residual);
    layer.residual_pixel = x_program.place(step.residual).pixel;
  }
  layer.residual_scale = step.residual_scale;
  return layer;
}

void OwnSteps::in_chunks(const Step& step, const kernels::Convolution& layer, Range rows, Range panels) const {
  const int count = rows.end - rows.begin, most = kernels::rows_at_once(layer), chunks = (count + most - 1) / most;
  for (int i = 0; i < chunks; ++i) {
    const Range chunk = part(count, chunks, i);
    step.kernels->convolve(layer, {rows.begin + chunk.begin, rows.begin + chunk.end}, panels);
  }
}

void OwnSteps::convolve(float* arena, const Step& step, Range rows, Range panels, bool shared) const {
  kernels::Convolution layer = convolution(arena, step);
  layer.shared = shared;
  in_chunks(step, layer, rows, panels);
}

void OwnSteps::convolve_banded(float* arena, const Step& first, const Step& second, Range rows, float* band, bool shared) const {
  const Conv& conv = std::get<Conv>(x_program.node(second).op);
  const Place& between = x_program.place(first.node);
  const int height = x_program.node(first).dims.height, border = conv.kernel / 2;
  std::fill_n(band, first.band_floats, 0.0f);  // its border, and what a kernel reads beside a pixel
  // Row y of the first step's output, with its border, begins at band + (y - top) * between.row.
  const auto needed = [&](int y) { return y * conv.stride - border; };
  int done = needed(rows.begin);
  for (int y = rows.begin, top = done; y < rows.end; y += first.band_rows) {
    const Range out{y, std::min(rows.end, y + first.band_rows)};
    const int begin = needed(out.begin), end = needed(out.end - 1) + conv.kernel;
    std::copy(band + (begin - top) * between.row, band + (done - top) * between.row, band);  // what the band before needed too
    top = begin;
    for (; done < end && done < 0; ++done) std::fill_n(band + (done - top) * between.row, between.row, 0.0f);
    kernels::Convolution layer = convolution(arena, first);
    layer.dst = band + border * between.pixel - top * between.row;
    in_chunks(first, layer, {done, std::min(end, height)}, {0, first.panels});
    for (done = std::max(done, std::min(end, height)); done < end; ++done) std::fill_n(band + (done - top) * between.row, between.row, 0.0f);
    layer = convolution(arena, second);
    layer.src = band + (-border - top) * between.row;
    layer.shared = shared;
    in_chunks(second, layer, out, {0, second.panels});
  }
}

void OwnSteps::winograd(float* arena, const Step& step, Range blocks, float* scratch) const {
  const Node& node = x_program.graph.node(step.node);
  const Conv& conv = std::get<Conv>(node.op);
  const Place &src = x_program.place(step.src), &dst = x_program.place(step.node);
  kernels::Winograd layer;
  layer.src = arena + src.begin;
  layer.src_pixel = src.pixel;
  layer.src_row = src.row;
  layer.stride = conv.stride;
  layer.weights = x_weights + step.weights;
  layer.transformed = step.way == Way::transformed;
  layer.bias = x_weights + step.bias;
  layer.dst = arena + dst.origin;
  layer.dst_pixel = dst.pixel;
  layer.dst_row = dst.row;
  layer.rows = node.dims.height;
  layer.columns = node.dims.width;
  layer.groups = conv.groups;
  layer.channels = conv.in_channels / conv.groups;
  layer.tiles_at_once = step.tiles_at_once;
  layer.relu = conv.relu;
  step.kernels->winograd(layer, blocks, scratch);
}

void OwnSteps::average(float* arena, const Step& step, Range eights) const {
  const Dims& dims = x_program.graph.node(step.src).dims;
  step.kernels->average(arena + x_program.place(step.src).origin, std::int64_t{dims.height} * dims.width, x_program.place(step.src).pixel,
                        {8 * eights.begin, 8 * eights.end}, arena + x_program.place(step.node).origin);
}

void OwnSteps::linear(float* arena, const Step& step, Range panels, float* logits) const {
  kernels::Convolution layer;
  layer.src = arena + x_program.place(step.src).origin;
  layer.taps = step.taps.data();
  layer.tap_count = 1;
  layer.tap_length = step.tap_length;
  layer.weights = x_weights + step.weights;
  layer.bias = x_weights + step.bias;
  layer.dst = arena + x_program.place(step.node).origin;
  layer.columns = 1;
  layer.channels = layer.out_channels = x_program.padded_classes();
  step.kernels->convolve(layer, {0, 1}, panels);
  const int width = step.kernels->panel_width(layer.channels), classes = x_program.graph.classes();
  std::copy(layer.dst + std::min(classes, panels.begin * width), layer.dst + std::min(classes, panels.end * width),
            logits + std::min(classes, panels.begin * width));
}

void OwnSteps::copy_output(const float* from, float* to, NodeId id) const {
  const Dims& dims = x_program.graph.node(id).dims;
  const Place& place = x_program.place(id);
  clear_border(to, id, {0, dims.height});
  for (int y = 0; y < dims.height; ++y) {
    const float* row = from + place.origin + y * place.row;
    std::copy(row, row + dims.width * place.pixel, to + place.origin + y * place.row);
  }
}

std::vector<float> OwnSteps::values_of(const float* arena, NodeId id) const {
  const Dims& dims = x_program.graph.node(id).dims;
  const Place& place = x_program.place(id);
  const kernels::Element element = x_program.element(id);
  const int in_word = kernels::per_word(element);
  const auto value_in = [&](float word, int part) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(word) >> (part * 32 / in_word);  // the first is the lowest
    switch (element) {
      case kernels::Element::bf16: return std::bit_cast<float>(bits << 16);
      case kernels::Element::u8: return static_cast<float>(static_cast<std::uint8_t>(bits));
      case kernels::Element::s8: return static_cast<float>(static_cast<std::int8_t>(bits));
      case kernels::Element::f32: break;
    }
    return word;
  };
  std::vector<float> values;
  for (int c = 0; c < dims.channels; ++c)
    for (int y = 0; y < dims.height; ++y)
      for (int x = 0; x < dims.width; ++x) {
        const float word = arena[place.origin + static_cast<std::size_t>(y * place.row + x * place.pixel + c / in_word)];
        values.push_back(value_in(word, c % in_word) * x_program.scale(id));
      }
  return values;
}

}  // namespace regnet::detail
