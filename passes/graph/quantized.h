// Products over quantised operands, as integers: what fold_quantized is made of.
#pragma once

#include "rewrite.h"

namespace tenon {

// Constant parameters of a quantize or dequantize node: real = (q - zero) * scale.
struct QuantParameters {
  DType type{};
  std::vector<double> scale;
  std::vector<int64_t> zero;  // as many as scales
  int64_t axis = -1;          // -1: per tensor

  double least() const;
  double greatest() const;
  double quantized(double real) const;  // per tensor
  bool operator==(const QuantParameters&) const = default;
};
std::optional<QuantParameters> parameters(const Graph& graph, const Node& node);

inline bool is_product(Op op) { return op == Op::dot || op == Op::conv || op == Op::conv_transpose; }

// sum((x - zx) * (w - zw)) in i32, and what it has to be multiplied with.
struct IntegerProduct {
  ValueId sums;
  std::vector<double> scale;   // one, or one per output channel
  size_t trailing = 0;         // dims after the channel's
  int64_t channels = 0;        // 0: not known

  // Numbers per channel, or one for all, as a constant that broadcasts along the result.
  ValueId channel_tensor(Graph& graph, const char* name, DType type, const std::vector<double>& numbers) const;
  Result<ValueId> scaled(Graph& graph, const Node& origin, const std::vector<double>& factor) const;
};
// Nothing where the operands are not 8-bit dequantised tensors with constant parameters that fit.
Result<std::optional<IntegerProduct>> integer_product(Graph& graph, const Node& product);

// What is added to a product: units of its scale where that is exact, else reals.
struct Bias {
  std::vector<double> integers, reals;
};
std::optional<Bias> bias_of(const Graph& graph, ValueId bias, const IntegerProduct& product);

// Quantised functions of one quantised byte become gathers from tables.
Result<Graph> fold_tables(Graph graph);

}  // namespace tenon
