// manifest.json: what an artifact is and holds. Schema: docs/abi.md.
#pragma once

#include "package.h"

namespace tenon {

struct ManifestInput {
  std::span<const PackageLevel> levels;
  const Signature& signature;
  const ArtifactSummary& summary;
  bool embedded = false;
  std::string weights_blake3;
  Precision precision = Precision::Strict;  // of the plan
  Precision allowed = Precision::Strict;    // that was asked for
  Steps steps = Steps::All;
  std::string onednn = {};  // the soname of the library where the artifact calls it
};
Result<std::string> manifest_json(const ManifestInput& in);

}  // namespace tenon
