// Object code -> the files of an artifact.
#pragma once

#include "share_weights.h"
#include "tenon/driver.h"

namespace tenon {

// The code for one target. Where an artifact has several, the modules have names of their own and their constants
// lie in one block.
struct PackageLevel {
  const Graph& graph;
  const Plan& plan;
  const Module& module;
  const Target& target;
  const CodeResult& code;
  std::string loops_blake3;  // of the module's text, as it was built
};

struct PackageInput {
  std::vector<PackageLevel> levels;  // from the least to the best
  const SharedWeights* shared = nullptr;  // where there are several
  const CompileOptions& options;
};

// Writes everything that options.emit asks for, and manifest.json, into a folder that takes its final name
// when all is there.
Result<ArtifactSummary> package(const PackageInput& in, const std::string& folder);

}  // namespace tenon
