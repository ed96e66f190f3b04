#include <fmt/format.h>

#include <algorithm>

#include "command.h"

namespace tenon::cli {

namespace {

constexpr size_t kHelpColumn = 30, kWidth = 100;

// Appends words of `text` from column kHelpColumn on, wrapped.
void append_wrapped(std::string& out, std::string_view text) {
  size_t column = kHelpColumn;
  while (!text.empty()) {
    const size_t space = std::min(text.find(' '), text.size());
    if (column + space > kWidth) out += "\n" + std::string(kHelpColumn, ' '), column = kHelpColumn;
    out += text.substr(0, space);
    column += space + 1;
    text.remove_prefix(std::min(space + 1, text.size()));
    if (!text.empty() && column < kWidth) out += ' ';
  }
  out += '\n';
}

void append_row(std::string& out, const Option& row) {
  std::string left = "  " + row.names;
  if (const size_t comma = left.find(','); comma != std::string::npos) left.insert(comma + 1, " ");
  if (!row.value.empty() && !row.positional()) left += (row.names.size() == 2 ? "" : " ") + row.value;
  out += left.size() + 2 > kHelpColumn ? left + "\n" + std::string(kHelpColumn, ' ')
                                       : fmt::format("{:<{}}", left, kHelpColumn);
  std::string help = row.help;
  if (!row.choices.empty()) help += fmt::format(" ({})", fmt::join(row.choices, "|"));
  append_wrapped(out, help);
}

void append_common(std::string& out) {
  Settings settings;
  out += "\nEvery command:\n";
  for (const Option& row : common_options(settings)) append_row(out, row);
  out += "  -h, --help                  Print help\n";
}

}  // namespace

std::vector<Option> common_options(Settings& settings) {
  return {
      {"-v,--verbose", "", "Say what is being done, and how long it took", &settings.verbose},
      {"--color", "WHEN", "Colour diagnostics", &settings.color, {"auto", "always", "never"}},
      {"--message-format",
       "FORMAT",
       "json: one record per line on stdout, see docs/schemas.md",
       &settings.format,
       {"human", "json"}},
      {"--progress",
       "WHEN",
       "Show progress after two seconds",
       &settings.progress,
       {"auto", "plain", "none"}},
  };
}

std::string help_text(const Command& command) {
  std::string usage;
  for (const Option& row : command.options)
    if (row.positional()) usage += row.required ? " " + row.value : " [" + row.value + "]";
  std::string out =
      fmt::format("{}\n\nUsage: tenon {}{} [OPTIONS]\n\nExamples:\n", command.summary, command.name, usage);
  for (std::string_view rest = command.examples; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    out += fmt::format("  {}\n", rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  out += "\nOptions:\n";
  for (const Option& row : command.options) {
    Option shown = row;
    if (row.positional()) shown.names = row.value;
    append_row(out, shown);
  }
  append_common(out);
  return out;
}

std::string overview_text() {
  std::string out =
      "Tenon compiles an ONNX model, ahead of time, into native code that fits one device exactly.\n\n"
      "Usage: tenon COMMAND [OPTIONS]\n\nCommands:\n";
  for (const Command& command : commands())
    out += fmt::format("  {:<12} {}\n", command.name, command.summary);
  out += "\n`tenon COMMAND --help` shows a command's options, with examples.\n";
  append_common(out);
  out += "  -V, --version               Print the version\n";
  return out;
}

}  // namespace tenon::cli
