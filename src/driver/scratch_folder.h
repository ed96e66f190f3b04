// A folder that goes when its owner goes; what a killed process left goes with the next one that is made.
#pragma once

#include <filesystem>

#include "tenon/driver.h"

namespace tenon {

class ScratchFolder {
 public:
  ScratchFolder();
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  int lock_ = -1;
};

// `artifact`, or, where it is empty, what the model compiles to for its one target.
Result<std::string> artifact_or_compiled(const std::string& artifact, CompileOptions compile, const ScratchFolder& scratch);

}  // namespace tenon
