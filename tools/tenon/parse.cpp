// The command line: rows of options become a CLI11 parser. CLI11 costs four seconds per file that
// includes it, so this is the only one.
#include <fmt/format.h>

#include <CLI/CLI.hpp>

#include "command.h"

namespace tenon::cli {

namespace {

void add_option(CLI::App& app, const Option& row) {
  CLI::Option* option = std::visit(
      [&](auto* slot) -> CLI::Option* {
        using T = std::remove_pointer_t<decltype(slot)>;
        if constexpr (std::is_same_v<T, bool>) {
          return app.add_flag(row.names, *slot);
        } else {
          CLI::Option* added = app.add_option(row.names, *slot);
          // A list option is repeated: it must not swallow the positional that follows it.
          if constexpr (std::is_same_v<T, std::vector<std::string>>)
            if (!row.positional()) added->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
          return added;
        }
      },
      row.slot);
  if (row.required) option->required();
  if (!row.choices.empty()) option->check(CLI::IsMember(row.choices));
}

int usage_error(Console& console, const CLI::Error& error, const std::string& command) {
  return console.fail({{.code = Code::E0601,
                        .message = error.what(),
                        .hint = fmt::format("tenon {}{}--help", command, command.empty() ? "" : " ")}});
}

}  // namespace

int run_command_line(int argc, const char* const* argv) {
  std::vector<Command> all = commands();
  Settings settings;
  CLI::App app;
  app.formatter_fn([](const CLI::App*, std::string, CLI::AppFormatMode) { return overview_text(); });
  app.require_subcommand(1);
  bool version = false;
  app.add_flag("-V,--version", version);
  for (const Option& row : common_options(settings)) add_option(app, row);
  for (const Command& command : all) {
    CLI::App* sub = app.add_subcommand(command.name);
    sub->fallthrough();
    sub->formatter_fn(
        [&command](const CLI::App*, std::string, CLI::AppFormatMode) { return help_text(command); });
    for (const Option& row : command.options) add_option(*sub, row);
  }
  std::string chosen;
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    const auto parsed = app.get_subcommands();
    std::fputs((parsed.empty() ? app.help() : parsed.front()->help()).c_str(), stdout);
    return kOk;
  } catch (const CLI::Error& error) {
    if (version) {
      std::puts("tenon " TENON_VERSION);
      return kOk;
    }
    Console console(settings);
    const auto parsed = app.get_subcommands();
    return usage_error(console, error, parsed.empty() ? "" : parsed.front()->get_name());
  }
  Console console(settings);
  const std::string name = app.get_subcommands().front()->get_name();
  const int code = std::ranges::find(all, name, &Command::name)->run(console);
  console.end_progress();
  return code;
}

}  // namespace tenon::cli
