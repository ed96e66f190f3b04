// What a command prints, and where: results to stdout; diagnostics, progress and remarks to stderr.
// With --message-format json, stdout carries one JSON record per line (docs/schemas.md) and nothing else.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <string_view>

#include "tenon/result.h"

namespace tenon::cli {

struct Settings {
  std::string color = "auto";     // always, never
  std::string format = "human";   // json
  std::string progress = "auto";  // plain, none
  bool verbose = false;
};

enum class Style : uint8_t { Plain, Bold, Red, Yellow, Green, Blue, Dim };

class Console {
 public:
  explicit Console(Settings settings);

  bool json() const { return json_; }
  bool verbose() const { return verbose_; }

  void print(std::string_view text);   // stdout, where the format is human
  void record(std::string_view json);  // stdout, where the format is JSON: one line
  void remark(std::string_view text);  // stderr, where the format is human: one line
  void detail(std::string_view text);  // a remark, with -v
  void report(const Diag& diag, std::string_view target = {});
  void report(const Diags& diags, std::string_view target = {});
  // Reports the errors; the exit code that goes with them.
  int fail(const Diags& diags, std::string_view target = {});

  // Shown once a task has taken two seconds. From any thread.
  void progress(std::string_view stage, int done, int total);
  void end_progress();

  std::string styled(Style style, std::string_view text) const;  // for stderr
  std::string styled_output(Style style, std::string_view text) const;

 private:
  using Clock = std::chrono::steady_clock;

  bool json_, verbose_, color_errors_, color_output_;
  enum class Bar : uint8_t { None, Plain, Line } bar_;
  std::mutex mutex_;
  Clock::time_point started_ = Clock::now(), shown_ = {};
  bool line_open_ = false;
};

}  // namespace tenon::cli
