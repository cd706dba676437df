#include <regnet/plan/plan_file.hpp>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <set>

#include <libdeflate.h>
#include <nlohmann/json.hpp>

#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>
#include <regnet/base/parallel.hpp>
#include <regnet/base/threads.hpp>
#include <regnet/graph/rewrite.hpp>

#include "base/temporary_file.hpp"
#include "plan/own.hpp"

namespace regnet {

namespace {

using Json = nlohmann::json;  // its search in objects is not linear, as that of ordered_json is

constexpr char magic[16] = "regnet plan\n";
constexpr int format = 5;  // raised when the kernels read their weights in another order, or the header changes
constexpr std::size_t page = 4096, fixed_bytes = sizeof magic + sizeof(std::uint64_t), most_header = 4 << 20;
constexpr std::size_t chunk = 4 << 20;  // bytes under one checksum
constexpr std::size_t most_nodes = 10'000;
constexpr int most_extent = 1 << 20;
constexpr std::int64_t most_values = std::int64_t{1} << 30;

// Messages and tables show names as they are.
void require_plain(Code code, const std::string& name) {
  if (name.size() > 200 || printable(name) != name)
    fail(code, "expected names of nodes of at most 200 printable ASCII characters, found ", in_quotes(name));
}

Json json_of(const Node& node) {
  require_plain(Code::invalid_argument, node.name);
  Json json{{"name", node.name}, {"op", name_of(node.op)}, {"inputs", node.inputs}};
  std::visit(Overloaded{[&](const Input& input) {
                          json["dims"] = {input.dims.channels, input.dims.height, input.dims.width};
                        },
                        [&](const Conv& conv) {
                          json["conv"] = {conv.in_channels, conv.out_channels, conv.kernel, conv.stride, conv.groups};
                        },
                        [&](const BatchNorm& norm) { json["channels"] = norm.channels; },
                        [&](const Linear& linear) {
                          json["linear"] = {linear.in_features, linear.out_features};
                        },
                        [](const auto&) {}},
             node.op);
  return json;
}

// Nothing that has parts is printed: printing calls itself for each level, and they may be as many as the header has bytes.
std::string shown(const Json& json) { return in_quotes(json.is_structured() ? json.type_name() : json.dump()); }

std::int64_t integer(const Json& json, std::int64_t least, std::int64_t most) {
  if (!json.is_number_integer() || json.get<double>() < static_cast<double>(least) || json.get<double>() > static_cast<double>(most))
    fail(Code::bad_format, "expected an integer from ", least, " to ", most, ", found ", shown(json));
  return json.get<std::int64_t>();
}

int extent(const Json& json) { return static_cast<int>(integer(json, 1, most_extent)); }

Op op_of(const Json& json) {
  const auto name = json.at("op").get<std::string>();
  if (name == "input") return Input{{extent(json.at("dims").at(0)), extent(json.at("dims").at(1)), extent(json.at("dims").at(2))}};
  if (name == "conv") {
    const Json& conv = json.at("conv");
    Conv op;
    op.in_channels = extent(conv.at(0));
    op.out_channels = extent(conv.at(1));
    op.kernel = extent(conv.at(2));
    op.stride = extent(conv.at(3));
    op.groups = extent(conv.at(4));
    return op;
  }
  if (name == "batch_norm") return BatchNorm{extent(json.at("channels"))};
  if (name == "relu") return Relu{};
  if (name == "add") return Add{};
  if (name == "global_average_pool") return GlobalAveragePool{};
  if (name == "linear") return Linear{extent(json.at("linear").at(0)), extent(json.at("linear").at(1))};
  fail(Code::bad_format, "unknown operation ", in_quotes(name));
}

Graph graph_of(const Json& nodes) {
  if (!nodes.is_array() || nodes.empty() || nodes.size() > most_nodes)
    fail(Code::bad_format, "expected 1 to ", most_nodes, " nodes, found ", nodes.size());
  Graph graph;
  std::set<std::string> names;
  std::int64_t values = 0;
  for (const Json& node : nodes) {
    std::vector<NodeId> inputs;
    for (const Json& input : node.at("inputs")) inputs.push_back(static_cast<NodeId>(integer(input, 0, most_nodes)));
    const auto name = node.at("name").get<std::string>();
    require_plain(Code::bad_format, name);
    if (!names.insert(name).second) fail(Code::bad_format, "two nodes are called ", in_quotes(name));
    const Op op = op_of(node);
    const NodeId id = graph.append(name, op, std::move(inputs));
    values += graph.node(id).dims.count();  // at most 2^60 each
    if (values > most_values) fail(Code::bad_format, "expected at most 2^30 values of activations, found more at node ", in_quotes(name));
  }
  return graph;
}

std::vector<std::uint32_t> checksums(std::span<const std::byte> bytes) {
  std::vector<std::uint32_t> sums((bytes.size() + chunk - 1) / chunk);
  parallel_for(sums.size(), default_threads().count, [&] {
    return [&](std::size_t i) {
      const auto part = bytes.subspan(i * chunk, std::min(chunk, bytes.size() - i * chunk));
      sums[i] = ::libdeflate_crc32(0, part.data(), part.size());
    };
  });
  return sums;
}

detail::Ways ways_of(const Json& json, const Graph& fused) {
  detail::Ways ways;
  for (const auto& [name, way] : json.items()) {
    const auto node = std::find_if(fused.nodes().begin(), fused.nodes().end(), [&name = name](const Node& one) { return one.name == name; });
    const auto* conv = node == fused.nodes().end() ? nullptr : std::get_if<Conv>(&node->op);
    const std::optional<detail::Way> known = detail::way_of(way.get<std::string>());
    if (!conv || !known || !detail::can(*known, *conv)) fail(Code::bad_format, "no layer ", in_quotes(name), " that goes by ", shown(way));
    ways[name] = *known;
  }
  return ways;
}

PlanFile parse(const std::shared_ptr<const MappedFile>& file) {
  const std::span<const std::byte> bytes = file->bytes();
  if (bytes.size() < fixed_bytes || std::memcmp(bytes.data(), magic, sizeof magic) != 0)
    fail(Code::bad_format, "expected a regnet plan, found other bytes");
  std::uint64_t length = 0;
  std::memcpy(&length, bytes.data() + sizeof magic, sizeof length);
  if (length > most_header || length > bytes.size() - fixed_bytes)
    fail(Code::bad_format, "expected a header within the file's ", bytes.size(), " bytes, found a length of ", length);
  const auto* text_begin = reinterpret_cast<const char*>(bytes.data() + fixed_bytes);
  const Json header = Json::parse(text_begin, text_begin + length);
  if (const auto found = integer(header.at("format"), 0, 1 << 30); found != format || header.at("version").get<std::string>() != REGNET_VERSION)
    fail(Code::unsupported, "made by regnet ", in_quotes(header.at("version").get<std::string>()), ", format ", found, "; this is ", REGNET_VERSION,
         ", format ", format, ": compile it again");
  const auto precision = header.at("precision").get<std::string>();
  const std::optional<Precision> known = precision_of(precision);
  if (!known || known == Precision::automatic) fail(Code::bad_format, "unknown precision ", in_quotes(precision));
  Quantization quantization;
  if (*known == Precision::int8)
    quantization = {header.at("scales").get<std::map<std::string, float>>(), header.at("wide").get<std::set<std::string>>(),
                    header.at("reduced_range").get<bool>()};
  const kernels::Kernels* kernels = detail::kernels_of(*known, quantization);
  if (const auto isa = header.at("isa").get<std::string>(); !kernels || isa != kernels->name)
    fail(Code::unsupported, "made for ", in_quotes(isa), ", but this process uses ", (kernels ? *kernels : kernels::best_kernels()).name,
         ": compile it again");
  Graph graph = graph_of(header.at("graph"));
  if (!detail::own_supports(graph)) fail(Code::bad_format, "a network that the own kernels cannot run");
  Graph fused = fuse(graph);
  detail::Ways ways = ways_of(header.at("ways"), fused);
  detail::require(*known, graph);
  detail::Program program = detail::make_program(std::move(fused), *known, std::move(quantization), ways, false);
  const std::size_t begin = (fixed_bytes + static_cast<std::size_t>(length) + page - 1) / page * page, floats = program.weights_floats;
  if (floats > bytes.size() / sizeof(float) || bytes.size() != begin + floats * sizeof(float))
    fail(Code::bad_format, "expected ", floats, " weights from byte ", begin, " to the end, found a file of ", bytes.size(), " bytes");
  const std::span<const std::byte> data = bytes.subspan(begin);
  std::vector<std::uint32_t> expected;
  for (const Json& sum : header.at("crc32")) expected.push_back(static_cast<std::uint32_t>(integer(sum, 0, 0xffffffff)));
  if (checksums(data) != expected) fail(Code::bad_format, "the weights' checksums differ: the file is damaged");
  return {detail::plan_of(std::make_shared<detail::OwnPlan>(std::move(graph), std::move(program),
                                                            detail::PackedWeights{reinterpret_cast<const float*>(data.data()), file})),
          header.at("about").get<std::string>()};
}

}  // namespace

void save_plan(const Plan& plan, const std::filesystem::path& path, const std::string& about, Existing existing) {
  const auto* own = dynamic_cast<const detail::OwnPlan*>(&detail::impl_of(plan));
  if (!own) fail(Code::invalid_argument, "save_plan: expected a plan of the own backend, found one of ", name_of(plan.backend()));
  const detail::Program& program = own->program();
  Json header{{"format", format},       {"version", REGNET_VERSION}, {"isa", program.isa()}, {"precision", name_of(program.precision)},
              {"graph", Json::array()}, {"ways", Json::object()}};
  for (const Node& node : own->graph.nodes()) header["graph"].push_back(json_of(node));
  for (const detail::Step& step : program.steps)
    if (step.kind == detail::Kind::convolution) header["ways"][program.node(step).name] = name_of(step.way);
  if (program.precision == Precision::int8) {
    header["scales"] = program.quantization.scales;
    header["wide"] = program.quantization.wide;
    header["reduced_range"] = program.quantization.reduced_range;
  }
  const auto data = std::as_bytes(std::span(own->packed(), program.weights_floats));
  header["crc32"] = checksums(data);
  header["about"] = about;
  const std::string text = header.dump();
  const std::uint64_t length = text.size();
  if (length > most_header)
    fail(Code::unsupported, path.string(), ": expected a description of at most 4 MiB, found ", length, " bytes (many names of classes?)");
  check_target(path, existing);
  TemporaryFile file(path);
  file.write(std::as_bytes(std::span(magic)));
  file.write(std::as_bytes(std::span(&length, 1)));
  file.write(std::as_bytes(std::span(text)));
  const std::string zeros((page - (fixed_bytes + text.size()) % page) % page, '\0');
  file.write(std::as_bytes(std::span(zeros)));
  file.write(data);
  file.take_its_name(existing);
}

PlanFile load_plan(const std::filesystem::path& path) {
  detail::require_matching_onednn();
  try {
    return parse(std::make_shared<MappedFile>(path));
  } catch (const Json::exception&) {
    fail(Code::bad_format, path.string(), ": expected a regnet plan, found a header that is damaged");
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(path.string())) throw;
    fail(error.code() == Code::invalid_argument ? Code::bad_format : error.code(), path.string(), ": ", error.what());
  }
}

bool is_plan_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  char found[sizeof magic] = {};
  return in.read(found, sizeof found) && std::memcmp(found, magic, sizeof magic) == 0;
}

}  // namespace regnet
