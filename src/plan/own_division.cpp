#include "plan/own_division.hpp"

#include <algorithm>

namespace regnet::detail {

using kernels::Range;

namespace {

Split split_evenly(int rows, int panels, int threads) {
  Split best;
  std::int64_t least = -1;
  for (int by_rows = threads; by_rows >= 1; --by_rows) {
    if (threads % by_rows != 0) continue;
    const int by_panels = threads / by_rows;
    const std::int64_t longest = std::int64_t{(rows + by_rows - 1) / by_rows} * ((panels + by_panels - 1) / by_panels);
    if (least < 0 || longest < least) {
      least = longest;
      best = {by_rows, by_panels};
    }
  }
  return best;
}

}  // namespace

Division::Division(const Program& program, int threads) : x_program(program), x_threads(threads) {
  for (const Step& step : program.steps) {
    if (step.kind == Kind::convolution && step.way == Way::direct)
      x_splits.push_back(split_evenly(program.node(step).dims.height, step.panels, threads));
    else if (step.kind == Kind::linear) x_splits.push_back({1, threads});
    else x_splits.push_back({threads, 1});
  }
}

bool Division::is_banded(const Step& step) const {
  return step.band_rows > 0 && split(step).by_panels == 1 && x_splits[static_cast<std::size_t>(step.node) + 1].by_panels == 1;
}

Region Division::written(const Step& step, int thread) const {
  const Dims& dims = x_program.node(step).dims;
  const Split split = this->split(step);
  const Range rows = part(dims.height, split.by_rows, thread / split.by_panels);
  const auto words = [&](int channels) { return x_program.words(step.node, channels); };
  if (step.kind != Kind::convolution) return {rows, {0, words(dims.channels)}};
  const Conv& conv = std::get<Conv>(x_program.node(step).op);
  if (step.way == Way::direct) {
    const int channels = x_program.group_channels(step);
    const Range panels = part(step.panels, split.by_panels, thread % split.by_panels);
    const int per_group = step.panels / step.groups;
    const auto channel = [&](int panel) {
      return std::min(dims.channels, panel / per_group * channels + std::min(channels, panel % per_group * step.kernels->panel_width(channels)));
    };
    return {rows, {words(channel(panels.begin)), words(channel(panels.end))}};
  }
  const int channels = conv.out_channels / conv.groups;
  const int across = kernels::winograd_tiles(dims.width), tiles = across * kernels::winograd_tiles(dims.height);
  const int per_group = step.blocks_per_group;
  const Range blocks = part(winograd_blocks(x_program, step), x_threads, thread);
  const Range groups{blocks.begin / per_group, (blocks.end + per_group - 1) / per_group};
  Range of_groups{0, dims.height};
  if (groups.end - groups.begin == 1) {
    const int begin = (blocks.begin - groups.begin * per_group) * step.tiles_at_once,
              end = std::min(tiles, (blocks.end - groups.begin * per_group) * step.tiles_at_once);
    of_groups = {4 * (begin / across), std::min(dims.height, 4 * ((end + across - 1) / across))};
  }
  return {of_groups, {words(groups.begin * channels), words(groups.end * channels)}};
}

Region Division::read(const Step& step, int thread) const {
  const Dims& dims = x_program.graph.node(step.src).dims;
  Region region = written(step, thread);
  const Conv& conv = std::get<Conv>(x_program.node(step).op);
  region.rows = {std::max(0, region.rows.begin * conv.stride - conv.kernel / 2),
                 std::min(dims.height, (region.rows.end - 1) * conv.stride + conv.kernel / 2 + 1)};
  if (conv.groups == 1) region.words = {0, x_program.words(step.src, dims.channels)};
  return region;
}

}  // namespace regnet::detail
