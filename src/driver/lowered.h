// What a model becomes before code is generated.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct Lowered {
  Target target;
  Graph graph;   // after the graph passes
  Plan plan;
  Module module;
};

// As `compile` does it, for the options' one target.
Result<Lowered> lower_model(const CompileOptions& options);

// A library, or a program, made of it as it stands.
Result<ArtifactSummary> generate_artifact(const Lowered& model, const std::string& folder, const CompileOptions& options, Emit emit = Emit::SharedLibrary);

}  // namespace tenon
