// Symbolic dims: unification, broadcasting, and shape arithmetic as exporters write it.
#include <gtest/gtest.h>

#include "tenon/ops.h"

namespace tenon {
namespace {

class Symbols : public ::testing::Test {
 protected:
  Graph g;
  ExprPool& p = g.pool;
  Expr B = p.symbol("B"), S = p.symbol("S"), P = p.symbol("P");

  ValueId input(std::vector<Expr> dims, DType type = DType::F32) {
    ValueId v = g.add_value("x", type, std::move(dims));
    g.inputs.push_back(v);
    return v;
  }
  ValueId integers(std::vector<int64_t> values, bool scalar = false) {
    auto n = static_cast<int64_t>(values.size());
    Bytes bytes = Bytes::copy_of(std::as_bytes(std::span(values)));
    return g.add_constant(
        "c", {.type = DType::I64, .dims = scalar ? std::vector<int64_t>{} : std::vector{n}, .bytes = bytes});
  }
  ValueId floats(std::vector<float> values) {
    auto n = static_cast<int64_t>(values.size());
    Bytes bytes = Bytes::copy_of(std::as_bytes(std::span(values)));
    return g.add_constant("c", {.type = DType::F32, .dims = {n}, .bytes = bytes});
  }
  ValueId node(Op op, std::vector<ValueId> inputs, Attrs attrs = {}) {
    auto made =
        add_node(g, {.op = op, .inputs = std::move(inputs), .outputs = {}, .attrs = std::move(attrs)});
    EXPECT_TRUE(made) << spelling(op) << ": " << made.error()[0].message;
    return made ? *made : ValueId{};
  }
  ValueId shape_of(ValueId v) { return node(Op::extents, {}, Attrs().set<Attr::dims>(g.values[v].dims)); }
  ValueId cast(ValueId v, DType to) { return node(Op::cast, {v}, Attrs().set<Attr::to>(to)); }
  std::vector<Expr> content(ValueId v) { return g.values[v].content.value_or(std::vector<Expr>{}); }
  using Exprs = std::vector<Expr>;
};

TEST_F(Symbols, UnifyReplacesTheNewerSymbolEverywhere) {
  Expr T = p.symbol("T");
  p.var(T).lo = 2;
  p.var(S).hi = 100;
  ValueId x = input({B, T}), y = input({p.mul(T, p.index(3))});
  EXPECT_EQ(*unify_dims(g, S, T), S);
  EXPECT_EQ(g.values[x].dims, (Exprs{B, S}));
  EXPECT_EQ(g.values[y].dims, (Exprs{p.mul(S, p.index(3))}));
  EXPECT_EQ(p.var(S).lo, 2);
  EXPECT_EQ(p.var(S).hi, 100);
  EXPECT_EQ(resolve(g, T), S);
}

TEST_F(Symbols, UnifySolvesLinearEquations) {
  Expr T = p.symbol("T"), N = p.symbol("N");
  EXPECT_EQ(*unify_dims(g, T, p.add(P, S)), p.add(P, S));
  EXPECT_EQ(*unify_dims(g, p.mul(N, p.index(12)), p.mul(p.mul(B, S), p.index(24))),
            p.mul(p.mul(B, S), p.index(24)));
  EXPECT_EQ(resolve(g, N), p.mul(p.mul(B, S), p.index(2)));
  EXPECT_EQ(*unify_dims(g, B, p.index(4)), p.index(4));
  EXPECT_EQ(resolve(g, N), p.mul(S, p.index(8)));
}

TEST_F(Symbols, UnifyRefusesContradictions) {
  EXPECT_EQ(unify_dims(g, p.index(3), p.index(4)).error()[0].code, Code::E0204);
  EXPECT_FALSE(unify_dims(g, S, p.add(S, p.index(1))));
  p.var(S).lo = 2;
  EXPECT_FALSE(unify_dims(g, S, p.index(1)));
}

TEST_F(Symbols, UnifyRecordsWhatItCannotShow) {
  Expr half = p.floordiv(S, p.index(2));
  Expr even = p.mul(half, p.index(2));
  ASSERT_TRUE(unify_dims(g, even, p.mul(p.floordiv(S, p.index(3)), p.index(3))));
  ASSERT_EQ(g.assumed_equal.size(), 1u);
  input({S});
  EXPECT_TRUE(evaluate(g, std::vector{Tensor::zeros(DType::F32, {6})}, {}));
  auto odd = evaluate(g, std::vector{Tensor::zeros(DType::F32, {7})}, {});
  EXPECT_TRUE(odd);  // 6 and 6
  auto eight = evaluate(g, std::vector{Tensor::zeros(DType::F32, {8})}, {});
  ASSERT_FALSE(eight);  // 8 and 6
  EXPECT_EQ(eight.error()[0].code, Code::E0502);
}

// Slicing a table of 512 positions to S of them.
TEST_F(Symbols, UnifyTightensRanges) {
  Expr clipped = p.min(p.index(512), S);
  ValueId x = input({S}), y = input({p.mul(clipped, p.index(2))});
  EXPECT_EQ(*unify_dims(g, clipped, S), S);
  EXPECT_EQ(g.values[y].dims, (Exprs{p.mul(S, p.index(2))}));
  EXPECT_EQ(p.var(S).hi, 512);
  EXPECT_TRUE(g.assumed_equal.empty());
  g.outputs = {shape_of(x)};
  auto run = [&](int64_t s) {
    return evaluate(g, std::vector{Tensor::zeros(DType::F32, {s}), Tensor::zeros(DType::F32, {2 * s})}, {})
        .has_value();
  };
  EXPECT_TRUE(run(512));
  EXPECT_FALSE(run(513));
}

TEST_F(Symbols, UnifyReplacesTheLongerOfUnsolvableDims) {
  Expr even = p.mul(p.floordiv(p.add(S, p.index(1)), p.index(2)), p.index(2));  // down and up again
  ValueId x = input({even});
  EXPECT_EQ(*unify_dims(g, even, S), S);
  EXPECT_EQ(g.values[x].dims, (Exprs{S}));
  ASSERT_EQ(g.assumed_equal.size(), 1u);
  EXPECT_EQ(*unify_dims(g, S, even), S);
  EXPECT_EQ(g.assumed_equal.size(), 1u);
}

TEST_F(Symbols, Broadcasting) {
  std::vector<Expr> operands[] = {{B, p.index(1), S}, {p.index(12), p.index(1)}, {S}};
  EXPECT_EQ(*broadcast_dims(g, operands), (Exprs{B, p.index(12), S}));
  std::vector<Expr> zero[] = {{p.index(0)}, {p.index(1)}};
  EXPECT_EQ(*broadcast_dims(g, zero), (Exprs{p.index(0)}));
  std::vector<Expr> wrong[] = {{p.index(2)}, {p.index(3)}};
  EXPECT_FALSE(broadcast_dims(g, wrong));
}

TEST_F(Symbols, ErrorsCarryNodeAndShapes) {
  auto failed = add_node(g, {.op = Op::add,
                             .inputs = {input({p.index(2)}), input({p.index(3)})},
                             .outputs = {},
                             .origin = {.index = 4, .name = "sum", .op = "Add", .opset = 14}});
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error()[0].node.name, "sum");
  EXPECT_EQ(failed.error()[0].shapes, (std::vector<std::string>{"x: f32[2]", "x_1: f32[3]"}));
}

TEST_F(Symbols, AbsurdSizesAreRefused) {
  Expr huge = p.index(int64_t{1} << 40);
  auto made = add_node(g, {.op = Op::broadcast,
                           .inputs = {input({})},
                           .outputs = {},
                           .attrs = Attrs().set<Attr::dims>({huge, huge})});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error()[0].code, Code::E0207);
}

// view(x, (shape[0], -1, 12, 64)) of x [B, P+S, 768], as torch exports it.
TEST_F(Symbols, ShapeGatherConcatReshape) {
  ValueId shape = shape_of(input({B, p.add(P, S), p.index(768)}));
  Attrs axis = Attrs().set<Attr::axis>(0);
  ValueId batch = node(Op::gather, {shape, integers({0}, true)}, axis);
  ValueId length = node(Op::gather, {shape, integers({-2}, true)}, axis);
  auto unsqueeze = [&](ValueId v) { return node(Op::reshape, {v}, Attrs().set<Attr::dims>({p.index(1)})); };
  ValueId target = node(Op::concat, {unsqueeze(batch), unsqueeze(length), integers({12, 64})}, axis);
  EXPECT_EQ(content(target), (Exprs{B, p.add(P, S), p.index(12), p.index(64)}));
}

TEST_F(Symbols, ProductsSlicesAndComparisons) {
  ValueId shape = shape_of(input({B, S, p.index(768)}));
  ValueId head =
      node(Op::slice, {shape},
           Attrs().set<Attr::starts>({p.index(0)}).set<Attr::steps>({1}).set<Attr::dims>({p.index(2)}));
  ValueId rows = node(Op::reduce_prod, {head}, Attrs().set<Attr::axes>({0}).set<Attr::keep_dims>(1));
  EXPECT_EQ(content(rows), (Exprs{p.mul(B, S)}));
  // where(shape == -1, 1, shape), as expand does.
  ValueId minus = node(Op::equal, {shape, integers({-1, -1, -1})});
  EXPECT_EQ(content(node(Op::select, {minus, integers({1, 1, 1}), shape})), content(shape));
  // (S + 1) * 3 // 2 - S
  ValueId s = node(Op::gather, {shape, integers({1}, true)}, Attrs().set<Attr::axis>(0));
  ValueId sum = node(Op::add, {s, integers({1}, true)});
  ValueId part = node(Op::div, {node(Op::mul, {sum, integers({3}, true)}), integers({2}, true)});
  EXPECT_EQ(content(node(Op::sub, {part, s})),
            (Exprs{p.sub(p.floordiv(p.mul(p.add(S, p.index(1)), p.index(3)), p.index(2)), S)}));
}

TEST_F(Symbols, RunningSumsAndScatters) {
  ValueId shape = shape_of(input({B, S, P}));
  Attrs running = Attrs().set<Attr::axis>(0).set<Attr::mode>("sum");
  EXPECT_EQ(content(node(Op::cumulate, {shape}, running)), (Exprs{B, p.add(B, S), p.add(p.add(B, S), P)}));
  ValueId scattered = node(Op::scatter_elements, {shape, integers({-1}), integers({7})},
                           Attrs().set<Attr::axis>(0).set<Attr::reduction>("none"));
  EXPECT_EQ(content(scattered), (Exprs{B, S, p.index(7)}));
}

// Pads as torch's legacy exporter reorders them: [-1, 2], rows reversed, transposed, flat.
TEST_F(Symbols, PadsThroughMatrices) {
  ValueId pads = node(Op::extents, {}, Attrs().set<Attr::dims>({p.index(1), S, p.index(3), B}));
  ValueId rows = node(Op::reshape, {pads}, Attrs().set<Attr::dims>({p.index(2), p.index(2)}));
  Attrs reversed = Attrs().set<Attr::starts>({p.index(1), p.index(0)}).set<Attr::steps>({-1, 1});
  ValueId flipped = node(Op::slice, {rows}, reversed.set<Attr::dims>({p.index(2), p.index(2)}));
  ValueId columns = node(Op::transpose, {flipped}, Attrs().set<Attr::perm>({1, 0}));
  ValueId flat = node(Op::reshape, {columns}, Attrs().set<Attr::dims>({p.index(4)}));
  EXPECT_EQ(content(flat), (Exprs{p.index(3), p.index(1), B, S}));
}

// floor(cast(shape, f32) * scale) of an upsampling.
TEST_F(Symbols, SizesThroughFloats) {
  ValueId shape = shape_of(input({S, p.index(10)}));
  ValueId scaled = node(Op::mul, {cast(shape, DType::F32), floats({1.5f, 1.5f})});
  ValueId sizes = cast(node(Op::floor, {scaled}), DType::I64);
  EXPECT_EQ(content(sizes), (Exprs{p.floordiv(p.mul(S, p.index(3)), p.index(2)), p.index(15)}));
  EXPECT_TRUE(
      content(cast(node(Op::mul, {cast(shape, DType::F32), floats({0.1f, 0.1f})}), DType::I64)).empty());
}

TEST_F(Symbols, NarrowIntegersWrap) {
  ValueId bytes = cast(integers({200, 100}), DType::U8);
  EXPECT_EQ(content(node(Op::add, {bytes, bytes})), (Exprs{p.index(144), p.index(200)}));
  EXPECT_TRUE(content(cast(shape_of(input({S})), DType::U8)).empty());
}

TEST_F(Symbols, EvaluateSolvesSymbolsFromInputs) {
  ValueId x = input({p.add(P, S), p.index(2)}), y = input({S});
  g.outputs = {shape_of(x)};
  (void)y;
  auto out = evaluate(g, std::vector{Tensor::zeros(DType::F32, {7, 2}), Tensor::zeros(DType::F32, {3})}, {});
  ASSERT_TRUE(out);
  EXPECT_EQ((*out)[0].i, (std::vector<int64_t>{7, 2}));
  EXPECT_EQ(evaluate(g, std::vector{Tensor::zeros(DType::F32, {7, 3}), Tensor::zeros(DType::F32, {3})}, {})
                .error()[0]
                .code,
            Code::E0502);
}

TEST_F(Symbols, EvaluateTakesReplacedSymbols) {
  Expr T = p.symbol("T");
  ValueId x = input({S, T});
  ASSERT_TRUE(unify_dims(g, T, p.mul(S, p.index(2))));
  g.outputs = {shape_of(x)};
  std::vector<Tensor> in = {Tensor::zeros(DType::F32, {3, 6})};
  EXPECT_TRUE(evaluate(g, in, {.dims = {{"T", 6}}}));
  EXPECT_FALSE(evaluate(g, in, {.dims = {{"T", 8}}}));
}

TEST_F(Symbols, EvaluateShowsEveryNode) {
  ValueId x = input({p.index(2)});
  ValueId y = node(Op::neg, {x});
  g.outputs = {node(Op::abs, {y})};
  std::vector<std::string> seen;
  EvalOptions options;
  options.observe = [&](const EvalInput& in, std::span<Tensor> t) {
    seen.emplace_back(spelling(in.node.op));
    if (in.node.op == Op::neg) t[0].f[0] = -40;  // replaced for the readers
  };
  auto out = evaluate(g, std::vector{Tensor{.type = DType::F32, .dims = {2}, .f = {1, -2}}}, options);
  EXPECT_EQ(seen, (std::vector<std::string>{"neg", "abs"}));
  EXPECT_EQ((*out)[0].f, (std::vector<double>{40, 2}));
}

}  // namespace
}  // namespace tenon
