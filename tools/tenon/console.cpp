#include "console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "command.h"
#include "records.h"

namespace tenon::cli {

namespace {

bool use_color(const std::string& choice, int descriptor) {
  if (choice != "auto") return choice == "always";
  const char* terminal = std::getenv("TERM");
  return isatty(descriptor) && !std::getenv("NO_COLOR") && terminal && std::string_view(terminal) != "dumb";
}

std::string paint(bool color, Style style, std::string_view text) {
  static constexpr std::string_view kCodes[] = {"0", "1", "1;31", "1;33", "1;32", "1;34", "2"};
  if (!color || style == Style::Plain) return std::string(text);
  return fmt::format("\033[{}m{}\033[0m", kCodes[static_cast<int>(style)], text);
}

void write(FILE* stream, std::string_view text) { std::fwrite(text.data(), 1, text.size(), stream); }

// "node 137 `/neck/up1/Resize` (Resize, opset 19) X: f32[1,64,20,20]"
std::string place(const Diag& diag) {
  const NodeRef& node = diag.node;
  std::string text = diag.file;
  if (!node.op.empty() || node.index >= 0) {
    if (!text.empty()) text += ": ";
    text += node.index >= 0 ? fmt::format("node {}", node.index) : "node";
    if (!node.name.empty()) text += fmt::format(" `{}`", node.name);
    if (!node.op.empty())
      text += fmt::format(" ({}{})", node.op, node.opset > 0 ? fmt::format(", opset {}", node.opset) : "");
  }
  for (const std::string& shape : diag.shapes) text += " " + shape;
  return text;
}

}  // namespace

Console::Console(Settings settings)
    : json_(settings.format == "json"),
      verbose_(settings.verbose),
      color_errors_(use_color(settings.color, STDERR_FILENO)),
      color_output_(use_color(settings.color, STDOUT_FILENO)),
      bar_(settings.progress == "plain"                           ? Bar::Plain
           : settings.progress == "auto" && isatty(STDERR_FILENO) ? Bar::Line
                                                                  : Bar::None) {}

void Console::print(std::string_view text) {
  if (!json_) write(stdout, text);
}

void Console::record(std::string_view json) {
  const std::scoped_lock lock(mutex_);
  if (json_) write(stdout, fmt::format("{}\n", json));
}

void Console::remark(std::string_view text) {
  if (json_) return;
  end_progress();
  write(stderr, fmt::format("{}\n", text));
}

void Console::detail(std::string_view text) {
  if (verbose_) remark(text);
}

void Console::report(const Diag& diag, std::string_view target) {
  if (json_) return record(diagnostic_record(diag, target));
  end_progress();
  static constexpr std::string_view kNames[] = {"note", "warning", "error"};
  static constexpr Style kStyles[] = {Style::Blue, Style::Yellow, Style::Red};
  const auto level = static_cast<size_t>(diag.severity);
  std::string text = styled(kStyles[level], fmt::format("{}[{}]", kNames[level], code_name(diag.code)));
  text += styled(Style::Bold, fmt::format(": {}", diag.message)) + "\n";
  if (const std::string where = place(diag); !where.empty())
    text += fmt::format("  {} {}\n", styled(Style::Blue, "-->"), where);
  if (!target.empty()) text += fmt::format("   = target: {}\n", target);
  if (!diag.hint.empty()) text += fmt::format("   = help: {}\n", diag.hint);
  write(stderr, text);
}

void Console::report(const Diags& diags, std::string_view target) {
  for (const Diag& diag : diags) report(diag, target);
}

int Console::fail(const Diags& diags, std::string_view target) {
  report(diags, target);
  if (!json_ && !diags.empty())
    write(stderr,
          styled(Style::Dim, fmt::format("`tenon explain {}` tells more\n", code_name(diags.front().code))));
  return exit_code(diags);
}

void Console::progress(std::string_view stage, int done, int total) {
  using namespace std::chrono_literals;
  const std::scoped_lock lock(mutex_);
  const auto now = Clock::now();
  if (json_ || bar_ == Bar::None || now - started_ < 2s) return;
  if (now - shown_ < (bar_ == Bar::Line ? 100ms : 2000ms)) return;
  shown_ = now;
  const std::string count = total > 0 ? fmt::format("[{}/{}] ", done, total) : "";
  write(stderr,
        bar_ == Bar::Line ? fmt::format("\r\033[K{}{}", count, stage) : fmt::format("{}{}\n", count, stage));
  line_open_ = bar_ == Bar::Line;
}

void Console::end_progress() {
  const std::scoped_lock lock(mutex_);
  if (line_open_) write(stderr, "\r\033[K");
  line_open_ = false;
}

std::string Console::styled(Style style, std::string_view text) const {
  return paint(color_errors_, style, text);
}
std::string Console::styled_output(Style style, std::string_view text) const {
  return paint(color_output_, style, text);
}

int exit_code(const Diags& diags) {
  int code = kOk;
  for (const Diag& diag : diags) {
    if (diag.severity != Severity::Error) continue;
    const std::string_view name = code_name(diag.code);
    if (name.starts_with("E06")) return kUsage;
    if (diag.code == Code::E0504) return kInaccurate;
    if (diag.code == Code::E0506) return kMissing;
    if (name.starts_with("E03")) code = kUnsupported;
    if (code == kOk) code = kFailed;
  }
  return code;
}

}  // namespace tenon::cli
