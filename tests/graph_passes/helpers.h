// Graphs to try passes on: a few words to build them, random inputs, and comparison by evaluation.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "tenon/ops.h"
#include "tenon/passes.h"

namespace tenon {

struct Builder {
  Graph g;
  std::mt19937 random{7};

  ValueId input(const char* name, DType type, std::vector<int64_t> dims) {
    std::vector<Expr> extents;
    for (int64_t d : dims) extents.push_back(g.pool.index(d));
    return symbolic(name, type, extents);
  }
  ValueId symbolic(const char* name, DType type, std::vector<Expr> dims) {
    g.inputs.push_back(g.add_value(name, type, std::move(dims)));
    return g.inputs.back();
  }
  ValueId constant(Tensor t, const char* name = "c") {
    return g.add_constant(name, {.type = t.type, .dims = t.dims, .bytes = Bytes::copy_of(encode(t))});
  }
  ValueId number(double v, DType type = DType::F32, std::vector<int64_t> dims = {}) {
    Tensor t = Tensor::zeros(type, dims);
    std::ranges::fill(t.f, v);
    std::ranges::fill(t.i, static_cast<int64_t>(v));
    return constant(t);
  }
  ValueId list(std::vector<double> v, DType type = DType::F32) {
    Tensor t = Tensor::zeros(type, {static_cast<int64_t>(v.size())});
    if (is_float(type)) t.f = v;
    else t.i.assign(v.begin(), v.end());
    return constant(t);
  }
  ValueId weights(DType type, std::vector<int64_t> dims, const char* name = "w") { return constant(noise(type, dims), name); }
  ValueId op(Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    auto v = add_node(g, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs)});
    if (!v) ADD_FAILURE() << spelling(op) << ": " << v.error()[0].message;
    return *v;
  }
  ValueId reshape(ValueId x, std::vector<int64_t> dims) {
    std::vector<Expr> extents;
    for (int64_t d : dims) extents.push_back(g.pool.index(d));
    return op(Op::reshape, {x}, Attrs().set<Attr::dims>(extents));
  }
  ValueId transpose(ValueId x, std::vector<int64_t> perm) { return op(Op::transpose, {x}, Attrs().set<Attr::perm>(perm)); }

  // Random elements: bytes over their range, other integers small, floats around 0.
  Tensor noise(DType type, std::vector<int64_t> dims) {
    Tensor t = Tensor::zeros(type, std::move(dims));
    std::normal_distribution<double> normal;
    std::uniform_int_distribution<int64_t> integer(is_unsigned(type) ? 0 : -128, is_unsigned(type) ? 255 : 127);
    for (double& v : t.f) v = normal(random);
    for (int64_t& v : t.i) v = integer(random);
    round_elements(t);
    return t;
  }
  std::vector<Tensor> noise_inputs(std::unordered_map<std::string, int64_t> symbols = {}) {
    std::vector<Tensor> inputs;
    for (ValueId v : g.inputs) {
      ExprPool::Bindings bindings;
      for (auto& [name, value] : symbols) bindings[g.pool.symbol(name)] = value;
      std::vector<int64_t> dims;
      for (Expr d : g.values[v].dims) dims.push_back(*g.pool.evaluate(d, bindings));
      inputs.push_back(noise(g.values[v].type, dims));
    }
    return inputs;
  }
};

inline int count_ops(const Graph& g, Op op) {
  return static_cast<int>(std::ranges::count_if(g.nodes, [&](const Node& n) { return n.op == op; }));
}

inline Tensor run_graph(const Graph& g, const std::vector<Tensor>& inputs) {
  auto results = evaluate(g, inputs, {});
  if (!results) {
    ADD_FAILURE() << results.error()[0].message;
    return {};
  }
  return results->at(0);
}

// The pass applied to the graph with output y; results agree within `bound`, absolute.
inline Graph expect_same(Result<Graph> (*pass)(Graph), Builder& b, ValueId y, double bound = 0) {
  b.g.outputs = {y};
  const std::string name = b.g.values[y].name;
  std::vector<Tensor> inputs = b.noise_inputs();
  Tensor before = run_graph(b.g, inputs);
  auto passed = pass(b.g);
  if (!passed) {
    ADD_FAILURE() << passed.error()[0].message;
    return {};
  }
  EXPECT_EQ(passed->values[passed->outputs[0]].name, name);
  Tensor after = run_graph(*passed, inputs);
  EXPECT_EQ(before.dims, after.dims);
  EXPECT_EQ(before.type, after.type);
  EXPECT_EQ(before.i, after.i);
  double worst = 0;
  for (size_t k = 0; k < std::min(before.f.size(), after.f.size()); ++k)
    worst = std::max(worst, std::abs(before.f[k] - after.f[k]));
  EXPECT_LE(worst, bound);
  return std::move(*passed);
}

}  // namespace tenon
