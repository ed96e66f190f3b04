// Two plans of one model, compiled and timed in turns.
#include "files.h"
#include "scratch_folder.h"

namespace tenon {

Result<AgainstTimes> compare_plans(const CompileOptions& options, const std::string& plan, const std::string& other, unsigned threads) {
  const ScratchFolder scratch;
  auto with = [&](const std::string& name, const std::string& text) -> Result<CompileOptions> {
    CompileOptions compile = options;
    compile.schedule = (scratch.path() / (name + ".schedule")).string();
    compile.output = (scratch.path() / name).string();
    compile.policy = "rules";
    compile.cost_model.clear(), compile.q_model.clear(), compile.cache_dir.clear();
    TENON_DO(write_file(compile.schedule, text));
    return compile;
  };
  TENON_TRY(const CompileOptions second, with("other", other));
  TENON_TRY(const std::vector<CompileOutcome> outcomes, compile(second));
  if (outcomes.size() != 1) return fail(Code::E0601, "plans are compared on one target");
  if (!outcomes[0].artifact) return std::unexpected(outcomes[0].artifact.error());
  TENON_TRY(const CompileOptions first, with("plan", plan));
  TENON_TRY(const BenchReport report, bench({.compile = first, .artifact = {}, .inputs = {}, .dims = {}, .threads = threads, .level = {}, .against = outcomes[0].artifact->folder}));
  TENON_CHECK(report.against, "bench compares where it is asked to");
  return *report.against;
}

}  // namespace tenon
