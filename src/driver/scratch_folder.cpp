#include "scratch_folder.h"

#include <stdlib.h>

#include "files.h"

namespace tenon {

namespace fs = std::filesystem;

ScratchFolder::ScratchFolder() {
  std::string name = (fs::temp_directory_path() / "tenon.XXXXXX").string();
  if (mkdtemp(name.data())) path_ = name;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
}

// Whether some region may be a library's, which a static program cannot load.
static bool may_call_library(const CompileOptions& options) {
  const std::string& replayed = options.locked.empty() ? options.schedule : options.locked;
  if (options.providers != Providers::None || replayed.empty()) return options.providers != Providers::None;
  const auto schedule = read_file(replayed);
  return schedule && schedule->find("\n  provider onednn\n") != schedule->npos;
}

Result<std::string> artifact_or_compiled(const std::string& artifact, CompileOptions options, const ScratchFolder& scratch) {
  if (!artifact.empty()) return artifact;
  options.output = (scratch.path() / spelling(options.steps)).string();
  // The library where it runs here, the program where it needs an emulator.
  options.emit = {Emit::SharedLibrary};
  if (options.states.empty() && !may_call_library(options)) options.emit.push_back(Emit::Exe);
  if (options.targets.size() > 1) return fail(Code::E0601, "one --target, please: this command runs one artifact");
  TENON_TRY(std::vector<CompileOutcome> outcomes, compile(options));
  Result<ArtifactSummary>& made = outcomes.front().artifact;
  if (!made) return std::unexpected(std::move(made).error());
  return made->folder;
}

}  // namespace tenon
