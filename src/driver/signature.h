// The model as its callers see it: what the generated header, the descriptor and the manifest are written from.
#pragma once

#include "tenon/driver.h"

namespace tenon {

// Dims beyond this are refused at run time where a model declares no bound.
inline constexpr int64_t kLargestDim = (int64_t{1} << 31) - 1;

// Ports and symbols under names that are legal and unique in C and C++.
Signature signature_of(const Module& module);
// The same of a graph, before there is a module.
Signature signature_of(const Graph& graph);

// As the model has it: states are an input with the rows of the past and an output with all rows.
Signature model_view(const Signature& artifact);

// JSON, the text that NAME_describe returns; its schema is docs/abi.md.
std::string to_json(const Signature& signature);
Result<Signature> parse_signature(std::string_view json);

// `text` as a C identifier.
std::string c_identifier(std::string_view text);
bool is_c_identifier(std::string_view text);

}  // namespace tenon
