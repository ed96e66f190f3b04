#include "helpers.h"

namespace tenon {
namespace {

Attrs along(int64_t axis) { return Attrs().set<Attr::axis>(axis); }

ValueId dequantize(Builder& b, ValueId q, double scale, double zero) {
  return b.op(Op::dequantize, {q, b.number(scale), b.number(zero, b.g.values[q].type)});
}
ValueId quantize(Builder& b, ValueId x, double scale, double zero, DType type = DType::U8) {
  return b.op(Op::quantize, {x, b.number(scale), b.number(zero, type)});
}

// Convolution with a scale per channel, an integer bias and a relu: one integer convolution is left.
TEST(FoldQuantized, Convolution) {
  Builder b;
  ValueId x = dequantize(b, b.input("x", DType::U8, {2, 4, 6, 6}), 0.02, 113);
  ValueId w = b.op(Op::dequantize, {b.weights(DType::I8, {3, 4, 3, 3}), b.list({0.25, 0.5, 0.125})}, along(0));
  ValueId bias = b.op(Op::dequantize, {b.list({100, -2000, 30000}, DType::I32), b.list({0.02 * 0.25, 0.02 * 0.5, 0.02 * 0.125})}, along(0));
  Expr one = b.g.pool.index(1);
  ValueId y = b.op(Op::conv, {x, w}, Attrs().set<Attr::pads_begin>({one, one}).set<Attr::pads_end>({one, one}));
  y = b.op(Op::max, {b.op(Op::add, {y, b.reshape(bias, {3, 1, 1})}), b.number(0)});
  Graph g = expect_same(fold_quantized, b, quantize(b, y, 3.0, 0));
  EXPECT_EQ(count_ops(g, Op::dequantize), 0);
  EXPECT_EQ(count_ops(g, Op::max), 0);
  EXPECT_EQ(count_ops(g, Op::add) + count_ops(g, Op::mul), 2);  // i32 bias, one factor
  auto conv = std::ranges::find(g.nodes, Op::conv, &Node::op);
  ASSERT_NE(conv, g.nodes.end());
  EXPECT_EQ(g.values[conv->outputs[0]].type, DType::I32);
}

TEST(FoldQuantized, UnsignedWeightsAreRecentred) {
  Builder b;
  ValueId x = dequantize(b, b.input("x", DType::I8, {5, 16}), 0.1, -3);
  ValueId w = dequantize(b, b.weights(DType::U8, {16, 8}), 0.2, 128);
  Graph g = expect_same(fold_quantized, b, quantize(b, b.op(Op::dot, {x, w}), 4.0, -5, DType::I8));
  EXPECT_EQ(count_ops(g, Op::dequantize), 0);
}

TEST(FoldQuantized, ProductOfTwoActivations) {
  Builder b;
  ValueId x = dequantize(b, b.input("x", DType::U8, {2, 5, 16}), 0.1, 100);
  ValueId y = dequantize(b, b.input("y", DType::U8, {2, 16, 4}), 0.2, 50);
  Graph g = expect_same(fold_quantized, b, b.op(Op::dot, {x, y}), 1e-2);
  EXPECT_EQ(count_ops(g, Op::dequantize), 0);
}

TEST(FoldQuantized, TransposedWeightsAndFloatBias) {
  Builder b;
  ValueId x = dequantize(b, b.input("x", DType::U8, {5, 16}), 0.125, 7);
  ValueId w = b.op(Op::dequantize, {b.weights(DType::I8, {8, 16}), b.list({1, 2, 3, 4, 5, 6, 7, 8})}, along(0));
  ValueId y = b.op(Op::add, {b.op(Op::dot, {x, b.transpose(w, {1, 0})}), b.weights(DType::F32, {8})});
  Graph g = expect_same(fold_quantized, b, quantize(b, y, 512, 3));
  EXPECT_EQ(count_ops(g, Op::dequantize), 0);
  EXPECT_EQ(count_ops(g, Op::transpose), 0);
}

TEST(FoldQuantized, MovesThroughWhatOnlyMoves) {
  Builder b;
  ValueId q = b.input("x", DType::U8, {1, 2, 4, 4}), p = b.input("y", DType::U8, {1, 2, 4, 4});
  ValueId y = b.op(Op::concat, {dequantize(b, q, 0.5, 9), dequantize(b, p, 0.5, 9)}, along(1));
  y = b.op(Op::window_max, {y}, Attrs().set<Attr::kernel>({2, 2}).set<Attr::strides>({2, 2}));
  y = b.op(Op::max, {b.transpose(y, {0, 2, 3, 1}), b.number(0)});
  Graph g = expect_same(fold_quantized, b, quantize(b, y, 0.5, 9));
  EXPECT_EQ(count_ops(g, Op::dequantize) + count_ops(g, Op::quantize), 0);
}

TEST(FoldQuantized, DifferentParametersStay) {
  Builder b;
  ValueId x = dequantize(b, b.input("x", DType::U8, {4, 4}), 0.5, 9);
  Graph g = expect_same(fold_quantized, b, quantize(b, x, 0.25, 9));
  EXPECT_EQ(g.nodes.size(), 2u);
}

TEST(FoldQuantized, TransposedConvolutionNeedsAZeroOfZero) {
  for (double zero : {0.0, 5.0}) {
    Builder b;
    ValueId x = dequantize(b, b.input("x", DType::I8, {1, 4, 3, 3}), 0.5, zero);
    ValueId w = dequantize(b, b.weights(DType::I8, {4, 2, 3, 3}), 0.25, 0);
    Graph g = expect_same(fold_quantized, b, b.op(Op::conv_transpose, {x, w}, Attrs().set<Attr::strides>({2, 2})), 1e-2);
    EXPECT_EQ(count_ops(g, Op::dequantize), zero == 0 ? 0 : 1);
  }
}

}  // namespace
}  // namespace tenon
