#include "helpers.h"

namespace tenon {
namespace {

using Build = ValueId (*)(Builder&, ValueId x);

// Laws: what is written, and how many nodes are left of it.
struct Law {
  const char* name;
  Build build;
  size_t nodes;
};
void PrintTo(const Law& law, std::ostream* out) { *out << law.name; }

Attrs dims_of(Builder& b, std::vector<int64_t> dims) {
  std::vector<Expr> extents;
  for (int64_t d : dims) extents.push_back(b.g.pool.index(d));
  return Attrs().set<Attr::dims>(extents);
}

ValueId slice(Builder& b, ValueId x, std::vector<int64_t> starts, std::vector<int64_t> dims, std::vector<int64_t> steps) {
  std::vector<Expr> first;
  for (int64_t s : starts) first.push_back(b.g.pool.index(s));
  return b.op(Op::slice, {x}, dims_of(b, dims).set<Attr::starts>(first).set<Attr::steps>(steps));
}

// Every law is followed by an exp, so that the output has a node of its own.
const Law kLaws[] = {
    {"add_zero", [](Builder& b, ValueId x) { return b.op(Op::add, {b.number(0), x}); }, 1},
    {"add_zero_that_broadcasts", [](Builder& b, ValueId x) { return b.op(Op::add, {x, b.number(0, DType::F32, {5, 1, 1, 1})}); }, 2},
    {"mul_one", [](Builder& b, ValueId x) { return b.op(Op::mul, {x, b.number(1, DType::F32, {4})}); }, 1},
    {"mul_minus_one", [](Builder& b, ValueId x) { return b.op(Op::mul, {x, b.number(-1)}); }, 2},
    {"div_eight", [](Builder& b, ValueId x) { return b.op(Op::div, {x, b.number(8)}); }, 2},
    {"div_three", [](Builder& b, ValueId x) { return b.op(Op::div, {x, b.number(3)}); }, 2},
    {"square", [](Builder& b, ValueId x) { return b.op(Op::pow, {x, b.number(2)}); }, 2},
    {"neg_neg", [](Builder& b, ValueId x) { return b.op(Op::neg, {b.op(Op::neg, {x})}); }, 1},
    {"add_neg", [](Builder& b, ValueId x) { return b.op(Op::add, {b.op(Op::neg, {x}), b.op(Op::abs, {x})}); }, 3},
    {"relu_relu",
     [](Builder& b, ValueId x) {
       ValueId zero = b.number(0);
       return b.op(Op::max, {b.op(Op::max, {x, zero}), zero});
     },
     2},
    {"cast_there_and_back",
     [](Builder& b, ValueId x) {
       ValueId wide = b.op(Op::cast, {x}, Attrs().set<Attr::to>(DType::F64));
       return b.op(Op::cast, {wide}, Attrs().set<Attr::to>(DType::F32));
     },
     1},
    {"cast_that_narrows_stays",
     [](Builder& b, ValueId x) {
       ValueId narrow = b.op(Op::cast, {x}, Attrs().set<Attr::to>(DType::F16));
       return b.op(Op::cast, {narrow}, Attrs().set<Attr::to>(DType::F32));
     },
     3},
    {"reshapes", [](Builder& b, ValueId x) { return b.reshape(b.reshape(b.reshape(x, {24}), {4, 6}), {2, 3, 4}); }, 1},
    {"transposes", [](Builder& b, ValueId x) { return b.transpose(b.transpose(x, {1, 2, 0}), {1, 0, 2}); }, 2},
    {"transpose_back", [](Builder& b, ValueId x) { return b.transpose(b.transpose(x, {1, 2, 0}), {2, 0, 1}); }, 1},
    {"transpose_of_ones",
     [](Builder& b, ValueId x) { return b.reshape(b.transpose(b.reshape(x, {24, 1}), {1, 0}), {2, 3, 4}); }, 1},
    {"slices", [](Builder& b, ValueId x) { return slice(b, slice(b, x, {0, 2, 0}, {2, 3, 4}, {1, -1, 1}), {0, 1, 1}, {2, 2, 2}, {1, 1, 2}); }, 2},
    {"slice_of_all", [](Builder& b, ValueId x) { return slice(b, x, {0, 0, 0}, {2, 3, 4}, {1, 1, 1}); }, 1},
    {"broadcast_operand",
     [](Builder& b, ValueId x) {
       return b.op(Op::add, {x, b.op(Op::broadcast, {b.op(Op::sin, {b.list({1, 2, 3, 4})})}, dims_of(b, {2, 3, 4}))});
     },
     3},
    {"select_true", [](Builder& b, ValueId x) { return b.op(Op::select, {b.number(1, DType::Bool), x, b.number(0)}); }, 1},
    {"select_not",
     [](Builder& b, ValueId x) {
       ValueId c = b.op(Op::logical_not, {b.op(Op::less, {x, b.number(0)})});
       return b.op(Op::select, {c, x, b.number(0)});
     },
     3},
    {"concat_of_one", [](Builder& b, ValueId x) { return b.op(Op::concat, {x}, Attrs().set<Attr::axis>(1)); }, 1},
    {"softmax_without_nan_stays",
     [](Builder& b, ValueId x) {
       ValueId s = b.op(Op::softmax, {x}, Attrs().set<Attr::axis>(2));
       return b.op(Op::select, {b.op(Op::is_nan, {s}), b.number(0), s});
     },
     4},
};

class Simplify : public testing::TestWithParam<Law> {};

TEST_P(Simplify, Holds) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 3, 4});
  ValueId y = b.op(Op::exp, {GetParam().build(b, x)});
  Graph g = expect_same(simplify, b, y);
  EXPECT_EQ(g.nodes.size(), GetParam().nodes);
}
INSTANTIATE_TEST_SUITE_P(Laws, Simplify, testing::ValuesIn(kLaws), [](const auto& law) { return law.param.name; });

TEST(SimplifyOutputs, AnInputIsCopiedAndKeepsItsName) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 3});
  expect_same(simplify, b, b.op(Op::add, {x, b.number(0)}));
}

TEST(SinkTransposes, CancelsThroughElementwise) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 3, 4, 5}), z = b.input("z", DType::F32, {2, 3, 4, 5});
  ValueId y = b.op(Op::add, {b.transpose(x, {0, 2, 3, 1}), b.transpose(z, {0, 2, 3, 1})});
  y = b.op(Op::mul, {b.op(Op::sigmoid, {y}), b.list({1, 2, 3})});
  Graph g = expect_same(sink_transposes, b, b.op(Op::exp, {b.transpose(y, {0, 3, 1, 2})}), 1e-6);
  EXPECT_EQ(count_ops(g, Op::transpose), 0);
}

TEST(SinkTransposes, MovesAxesOfConcatPadAndSlice) {
  Builder b;
  ValueId x = b.input("x", DType::F32, {2, 3, 4}), z = b.input("z", DType::F32, {2, 5, 4});
  Expr zero = b.g.pool.index(0), one = b.g.pool.index(1);
  ValueId y = b.op(Op::concat, {b.transpose(x, {0, 2, 1}), b.transpose(z, {0, 2, 1})}, Attrs().set<Attr::axis>(2));
  y = b.op(Op::pad, {y}, Attrs().set<Attr::pads_begin>({zero, one, zero}).set<Attr::pads_end>({zero, zero, one}).set<Attr::mode>("constant"));
  y = slice(b, y, {0, 1, 2}, {2, 3, 6}, {1, 1, 1});
  Graph g = expect_same(sink_transposes, b, b.op(Op::exp, {b.transpose(y, {0, 2, 1})}));
  EXPECT_EQ(count_ops(g, Op::transpose), 0);
}

}  // namespace
}  // namespace tenon
