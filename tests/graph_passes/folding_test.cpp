#include "helpers.h"

namespace tenon {
namespace {

TEST(FoldConstants, EvaluatesAndMovesBytes) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {4, 3});
  ValueId w = b.transpose(b.weights(DType::F32, {3, 4}), {1, 0});
  ValueId c = b.op(Op::mul, {b.op(Op::sqrt, {b.number(4)}), w});
  Graph g = expect_same(fold_constants, b, b.op(Op::add, {x, c}));
  EXPECT_EQ(g.nodes.size(), 1u);
}

TEST(FoldConstants, LargeResultsMatchElementwiseAndBytewise) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {1});
  ValueId w = b.weights(DType::F16, {1100, 1000});  // more than one chunk, and more than the file threshold
  ValueId wide = b.op(Op::cast, {w}, Attrs().set<Attr::to>(DType::F32));
  Graph g = expect_same(fold_constants, b, b.op(Op::add, {b.transpose(wide, {1, 0}), x}));
  EXPECT_EQ(g.nodes.size(), 1u);
}

TEST(FoldConstants, KeepsWhatIsOutOfProportion) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {1});
  Expr n = b.g.pool.index(100000);
  ValueId iota = b.op(Op::iota, {}, Attrs().set<Attr::dims>({n}).set<Attr::axis>(0).set<Attr::to>(DType::F32));
  Graph g = expect_same(fold_constants, b, b.op(Op::add, {iota, x}));
  EXPECT_EQ(count_ops(g, Op::iota), 1);
}

TEST(FoldConstants, BroadcastOfOneNumberStaysOneNumber) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {1});
  std::vector<Expr> dims{b.g.pool.index(3000), b.g.pool.index(3000)};
  ValueId big = b.op(Op::broadcast, {b.number(2)}, Attrs().set<Attr::dims>(dims));
  b.g.outputs = {b.op(Op::add, {big, x})};
  auto g = fold_constants(b.g);
  ASSERT_TRUE(g);
  ASSERT_EQ(g->constants.size(), 1u);
  EXPECT_EQ(g->constants[ConstantId(0)].bytes.size, 4u);
}

TEST(FoldConstants, DequantisedConstantsStay) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {4});
  ValueId w = b.op(Op::dequantize, {b.weights(DType::I8, {4}), b.number(0.5)});
  Graph g = expect_same(fold_constants, b, b.op(Op::add, {x, w}));
  EXPECT_EQ(count_ops(g, Op::dequantize), 1);
}

TEST(CseDce, MergesEqualNodesAndConstants) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {4});
  ValueId p = b.op(Op::exp, {b.op(Op::add, {x, b.number(1)})}), q = b.op(Op::exp, {b.op(Op::add, {x, b.number(1)})});
  b.op(Op::log, {x});
  Graph g = expect_same(cse_dce, b, b.op(Op::mul, {p, q}));
  EXPECT_EQ(g.nodes.size(), 3u);
  EXPECT_EQ(g.constants.size(), 1u);
}

TEST(CseDce, EqualOutputsStayTwo) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {4});
  b.g.outputs = {b.op(Op::exp, {x}), b.op(Op::exp, {x})};
  auto g = cse_dce(b.g);
  ASSERT_TRUE(g);
  EXPECT_NE(g->outputs[0], g->outputs[1]);
}

TEST(Decompose, LogSoftmax) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {3, 5});
  Graph g = expect_same(decompose, b, b.op(Op::log_softmax, {x}, Attrs().set<Attr::axis>(1)), 1e-12);
  EXPECT_EQ(count_ops(g, Op::log_softmax), 0);
}

TEST(FoldBatchNorm, ConvolutionWithGroups) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 4, 5, 5});
  ValueId y = b.op(Op::conv, {x, b.weights(DType::F32, {6, 2, 3, 3})}, Attrs().set<Attr::groups>(2));
  y = b.op(Op::add, {y, b.weights(DType::F32, {6, 1, 1})});
  y = b.op(Op::sub, {y, b.weights(DType::F32, {1, 6, 1, 1})});
  y = b.op(Op::mul, {b.weights(DType::F32, {6, 1, 1}), y});
  Graph g = expect_same(fold_batch_norm, b, b.op(Op::add, {y, b.number(0.25)}), 1e-5);
  EXPECT_EQ(g.nodes.size(), 2u);
}

TEST(FoldBatchNorm, ProductAndTransposedConvolution) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {3, 4});
  ValueId y = b.op(Op::dot, {x, b.weights(DType::F32, {4, 5})});
  y = b.op(Op::div, {y, b.list({1, 2, 3, 4, 5})});
  Graph g = expect_same(fold_batch_norm, b, b.op(Op::sub, {b.number(1), y}), 1e-5);
  EXPECT_EQ(g.nodes.size(), 2u);

  Builder t;
  ValueId z = t.op(Op::conv_transpose, {t.input("x", DType::F32, {1, 4, 3, 3}), t.weights(DType::F32, {4, 3, 2, 2})},
                   Attrs().set<Attr::groups>(2).set<Attr::strides>({2, 2}));
  g = expect_same(fold_batch_norm, t, t.op(Op::mul, {z, t.weights(DType::F32, {6, 1, 1})}), 1e-5);
  EXPECT_EQ(g.nodes.size(), 1u);
}

TEST(FoldBatchNorm, LeavesWhatIsReadTwice) {
  Builder b;
  ValueId y = b.op(Op::dot, {b.input("x", DType::F32, {3, 4}), b.weights(DType::F32, {4, 4})});
  ValueId scaled = b.op(Op::mul, {y, b.number(3)});
  Graph g = expect_same(fold_batch_norm, b, b.op(Op::add, {scaled, y}));
  EXPECT_EQ(count_ops(g, Op::mul), 1);
}

}  // namespace
}  // namespace tenon
