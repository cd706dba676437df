// The oneDNN backend. Activations are NHWC throughout; weights take the layout their kernel asks for and are packed once per layout.
// A Program is the set of kernels for one batch size and thread count; sessions of the same shape share it.
#include <algorithm>
#include <map>
#include <mutex>

#include <oneapi/dnnl/dnnl.hpp>

#include <regnet/base/aligned_buffer.hpp>
#include <regnet/base/parallel.hpp>
#include <regnet/graph/rewrite.hpp>
#include <regnet/plan/memory.hpp>

#include "plan/fold.hpp"
#include "plan/impl.hpp"
#include "plan/openmp.hpp"

namespace regnet::detail {

namespace {

using dnnl::memory;
using Format = memory::format_tag;

memory::desc activation_desc(int batch, const Dims& dims, Format format) {
  return {{batch, dims.channels, dims.height, dims.width}, memory::data_type::f32, format};
}

struct PackedWeights {
  memory::desc layout;
  AlignedBuffer weights;
  AlignedBuffer bias;
};

// The layout of a layer's weights as the framework stores them, and as the kernel wants them; zero for a layer without.
struct WeightsLayout {
  memory::desc plain, wanted;
};

// One kernel of a program. The memory it reads and writes is named by node, and bound by each session.
struct Step {
  NodeId node = 0;
  dnnl::primitive primitive;
  memory::desc src, dst, scratchpad;
  WeightsLayout layout = {};
  std::shared_ptr<const PackedWeights> weights = {};  // once they are packed
};

struct Program {
  std::vector<Step> steps;
  std::vector<LayerReport> layers;
};

// A reference kernel: right, and orders of magnitude slower than generated code.
template <class PrimitiveDesc>
bool is_slow(const PrimitiveDesc& desc) {
  return std::string(desc.impl_info_str()).find("ref") != std::string::npos;
}

// The first implementation of oneDNN's list that is no reference kernel; one of those only when there is nothing else, and then it is reported.
template <class PrimitiveDesc>
PrimitiveDesc fastest(PrimitiveDesc desc) {
  while (is_slow(desc) && desc.next_impl()) {}
  return desc;
}

dnnl::primitive_attr attributes(const Conv& conv) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  dnnl::post_ops ops;
  if (conv.add) ops.append_sum(1.0f);  // the destination holds the shortcut when the kernel starts
  if (conv.relu) ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0f, 0.0f);
  attr.set_post_ops(ops);
  return attr;
}

class OnednnPlan final : public PlanImpl {
 public:
  OnednnPlan(BoundWeights bound, const SessionOptions& expected) : PlanImpl(bound.graph), x_weights(std::move(bound)), x_fused(fuse(graph)) {
    where_openmp_works([&] { x_expected = program(with_startable_threads(expected), findings); });
  }

  std::unique_ptr<SessionImpl> open(const SessionOptions& options) const override;
  Backend backend() const override { return Backend::onednn; }
  const std::vector<LayerReport>& layers() const override { return x_expected->layers; }
  const Graph& fused() const { return x_fused; }
  const dnnl::engine& engine() const { return x_engine; }

 private:
  static SessionOptions with_startable_threads(SessionOptions options) {
    options.threads = startable_threads(options.threads);
    return options;
  }

  // The program for a session shape; made on first use, dropped with its last session.
  std::shared_ptr<const Program> program(const SessionOptions& options, std::vector<Finding>& found) const;
  void add_input(Program& program, NodeId id, int batch) const;
  void add_conv(Program& program, NodeId id, const Conv& conv, int batch) const;
  void add_pool(Program& program, NodeId id, int batch) const;
  void add_linear(Program& program, NodeId id, const Linear& linear, int batch) const;
  void pack_weights(Program& program, int threads, std::vector<Finding>& found) const;

  BoundWeights x_weights;
  Graph x_fused;
  dnnl::engine x_engine{dnnl::engine::kind::cpu, 0};
  std::shared_ptr<const Program> x_expected;
  mutable std::mutex x_mutex;  // guards the two caches below
  mutable std::map<std::pair<int, int>, std::weak_ptr<const Program>> x_programs;
  mutable std::map<NodeId, std::vector<std::weak_ptr<const PackedWeights>>> x_packed;
};

// The kernels' padding is zeroed by the reorder.
std::shared_ptr<const PackedWeights> pack(const dnnl::engine& engine, FoldedLayer& layer, const WeightsLayout& layout) {
  auto packed = std::make_shared<PackedWeights>();
  packed->layout = layout.wanted;
  packed->weights = AlignedBuffer::uninitialised((layout.wanted.get_size() + sizeof(float) - 1) / sizeof(float));
  packed->bias = AlignedBuffer::uninitialised(layer.bias.size());
  std::copy(layer.bias.begin(), layer.bias.end(), packed->bias.data());
  memory src(layout.plain, engine, layer.weights.data()), dst(layout.wanted, engine, packed->weights.data());
  dnnl::stream stream(engine);
  dnnl::reorder(src, dst).execute(stream, src, dst);
  stream.wait();
  return packed;
}

void OnednnPlan::pack_weights(Program& program, int threads, std::vector<Finding>& found) const {
  std::vector<Step*> missing;
  for (Step& step : program.steps) {
    if (step.layout.wanted.is_zero()) continue;
    for (const auto& candidate : x_packed[step.node])
      if (auto packed = candidate.lock(); packed && packed->layout == step.layout.wanted) step.weights = std::move(packed);
    if (!step.weights) missing.push_back(&step);
  }
  std::vector<std::vector<Finding>> found_in(missing.size());
  parallel_for(missing.size(), threads, [&] {
    return [&, layer = FoldedLayer()](std::size_t i) mutable {
      const OpenmpThreads one(1);  // layers side by side need no help within a layer
      Step& step = *missing[i];
      fold_layer(x_weights, x_fused.node(step.node), layer, found_in[i]);
      step.weights = pack(x_engine, layer, step.layout);
    };
  });
  for (std::size_t i = 0; i < missing.size(); ++i) {
    found.insert(found.end(), found_in[i].begin(), found_in[i].end());
    auto& known = x_packed[missing[i]->node];
    std::erase_if(known, [](const auto& candidate) { return candidate.expired(); });
    known.push_back(missing[i]->weights);
  }
  refuse_errors(found);
}

template <class PrimitiveDesc>
void report(Program& program, const Node& node, const PrimitiveDesc& desc) {
  program.layers.push_back({node.name, kind_of(node.op), node.dims, desc.impl_info_str(), is_slow(desc)});
}

// The caller's planes become NHWC: oneDNN has only its reference kernel for a convolution between the two layouts.
void OnednnPlan::add_input(Program& program, NodeId id, int batch) const {
  const Node& node = x_fused.node(id);
  const memory::desc src = activation_desc(batch, node.dims, Format::nchw), dst = activation_desc(batch, node.dims, Format::nhwc);
  const dnnl::reorder::primitive_desc desc(x_engine, src, x_engine, dst, attributes({}));
  program.steps.push_back({id, dnnl::reorder(desc), src, dst, desc.scratchpad_desc()});
  report(program, node, desc);
}

void OnednnPlan::add_conv(Program& program, NodeId id, const Conv& conv, int batch) const {
  const Node& node = x_fused.node(id);
  const bool grouped = conv.groups > 1;
  const memory::dim out = conv.out_channels / conv.groups, in = conv.in_channels / conv.groups, k = conv.kernel, padding = k / 2;
  const memory::dims shape = grouped ? memory::dims{conv.groups, out, in, k, k} : memory::dims{out, in, k, k};
  const memory::desc plain(shape, memory::data_type::f32, grouped ? Format::goihw : Format::oihw);
  const memory::desc any(shape, memory::data_type::f32, Format::any);
  const memory::desc src = activation_desc(batch, x_fused.node(node.inputs[0]).dims, Format::nhwc);
  const memory::desc dst = activation_desc(batch, node.dims, Format::nhwc);
  const memory::desc bias({conv.out_channels}, memory::data_type::f32, Format::a);
  const auto desc = fastest(
      dnnl::convolution_forward::primitive_desc(x_engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, src, any, bias,
                                                dst, {conv.stride, conv.stride}, {padding, padding}, {padding, padding}, attributes(conv)));
  program.steps.push_back({id, dnnl::convolution_forward(desc), src, dst, desc.scratchpad_desc(), {plain, desc.weights_desc()}});
  report(program, node, desc);
}

void OnednnPlan::add_pool(Program& program, NodeId id, int batch) const {
  const Node& node = x_fused.node(id);
  const Dims src_dims = x_fused.node(node.inputs[0]).dims;
  const memory::desc src = activation_desc(batch, src_dims, Format::nhwc), dst = activation_desc(batch, node.dims, Format::nhwc);
  const memory::dims window{src_dims.height, src_dims.width}, none{0, 0};
  const auto desc =
      fastest(dnnl::pooling_forward::primitive_desc(x_engine, dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_avg_exclude_padding, src,
                                                    dst, window, window, none, none, none, attributes({})));
  program.steps.push_back({id, dnnl::pooling_forward(desc), src, dst, desc.scratchpad_desc()});
  report(program, node, desc);
}

void OnednnPlan::add_linear(Program& program, NodeId id, const Linear& linear, int batch) const {
  const Node& node = x_fused.node(id);
  const memory::dims shape{linear.out_features, linear.in_features};
  const memory::desc src({batch, linear.in_features}, memory::data_type::f32, Format::ab);
  const memory::desc dst({batch, linear.out_features}, memory::data_type::f32, Format::ab);
  const memory::desc plain(shape, memory::data_type::f32, Format::ab), any(shape, memory::data_type::f32, Format::any);
  const memory::desc bias({linear.out_features}, memory::data_type::f32, Format::a);
  const auto desc =
      fastest(dnnl::inner_product_forward::primitive_desc(x_engine, dnnl::prop_kind::forward_inference, src, any, bias, dst, attributes({})));
  program.steps.push_back({id, dnnl::inner_product_forward(desc), src, dst, desc.scratchpad_desc(), {plain, desc.weights_desc()}});
  report(program, node, desc);
}

std::shared_ptr<const Program> OnednnPlan::program(const SessionOptions& options, std::vector<Finding>& found) const {
  const std::lock_guard lock(x_mutex);
  std::weak_ptr<const Program>& known = x_programs[{options.batch, options.threads}];
  if (auto program = known.lock()) return program;
  const OpenmpThreads threads(options.threads);  // kernels divide their work for this number when they are created
  auto program = std::make_shared<Program>();
  for (NodeId id = 0; id <= x_fused.last(); ++id) {
    const Node& node = x_fused.node(id);
    try {
      std::visit(Overloaded{[&](const Input&) { add_input(*program, id, options.batch); },
                            [&](const Conv& conv) { add_conv(*program, id, conv, options.batch); },
                            [&](const GlobalAveragePool&) { add_pool(*program, id, options.batch); },
                            [&](const Linear& linear) { add_linear(*program, id, linear, options.batch); },
                            [&](const auto&) { fail(Code::unsupported, "a ", name_of(node.op), " that no convolution can absorb"); }},
                 node.op);
    } catch (const dnnl::error& error) {
      fail(Code::unsupported, "layer ", node.name, " (", name_of(node.op), " to ", to_string(node.dims), "): oneDNN: ", error.what());
    }
  }
  pack_weights(*program, options.threads, found);
  known = program;
  return program;
}

// Buffers of a program: one per node, but a convolution that adds writes into its shortcut's buffer.
struct BufferPlan {
  std::vector<int> buffer_of;  // by node; -1: the caller's memory
  std::vector<Lifetime> lifetimes;
};

BufferPlan plan_buffers(const Graph& graph, int batch) {
  const auto count = static_cast<int>(graph.nodes().size());
  BufferPlan plan{std::vector<int>(graph.nodes().size(), -1), {}};
  std::vector<int> last_use(graph.nodes().size(), 0);
  for (NodeId id = 0; id < count; ++id)
    for (const NodeId src : graph.node(id).inputs) last_use[static_cast<std::size_t>(src)] = id;
  for (NodeId id = 0; id + 1 < count; ++id) {  // the last node writes the caller's logits
    const Node& node = graph.node(id);
    int& buffer = plan.buffer_of[static_cast<std::size_t>(id)];
    if (const auto* conv = std::get_if<Conv>(&node.op); conv && conv->add) {
      const NodeId shortcut = node.inputs[1];
      buffer = plan.buffer_of[static_cast<std::size_t>(shortcut)];
      if (buffer < 0 || last_use[static_cast<std::size_t>(shortcut)] != id)
        fail(Code::unsupported, "layer ", node.name, ": its shortcut is still needed after the addition");
    } else {
      buffer = static_cast<int>(plan.lifetimes.size());
      plan.lifetimes.push_back({static_cast<std::size_t>(node.dims.count()) * static_cast<std::size_t>(batch) * sizeof(float), id, id});
    }
    Lifetime& life = plan.lifetimes[static_cast<std::size_t>(buffer)];
    life.last = std::max(life.last, last_use[static_cast<std::size_t>(id)]);
  }
  return plan;
}

class OnednnSession final : public SessionImpl {
 public:
  OnednnSession(const OnednnPlan& plan, std::shared_ptr<const Program> program, const SessionOptions& options)
      : x_program(std::move(program)),
        x_threads(options.threads),
        x_batch(static_cast<std::size_t>(options.batch)),
        x_modes(static_cast<std::size_t>(options.threads)),
        x_stream(plan.engine()) {
    const BufferPlan buffers = plan_buffers(plan.fused(), options.batch);
    const MemoryLayout layout = plan_memory(buffers.lifetimes);
    std::size_t scratch_bytes = 0;
    for (const Step& step : x_program->steps) scratch_bytes = std::max(scratch_bytes, step.scratchpad.get_size());
    x_arena = AlignedBuffer((layout.bytes + scratch_bytes + sizeof(float) - 1) / sizeof(float));
    auto* base = reinterpret_cast<std::byte*>(x_arena.data());
    const auto address = [&](NodeId id) -> void* {
      const int buffer = buffers.buffer_of[static_cast<std::size_t>(id)];
      return buffer < 0 ? nullptr : base + layout.offsets[static_cast<std::size_t>(buffer)];
    };
    for (const Step& step : x_program->steps) {
      const std::vector<NodeId>& inputs = plan.fused().node(step.node).inputs;
      Call call{step.primitive.get(), {}};
      bind(call, plan.engine(), DNNL_ARG_SRC, step.src, inputs.empty() ? nullptr : address(inputs[0]));
      if (inputs.empty()) x_input = call.args.back().memory;
      bind(call, plan.engine(), DNNL_ARG_DST, step.dst, address(step.node));
      if (step.node == plan.fused().last()) x_output = call.args.back().memory;
      if (step.weights) {
        const auto& [packed_layout, packed_weights, packed_bias] = *step.weights;
        const memory::desc bias({static_cast<memory::dim>(packed_bias.size())}, memory::data_type::f32, Format::a);
        bind(call, plan.engine(), DNNL_ARG_WEIGHTS, packed_layout, const_cast<float*>(packed_weights.data()));
        bind(call, plan.engine(), DNNL_ARG_BIAS, bias, const_cast<float*>(packed_bias.data()));
      }
      bind(call, plan.engine(), DNNL_ARG_SCRATCHPAD, step.scratchpad, base + layout.bytes);
      x_calls.push_back(std::move(call));
    }
  }

  void run(const float* images, float* logits, const LayerObserver* observe) override {
    where_openmp_works([&] { run_here(images, logits, observe); });
  }

  int threads() const override { return x_threads; }
  const std::vector<LayerReport>& layers() const override { return x_program->layers; }
  std::size_t arena_bytes() const override { return x_arena.size() * sizeof(float); }

 private:
  struct Call {
    dnnl_primitive_t primitive;
    std::vector<dnnl_exec_arg_t> args;
  };

  void run_here(const float* images, float* logits, const LayerObserver* observe) {
    const OpenmpThreads threads(x_threads);
    const TeamFlushesSubnormals flushed(x_modes);
    check(dnnl_memory_set_data_handle(x_input, const_cast<float*>(images)));
    check(dnnl_memory_set_data_handle(x_output, logits));
    // The C interface, since dnnl::primitive::execute builds a map and an array on every call.
    for (const Call& call : x_calls) {
      check(dnnl_primitive_execute(call.primitive, x_stream.get(), static_cast<int>(call.args.size()), call.args.data()));
      if (observe) (*observe)(x_program->layers[static_cast<std::size_t>(&call - x_calls.data())], [&] { return values_of(call); });
    }
  }

  void bind(Call& call, const dnnl::engine& engine, int role, const memory::desc& desc, void* data) {
    x_memories.emplace_back(desc, engine, data);
    call.args.push_back({role, x_memories.back().get()});
  }

  // A layer's output, from NHWC into planes.
  std::vector<float> values_of(const Call& call) const {
    const LayerReport& layer = x_program->layers[static_cast<std::size_t>(&call - x_calls.data())];
    void* data = nullptr;
    for (const dnnl_exec_arg_t& arg : call.args)
      if (arg.arg == DNNL_ARG_DST) check(dnnl_memory_get_data_handle(arg.memory, &data));
    const auto* src = static_cast<const float*>(data);
    const auto area = static_cast<std::size_t>(layer.dims.height) * static_cast<std::size_t>(layer.dims.width);
    const auto channels = static_cast<std::size_t>(layer.dims.channels);
    std::vector<float> values(x_batch * channels * area);
    for (std::size_t i = 0; i < x_batch; ++i)
      for (std::size_t c = 0; c < channels; ++c)
        for (std::size_t p = 0; p < area; ++p) values[(i * channels + c) * area + p] = src[(i * area + p) * channels + c];
    return values;
  }

  static void check(dnnl_status_t status) {
    if (status != dnnl_success) fail(Code::unsupported, "oneDNN could not execute a kernel: status ", status);
  }

  std::shared_ptr<const Program> x_program;
  int x_threads;
  std::size_t x_batch;
  std::vector<FloatingMode> x_modes;  // one per thread
  dnnl::stream x_stream;
  AlignedBuffer x_arena;
  std::vector<memory> x_memories;
  std::vector<Call> x_calls;
  dnnl_memory_t x_input = nullptr, x_output = nullptr;
};

// Whatever oneDNN throws outside a layer (an engine, a stream, memory) becomes the library's one type.
template <class Make>
auto without_dnnl_errors(Make make) {
  try {
    return make();
  } catch (const dnnl::error& error) {
    fail(Code::unsupported, "oneDNN: ", error.what());
  }
}

std::unique_ptr<SessionImpl> OnednnPlan::open(const SessionOptions& options) const {
  std::vector<Finding> known;  // those of the plan
  const SessionOptions used = with_startable_threads(options);
  std::unique_ptr<SessionImpl> session;
  where_openmp_works([&] { session = without_dnnl_errors([&] { return std::make_unique<OnednnSession>(*this, program(used, known), used); }); });
  return session;
}

}  // namespace

void require_matching_onednn() {
  const dnnl_version_t& found = *dnnl_version();
  if (found.major == DNNL_VERSION_MAJOR && found.minor >= DNNL_VERSION_MINOR && found.cpu_runtime == DNNL_CPU_RUNTIME) return;
  const auto runtime = [](unsigned number) {
    switch (number) {
      case DNNL_RUNTIME_SEQ: return "sequential";
      case DNNL_RUNTIME_OMP: return "OpenMP";
      case DNNL_RUNTIME_TBB: return "TBB";
      default: return "another";
    }
  };
  const std::string file = file_of(reinterpret_cast<const void*>(&dnnl_version));
  fail(Code::unsupported, file.empty() ? "oneDNN" : file, ": expected oneDNN ", DNNL_VERSION_MAJOR, ".", DNNL_VERSION_MINOR, " or a later ",
       DNNL_VERSION_MAJOR, ".x with the ", runtime(DNNL_CPU_RUNTIME), " runtime, which regnet was built with, found ", found.major, ".", found.minor,
       ".", found.patch, " with ", runtime(found.cpu_runtime));
}

std::shared_ptr<const PlanImpl> make_onednn_plan(BoundWeights weights, const SessionOptions& expected) {
  return without_dnnl_errors([&] { return std::make_shared<OnednnPlan>(std::move(weights), expected); });
}

}  // namespace regnet::detail

namespace regnet {

std::string engine_description() {
  const dnnl_version_t* version = dnnl_version();
  const auto isa = [] {
    switch (dnnl::get_effective_cpu_isa()) {
      case dnnl::cpu_isa::sse41: return "SSE4.1";
      case dnnl::cpu_isa::avx: return "AVX";
      case dnnl::cpu_isa::avx2: return "AVX2";
      case dnnl::cpu_isa::avx2_vnni: return "AVX2 with VNNI";
      case dnnl::cpu_isa::avx512_core: return "AVX-512";
      case dnnl::cpu_isa::avx512_core_vnni: return "AVX-512 with VNNI";
      case dnnl::cpu_isa::avx512_core_bf16: return "AVX-512 with BF16";
      case dnnl::cpu_isa::avx512_core_fp16: return "AVX-512 with FP16";
      case dnnl::cpu_isa::avx512_core_amx: return "AVX-512 with AMX";
      default: return "other ISA";
    }
  };
  return text("oneDNN ", version->major, ".", version->minor, ".", version->patch, ", ", isa(), ", ", detail::openmp_description());
}

}  // namespace regnet
