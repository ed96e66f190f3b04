// Every row of ops.def: evaluation against lowering, over types, shapes and attributes.
#include <set>

#include "rig.h"
#include "tenon/narrow_float.h"

namespace tenon::testing {
namespace {

constexpr DType kTypes[] = {DType::F32, DType::F64, DType::F16, DType::BF16, DType::U8,  DType::I8,
                            DType::I16, DType::I32, DType::I64, DType::U32,  DType::U64, DType::Bool};

double tolerance_of(DType type) {
  return type == DType::F64 ? 1e-12 : type == DType::F16 ? 2e-3 : type == DType::BF16 ? 1.6e-2 : 2e-6;
}

constexpr Op kAll[] = {
#define OP(name, family) Op::name,
#include "tenon/ops.def"
#undef OP
};

TEST(Rows, AreComplete) {
  for (Op op : kAll) {
    EXPECT_TRUE(complete(definition(op))) << spelling(op);
    EXPECT_EQ(definition(op).name, spelling(op));
    EXPECT_EQ(parse_op(spelling(op)), op);
  }
}

TEST(Rows, Elementwise) {
  for (Op op : kAll) {
    const OpDef& def = definition(op);
    if (def.kind != OpKind::Elementwise || def.min_inputs != def.max_inputs || def.scalar == SOp::Cast ||
        def.scalar == SOp::Bitcast)
      continue;
    int accepted = 0;
    for (DType type : kTypes) {
      Rig rig(static_cast<unsigned>(op) * 16 + static_cast<unsigned>(type), type == DType::F32);
      bool shift = def.scalar == SOp::Shl || def.scalar == SOp::Shr;
      double lo = shift ? 0 : -5, hi = type == DType::Bool ? 1 : shift ? 70 : 5;
      std::vector<std::vector<int64_t>> dims = {{4, 3, 5}, {3, 1}, {5}};
      std::vector<ValueId> operands;
      for (int k = 0; k < def.min_inputs; ++k) {
        bool condition = op == Op::select && k == 0;
        operands.push_back(rig.operand(condition ? DType::Bool : type, dims[static_cast<size_t>(k)],
                                       condition ? 0 : lo, condition ? 1 : hi));
      }
      if (is_float(type) && op != Op::select)
        for (double special : {0.0, -0.0, static_cast<double>(INFINITY), static_cast<double>(NAN)})
          rig.inputs[0].f[static_cast<size_t>(rig.rng() % 60)] = special;
      if (auto types = def.infer(rig.graph, {.op = op, .inputs = operands}); !types) {
        EXPECT_EQ(types.error()[0].code, Code::E0205);
        continue;
      }
      ++accepted;
      rig.check(op, operands, {}, 4 * tolerance_of(type));
    }
    EXPECT_GT(accepted, 0) << spelling(op);
  }
}

TEST(Rows, CastAndBitcast) {
  std::vector<DType> types(std::begin(kTypes), std::end(kTypes));
  types.insert(types.end(), {DType::F8E8M0, DType::F8E4M3FN, DType::F8E5M2, DType::F8E4M3FNUZ,
                             DType::F8E5M2FNUZ, DType::F4E2M1, DType::I4, DType::U4, DType::I2, DType::U2});
  for (DType from : types)
    for (DType to : types) {
      Rig rig(static_cast<unsigned>(from) * 32 + static_cast<unsigned>(to));
      double range = from == DType::Bool ? 1 : is_float(to) ? 600 : 100;
      ValueId x = rig.operand(from, {64}, is_unsigned(from) || from == DType::Bool ? 0 : -range, range);
      SCOPED_TRACE(std::string(spelling(from)) + " to " + std::string(spelling(to)));
      for (int64_t saturate : {0, 1})
        rig.check(Op::cast, {x}, Attrs().set<Attr::to>(to).set<Attr::saturate>(saturate), 0);
      if (bits(from) == bits(to)) rig.check(Op::bitcast, {x}, Attrs().set<Attr::to>(to), 0);
    }
}

TEST(Rows, QuantizePerTensorAxisAndBlock) {
  for (DType to :
       {DType::U8, DType::I8, DType::U16, DType::I16, DType::U4, DType::I4, DType::F8E4M3FN, DType::F8E5M2})
    for (int64_t block : {-1, 0, 2}) {  // -1: per tensor
      Rig rig(static_cast<unsigned>(to), block == 0);
      ValueId x = rig.operand(DType::F32, {2, 6, 3}, -40, 40);
      std::vector<int64_t> dims = block < 0    ? std::vector<int64_t>{}
                                  : block == 0 ? std::vector<int64_t>{6}
                                               : std::vector<int64_t>{2, 3, 3};
      ValueId scale = rig.operand(DType::F32, dims, 0.1, 0.9);
      double top = is_float(to) ? 0 : is_unsigned(to) ? 7 : 3;
      ValueId zero = rig.operand(to, dims, 0, top);
      Attrs attrs = Attrs().set<Attr::axis>(1).set<Attr::block>(std::max<int64_t>(block, 0));
      rig.check(Op::quantize, {x, scale, zero}, attrs, 0);
      Rig back(7);
      ValueId q = back.operand(to, {2, 6, 3}, is_unsigned(to) ? 0 : -4, 7);
      back.check(Op::dequantize,
                 {q, back.operand(DType::F32, dims, 0.1, 0.9), back.operand(to, dims, 0, top)}, attrs, 2e-6);
    }
  Rig defaults;
  defaults.check(Op::quantize,
                 {defaults.operand(DType::F32, {9}, -2, 300), defaults.operand(DType::F32, {}, 1, 1)}, {}, 0);
  EXPECT_EQ(defaults.graph.values[defaults.graph.outputs[0]].type, DType::U8);
}

TEST(Rows, QuantizeRoundsHalfToEvenAndSaturates) {
  Rig rig;
  ValueId x = rig.operand({.type = DType::F32, .dims = {6}, .f = {0.5, 1.5, 2.5, -0.5, 1000, -1000}});
  ValueId scale = rig.operand({.type = DType::F32, .dims = {}, .f = {1}}),
          zero = rig.operand(Tensor::zeros(DType::I8, {}));
  rig.check(Op::quantize, {x, scale, zero}, {}, 0);
  auto out = evaluate(rig.graph, rig.inputs, {});
  EXPECT_EQ((*out)[0].i, (std::vector<int64_t>{0, 2, 2, 0, 127, -128}));
}

TEST(Rows, Movement) {
  for (bool symbolic : {false, true}) {
    auto rig = [&] { return Rig(3, symbolic); };
    for (DType type : {DType::F32, DType::I64, DType::Bool}) {
      Rig r = rig();
      r.check(Op::broadcast, {r.operand(type, {3, 1}, 0, 1)}, Attrs().set<Attr::dims>(r.extents({2, 1, 5})));
    }
    Rig t = rig();
    t.check(Op::transpose, {t.operand(DType::F32, {2, 3, 4})}, Attrs().set<Attr::perm>({2, 0, 1}));
    Rig s = rig();
    s.check(Op::slice, {s.operand(DType::F32, {7, 5})},
            Attrs()
                .set<Attr::starts>(s.constants({5, 1}))
                .set<Attr::steps>({-2, 1})
                .set<Attr::dims>(s.constants({3, 4})));
    for (size_t parts : {1, 2, 3, 7}) {
      Rig c = rig();
      std::vector<ValueId> operands;
      for (size_t k = 0; k < parts; ++k)
        operands.push_back(c.operand(DType::I32, {2, static_cast<int64_t>(k % 3 + 1), 4}, -9, 9));
      c.check(Op::concat, operands, Attrs().set<Attr::axis>(1));
    }
    for (const char* mode : {"constant", "edge", "reflect", "wrap"}) {
      Rig p = rig();
      p.check(Op::pad, {p.operand(DType::F32, {4, 3}), p.operand(DType::F32, {})},
              Attrs()
                  .set<Attr::mode>(mode)
                  .set<Attr::pads_begin>(p.constants({2, 1}))
                  .set<Attr::pads_end>(p.constants({3, 2})));
    }
  }
  Rig far;  // longer than the operand, and a crop
  far.check(Op::pad, {far.operand(DType::F32, {3, 5})},
            Attrs()
                .set<Attr::mode>("reflect")
                .set<Attr::pads_begin>(far.constants({7, -1}))
                .set<Attr::pads_end>(far.constants({8, -2})));
  for (DType type : {DType::I64, DType::F32, DType::F16}) {
    Rig i;
    i.check(Op::iota, {},
            Attrs().set<Attr::dims>(i.constants({2, 3, 2})).set<Attr::axis>(1).set<Attr::to>(type));
  }
  Rig e(1, true);
  e.operand(DType::F32, {3, 5, 1});  // where the symbols come from
  e.check(Op::extents, {}, Attrs().set<Attr::dims>(e.extents({3, 5, 1})));
}

TEST(Rows, NoElements) {
  for (Op op : {Op::neg, Op::exp}) {
    Rig rig;
    rig.check(op, {rig.operand(DType::F32, {3, 0, 5})});
  }
  Rig d;
  d.check(Op::dot, {d.operand(DType::F32, {2, 0}), d.operand(DType::F32, {0, 3})});
  Rig c;
  c.check(Op::concat, {c.operand(DType::F32, {2, 0}), c.operand(DType::F32, {2, 3})},
          Attrs().set<Attr::axis>(1));
  Rig s;
  s.check(Op::softmax, {s.operand(DType::F32, {0, 4})}, Attrs().set<Attr::axis>(1));
}

TEST(Rows, Reshape) {
  struct Shapes {
    std::vector<int64_t> from;
    std::initializer_list<int64_t> to;
  };
  for (bool symbolic : {false, true})
    for (const Shapes& s : {Shapes{{2, 3, 4}, {6, 4}},
                            {{2, 3, 4}, {2, 12}},
                            {{24}, {2, 3, 4}},
                            {{6, 4}, {4, 6}},
                            {{1, 6, 1}, {6}},
                            {{6}, {1, 6, 1, 1}},
                            {{1}, {}},
                            {{}, {1, 1}},
                            {{3, 0, 2}, {0, 5}},
                            {{4, 6, 5}, {8, 3, 5}}}) {
      Rig rig(5, symbolic);
      ValueId x = rig.operand(DType::F32, s.from);
      rig.check(Op::reshape, {x}, Attrs().set<Attr::dims>(rig.constants(s.to)));
    }
}

TEST(Rows, Reductions) {
  for (Op op : {Op::reduce_sum, Op::reduce_prod, Op::reduce_max, Op::reduce_min})
    for (DType type : kTypes) {
      if (type == DType::Bool) continue;
      for (const attr::Ints& axes : {attr::Ints{}, {1}, {0, 2}, {0, 1, 2}})
        for (int64_t keep : {0, 1}) {
          Rig rig(11, keep == 1);
          ValueId x = rig.operand(type, {2, 3, 4}, 0, 1.9);
          rig.check(op, {x}, Attrs().set<Attr::axes>(axes).set<Attr::keep_dims>(keep),
                    32 * tolerance_of(type));
        }
      Rig empty;
      empty.check(op, {empty.operand(type, {2, 0})}, Attrs().set<Attr::axes>({1}));
    }
  for (Op op : {Op::argmax, Op::argmin})
    for (DType type : {DType::F32, DType::I8, DType::U64})
      for (int64_t flags = 0; flags < 4; ++flags) {
        Rig rig(static_cast<unsigned>(flags), true);
        ValueId x = rig.operand(type, {4, 9, 3}, 0, 3);
        for (double& v : rig.inputs[0].f) v = std::round(v);
        rig.check(
            op, {x},
            Attrs().set<Attr::axis>(1).set<Attr::keep_dims>(flags & 1).set<Attr::last_index>(flags >> 1));
      }
}

TEST(Rows, Cumulate) {
  for (const char* mode : {"sum", "prod"})
    for (DType type : {DType::F32, DType::I32, DType::U8})
      for (int64_t flags = 0; flags < 4; ++flags)
        for (int64_t axis : {0, 1, 2}) {
          Rig rig(static_cast<unsigned>(axis), true);
          rig.check(Op::cumulate, {rig.operand(type, {3, 4, 2}, 0, 5)},
                    Attrs()
                        .set<Attr::mode>(mode)
                        .set<Attr::axis>(axis)
                        .set<Attr::exclusive>(flags & 1)
                        .set<Attr::reverse>(flags >> 1));
        }
}

TEST(Rows, GatherFamily) {
  for (DType index : {DType::I32, DType::I64})
    for (bool symbolic : {false, true}) {
      // Indices from far below to far above: none may leave the tensor.
      for (int64_t axis : {0, 1, 2}) {
        Rig g(9, symbolic);
        g.check(Op::gather, {g.operand(DType::F32, {3, 4, 5}), g.operand(index, {2, 6}, -9, 9)},
                Attrs().set<Attr::axis>(axis));
        Rig e(9, symbolic);
        e.check(Op::gather_elements, {e.operand(DType::I8, {3, 4, 5}), e.operand(index, {3, 4, 5}, -9, 9)},
                Attrs().set<Attr::axis>(axis));
      }
      Rig scalar(9, symbolic);
      scalar.check(Op::gather, {scalar.operand(DType::F32, {3, 4}), scalar.operand(index, {}, -3, 2)},
                   Attrs().set<Attr::axis>(0));
      Rig n(9, false);
      n.check(Op::gather_nd, {n.operand(DType::F32, {3, 4, 5}), n.operand(index, {6, 2}, -5, 5)});
      Rig b(9, false);
      b.check(Op::gather_nd, {b.operand(DType::F32, {2, 4, 5}), b.operand(index, {2, 3, 1}, -5, 5)},
              Attrs().set<Attr::batch_dims>(1));
    }
}

TEST(Rows, ScatterFamily) {
  for (const char* reduction : {"none", "add", "mul", "min", "max"})
    for (DType type : {DType::F32, DType::I8}) {
      Attrs attrs = Attrs().set<Attr::reduction>(reduction);
      Rig e(4);
      e.check(Op::scatter_elements,
              {e.operand(type, {3, 5}), e.operand(DType::I64, {2, 4}, -7, 7), e.operand(type, {2, 4})},
              Attrs(attrs).set<Attr::axis>(1));
      Rig n(4);
      n.check(Op::scatter_nd,
              {n.operand(type, {4, 3, 2}), n.operand(DType::I64, {5, 2}, -5, 5), n.operand(type, {5, 2})},
              attrs);
    }
}

TEST(Rows, TopK) {
  for (DType type : kTypes) {
    if (type == DType::Bool) continue;
    for (int64_t k : {1, 4, 9})
      for (int64_t largest : {0, 1})
        for (int64_t axis : {0, 1}) {
          Rig rig(static_cast<unsigned>(k + axis));
          std::vector<int64_t> dims = axis == 0 ? std::vector<int64_t>{9, 4} : std::vector<int64_t>{2, 9, 3};
          ValueId x = rig.operand(type, dims, is_unsigned(type) ? 0 : -3, 3);
          if (is_float(type))
            rig.inputs[0].f[5] = NAN, rig.inputs[0].f[7] = -0.0, rig.inputs[0].f[9] = -INFINITY;
          rig.check(
              Op::top_k, {x},
              Attrs().set<Attr::axis>(axis).set<Attr::largest>(largest).set<Attr::dims>(rig.constants({k})),
              0);
        }
  }
}

TEST(Rows, DotAndConvolutions) {
  for (DType type : {DType::F32, DType::F64}) {
    Rig d(1, true);
    d.check(Op::dot, {d.operand(type, {2, 1, 3, 4}), d.operand(type, {5, 4, 6})});
    for (int64_t groups : {1, 2}) {
      auto attrs = [&](Rig& rig) {
        Attrs a = Attrs().set<Attr::groups>(groups).set<Attr::strides>({2, 1}).set<Attr::dilations>({1, 2});
        return a.set<Attr::pads_begin>(rig.constants({1, 2})).set<Attr::pads_end>(rig.constants({0, 1}));
      };
      Rig one(4);
      one.check(Op::conv, {one.operand(type, {2, 1, 3, 4}), one.operand(type, {5, 1, 1, 1})}, {});
      Rig c(2);
      c.check(Op::conv, {c.operand(type, {2, 4, 7, 6}), c.operand(type, {6, 4 / groups, 3, 2})}, attrs(c));
      Rig t(3);
      t.check(Op::conv_transpose, {t.operand(type, {2, 4, 5, 6}), t.operand(type, {4, 6 / groups, 3, 2})},
              attrs(t));
    }
  }
  Rig u;
  u.check(Op::conv, {u.operand(DType::U8, {1, 1, 3, 3}, 0, 255), u.operand(DType::U8, {1, 1, 1, 1}, 0, 255)});  // one step
  u.check(Op::dot, {u.operand(DType::U8, {3, 4}, 0, 255), u.operand(DType::I8, {4, 5}, -128, 127)});
}

TEST(Rows, Windows) {
  Rig rig(2);
  Attrs attrs = Attrs().set<Attr::kernel>({3, 2}).set<Attr::strides>({2, 1}).set<Attr::dilations>({1, 2});
  attrs.set<Attr::pads_begin>(rig.constants({1, 1})).set<Attr::pads_end>(rig.constants({1, 0}));
  rig.check(Op::window_max, {rig.operand(DType::F32, {2, 3, 7, 6})}, attrs);
  rig.check(Op::window_sum, {rig.operand(DType::F32, {2, 3, 7, 6})}, attrs);
}

TEST(Rows, Resize) {
  for (const char* mode : {"nearest", "linear", "cubic"})
    for (const char* coordinates : {"half_pixel", "align_corners", "asymmetric", "pytorch_half_pixel"}) {
      Rig rig(2);
      Attrs attrs = Attrs()
                        .set<Attr::mode>(mode)
                        .set<Attr::coordinates>(coordinates)
                        .set<Attr::nearest>("round_prefer_floor");
      attrs.set<Attr::dims>(rig.constants({1, 2, 8, 9})).set<Attr::scales>({1, 1, 2, 1.5});
      SCOPED_TRACE(std::string(mode) + " " + coordinates);
      rig.check(Op::resize, {rig.operand(DType::F32, {1, 2, 4, 6})}, attrs, 1e-5);
    }
}

TEST(Rows, Norms) {
  for (int64_t axis : {0, 1, 2}) {
    Rig s(1, true);
    s.check(Op::softmax, {s.operand(DType::F32, {3, 4, 5})}, Attrs().set<Attr::axis>(axis));
    s.check(Op::log_softmax, {s.graph.inputs[0]}, Attrs().set<Attr::axis>(axis));
  }
  for (const char* mode : {"mean", "rms"}) {
    Rig n(1, true);
    n.check(Op::layer_norm,
            {n.operand(DType::F32, {3, 4, 5}), n.operand(DType::F32, {4, 5}), n.operand(DType::F32, {4, 5})},
            Attrs().set<Attr::axes>({1, 2}).set<Attr::mode>(mode).set<Attr::epsilon>(1e-5));
  }
}

}  // namespace
}  // namespace tenon::testing
