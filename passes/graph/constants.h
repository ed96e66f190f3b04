// Constants that passes compute. Large ones go into an unlinked temporary file, so that anonymous memory
// does not grow with the weights.
#pragma once

#include "rewrite.h"

namespace tenon {

struct NewBytes {
  Bytes bytes;
  std::byte* data;  // to be filled
};
NewBytes new_bytes(size_t size);

// The tensor, rounded once to its type, as a constant of the graph.
ValueId add_tensor(Graph& graph, std::string name, const Tensor& tensor);

// The outputs of a node of the graph whose operands are all constants, as constants. Nothing where the
// shape is symbolic or the result is out of proportion.
std::optional<std::vector<ValueId>> fold_node(Graph& graph, const Node& node);

// As make(), folded where all operands are constants.
Result<ValueId> make_folded(Graph& graph, const Node& origin, Op op, std::vector<ValueId> inputs, Attrs attrs = {});

// A constant's dim of outer * inner positions, the inner ones outside; itself where it has one position there.
Result<ValueId> exchanged(Graph& graph, const Node& origin, ValueId v, size_t dim, int64_t outer, int64_t inner);

// The one number that all elements of a constant are.
std::optional<double> splat_value(const Graph& graph, ValueId v);

// A constant of one element, of rank 0.
ValueId add_number(Graph& graph, std::string name, DType type, double value);

}  // namespace tenon
