// Object code -> the files of an artifact.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct PackageInput {
  const Graph& graph;
  const Plan& plan;
  const Module& module;
  const Target& target;
  const CodeResult& code;
  const CompileOptions& options;
};

// Writes everything that options.emit asks for, and manifest.json, into a folder that takes its final name
// when all is there.
Result<ArtifactSummary> package(const PackageInput& in, const std::string& folder);

}  // namespace tenon
