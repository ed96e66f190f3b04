#include "table.h"

#include <fmt/format.h>

#include <map>

namespace tenon::conformance {

namespace {

constexpr std::string_view kHead = R"(<!-- Written by `conformance SOURCE --table docs/conformance.md`; do not edit. -->
# Conformance

`conformance SOURCE` compiles each of ONNX's backend tests to native code, runs it in a process of its own, and compares
with the stored outputs under the tolerances of ONNX's own runner (relative 1e-3, absolute 1e-7, a case's data.json).
SOURCE is a folder of suites (`node/test_*/model.onnx`, `test_data_set_N`), an archive of one, or a folder that holds the
archive. `--opt 0..3`, `--target NAME` (other architectures run under QEMU), `--jobs N`, `--filter TEXT`, `--sample N`,
`--workers N` (every kernel in as many tasks as it can be, on one thread and on N: the bits must be the same),
`--reference` (the evaluator instead of code), `--json FILE` ([record](schemas.md)), `--table FILE` (this page).
Exit code 1: a case failed. A case that is not supported ends in a diagnostic, never in a wrong answer.

All of it, a few minutes per line; `ctest` runs samples:

```sh
build/release/tools/conformance ../shared/conformance --table docs/conformance.md
for level in 0 1 2 3; do build/release/tools/conformance ../shared/conformance --opt $level --workers 2; done
```

)";

struct Row {
  int passed = 0, failed = 0;
  std::map<std::string, int> reasons;  // of the unsupported
};

std::string escaped(const std::string& text) {
  std::string out;
  for (char c : text) out += c == '|' ? std::string("\\|") : std::string(1, c);
  return out;
}

// The refused operator; of a passed case the only one.
std::string operator_of(const Outcome& outcome) {
  if (outcome.op.empty()) return "(inputs)";
  return outcome.op.find(' ') == outcome.op.npos ? outcome.op : "(several)";
}

}  // namespace

std::string markdown(const std::vector<Case>& cases, const std::vector<Outcome>& outcomes, const Options& options) {
  std::map<std::string, Row> rows;
  int passed = 0, failed = 0;
  for (const Outcome& outcome : outcomes) {
    Row& row = rows[operator_of(outcome)];
    if (outcome.status == Status::Passed) ++row.passed, ++passed;
    else if (outcome.status == Status::Failed) ++row.failed, ++failed;
    else ++row.reasons[outcome.code + ": " + outcome.message];
  }
  std::string text(kHead);
  text += fmt::format("{} at -O{}: **{} of {} pass**, {} fail, {} are not supported.\n\n",
                      options.reference ? "Reference evaluator" : "Target " + options.target, options.level, passed,
                      cases.size(), failed, static_cast<int>(cases.size()) - passed - failed);
  text += "| operator | passed | failed | not supported | why |\n|---|---:|---:|---:|---|\n";
  for (const auto& [name, row] : rows) {
    int unsupported = 0;
    std::string reasons;
    for (const auto& [reason, count] : row.reasons) {
      unsupported += count;
      reasons += fmt::format("{}{} ({})", reasons.empty() ? "" : "; ", escaped(reason), count);
    }
    text += fmt::format("| {} | {} | {} | {} | {} |\n", escaped(name), row.passed, row.failed, unsupported, reasons);
  }
  return text;
}

}  // namespace tenon::conformance
