// The command-line reference, docs/cli.md, from the rows that make parser and --help.
#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "command.h"

namespace tenon::cli {

namespace {

// A cell of a table.
std::string escaped(std::string text) {
  for (size_t at = 0; (at = text.find('|', at)) != std::string::npos; at += 2) text.insert(at, "\\");
  return text;
}

std::string table(const std::vector<Option>& rows) {
  std::string out = "| option | what it does |\n|---|---|\n";
  for (const Option& row : rows) {
    std::string names = row.positional() ? row.value : row.names;
    if (const size_t comma = names.find(','); comma != std::string::npos) names.replace(comma, 1, "`, `");
    if (!row.positional() && !row.value.empty()) names += (row.names.size() == 2 ? "" : " ") + row.value;
    std::string choices;
    for (const std::string& choice : row.choices) choices += (choices.empty() ? "`" : ", `") + choice + "`";
    out += fmt::format("| `{}` | {}{}{} |\n", names, escaped(row.help), choices.empty() ? "" : ": ", choices);
  }
  return out;
}

int print_help(const std::string& name, bool markdown, Console& console) {
  if (markdown) {
    console.print(reference_text());
    return kOk;
  }
  const std::vector<Command> all = commands();
  const auto command = std::ranges::find(all, name, &Command::name);
  if (!name.empty() && command == all.end())
    return console.fail({{.code = Code::E0601, .message = fmt::format("there is no command `{}`", name), .hint = "tenon --help"}});
  console.print(name.empty() ? overview_text() : help_text(*command));
  return kOk;
}

}  // namespace

std::string reference_text() {
  std::string out =
      "# Command line\n\nMade by `tenon help --markdown`; a test compares. docs/schemas.md has the JSON records and the exit "
      "codes.\n\n| command | |\n|---|---|\n";
  const std::vector<Command> all = commands();
  for (const Command& command : all) out += fmt::format("| [`{0}`](#tenon-{0}) | {1} |\n", command.name, command.summary);
  for (const Command& command : all) {
    std::string usage;
    for (const Option& row : command.options)
      if (row.positional()) usage += row.required ? " " + row.value : " [" + row.value + "]";
    out += fmt::format("\n## tenon {0}\n\n{1}.\n\n    tenon {0}{2} [OPTIONS]\n\n```sh\n{3}\n```\n\n", command.name,
                       command.summary, usage, command.examples);
    if (!command.options.empty()) out += table(command.options);
  }
  Settings settings;
  out += "\n## Every command\n\n" + table(common_options(settings));
  return out;
}

Command help_command() {
  struct Arguments {
    std::string command;
    bool markdown = false;
  };
  auto a = std::make_shared<Arguments>();
  return {
      .name = "help",
      .summary = "Print help on a command, or the whole reference",
      .examples =
          "tenon help compile\n"
          "tenon help --markdown > docs/cli.md",
      .options = {{"command", "COMMAND", "The command; default: all, in short", &a->command},
                  {"--markdown", "", "Print the reference of all commands", &a->markdown}},
      .run = [a](Console& console) { return print_help(a->command, a->markdown, console); },
  };
}

}  // namespace tenon::cli
