// Regions that a library computes: oneDNN's convolution and matmul. docs/decisions/0019-providers.md.
#pragma once

#include "tenon/plan.h"

namespace tenon {

// One primitive of oneDNN with its post-operations.
struct ProviderCall {
  std::vector<ValueId> operands;  // what it reads, in the order of the words, then the result
  std::vector<int64_t> words;     // onednn_words.h
  std::string work_class;         // "pointwise", "spatial", "stem", "grouped", "depthwise", "matmul", "gemv": a key of [onednn]
};

// E0403, with what is in the way: the region is no single f32 contraction of known shape with an epilogue that oneDNN has, or
// a layout is not a permutation. Layouts are the graph's.
Result<ProviderCall> onednn_call(const Graph& graph, const RegionPlan& region);

}  // namespace tenon
