// Random graphs, driven by a list of bytes: RapidCheck makes the list and shrinks it, and a shorter list of
// smaller bytes is a smaller graph.
#pragma once

#include <random>
#include <vector>

#include "tenon/ops.h"

namespace tenon::properties {

enum class Values : uint8_t {
  Exact,     // small integers in f32, and operations that keep them small integers or halves: results are exact
  Smooth,    // everything in [-1, 1]; each operation at most doubles an error: see kSmoothNodes
  Quantized  // bytes, scales that are powers of two, products and their requantisation: exact, too
};

// Most nodes of a Smooth graph. Errors of the operands are at most doubled by a node (tanh, sigmoid, max and
// half sums: 1; a*b with |a|, |b| <= 1: 2; softmax: 1), and a rewritten node adds one rounding of a value of
// magnitude 1 or less, u = 2^-24. After n nodes that is at most (2^(n+1) - 1) u.
inline constexpr int kSmoothNodes = 12;
inline constexpr double kSmoothBound = ((1 << (kSmoothNodes + 1)) - 1) * 0x1p-24;

// The same bytes give the same graph. It verifies; symbols are N and M, from 1.
Graph random_graph(const std::vector<uint8_t>& bytes, Values values);

struct Binding {
  std::vector<Tensor> inputs;
  std::unordered_map<std::string, int64_t> dims;
};
// Random inputs of the kind that the graph was made for, at a random binding of its symbols.
Binding random_binding(const Graph& graph, Values values, unsigned seed);

// The greatest difference of two results' elements; infinite where types, dims or special values differ.
double difference(const std::vector<Tensor>& a, const std::vector<Tensor>& b);

}  // namespace tenon::properties
