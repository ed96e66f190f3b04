// Every region of an artifact, fed reference inputs.
#pragma once

#include "artifact.h"
#include "lowered.h"

namespace tenon {

// What the reference says of a value that a region makes.
struct Judged {
  Tensor exact;                // from the region's rounded inputs, in float64
  std::vector<double> bound;   // of |native - exact|, per element
  Tensor fed;                  // exact, rounded: what later regions get
  std::string op;              // the longest sum on the way to it
  double c = 0, terms = 0;
};
using Reference = std::map<ValueId, Judged>;

// Values of the model as it was imported, by name: what quantised values are exactly.
using ExactValues = std::map<std::string, Tensor>;

// The model's value for every value that a region makes; docs/accuracy.md.
Result<Reference> judge_regions(const Lowered& model, const std::vector<Tensor>& inputs, const Dims& dims,
                                const ExactValues& exact);

// The artifact's own kernels and weights, each region's inputs overwritten with the reference's before it runs.
// The artifact must be made of `model`'s loops.
Result<std::vector<OutputError>> verify_regions(Artifact& artifact, const Lowered& model, const Reference& reference,
                                                const std::vector<Tensor>& inputs, const Dims& dims);

// For layers that are outside: their regions are compiled anew, one node at a time, and judged in the same way.
// `node` becomes the first ONNX node that is wrong by itself; where none is, says so.
Result<void> name_wrong_nodes(std::vector<OutputError>& layers, const Lowered& model, const CompileOptions& options,
                              const std::vector<Tensor>& inputs, const Dims& dims, const ExactValues& exact);

}  // namespace tenon
