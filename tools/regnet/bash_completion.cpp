#include <string_view>

#include <regnet/design/published.hpp>
#include <regnet/design/space.hpp>
#include <regnet/design/zoo.hpp>
#include <regnet/image/recipe.hpp>
#include <regnet/version.hpp>

#include "manual.hpp"

namespace {

// What completes a word, whatever the tables before it hold. Where it offers nothing, `-o default` completes names of files as bash does without it,
// which knows more about quoting than a script can.
constexpr std::string_view completion_function = R"(
_regnet() {
  local current=${COMP_WORDS[COMP_CWORD]} command=regnet option='' place=0 word offered='' words='' files=no i IFS=$' \t\n'
  COMPREPLY=()
  [[ $current == [=:@] ]] && current=''
  for ((i = 1; i < COMP_CWORD; ++i)); do
    word=${COMP_WORDS[i]}
    if [[ $word == [=:@] ]]; then  # bash splits here: "--option=value", or "w0=24", which goes on
      [[ ${COMP_WORDS[i - 1]} == -* ]] || ((++i))
    elif [[ $word == -?* ]]; then
      option=''
      [[ ${_regnet_values[$command $word]+known} ]] && option=$word
    elif [[ $option ]]; then
      [[ ${_regnet_values[$command $option]} == *...* ]] || option=''
    elif [[ ${_regnet_options[$command $word]+known} ]]; then
      command+=" $word"
    else
      ((++place))
    fi
  done

  if [[ $current == -* ]]; then
    words=${_regnet_options[$command]}
  elif [[ $option ]]; then
    offered=${_regnet_values[$command $option]}
  elif [[ ${_regnet_subcommands[$command]+known} ]]; then
    words=${_regnet_subcommands[$command]}
  else
    offered=${_regnet_values[$command $place]-${_regnet_values[$command ...]-OPTION}}
  fi
  for word in $offered; do
    case $word in
      FILE) files=yes ;;
      FOLDER) compopt -o dirnames ;;
      OPTION) words+=" ${_regnet_options[$command]}" ;;
      ...) ;;
      *) words+=" $word" ;;
    esac
  done
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ $files == yes ]] || compopt +o default
}
complete -o default -F _regnet regnet
)";

struct Table {
  std::string name, rows;

  void add(const std::string& key, const std::string& words) { rows += "  ['" + key + "']='" + words + "'\n"; }
  [[nodiscard]] std::string text() const { return "declare -gA " + name + "=(\n" + rows + ")\n"; }
};

void append(std::string& words, std::string_view word) { words.append(words.empty() ? "" : " ").append(word); }

// The words that a value can be, FILE and FOLDER for those in the file system, and ... when more can follow. By its choices, else by its name.
std::string offered(const OptionValue& value) {
  std::string words;
  for (const std::string& choice : value.choices) append(words, choice);
  if (value.name == "MODEL" || value.name == "DESIGN")
    for (const regnet::ZooEntry& entry : regnet::zoo) append(words, entry.name);
  if (value.name == "PRESET")
    for (const regnet::Recipe& preset : regnet::presets()) append(words, preset.name);
  if (value.name == "SPACE")
    for (const regnet::NamedSpace& space : regnet::spaces) append(words, space.name);
  if (value.name == "ROW")
    for (const regnet::PublishedAccuracy& row : regnet::published_accuracies()) append(words, row.name);
  if (value.name == "KEY")
    for (const char* key : {"model", "ema", "auto"}) append(words, key);
  if (value.name == "FOLDER") append(words, "FOLDER");
  for (const char* name : {"FILE", "PATH", "DESIGN", "ROW"})
    if (value.name == name) append(words, "FILE");
  if (value.many) append(words, "...");
  return words;
}

void add(const CLI::App& app, Table& subcommands, Table& options, Table& values) {
  const std::string name = full_name(app);
  std::string children, names;
  int place = 0;
  for (const CLI::Option* option : app.get_options()) {
    const OptionValue value = value_of(*option);
    if (!option->nonpositional()) values.add(name + ' ' + (value.many ? "..." : std::to_string(place++)), offered(value));
    for (const std::string& letter : option->get_snames()) {
      if (option->get_lnames().empty()) append(names, '-' + letter);
      if (!value.name.empty()) values.add(name + " -" + letter, offered(value));
    }
    for (const std::string& word : option->get_lnames()) {
      append(names, "--" + word);
      if (!value.name.empty()) values.add(name + " --" + word, offered(value));
    }
  }
  options.add(name, names);
  for (const CLI::App* child : app.get_subcommands({})) append(children, child->get_name());
  if (!children.empty()) subcommands.add(name, children);
  for (const CLI::App* child : app.get_subcommands({})) add(*child, subcommands, options, values);
}

}  // namespace

std::string bash_completion(const CLI::App& command) {
  Table subcommands{"_regnet_subcommands", {}}, options{"_regnet_options", {}}, values{"_regnet_values", {}};
  add(command, subcommands, options, values);
  return "# Completion of regnet " + std::string(regnet::version()) +
         " for bash, written by \"regnet manual -o bash\" from the definition of the command line.\n\n" + subcommands.text() +
         "# The long options of each, or the short where there is no long one.\n" + options.text() +
         "# What follows each option, and what each place takes: words, FILE, FOLDER, nothing that could be offered; ... where more can follow.\n" +
         values.text() + std::string(completion_function);
}
