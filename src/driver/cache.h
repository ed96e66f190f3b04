// Artifacts by what they are made from: --cache-dir. A folder that any number of processes may share.
#pragma once

#include <filesystem>
#include <map>
#include <optional>

#include "tenon/driver.h"

namespace tenon {

// The cache as one compile sees it.
// "x86-64-v2+x86-64-v3": the targets of one artifact.
std::string joined_names(std::span<const Target> targets);

class ArtifactCache {
 public:
  // Reads and hashes the model. `name`: of the model.
  static Result<ArtifactCache> open(const CompileOptions& options, const std::string& name);

  // Puts the artifact for this target into `folder`, as compiling would. Nothing: it has to be compiled; why
  // is told through options.remark.
  Result<std::optional<ArtifactSummary>> take(std::span<const Target> targets, const std::string& folder);
  // Keeps an artifact; `sources` are the model and the files that it names.
  void put(std::span<const Target> targets, const ArtifactSummary& artifact, const std::vector<std::string>& sources);
  // The model and the files that it names; valid after a hit.
  const std::vector<std::string>& sources() const { return sources_; }

 private:
  // What an artifact is made from: "level" -> "2", "model" -> its hash.
  using Parts = std::map<std::string, std::string>;

  explicit ArtifactCache(const CompileOptions& options) : options_(options) {}
  Parts parts_for(std::span<const Target> targets) const;
  std::string external_hash(const std::vector<std::string>& sources) const;  // empty: one cannot be read
  std::filesystem::path entry(const Parts& parts) const;
  std::filesystem::path last(const std::string& target) const;
  void explain(const std::string& target, const Parts& parts) const;
  void remark(const std::string& text) const;

  const CompileOptions& options_;
  std::filesystem::path folder_;
  std::filesystem::file_time_type opened_;
  Parts parts_;
  std::vector<std::string> sources_;
};

}  // namespace tenon
