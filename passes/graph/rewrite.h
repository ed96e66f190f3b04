// What all graph passes are written with: rebuilding a graph node by node.
#pragma once

#include <functional>

#include "tenon/ops.h"
#include "tenon/passes.h"

namespace tenon {

// Sees each node once, operands already replaced, and may append nodes to the graph: the values that
// replace the node's outputs, or none to keep the node.
using Rule = std::function<Result<std::vector<ValueId>>(Graph&, const Node&)>;

// Applies the rule to every node in order, then drops what is dead. An output of the graph keeps its
// name, and stays the result of a node of its own.
Result<Graph> rewrite(Graph graph, const Rule& rule, bool* changed = nullptr);
// Again until nothing changes.
Result<Graph> rewrite_to_fixpoint(Graph graph, const Rule& rule);

// Drops nodes whose results nobody reads, and values and constants that no one names.
void compact(Graph& graph);

// The node that makes v; null for inputs and constants.
const Node* producer(const Graph& graph, ValueId v);
// The same, where it is of that op.
const Node* producer(const Graph& graph, ValueId v, Op op);

// How often each value is read, by nodes and as an output.
std::vector<int> use_counts(const Graph& graph);

// Element k of the result depends on element k of each operand, broadcast, and on nothing else.
bool is_pointwise(Op op);

// What an algebraic rule makes of a node; invalid: it does not apply.
using Applied = Result<ValueId>;
inline constexpr ValueId kNo{};

bool same_type(const Graph& graph, ValueId a, ValueId b);

// A node of that op after `origin`; its first output.
Result<ValueId> make(Graph& graph, const Node& origin, Op op, std::vector<ValueId> inputs, Attrs attrs = {});

}  // namespace tenon
