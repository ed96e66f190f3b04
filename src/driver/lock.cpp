#include "lock.h"

#include <algorithm>

#include "cache_key.h"
#include "compiler_id.h"
#include "tenon/hash.h"
#include "tenon/ops.h"

namespace tenon {

namespace {

constexpr std::string_view kFirst = "tenon-lock 1\n";

struct Line {
  std::string key, value, meaning, hint;
};

// What the plan depends on beside the graph, whose hash the plan has.
Result<std::vector<Line>> header(const Target& target, const CompileOptions& options) {
  TENON_TRY(const std::string build, compiler_id());
  return std::vector<Line>{
      {"compiler", build, "build of the compiler", "tune again with this build, or compile with that one"},
      {"target", hex(blake3(target_text(target))), "target, as its file has it", "tune for this target"},
      {"precision", std::string(spelling(options.precision)), "--precision", "compile with the precision that was tuned"},
      {"level", std::to_string(options.level), "optimisation level", "compile with the -O that was tuned"},
      {"states", options.states.empty() ? "none" : hex(blake3(option_parts(options)["state"])), "--state", "compile with the states that were tuned"},
  };
}

}  // namespace

Result<std::string> print_lock(const Plan& plan, const Graph& graph, const Target& target, const CompileOptions& options) {
  TENON_TRY(const std::vector<Line> lines, header(target, options));
  std::string text(kFirst);
  for (const Line& line : lines) text += line.key + ' ' + line.value + '\n';
  Plan complete = plan;
  complete.graph_hash = hash(graph);
  return text + '\n' + print(complete, graph);
}

Result<Plan> parse_lock(std::string_view text, const Graph& graph, const Target& target, const CompileOptions& options) {
  if (!text.starts_with(kFirst)) return fail(Code::E0403, "it does not begin with \"tenon-lock 1\"", "tenon tune -o writes such files; --schedule takes schedules");
  text.remove_prefix(kFirst.size());
  TENON_TRY(const std::vector<Line> lines, header(target, options));
  Diags diags;
  for (const Line& line : lines) {
    const std::string_view found = text.substr(0, text.find('\n'));
    if (!found.starts_with(line.key + ' ')) return fail(Code::E0403, "a line \"" + line.key + " ...\" is missing", "tenon tune -o writes such files");
    const std::string_view value = found.substr(line.key.size() + 1);
    if (value != line.value)
      diags.push_back({.code = Code::E0403, .message = "the lock file is for another " + line.meaning + ": " + std::string(value) + ", here it is " + line.value, .hint = line.hint});
    text.remove_prefix(std::min(text.size(), found.size() + 1));
  }
  auto plan = parse_plan(text, graph);
  if (plan && plan->graph_hash.empty()) return fail(Code::E0403, "it does not say for which graph it is", "tenon tune -o writes such files");
  Result<void> fits = plan ? verify_plan(graph, *plan) : Result<void>(std::unexpected(plan.error()));
  if (!fits) diags.insert(diags.end(), fits.error().begin(), fits.error().end());
  if (diags.empty()) return plan;
  return std::unexpected(std::move(diags));
}

}  // namespace tenon
