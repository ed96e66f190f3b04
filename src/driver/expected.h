// What a model's outputs are by the reference evaluator, and how far an artifact's may lie from them: docs/accuracy.md.
#pragma once

#include "artifact.h"
#include "tenon/ops.h"

namespace tenon {

struct ExpectedOutputs {
  std::vector<Tensor> values;  // in order; floats are in f64, not rounded to their type
  std::vector<double> bounds;  // per output: of |y - value|
};

// Of the graph as it was imported; `inputs` in its order. `exact`: sees what is evaluated without rounding.
Result<ExpectedOutputs> expected_outputs(const Graph& graph, const std::vector<Tensor>& inputs, const Dims& dims, Precision precision,
                                         const std::function<void(const EvalInput&, std::span<Tensor>)>& exact = {});

// Inputs in the signature's order -> in the graph's. Both have the same names.
std::vector<Tensor> in_graph_order(const Graph& graph, const Signature& signature, const std::vector<Tensor>& inputs);

}  // namespace tenon
