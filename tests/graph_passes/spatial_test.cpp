#include "helpers.h"

namespace tenon {
namespace {

Attrs conv_attrs(Builder& b, int64_t stride, int64_t dilation, int64_t pad) {
  std::vector<Expr> pads(2, b.g.pool.index(pad));
  return Attrs().set<Attr::strides>({stride, stride}).set<Attr::dilations>({dilation, dilation}).set<Attr::groups>(1)
      .set<Attr::pads_begin>(pads).set<Attr::pads_end>(pads);
}

struct Case {
  int64_t extent, kernel, stride, dilation, pad;
  int64_t kept;  // taps along each dim
};

class TrimTaps : public ::testing::TestWithParam<Case> {};

TEST_P(TrimTaps, SameResultWithFewerTaps) {
  const Case c = GetParam();
  Builder b;
  ValueId x = b.input("x", DType::F32, {1, 2, c.extent, c.extent});
  ValueId w = b.weights(DType::F32, {3, 2, c.kernel, c.kernel});
  Graph g = expect_same(trim_taps, b, b.op(Op::conv, {x, w}, conv_attrs(b, c.stride, c.dilation, c.pad)));
  const Node& conv = g.nodes.back();
  EXPECT_TRUE(g.pool.is_index(g.values[conv.inputs[1]].dims[2], c.kept));
}

INSTANTIATE_TEST_SUITE_P(Cases, TrimTaps,
                         ::testing::Values(Case{16, 3, 1, 24, 24, 1}, Case{16, 3, 1, 12, 12, 3}, Case{5, 3, 2, 4, 4, 3},
                                           Case{4, 5, 1, 2, 4, 3}, Case{3, 7, 2, 1, 3, 5}, Case{6, 3, 1, 1, 1, 3}));

TEST(TrimTapsOf, WeightsThatAreNotFiniteStay) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {1, 1, 4, 4});
  Tensor w = b.noise(DType::F32, {1, 1, 3, 3});
  w.f[0] = std::numeric_limits<double>::infinity();
  b.g.outputs = {b.op(Op::conv, {x, b.constant(w)}, conv_attrs(b, 1, 8, 8))};
  auto g = trim_taps(b.g);
  ASSERT_TRUE(g);
  EXPECT_TRUE(g->pool.is_index(g->values[g->nodes.back().inputs[1]].dims[2], 3));
}

// Values are of order 1 and counts below 2^12: float64 evaluation differs by less than 2^12 roundings. Epsilon
// is rounded to f32, 2^-17 * 2^-24 beside a variance of order 1.
constexpr double kFloat64 = 0x1p-40;

ValueId convolved(Builder& b, ValueId x, int64_t channels) {
  return b.op(Op::neg, {b.op(Op::conv, {x, b.weights(DType::F32, {channels, 3, 1, 1})}, conv_attrs(b, 1, 1, 0))});
}

TEST(SplitGroupNorm, GroupsOfChannels) {
  Builder b;
  ValueId x = convolved(b, b.input("x", DType::F32, {2, 3, 5, 7}), 12);
  ValueId grouped = b.reshape(x, {2, 3, 140});
  ValueId y = b.op(Op::layer_norm, {grouped, b.weights(DType::F32, {3, 1}), b.weights(DType::F32, {3, 1})},
                   Attrs().set<Attr::axes>({2}).set<Attr::mode>("mean").set<Attr::epsilon>(1e-5));
  Graph g = expect_same(split_group_norm, b, b.reshape(y, {2, 12, 5, 7}), kFloat64);
  EXPECT_EQ(count_ops(g, Op::layer_norm), 0);
}

TEST(SplitGroupNorm, EachChannel) {
  Builder b;
  ValueId x = convolved(b, b.input("x", DType::F32, {2, 3, 5, 7}), 4);
  ValueId y = b.op(Op::layer_norm, {x, b.weights(DType::F32, {4, 1, 1}), b.weights(DType::F32, {4, 1, 1})},
                   Attrs().set<Attr::axes>({2, 3}).set<Attr::mode>("mean").set<Attr::epsilon>(1e-5));
  Graph g = expect_same(split_group_norm, b, y, kFloat64);
  EXPECT_EQ(count_ops(g, Op::layer_norm), 0);
}

TEST(SplitGroupNorm, OfATransformerStaysWhole) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 4, 5});
  ValueId whole = b.op(Op::layer_norm, {b.op(Op::neg, {x}), b.number(1), b.number(0)},
                       Attrs().set<Attr::axes>({2}).set<Attr::mode>("mean").set<Attr::epsilon>(1e-5));
  Graph g = expect_same(split_group_norm, b, whole);
  EXPECT_EQ(count_ops(g, Op::layer_norm), 1);
}

}  // namespace
}  // namespace tenon
