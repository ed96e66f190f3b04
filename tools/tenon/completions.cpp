#include <fmt/format.h>

#include <memory>

#include "command.h"

namespace tenon::cli {

namespace {

std::vector<std::string> spellings(const Option& row) {
  std::vector<std::string> out;
  for (size_t start = 0; !row.positional() && start < row.names.size();) {
    const size_t end = std::min(row.names.find(',', start), row.names.size());
    out.push_back(row.names.substr(start, end - start));
    start = end + 1;
  }
  return out;
}

std::string quoted(std::string text) {
  for (size_t at = 0; (at = text.find('\'', at)) != std::string::npos; at += 4) text.replace(at, 1, "'\\''");
  return "'" + text + "'";
}

std::string bash(const std::vector<Command>& all) {
  std::string names, cases;
  for (const Command& command : all) {
    std::string words;
    for (const Option& row : command.options)
      for (const std::string& word : spellings(row)) words += word + " ";
    names += command.name + " ";
    cases += fmt::format("    {}) words=\"{}$common\" ;;\n", command.name, words);
  }
  return fmt::format(R"(_tenon() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} common="--verbose --color --message-format --progress --help" words
  case ${{COMP_WORDS[1]}} in
{}    *) words="{}--help --version" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  [[ $current == -* || $COMP_CWORD == 1 ]] || COMPREPLY=($(compgen -f -- "$current"))
}}
complete -o filenames -F _tenon tenon
)",
                     cases, names);
}

std::string zsh(const std::vector<Command>& all) {
  std::string commands, cases;
  for (const Command& command : all) {
    commands += fmt::format("    {}\n", quoted(command.name + ":" + command.summary));
    cases += fmt::format("    {})\n      _arguments", command.name);
    for (const Option& row : command.options)
      for (const std::string& word : spellings(row))
        cases += " " + quoted(fmt::format("*{}[{}]{}", word, row.names,
                                          row.value.empty() ? "" : ":" + row.value + ":_files"));
    cases += " '*:file:_files' ;;\n";
  }
  return fmt::format(R"(#compdef tenon
_tenon() {{
  local -a commands=(
{}  )
  if ((CURRENT == 2)); then _describe command commands; return; fi
  local command=$words[2]
  shift words; ((CURRENT--))
  case $command in
{}  esac
}}
compdef _tenon tenon
)",
                     commands, cases);
}

std::string fish(const std::vector<Command>& all) {
  std::string out;
  for (const Command& command : all) {
    out += fmt::format("complete -c tenon -n __fish_use_subcommand -a {} -d {}\n", command.name,
                       quoted(command.summary));
    for (const Option& row : command.options)
      for (const std::string& word : spellings(row)) {
        const bool is_long = word.starts_with("--");
        out += fmt::format("complete -c tenon -n '__fish_seen_subcommand_from {}' -{} {}{} -d {}\n",
                           command.name, is_long ? "l" : "s", word.substr(is_long ? 2 : 1),
                           row.value.empty() ? "" : " -r", quoted(row.help));
      }
  }
  return out;
}

}  // namespace

Command completions_command() {
  auto shell = std::make_shared<std::string>();
  return {
      .name = "completions",
      .summary = "Print a completion script for a shell",
      .examples =
          "source <(tenon completions bash)\n"
          "tenon completions fish > ~/.config/fish/completions/tenon.fish",
      .options = {{"shell", "SHELL", "The shell", shell.get(), {"bash", "zsh", "fish"}, true}},
      .run =
          [shell](Console& console) {
            const std::vector<Command> all = commands();
            console.print(*shell == "bash" ? bash(all) : *shell == "zsh" ? zsh(all) : fish(all));
            return int{kOk};
          },
  };
}

}  // namespace tenon::cli
