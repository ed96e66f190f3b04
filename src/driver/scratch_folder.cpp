#include "scratch_folder.h"

#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "locked_folder.h"

namespace tenon {

namespace fs = std::filesystem;

namespace {

// The user's own place among temporary files, so that only its folders are looked through; all of them where it cannot be made.
fs::path place_of_scratch() {
  const fs::path all = fs::temp_directory_path();
  const std::string own = (all / ("tenon-" + std::to_string(getuid()))).string();
  struct stat found {};
  mkdir(own.c_str(), S_IRWXU);
  const bool ours = lstat(own.c_str(), &found) == 0 && S_ISDIR(found.st_mode) && found.st_uid == getuid() && (found.st_mode & (S_IWGRP | S_IWOTH)) == 0;
  return ours ? fs::path(own) : all;
}

}  // namespace

ScratchFolder::ScratchFolder() {
  if (auto made = make_locked_folder(place_of_scratch(), "tenon-scratch-")) path_ = made->path, lock_ = made->lock;
}

ScratchFolder::~ScratchFolder() {
  std::error_code ignored;
  if (!path_.empty()) fs::remove_all(path_, ignored);
  if (lock_ >= 0) close(lock_);
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
