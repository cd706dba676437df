#include <algorithm>
#include <map>
#include <string_view>

#include <regnet/version.hpp>

#include "manual.hpp"

namespace {

// What the definition of the command line cannot say. What is in braces is put in.
constexpr std::string_view beginning = R"(.\" Written by "regnet manual" from the definition of the command line.
.TH REGNET 1 "" "regnet {version}" "User Commands"
.SH NAME
regnet \- {about}
.SH SYNOPSIS
.B regnet
.I subcommand
.RI [ option ]...\&
.RI [ argument ]...\&
.br
.B regnet
.RI [ subcommand ]
.B \-\-help
.br
.B regnet \-\-version
.SH DESCRIPTION
.B regnet
runs the image classification networks RegNetX on CPUs: checkpoints of six frameworks, plans that it compiled of them, and networks that are given by
their design numbers alone.
It measures how right and how fast they are, says what is wrong with a checkpoint, and explores the design space they come from.
.PP
Results go to standard output, progress and notes to standard error.
An option can be given anywhere after its subcommand, as
.BI \-\-batch\  8
or
.BI \-\-batch= 8\fR.
A network is a published one, by the name that any framework gives it
.RB ( regnetx_400mf ", " RegNetX\-400MF ", " regnetx_004 ),
or a design, by its numbers
.RB ( w0=24,wa=24.48,wm=2.54,d=22,g=16 ).
Where
.B \-\-weights
may be left out, a small network that was trained on Fashion-MNIST and is part of the command takes its place, and the command says so.
)";

constexpr std::string_view closing_sections = R"(.SH EXIT STATUS
.TP
.B 0
Done.
.TP
.B 1
A comparison failed: a verdict of
.BR "regnet eval" ,
.BR "regnet verify" ,
or
.BR "regnet doctor" ;
or
.B regnet design
found fewer networks than were wanted.
.TP
.B 2
The command line or an input is wrong, or a result cannot be written.
One line on standard error says where, what was expected and what was found.
.TP
.B 3
Finished, but some images could not be read.
.TP
.B 130
.B regnet eval
was interrupted, and printed what it had counted until then.
.SH ENVIRONMENT
.TP
.B REGNET_MAX_ISA
The best instruction set that regnet's own kernels may use, out of those that the CPU has:
.BR amx ,
.BR avx512 ,
.B avx512_vnni
(AVX-512 without BF16),
.B avx2
or
.BR portable .
.TP
.BR XDG_CACHE_HOME ", " HOME
Where times of layers are kept (see FILES).
.SH FILES
.TP
.I $XDG_CACHE_HOME/regnet/latency.json
Times of layers that
.B regnet design
has measured on this CPU, unless
.B \-\-table
names another file.
Without XDG_CACHE_HOME it is below
.IR $HOME/.cache .
.TP
.I ../share/regnet/demo/images
The 1,000 test images of the built-in network, as seen from the folder of the command.
.SH EXAMPLES
The accuracy of the built-in network on its own test images:
.PP
.RS
.EX
regnet eval
.EE
.RE
.PP
What a checkpoint is, the likeliest classes of a picture by it, and its accuracy on a folder with a folder of images for each class:
.PP
.RS
.EX
regnet inspect checkpoint.pth
regnet predict \-\-weights checkpoint.pth \-\-top 3 picture.jpg
regnet eval \-\-weights checkpoint.pth \-\-data val \-\-report accuracy.html
.EE
.RE
.PP
The same accuracy from two halves that were counted on two machines:
.PP
.RS
.EX
regnet eval \-\-weights checkpoint.pth \-\-data val \-\-shard 1/2 \-\-predictions a.csv
regnet eval \-\-weights checkpoint.pth \-\-data val \-\-shard 2/2 \-\-predictions b.csv
regnet eval \-\-merge a.csv b.csv
.EE
.RE
.PP
How long two networks take with one thread and with two, and where the time of the second goes:
.PP
.RS
.EX
regnet bench \-m regnetx_400mf,regnetx_3.2gf \-t 1,2
regnet bench \-m regnetx_3.2gf \-\-layers
.EE
.RE
.PP
A hundred designs of 400 million multiply-adds, and those of them that no other beats on this CPU:
.PP
.RS
.EX
regnet design sample \-\-flops 400M \-\-tol 1% \-n 100 \-o jsonl >designs.jsonl
regnet design pareto \-\-predict \-\-front designs.jsonl
.EE
.RE
.SH SEE ALSO
I. Radosavovic, R. P. Kosaraju, R. Girshick, K. He and P. Doll\('ar:
.IR "Designing Network Design Spaces" ,
arXiv:2003.13678.
)";

// Text that roff prints as it is.
std::string literal(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '\\': out += "\\(rs"; break;
      case '-': out += "\\-"; break;
      case '\'': out += "\\(aq"; break;
      case '"': out += "\\(dq"; break;
      case '`': out += "\\(ga"; break;
      case '^': out += "\\(ha"; break;
      case '~': out += "\\(ti"; break;
      default: out += c;
    }
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

std::string bold(std::string_view text) { return "\\fB" + literal(text) + "\\fR"; }
std::string italic(std::string_view text) { return "\\fI" + literal(text) + "\\fR"; }

// A description as a sentence, with options in bold.
std::string sentence(std::string_view text) {
  constexpr std::string_view of_options = "abcdefghijklmnopqrstuvwxyz0123456789-";
  std::string out;
  while (!text.empty()) {
    const bool at_word = out.empty() || out.ends_with(' ') || out.ends_with('(');
    const std::size_t n = at_word && text[0] == '-' ? std::min(text.find_first_not_of(of_options), text.size()) : 0;
    out += n > 1 ? bold(text.substr(0, n)) : literal(text.substr(0, 1));
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out.ends_with('.') ? out : out + '.';
}

std::string joined(const std::vector<std::string>& words, std::string_view between, std::string (*each)(std::string_view)) {
  std::string out;
  for (const std::string& word : words) out.append(out.empty() ? "" : between).append(each(word));
  return out;
}

// "-o, --output"
std::vector<std::string> names_of(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back('-' + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

// " FILE...", or " text|json"
std::string value_text(const CLI::Option& option) {
  const OptionValue value = value_of(option);
  if (value.name.empty()) return "";
  return ' ' + (value.choices.empty() ? italic(value.name) : joined(value.choices, "|", bold)) + (value.many ? "..." : "");
}

std::string argument_text(const CLI::Option& option) {
  const std::string name = italic(option.get_name(true)) + (value_of(option).many ? "..." : "");
  return option.get_required() ? name : '[' + name + ']';
}

// What an option excludes is said where more is excluded, so that one that stands alone names all others, and they do not name it.
std::vector<std::string> excluded(const CLI::App& app, const CLI::Option& option) {
  std::vector<std::string> names;
  for (const CLI::Option* other : app.get_options())  // in the order of the definition; the set's own is that of addresses
    if (option.get_excludes().count(const_cast<CLI::Option*>(other)) && other->get_excludes().size() <= option.get_excludes().size())
      names.push_back(other->get_name());
  return names;
}

std::vector<std::string> needed(const CLI::App& app, const CLI::Option& option) {
  std::vector<std::string> names;
  for (const CLI::Option* other : app.get_options())
    if (option.get_needs().count(const_cast<CLI::Option*>(other))) names.push_back(other->get_name());
  return names;
}

std::string option_text(const CLI::App& app, const CLI::Option& option) {
  const OptionValue value = value_of(option);
  const bool argument = !option.nonpositional();
  std::string out =
      ".TP\n" + (argument ? italic(option.get_name(true)) + (value.many ? "..." : "") : joined(names_of(option), ", ", bold) + value_text(option)) +
      '\n';
  out += sentence(option.get_description()) + '\n';
  if (!value.range.empty()) out += "A number " + literal(value.range) + ".\n";
  if (!value.name.empty() && !option.get_default_str().empty()) out += "The default is " + bold(option.get_default_str()) + ".\n";
  if (option.get_required() && !argument) out += "Must be given.\n";
  if (const auto names = needed(app, option); !names.empty()) out += "Needs " + joined(names, ", ", bold) + ".\n";
  if (const auto names = excluded(app, option); !names.empty()) out += "Not together with " + joined(names, ", ", bold) + ".\n";
  return out;
}

// The options of a group, arguments first. --help is described once, for all.
std::string group_text(const CLI::App& app, const std::string& group) {
  std::string arguments, options;
  for (const CLI::Option* option : app.get_options())
    if (option->get_group() == group && (option != app.get_help_ptr() || !app.get_parent()))
      (option->nonpositional() ? options : arguments) += option_text(app, *option);
  return arguments + options;
}

constexpr const char* plain_group = "Options";

// In the order of the definition, each before its own.
std::vector<const CLI::App*> all_subcommands(const CLI::App& app) {
  std::vector<const CLI::App*> all;
  for (const CLI::App* child : app.get_subcommands({})) {
    all.push_back(child);
    const std::vector<const CLI::App*> below = all_subcommands(*child);
    all.insert(all.end(), below.begin(), below.end());
  }
  return all;
}

// Groups of options that several subcommands have alike, with their text: these are described once.
std::map<std::string, std::string> shared_groups(const CLI::App& command) {
  std::map<std::string, std::string> first, shared;
  for (const CLI::App* app : all_subcommands(command))
    for (const std::string& group : app->get_groups()) {
      if (group == plain_group || group.empty()) continue;
      const auto [entry, is_new] = first.try_emplace(group, group_text(*app, group));
      if (!is_new && entry->second == group_text(*app, group)) shared.insert(*entry);
    }
  return shared;
}

std::string upper(std::string text) {
  for (char& c : text)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return text;
}

std::string subcommand_text(const CLI::App& app, const std::map<std::string, std::string>& shared) {
  std::string usage = bold(full_name(app)), arguments, also, options = group_text(app, plain_group);
  for (const CLI::Option* option : app.get_options()) {
    if (!option->nonpositional()) arguments += ' ' + argument_text(*option);
    else if (option->get_required()) usage += ' ' + bold(option->get_name()) + value_text(*option);
  }
  for (const std::string& group : app.get_groups()) {
    if (group == plain_group || group.empty()) continue;
    const std::string text = group_text(app, group);
    const auto known = shared.find(group);
    if (known != shared.end() && known->second == text) also += (also.empty() ? "" : " and ") + bold(upper(group) + " OPTIONS");
    else options += text;
  }
  if (!app.get_subcommands({}).empty()) usage += ' ' + italic("subcommand");
  std::string out = ".SS " + literal(full_name(app)) + '\n' + usage + " [" + italic("option") + "]..." + arguments + "\n.PP\n" +
                    sentence(app.get_description()) + '\n';
  if (!also.empty()) out += "Has also the " + also + " below.\n";
  return out + options;
}

std::string replaced(std::string_view text, std::string_view what, const std::string& by) {
  std::string out(text);
  return out.replace(out.find(what), what.size(), by);
}

}  // namespace

std::string man_page(const CLI::App& command) {
  const std::map<std::string, std::string> shared = shared_groups(command);
  std::string out = replaced(replaced(beginning, "{version}", std::string(regnet::version())), "{about}", literal(command.get_description()));
  out += ".SH OPTIONS\n" + group_text(command, plain_group) + ".SH SUBCOMMANDS\n";
  for (const CLI::App* app : all_subcommands(command)) out += subcommand_text(*app, shared);
  for (const auto& [group, text] : shared) out += ".SH " + upper(group) + " OPTIONS\n" + text;
  return out + std::string(closing_sections);
}
