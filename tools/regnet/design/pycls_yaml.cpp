#include "design/pycls_yaml.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <map>
#include <sstream>
#include <string_view>
#include <vector>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include <regnet/base/error.hpp>
#include <regnet/base/foreign_text.hpp>
#include <regnet/base/mapped_file.hpp>

#include "text_file.hpp"

namespace {

using Json = nlohmann::ordered_json;
using regnet::Code;
using regnet::fail;
using regnet::text;

// pycls's own are below a kilobyte.
constexpr std::size_t most_bytes = std::size_t{1} << 20;

struct Section {
  std::string_view name;
  std::vector<std::string_view> settings;  // all of pycls's (core/config.py); empty: those that are not asked for do not matter
};

const std::array<Section, 5>& sections() {
  static const std::array<Section, 5> all{{
      {"MODEL", {"TYPE", "DEPTH", "NUM_CLASSES", "LOSS_FUN", "ACTIVATION_FUN", "ACTIVATION_INPLACE", "SCALING_TYPE", "SCALING_FACTOR"}},
      {"REGNET", {"STEM_TYPE", "STEM_W", "BLOCK_TYPE", "STRIDE", "SE_ON", "SE_R", "DEPTH", "W0", "WA", "WM", "GROUP_W", "BOT_MUL", "HEAD_W"}},
      {"ANYNET", {"STEM_TYPE", "STEM_W", "BLOCK_TYPE", "DEPTHS", "WIDTHS", "STRIDES", "BOT_MULS", "GROUP_WS", "HEAD_W", "SE_ON", "SE_R"}},
      {"BN", {}},
      {"TRAIN", {}},
  }};
  return all;
}

const Section* section_named(std::string_view name) {
  for (const Section& section : sections())
    if (section.name == name) return &section;
  return nullptr;
}

std::string at_line(int line) { return line > 0 ? text("line ", line, ": ") : ""; }

// The settings that describe a network, "REGNET.DEPTH" and so on, wherever they come from.
class Settings {
 public:
  // Throws for a setting that is there already, or none of pycls's.
  void add(const Section& section, const std::string& key, Json value, int line) {
    const std::string name = text(section.name, '.', key);
    const auto& known = section.settings;
    if (!known.empty() && std::find(known.begin(), known.end(), key) == known.end())
      fail(Code::unsupported, at_line(line), regnet::printable(name), ": expected one of pycls's settings of ", section.name, ", found another");
    if (!x_values.emplace(name, Setting{std::move(value), line}).second)
      fail(Code::bad_format, at_line(line), regnet::printable(name), ": appears twice");
  }
  void add(const Section& section) { x_values.emplace(section.name, Setting{}); }
  [[nodiscard]] bool has(const std::string& name) const { return x_values.contains(name); }

  // Throws where the setting is another than the only one that is understood, which is pycls's default too.
  void expect(const std::string& name, const Json& only, const char* why) const {
    const auto found = x_values.find(name);
    if (found != x_values.end() && found->second.value != only) refuse(name, Code::unsupported, text(shown(only), " (", why, ")"));
  }

  // Throws when it is no whole number that an int can hold.
  [[nodiscard]] int whole(const std::string& name, int otherwise) const {
    const auto found = x_values.find(name);
    return found == x_values.end() ? otherwise : whole_of(name, found->second.value);
  }
  [[nodiscard]] double real(const std::string& name, double otherwise) const {
    const auto found = x_values.find(name);
    return found == x_values.end() ? otherwise : real_of(name, found->second.value);
  }
  [[nodiscard]] std::string word(const std::string& name, const char* otherwise) const {
    const auto found = x_values.find(name);
    if (found == x_values.end()) return otherwise;
    if (!found->second.value.is_string()) refuse(name, Code::bad_format, "a word");
    return found->second.value.get<std::string>();
  }
  // One for each stage; pycls cuts lists to the shortest without a word.
  template <class Number>
  [[nodiscard]] std::vector<Number> list(const std::string& name, std::size_t stages) const {
    const auto found = x_values.find(name);
    if (found == x_values.end()) fail(Code::bad_format, name, ": expected a list, found nothing");
    const Json& value = found->second.value;
    if (!value.is_array()) refuse(name, Code::bad_format, "a list");
    if (value.empty() || value.size() > 64 || (stages != 0 && value.size() != stages))
      fail(Code::bad_format, at_line(found->second.line), name, ": expected ", stages != 0 ? text(stages, ", as DEPTHS has,") : "1 to 64",
           " numbers, found ", value.size());
    std::vector<Number> numbers;
    for (const Json& item : value) {
      if constexpr (std::is_same_v<Number, int>) numbers.push_back(whole_of(name, item));
      else numbers.push_back(real_of(name, item));
    }
    return numbers;
  }

  [[noreturn]] void refuse(const std::string& name, Code code, const std::string& expected) const {
    const auto found = x_values.find(name);
    fail(code, found == x_values.end() ? "" : at_line(found->second.line), name, ": expected ", expected, ", found ",
         found == x_values.end() ? "nothing" : shown(found->second.value));
  }
  [[nodiscard]] int line_of(const std::string& name) const { return has(name) ? x_values.at(name).line : 0; }

 private:
  struct Setting {
    Json value;
    int line = 0;  // 0: not from a file
  };

  static std::string shown(const Json& value) {
    if (value.is_null()) return "nothing";
    if (value.is_string()) return regnet::in_quotes(value.get_ref<const std::string&>());
    return regnet::printable(value.dump(-1, ' ', true, Json::error_handler_t::replace));
  }
  [[nodiscard]] int whole_of(const std::string& name, const Json& value) const {
    constexpr int most = 1'000'000;  // above any width, below any overflow
    const bool fits = value.is_number_unsigned() ? value.get<std::uint64_t>() <= most
                                                 : value.is_number_integer() && value.get<std::int64_t>() >= -std::int64_t{most} &&
                                                       value.get<std::int64_t>() <= std::int64_t{most};
    if (!fits) refuse(name, Code::bad_format, text("a whole number up to ", most));
    return value.get<int>();
  }
  [[nodiscard]] double real_of(const std::string& name, const Json& value) const {
    if (!value.is_number() || !std::isfinite(value.get<double>())) refuse(name, Code::bad_format, "a number");
    return value.get<double>();
  }

  std::map<std::string, Setting> x_values;
};

// What both kinds of network say in the same words: everything but the blocks' sizes must be a RegNetX's.
void expect_regnetx(const Settings& settings, const std::string& section) {
  settings.expect(section + ".STEM_TYPE", "simple_stem_in", "other stems are no RegNetX's");
  settings.expect(section + ".STEM_W", regnet::default_stem_width, "designs do not say another stem");
  settings.expect(section + ".BLOCK_TYPE", "res_bottleneck_block", "other blocks are no RegNetX's");
  settings.expect(section + ".SE_ON", false, "squeeze and excitation makes a RegNetY");
  settings.expect(section + ".HEAD_W", 0, "a RegNetX's head has no convolution");
  if (settings.has("BN.EPS") && settings.real("BN.EPS", 0) != 1e-5) settings.refuse("BN.EPS", Code::unsupported, "1e-05");
  std::string activation = settings.word("MODEL.ACTIVATION_FUN", "relu");
  for (char& c : activation) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (activation != "relu") settings.refuse("MODEL.ACTIVATION_FUN", Code::unsupported, "relu");
  if (settings.word("MODEL.SCALING_TYPE", "") != "" && settings.real("MODEL.SCALING_FACTOR", 1) != 1)
    settings.refuse("MODEL.SCALING_FACTOR", Code::unsupported, "1, since \"regnet design scale\" scales");
}

regnet::Design design_of_regnet(const Settings& settings) {
  settings.expect("REGNET.STRIDE", 2, "stages of other strides are no RegNetX's");
  const regnet::Params params{settings.whole("REGNET.W0", 32),    settings.real("REGNET.WA", 5),        settings.real("REGNET.WM", 2.5),
                              settings.whole("REGNET.DEPTH", 10), settings.whole("REGNET.GROUP_W", 16), settings.real("REGNET.BOT_MUL", 1)};
  return regnet::find_design(to_string(params));
}

// pycls takes an AnyNet's widths as they are: the groups are as many as go into the bottleneck, and PyTorch wants them to divide it.
regnet::Stage stage_of(const Settings& settings, std::size_t i, int depth, int width, double bottleneck, int group_width, int stride) {
  const auto where = [&](const char* name) { return text(at_line(settings.line_of(name)), name, ": stage ", i + 1, ": "); };
  if (depth < 1 || depth > 1024) fail(Code::invalid_argument, where("ANYNET.DEPTHS"), "expected 1 to 1024 blocks, found ", depth);
  if (width < 1 || width > regnet::widest) fail(Code::invalid_argument, where("ANYNET.WIDTHS"), "expected 1 to ", regnet::widest, ", found ", width);
  if (stride != 2) fail(Code::unsupported, where("ANYNET.STRIDES"), "expected 2, found ", stride);
  const double exact = std::nearbyint(width * bottleneck);
  if (!(exact >= 1 && exact <= regnet::widest))
    fail(Code::invalid_argument, where("ANYNET.BOT_MULS"), "expected a bottleneck 1 to ", regnet::widest, " wide, found ", exact);
  const int inner = static_cast<int>(exact);
  if (group_width < 1 || group_width > inner || inner % (inner / group_width) != 0)
    fail(Code::invalid_argument, where("ANYNET.GROUP_WS"), "expected groups that divide ", inner, " channels, found ", group_width);
  return {depth, width, inner, inner / (inner / group_width), stride};
}

regnet::Design design_of_anynet(const Settings& settings) {
  const std::vector<int> depths = settings.list<int>("ANYNET.DEPTHS", 0), widths = settings.list<int>("ANYNET.WIDTHS", depths.size()),
                         strides = settings.list<int>("ANYNET.STRIDES", depths.size()),
                         group_widths = settings.list<int>("ANYNET.GROUP_WS", depths.size());
  const std::vector<double> bottlenecks = settings.list<double>("ANYNET.BOT_MULS", depths.size());
  std::vector<regnet::Stage> stages;
  for (std::size_t i = 0; i < depths.size(); ++i)
    stages.push_back(stage_of(settings, i, depths[i], widths[i], bottlenecks[i], group_widths[i], strides[i]));
  validate(stages);
  if (const regnet::ZooEntry* const entry = regnet::find_in_zoo(stages)) return {std::string(entry->name), entry->params, stages};
  return {to_string(stages), {}, stages};
}

PyclsConfig config_of(const Settings& settings) {
  const std::string type = settings.word("MODEL.TYPE", "");
  if (type != "regnet" && type != "anynet") settings.refuse("MODEL.TYPE", Code::unsupported, "regnet or anynet");
  const std::string section = type == "regnet" ? "REGNET" : "ANYNET";
  if (!settings.has(section)) settings.refuse(section, Code::bad_format, "the settings of MODEL.TYPE " + type);
  expect_regnetx(settings, section);
  PyclsConfig config{type == "regnet" ? design_of_regnet(settings) : design_of_anynet(settings), {}, {}};
  if (settings.has("TRAIN.IM_SIZE")) config.resolution = settings.whole("TRAIN.IM_SIZE", 0);
  if (settings.has("MODEL.NUM_CLASSES")) config.classes = settings.whole("MODEL.NUM_CLASSES", 0);
  return config;
}

int line_of(const YAML::Mark& mark) { return mark.is_null() ? 0 : mark.line + 1; }
int line_of(const YAML::Node& node) { return line_of(node.Mark()); }

// PyYAML's tags would turn values into others.
void expect_no_tag(const YAML::Node& node) {
  const std::string& tag = node.Tag();
  if (!tag.empty() && tag != "?" && tag != "!") fail(Code::unsupported, at_line(line_of(node)), "expected no tag, found ", regnet::in_quotes(tag));
}

// What yacs makes of a scalar, quoted or not: a number, a truth value or a word. Spellings that YAML reads in bases other than ten ("010", "0x1f",
// "1_000", "1:30") stay words, and so are refused where a number is wanted.
Json scalar(const YAML::Node& node) {
  const std::string& word = node.Scalar();
  const bool quoted = node.Tag() == "!";
  if (!quoted && (word.empty() || word == "~" || word == "null" || word == "Null" || word == "NULL")) return nullptr;
  for (const auto& [truth, spellings] : {std::pair{true, std::array{"true", "True", "TRUE", "yes", "Yes", "on", "On"}},
                                         std::pair{false, std::array{"false", "False", "FALSE", "no", "No", "off", "Off"}}})
    if (std::find(spellings.begin(), spellings.end(), word) != spellings.end()) return truth;
  const std::string_view digits = std::string_view(word).substr(word.starts_with('-') ? 1 : 0);
  const auto is_digit = [&](std::size_t i) { return i < digits.size() && digits[i] >= '0' && digits[i] <= '9'; };
  if ((!is_digit(0) && !(digits.starts_with('.') && is_digit(1))) || (digits[0] == '0' && is_digit(1))) return word;
  const auto parsed = [&](auto number) -> std::optional<Json> {
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    return error == std::errc{} && end == word.data() + word.size() ? std::optional<Json>(number) : std::nullopt;
  };
  if (const auto whole = parsed(std::int64_t{})) return *whole;
  if (const auto real = parsed(double{})) return *real;
  return word;
}

Json json_of(const YAML::Node& node) {
  expect_no_tag(node);
  if (node.IsNull()) return nullptr;
  if (node.IsScalar()) return scalar(node);
  if (!node.IsSequence()) fail(Code::bad_format, at_line(line_of(node)), "expected a value or a list, found settings");
  Json list = Json::array();
  for (const YAML::Node& item : node) {
    expect_no_tag(item);
    if (!item.IsScalar()) fail(Code::bad_format, at_line(line_of(node)), "expected a list of numbers, found a list of something else");
    list.push_back(scalar(item));
  }
  return list;
}

// Calls visit(key, value) for each entry. `what` is its name.
template <class Visit>
void each_entry(const YAML::Node& node, const std::string& what, Visit visit) {
  expect_no_tag(node);
  if (!node.IsMap())
    fail(Code::bad_format, at_line(line_of(node)), what, ": expected settings, found ",
         node.IsSequence() ? "a list"
         : node.IsNull()   ? "nothing"
                           : "a value");
  for (const auto& entry : node) {
    if (!entry.first.IsScalar()) fail(Code::bad_format, at_line(line_of(entry.first)), what, ": expected a name, found something else");
    expect_no_tag(entry.first);
    if (entry.first.Scalar() == "<<") fail(Code::unsupported, at_line(line_of(entry.first)), what, ": merged settings (<<) are not understood");
    visit(entry.first.Scalar(), entry.second);
  }
}

Settings settings_of(const YAML::Node& root) {
  Settings settings;
  each_entry(root, "the configuration", [&](const std::string& name, const YAML::Node& node) {
    if (const std::size_t dot = name.find('.'); dot != std::string::npos && section_named(std::string_view(name).substr(0, dot)))
      fail(Code::unsupported, at_line(line_of(node)), regnet::printable(name), ": expected a section, found a name with a dot");
    const Section* const section = section_named(name);
    if (!section) return;
    if (settings.has(name)) fail(Code::bad_format, at_line(line_of(node)), name, ": appears twice");
    settings.add(*section);
    each_entry(node, name, [&](const std::string& key, const YAML::Node& value) { settings.add(*section, key, json_of(value), line_of(value)); });
  });
  return settings;
}

// Goes through a document and keeps nothing of it. Throws where it holds more than any configuration would.
class Counting final : public YAML::EventHandler {
 public:
  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override { count(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, YAML::anchor_t, const std::string&) override { count(mark); }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override { count(mark); }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, YAML::anchor_t, YAML::EmitterStyle::value) override { count(mark); }
  void OnMapEnd() override {}

 private:
  void count(const YAML::Mark& mark) {
    constexpr int most = 10'000;  // pycls's whole configuration has 200
    if (++x_values > most) fail(Code::bad_format, at_line(line_of(mark)), "expected at most ", most, " settings");
  }
  int x_values = 0;
};

// The only document. YAML::Load would pass over what follows it, and YAML::LoadAll finds documents without end in some texts that are none.
YAML::Node document_of(const std::string& yaml) {
  try {
    std::istringstream in(yaml);
    YAML::Parser parser(in);
    Counting counting;
    if (!parser.HandleNextDocument(counting)) fail(Code::bad_format, "expected one YAML document, found none");
    if (parser.HandleNextDocument(counting)) fail(Code::bad_format, "expected one YAML document, found more");
    return YAML::Load(yaml);
  } catch (const YAML::Exception& error) {
    fail(Code::bad_format, at_line(line_of(error.mark)), "expected YAML: ", regnet::printable(error.msg));
  }
}

// Shortest that reads back as the same number, and a float to YAML: yacs refuses a whole number where its default is a float.
std::string as_float(double value) {
  std::array<char, 32> digits;
  std::string out(digits.data(), std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr);
  if (out.find_first_of(".e") == std::string::npos) out += ".0";
  return out;
}

template <class ToText>
std::string list_of(const std::vector<regnet::Stage>& stages, ToText to_text) {
  std::string out;
  for (const regnet::Stage& stage : stages) out += (out.empty() ? "[" : ", ") + to_text(stage);
  return out + "]";
}

}  // namespace

PyclsConfig parse_pycls_yaml(std::string_view yaml) {
  if (yaml.size() > most_bytes) fail(Code::bad_format, "expected a configuration of at most ", most_bytes, " bytes, found ", yaml.size());
  const YAML::Node document = document_of(std::string(yaml));
  try {
    return config_of(settings_of(document));
  } catch (const YAML::Exception& error) {
    fail(Code::bad_format, at_line(line_of(error.mark)), regnet::printable(error.msg));
  }
}

PyclsConfig read_pycls_yaml(const std::string& file) {
  const regnet::MappedFile mapped(file);
  return naming(file, [&] { return parse_pycls_yaml({reinterpret_cast<const char*>(mapped.bytes().data()), mapped.bytes().size()}); });
}

std::optional<PyclsConfig> config_of_pycls(const Json& config) {
  Settings settings;
  try {
    if (!config.is_object())
      fail(Code::bad_format, "cfg: expected an object, found ", regnet::printable(config.dump(-1, ' ', true, Json::error_handler_t::replace)));
    for (const Section& section : sections()) {
      const auto found = config.find(section.name);
      if (found == config.end() || !found->is_object()) continue;
      settings.add(section);
      for (const auto& [key, value] : found->items()) settings.add(section, key, value, 0);
    }
    return config_of(settings);
  } catch (const regnet::Error& error) {
    if (error.code() == Code::unsupported) return std::nullopt;
    throw;
  }
}

std::string to_pycls_yaml(const regnet::Design& design, int classes, int resolution) {
  const regnet::Params& p = design.params;
  const bool by_numbers = p.d != 0 && p.rule == regnet::WidthRule::pycls && to_stages(p) == design.stages;
  std::string out = text("MODEL:\n  TYPE: ", by_numbers ? "regnet" : "anynet", "\n  NUM_CLASSES: ", classes, '\n');
  if (by_numbers) {
    out += text("REGNET:\n  DEPTH: ", p.d, "\n  W0: ", p.w_0, "\n  WA: ", as_float(p.w_a), "\n  WM: ", as_float(p.w_m),
                "\n  GROUP_W: ", p.group_width, '\n');
    if (p.bottleneck != 1) out += text("  BOT_MUL: ", as_float(p.bottleneck), '\n');
  } else {
    using regnet::Stage;
    const auto numbers = [&](int Stage::*member) {
      return list_of(design.stages, [&](const Stage& stage) { return std::to_string(stage.*member); });
    };
    const std::string bottlenecks = list_of(design.stages, [](const Stage& stage) { return as_float(double(stage.bottleneck_width) / stage.width); });
    out += text("ANYNET:\n  DEPTHS: ", numbers(&Stage::depth), "\n  WIDTHS: ", numbers(&Stage::width), "\n  STRIDES: ", numbers(&Stage::stride),
                "\n  BOT_MULS: ", bottlenecks, "\n  GROUP_WS: ", numbers(&Stage::group_width), '\n');
  }
  return out + text("TRAIN:\n  IM_SIZE: ", resolution, "\nTEST:\n  IM_SIZE: ", (resolution * 8 + 3) / 7, '\n');
}
