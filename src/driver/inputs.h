// Inputs as the command line names them -> tensors in the order of the signature; outputs as files.
#pragma once

#include "artifact.h"

namespace tenon {

// What `specs` (RunOptions::inputs) say. Symbols that no input and no entry of `dims` binds are an error, or
// get small values where `choose`. `dims` then has every symbol.
Result<std::vector<Tensor>> load_inputs(const Signature& signature, const std::vector<std::string>& specs, Dims& dims,
                                        bool choose);

// FOLDER/NAME.npy of every output, `/` in a name being `_`; makes the folder (E0505 where that cannot be).
Result<void> write_outputs(const std::string& folder, const Signature& signature, const std::vector<Tensor>& outputs);

}  // namespace tenon
