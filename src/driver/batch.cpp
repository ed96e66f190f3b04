// Models x targets in one go.
#include <mutex>
#include <optional>

#include "parallel.h"
#include "tenon/driver.h"

namespace tenon {

namespace {

// As an artifact for several processors calls its target.
std::string artifact_target(const std::vector<std::string>& levels) {
  std::string names;
  for (const std::string& level : levels) names += (names.empty() ? "" : "+") + full_target_name(level);
  return names;
}

}  // namespace

std::vector<BatchOutcome> compile_batch(std::span<const CompileOptions> models, int jobs,
                                        const std::function<void(const BatchOutcome&)>& finished) {
  const int workers = worker_count(jobs), total = static_cast<int>(models.size());
  std::vector<BatchOutcome> outcomes(models.size());
  std::vector<bool> done(models.size());
  std::mutex mutex;
  size_t reported = 0;
  int complete = 0;
  for_each(models.size(), workers, [&](size_t i) {
    CompileOptions options = models[i];
    options.jobs = std::max(1, workers / total);
    if (options.progress)
      options.progress = [&, inner = options.progress](std::string_view stage, int, int) {
        std::scoped_lock lock(mutex);
        inner(options.name + ": " + std::string(stage), complete, total);
      };
    if (options.remark)
      options.remark = [&, inner = options.remark](std::string_view text) {
        std::scoped_lock lock(mutex);
        inner(text);
      };
    BatchOutcome outcome{.model = options.name, .file = options.model, .output = options.output,
                         .targets = options.targets, .artifacts = compile(options)};
    if (!options.cpu_dispatch.empty()) outcome.targets = {artifact_target(options.cpu_dispatch)};
    std::scoped_lock lock(mutex);
    outcomes[i] = std::move(outcome);
    done[i] = true;
    ++complete;
    for (; reported < done.size() && done[reported]; ++reported)
      if (finished) finished(outcomes[reported]);
  });
  return outcomes;
}

}  // namespace tenon
