// Small graphs for tests of lowering: built through add_node, so types are inferred.
#pragma once

#include <cmath>
#include <random>

#include "tenon/ops.h"

namespace tenon::testing {

// Numbers that a seed fixes.
class Dice {
 public:
  explicit Dice(unsigned seed) : rng_(seed) {}
  int64_t size(int64_t lo, int64_t hi) { return std::uniform_int_distribution<int64_t>(lo, hi)(rng_); }

 private:
  std::mt19937 rng_;
};

class GraphMaker {
 public:
  Graph graph;

  explicit GraphMaker(const char* name = "g") { graph.name = name; }

  std::vector<Expr> dims(const std::vector<const char*>& names) {
    std::vector<Expr> out;
    for (const char* n : names) out.push_back(*parse_expr(graph.pool, n));
    return out;
  }
  ValueId input(const char* name, const std::vector<const char*>& d, DType type = DType::F32) {
    ValueId v = graph.add_value(name, type, dims(d));
    graph.inputs.push_back(v);
    return v;
  }
  // Pseudo-random, fixed by the number of constants made before it.
  ValueId constant(std::vector<int64_t> d, DType type = DType::F32) {
    Tensor t = random(type, d, 100 + graph.constants.size());
    std::vector<std::byte> bytes = encode(t);
    return graph.add_constant("c" + std::to_string(graph.constants.size()), {.type = type, .dims = d, .bytes = Bytes::copy_of(bytes)});
  }
  ValueId node(Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    Node n{.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs)};
    auto made = add_node(graph, std::move(n));
    TENON_CHECK(made.has_value(), made ? "" : made.error()[0].message);
    return *made;
  }
  Attrs conv(std::vector<int64_t> strides, std::vector<int64_t> pads, int64_t groups = 1, std::vector<int64_t> dilations = {}) {
    std::vector<Expr> p;
    for (int64_t x : pads) p.push_back(graph.pool.index(x));
    if (dilations.empty()) dilations.assign(strides.size(), 1);
    Attrs a;
    a.set<Attr::strides>(strides).set<Attr::dilations>(dilations).set<Attr::groups>(groups);
    a.set<Attr::pads_begin>(p).set<Attr::pads_end>(p);
    return a;
  }
  void output(ValueId v) { graph.outputs.push_back(v); }

  static Tensor random(DType type, std::vector<int64_t> d, uint64_t seed) {
    std::mt19937_64 rng(seed);
    Tensor t = Tensor::zeros(type, std::move(d));
    for (double& x : t.f) x = static_cast<double>(static_cast<float>(static_cast<double>(rng() >> 11) * 0x1p-52 - 1));
    for (int64_t& x : t.i) x = type == DType::Bool ? static_cast<int64_t>(rng() & 1) : static_cast<int64_t>(rng() % 100) - (is_signed(type) ? 50 : 0);
    round_elements(t);
    return t;
  }
};

}  // namespace tenon::testing
