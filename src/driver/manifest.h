// manifest.json: what an artifact is and holds. Schema: docs/abi.md.
#pragma once

#include "tenon/driver.h"

namespace tenon {

struct ManifestInput {
  const Module& module;
  const Target& target;
  const Signature& signature;
  const ArtifactSummary& summary;
  bool embedded = false;
  std::string weights_blake3;
  Precision precision = Precision::Strict;
};
std::string manifest_json(const ManifestInput& in);

}  // namespace tenon
