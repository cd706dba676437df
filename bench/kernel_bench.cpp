// Each kernel on each layer shape of the twelve networks, one thread: GFLOP/s of direct multiply-adds, and that as a fraction of what this instruction set reaches when it
// does nothing else. Weights go round in 64 MiB of copies where "cold" says so, as in a network they would; "hot" keeps one copy in the caches.
// kernel_bench --benchmark_filter='avx512/winograd/.*cold'
#include <benchmark/benchmark.h>

#include <chrono>
#include <random>
#include <set>
#include <string>

#include <regnet/base/aligned_buffer.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/graph/build.hpp>
#include <regnet/graph/rewrite.hpp>

#include "plan/kernels/kernels.hpp"
#include "plan/kernels/packing.hpp"
#include "plan/own_program.hpp"

namespace {

using regnet::AlignedBuffer;
using regnet::detail::Way;
namespace kernels = regnet::kernels;

AlignedBuffer random_floats(std::size_t count) {
  static std::mt19937 generator(1);
  std::uniform_real_distribution<float> values(-1, 1);
  AlignedBuffer buffer(count);
  for (std::size_t i = 0; i < count; ++i) buffer.data()[i] = values(generator);
  return buffer;
}

double peak_gflops(const kernels::Kernels& of) {
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const auto begin = std::chrono::steady_clock::now();
    const std::int64_t operations = of.multiply_add(200'000) * 200'000;
    best = std::max(best, static_cast<double>(operations) / 1e9 / std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count());
  }
  return best;
}

struct Shape {
  regnet::Conv conv;
  int height, width;  // of the output
};

constexpr std::size_t cold_floats = 16 * 1024 * 1024;

void run(benchmark::State& state, const kernels::Kernels& of, const Shape& shape, Way way, bool cold, double peak) {
  const regnet::Conv& conv = shape.conv;
  const int in = conv.in_channels / conv.groups, out = conv.out_channels / conv.groups, border = conv.kernel / 2;
  const std::int64_t pixel = conv.in_channels, row = pixel * (shape.width * conv.stride + 2 * border + 3);
  const auto count = static_cast<std::size_t>(conv.out_channels) * static_cast<std::size_t>(in * conv.kernel * conv.kernel);
  const std::size_t stride = (count * (way == Way::transformed ? 4 : 1) + 15) / 16 * 16,
                    copies = cold ? std::max<std::size_t>(1, cold_floats / stride) : 1;
  const AlignedBuffer src = random_floats(static_cast<std::size_t>(row) * static_cast<std::size_t>(shape.height * conv.stride + 2 * border + 3)),
                      bias = random_floats(static_cast<std::size_t>(conv.out_channels)), weights = random_floats(stride * copies);
  AlignedBuffer dst(static_cast<std::size_t>(conv.out_channels) * static_cast<std::size_t>(shape.height * shape.width));
  const std::vector<std::int64_t> taps = kernels::direct_taps(conv.kernel, row, pixel);
  std::size_t copy = 0;
  const auto next = [&] { return weights.data() + stride * (copy++ % copies); };
  if (way != Way::direct) {
    const int tiles = kernels::winograd_tiles(shape.height) * kernels::winograd_tiles(shape.width);
    kernels::Winograd layer{.src = src.data(),
                            .src_pixel = pixel,
                            .src_row = row,
                            .stride = conv.stride,
                            .transformed = way == Way::transformed,
                            .bias = bias.data(),
                            .dst = dst.data(),
                            .dst_pixel = conv.out_channels,
                            .dst_row = std::int64_t{conv.out_channels} * shape.width,
                            .rows = shape.height,
                            .columns = shape.width,
                            .groups = conv.groups,
                            .channels = in,
                            .tiles_at_once = kernels::winograd_block(in, conv.stride, tiles),
                            .relu = conv.relu};
    AlignedBuffer scratch(static_cast<std::size_t>(of.winograd_scratch(in, layer.stride, layer.tiles_at_once, layer.transformed)));
    const int blocks = (tiles + layer.tiles_at_once - 1) / layer.tiles_at_once * conv.groups;
    for (auto _ : state) {
      layer.weights = next();
      of.winograd(layer, {0, blocks}, scratch.data());
    }
  } else {
    kernels::Convolution layer{.src = src.data(),
                               .src_pixel = conv.stride * pixel,
                               .src_row = conv.kernel == 1 && conv.stride == 1 ? pixel * shape.width : conv.stride * row,
                               .src_group = in,
                               .taps = taps.data(),
                               .tap_count = static_cast<int>(taps.size()),
                               .tap_length = in,
                               .bias = bias.data(),
                               .residual = conv.add ? dst.data() : nullptr,
                               .dst = dst.data(),
                               .dst_pixel = conv.out_channels,
                               .dst_row = std::int64_t{conv.out_channels} * shape.width,
                               .columns = shape.width,
                               .groups = conv.groups,
                               .channels = out,
                               .relu = conv.relu};
    const int panels = of.panels(out, nullptr) * conv.groups, rows = kernels::rows_at_once(layer);
    for (auto _ : state) {
      layer.weights = next();
      for (int y = 0; y < shape.height; y += rows) of.convolve(layer, {y, std::min(shape.height, y + rows)}, {0, panels});
    }
  }
  const double gflop = 2e-9 * static_cast<double>(count) * shape.height * shape.width;
  state.counters["GFLOP/s"] = benchmark::Counter(gflop, benchmark::Counter::kIsIterationInvariantRate);
  state.counters["of peak"] = benchmark::Counter(gflop / peak, benchmark::Counter::kIsIterationInvariantRate);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::set<std::string> known;
  for (const kernels::Kernels* of : kernels::runnable_kernels()) {
    if (of->source != kernels::Element::f32) continue;
    const double peak = peak_gflops(*of);
    for (const regnet::ZooEntry& entry : regnet::zoo) {
      const regnet::Graph graph = regnet::fuse(regnet::build(regnet::to_stages(entry.params)));
      for (const regnet::Node& node : graph.nodes()) {
        const auto* conv = std::get_if<regnet::Conv>(&node.op);
        if (!conv) continue;
        const std::string name = regnet::text(conv->kernel, 'x', conv->kernel, '/', conv->stride, "g", conv->in_channels / conv->groups, ':',
                                              conv->in_channels, '-', conv->out_channels, '@', node.dims.height, conv->add ? "+add" : "");
        for (const Way way : {Way::direct, Way::winograd, Way::transformed})
          for (const bool cold : {false, true}) {
            if (!regnet::detail::can(way, *conv)) continue;
            const std::string full = regnet::text(of->name, '/', name_of(way), '/', name, cold ? "/cold" : "/hot");
            if (!known.insert(full).second) continue;
            benchmark::RegisterBenchmark(full.c_str(), [=, shape = Shape{*conv, node.dims.height, node.dims.width}](benchmark::State& state) {
              run(state, *of, shape, way, cold, peak);
            });
          }
      }
    }
  }
  benchmark::RunSpecifiedBenchmarks();
}
