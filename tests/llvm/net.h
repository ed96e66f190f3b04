// A network of checked nodes with its inputs, for tests that lower it themselves.
#pragma once

#include "run_module.h"
// After the harness.
#include "../ops/rig.h"

namespace tenon::testing {

// Not used: nodes are checked here.
inline Result<std::vector<Tensor>> run_lowered(const Graph&, std::span<const Tensor>, const std::unordered_map<std::string, int64_t>&,
                                               const std::function<void(Plan&)>&) {
  return fail(Code::E0404, "not here");
}

class Net {
 public:
  explicit Net(unsigned seed) : rng(seed) {}
  ValueId input(Tensor t) {
    std::vector<Expr> dims;
    for (int64_t d : t.dims) dims.push_back(graph.pool.index(d));
    const ValueId v = graph.add_value("x" + std::to_string(inputs.size()), t.type, std::move(dims));
    graph.inputs.push_back(v);
    inputs.push_back(std::move(t));
    return v;
  }
  ValueId constant(const Tensor& t) {
    return graph.add_constant("w", {.type = t.type, .dims = t.dims, .bytes = Bytes::copy_of(encode(t))});
  }
  // The last one made is the output.
  ValueId node(Op op, std::vector<ValueId> operands, Attrs attrs = {}) {
    auto made = add_node(graph, {.op = op, .inputs = std::move(operands), .outputs = {}, .attrs = std::move(attrs)});
    EXPECT_TRUE(made) << made.error()[0].message;
    graph.outputs = {*made};
    return *made;
  }
  // Of N, H, W, C as N, C, H, W.
  ValueId images(Tensor t) { return node(Op::transpose, {input(std::move(t))}, Attrs().set<Attr::perm>(std::vector<int64_t>{0, 3, 1, 2})); }
  // As the output of a network: its values lie in the order in which inner ones do.
  void channels_last(ValueId v) { node(Op::transpose, {v}, Attrs().set<Attr::perm>(std::vector<int64_t>{0, 2, 3, 1})); }
  Tensor random(DType type, std::vector<int64_t> dims) {
    if (is_float(type)) return random_tensor(rng, type, std::move(dims), -1, 1);
    return random_tensor(rng, type, std::move(dims), type == DType::U8 ? 0 : -128, type == DType::U8 ? 255 : 127);
  }

  Graph graph;
  std::vector<Tensor> inputs;
  std::mt19937 rng;
};

}  // namespace tenon::testing
