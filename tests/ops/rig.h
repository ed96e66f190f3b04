// One node on random operands: its reference evaluation against what it is lowered to, which is written
// apart from it. Each test program says by `run_lowered` how far down that is.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "tenon/ops.h"

extern "C" void tn_topk(const void*, void*, int64_t*, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t,
                        int64_t, int64_t);

namespace tenon::testing {

// The graph, lowered and run: tensors of its outputs. `edit` changes the plan, where one is made.
Result<std::vector<Tensor>> run_lowered(const Graph& graph, std::span<const Tensor> inputs,
                                        const std::unordered_map<std::string, int64_t>& symbols,
                                        const std::function<void(Plan&)>& edit = {});

inline Tensor random_tensor(std::mt19937& rng, DType type, std::vector<int64_t> dims, double lo, double hi) {
  Tensor t = Tensor::zeros(type, std::move(dims));
  std::uniform_real_distribution<double> real(lo, hi);
  std::uniform_int_distribution<int64_t> whole(static_cast<int64_t>(lo), static_cast<int64_t>(hi));
  for (double& v : t.f) v = real(rng);
  for (int64_t& v : t.i) v = whole(rng);
  round_elements(t);
  return t;
}

class Rig {
 public:
  // With `symbolic`, every extent above 1 of an operand becomes a symbol named after it.
  explicit Rig(unsigned seed = 1, bool symbolic = false) : rng(seed), symbolic_(symbolic) {}

  Graph graph;
  std::vector<Tensor> inputs;
  std::mt19937 rng;

  ValueId operand(Tensor t) {
    std::vector<Expr> dims;
    for (int64_t d : t.dims) dims.push_back(extent(d));
    ValueId v = graph.add_value("x", t.type, std::move(dims));
    graph.inputs.push_back(v);
    inputs.push_back(std::move(t));
    return v;
  }
  ValueId operand(DType type, std::vector<int64_t> dims, double lo = -3, double hi = 3) {
    return operand(random_tensor(rng, type, std::move(dims), lo, hi));
  }
  Expr extent(int64_t d) {
    if (!symbolic_ || d <= 1) return graph.pool.index(d);
    Expr s = graph.pool.symbol("D" + std::to_string(d));
    graph.pool.var(s).lo = 1;
    symbols["D" + std::to_string(d)] = d;
    return s;
  }
  std::vector<Expr> extents(std::initializer_list<int64_t> list) {
    std::vector<Expr> dims;
    for (int64_t d : list) dims.push_back(extent(d));
    return dims;
  }
  std::vector<Expr> constants(std::initializer_list<int64_t> list) {
    std::vector<Expr> dims;
    for (int64_t d : list) dims.push_back(graph.pool.index(d));
    return dims;
  }

  // Makes the node and compares; `tolerance` is relative to the larger of 1 and the expected value.
  void check(Op op, std::vector<ValueId> operands, Attrs attrs = {}, double tolerance = 1e-5) {
    SCOPED_TRACE(std::string(spelling(op)));
    auto made =
        add_node(graph, {.op = op, .inputs = std::move(operands), .outputs = {}, .attrs = std::move(attrs)});
    ASSERT_TRUE(made) << made.error()[0].message;
    const Node& node = graph.nodes.back();
    graph.outputs = node.outputs;
    auto expected = evaluate(graph, inputs, {.dims = symbols});
    ASSERT_TRUE(expected) << expected.error()[0].message;
    auto actual =
        definition(op).lower ? run_lowered(only_last_node(), inputs, symbols) : run_decomposed(node);
    if (!actual && actual.error()[0].code == Code::E0303) return;  // no code for this type: said, not wrong
    ASSERT_TRUE(actual) << actual.error()[0].message;
    for (size_t k = 0; k < expected->size() && !::testing::Test::HasFatalFailure(); ++k)
      compare((*expected)[k], (*actual)[k], tolerance);
  }

  std::unordered_map<std::string, int64_t> symbols;

 private:
  Graph only_last_node() const {
    Graph one = graph;
    one.nodes = {graph.nodes.back()};
    for (ValueId v : one.nodes[0].outputs) one.values[v].def = NodeId(0);
    return one;
  }

  // The simpler nodes have been tested by themselves.
  Result<std::vector<Tensor>> run_decomposed(const Node& node) {
    Graph copy = graph;
    copy.nodes.clear();
    TENON_TRY(copy.outputs, definition(node.op).decompose(copy, node));
    return evaluate(copy, inputs, {.dims = symbols});
  }

  static void compare(const Tensor& expected, const Tensor& actual, double tolerance) {
    ASSERT_EQ(expected.dims, actual.dims);
    ASSERT_EQ(expected.i, actual.i);
    for (size_t k = 0; k < expected.f.size(); ++k) {
      double e = expected.f[k], a = actual.f[k];
      if (std::isnan(e) || std::isinf(e))
        ASSERT_TRUE(std::isnan(e) ? std::isnan(a) : a == e) << k << ": " << e << " " << a;
      else
        ASSERT_NEAR(e, a, tolerance * std::max(1.0, std::abs(e))) << "element " << k;
    }
  }

  bool symbolic_;
};

}  // namespace tenon::testing
