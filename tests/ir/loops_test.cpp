// Loops: text, rules and meaning.
#include "tenon/loops.h"

#include <gtest/gtest.h>

#include <cmath>

namespace tenon {
namespace {

// y = relu(x * w + b), then its sum; w packed in panels of 4 columns, rows in blocks of 2 with a tail.
constexpr std::string_view kModule = R"(module mlp {
  symbol N in 1..64
  input x: f32[N, 3]
  output y: f32[N, 6]
  output total: f32[]
  constant w: source 0 dims [3, 6] layout "1/4.0.1%4" offset 0 bytes 96
  constant bias: source 1 dims [6] offset 128 bytes 24
  buffer x: f32 input 0 bytes 12*N
  buffer y: f32 output 0 bytes 24*N
  buffer total: f32 output 1 bytes 4
  buffer w: f32 constant 0 bytes 96
  buffer bias: f32 constant 1 bytes 24
  buffer t: f32 workspace bytes 24*N offset 0
  workspace 24*N
  scratch 0
  kernel dense {
    // onnx 0 "/fc/Gemm" Gemm 13
    // onnx 1 "/relu" Relu 14
    symbol N
    param x: f32[3*N]
    param w: f32[24]
    param bias: f32[6]
    param t: f32[6*N] written align 64
    parallel for i_block < floordiv(N + 1, 2) {
      for j_block < 2 {
        if i_block < floordiv(N, 2) {
          tile rows(i < 2) lanes(j < 4 of 6 - 4*j_block) {
            sum acc = bias[4*j_block + j]
            reduce k < 3 by 2 partial 2 {
              acc = acc + w[12*j_block + 4*k + j]*x[6*i_block + 3*i + k]
            }
            t[12*i_block + 6*i + 4*j_block + j] = max(acc, 0:f32)
          }
        } else {
          tile lanes(j < 4 of 6 - 4*j_block) {
            sum acc = bias[4*j_block + j]
            reduce k < 3 unroll {
              acc = acc + w[12*j_block + 4*k + j]*x[6*i_block + k]
            }
            t[12*i_block + 4*j_block + j] = max(acc, 0:f32)
          }
        }
      }
    }
  }
  kernel sum_all {
    symbol N
    param t: f32[6*N]
    param total: f32[1] written
    scratch half: f64[1] written
    tile reduce_lanes(k < 16 of 6*N) {
      sum acc = 0:f32
      reduce {
        acc = acc + t[k]
      }
      half[0] = cast(acc, f64)*0.5:f64
    }
    let twice = half[0]
    total[0] = cast(twice*2:f64, f32) if twice == twice
  }
  host {
    call dense(x, w, bias, t; N)
    if N < 32 {
      copy y, t
    } else {
      copy y, t
    }
    call sum_all(t, total; N)
  }
}
)";

Module parsed(std::string_view text) {
  auto module = parse_module(text);
  EXPECT_TRUE(module) << module.error()[0].message;
  return module ? std::move(*module) : Module{};
}

std::string without(std::string text, std::string_view what, std::string_view by = "") {
  size_t at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  return text.replace(at, what.size(), by);
}

TEST(Loops, PrintsWhatItReads) { EXPECT_EQ(print(parsed(kModule)), kModule); }

constexpr std::string_view kState = R"(module grows {
  symbol P
  symbol S
  symbol Room
  input past: f32[Room, 2]
  input rows: f32[S, 2]
  state 0 = 1 "present.0" axis 0 from P to P + S of Room
  buffer past: f32 input 0 bytes 8*Room
  buffer rows: f32 input 1 bytes 8*S
  host {
    copy past, rows
  }
}
)";

TEST(Loops, StatesAreInputsThatAreWritten) {
  EXPECT_EQ(print(parsed(kState)), kState);
  std::string text(kState);
  for (const char* broken : {"", "state 2 = 1 \"p\" axis 0 from P to P + S of Room", "state 0 = 1 \"p\" axis 2 from P to P + S of Room",
                             "state 1 = 1 \"p\" axis 0 from P to P + S of Room"}) {
    const size_t at = text.find("state"), end = text.find('\n', at);
    std::string other = text;
    EXPECT_FALSE(parse_module(other.replace(at, end - at, broken))) << broken;
  }
}

TEST(Loops, ModulesRefuseDims) {
  std::string text(kModule);
  text.insert(text.find("  input x"), "  require 2*floordiv(N, 2) == N\n");
  Module m = parsed(text);
  EXPECT_EQ(print(m), text);
  auto odd = evaluate_host(m, std::array{Tensor::zeros(DType::F32, {3, 3})}, std::array{int64_t{3}},
                           [](ConstantId) { return Tensor(); });
  ASSERT_FALSE(odd);
  EXPECT_EQ(odd.error()[0].code, Code::E0502);
}

TEST(Loops, HostAndKernelsCompute) {
  Module m = parsed(kModule);
  Tensor w = Tensor::zeros(DType::F32, {3, 6}), bias = Tensor::zeros(DType::F32, {6});
  for (size_t i = 0; i < 18; ++i) w.f[i] = static_cast<double>(i % 7) - 3;
  for (size_t i = 0; i < 6; ++i) bias.f[i] = static_cast<double>(i) * 0.5;
  for (int64_t n : {1, 2, 5}) {
    Tensor x = Tensor::zeros(DType::F32, {n, 3});
    for (size_t i = 0; i < x.f.size(); ++i) x.f[i] = static_cast<double>(i) * 0.25 - 1;
    auto results = evaluate_host(m, std::array{x}, std::array{n}, [&](ConstantId c) { return c.index ? bias : w; });
    ASSERT_TRUE(results) << results.error()[0].message;
    EXPECT_EQ((*results)[0].dims, (std::vector<int64_t>{n, 6}));
    double total = 0;
    for (size_t i = 0; i < static_cast<size_t>(n); ++i)
      for (size_t j = 0; j < 6; ++j) {
        double sum = bias.f[j];
        for (size_t k = 0; k < 3; ++k) sum += x.f[i * 3 + k] * w.f[k * 6 + j];
        EXPECT_EQ((*results)[0].f[i * 6 + j], std::fmax(sum, 0)) << i << ' ' << j;
        total += std::fmax(sum, 0);
      }
    EXPECT_EQ((*results)[1].f, std::vector<double>{total});
  }
}

Result<void> run(std::string_view kernel, std::vector<Tensor>& params, std::vector<int64_t> symbols = {}) {
  std::string text = "module m {\n kernel " + std::string(kernel) + "\n host { } }";
  auto module = parse_module(text);
  if (!module) return std::unexpected(module.error());
  std::vector<Tensor*> pointers;
  for (Tensor& t : params) pointers.push_back(&t);
  return evaluate(module->kernels[KernelId(0)], pointers, symbols);
}

TEST(Loops, TuplesUpdateTogether) {  // argmax: the index looks at the old maximum
  std::vector<Tensor> params = {Tensor::zeros(DType::F32, {5}), Tensor::zeros(DType::I64, {1})};
  params[0].f = {1, 4, 2, 4, 0};
  auto ok = run(R"(argmax {
    param x: f32[5]
    param y: i64[1] written
    tile {
      custom best = -inf:f32
      custom at = 0:i64
      reduce k < 5 {
        best = max(best, x[k])
        at = select(x[k] > best, cast(k, i64), at)
      }
      y[0] = at
    }
  })", params);
  ASSERT_TRUE(ok) << ok.error()[0].message;
  EXPECT_EQ(params[1].i, std::vector<int64_t>{1});
}

TEST(Loops, ArithmeticIsOfTheTypeStated) {
  std::vector<Tensor> params = {Tensor::zeros(DType::F32, {1}), Tensor::zeros(DType::I8, {1}), Tensor::zeros(DType::F16, {1})};
  params[0].f = {0.1f};
  auto ok = run(R"(types {
    param x: f32[1] written
    param q: i8[1] written
    param h: f16[1] written
    let y = x[0]*3:f32
    h[0] = cast(y, f16)
    q[0] = castsat(y*1000:f32, i8)
    x[0] = y
  })", params);
  ASSERT_TRUE(ok) << ok.error()[0].message;
  EXPECT_EQ(params[0].f[0], static_cast<double>(0.1f * 3.0f));
  EXPECT_EQ(params[1].i[0], 127);
  EXPECT_EQ(params[2].f[0], 0.300048828125);
}

TEST(Loops, SelectGuardsLoadsAndWhileLoops) {
  std::vector<Tensor> params = {Tensor::zeros(DType::I32, {4})};
  auto ok = run(R"(count {
    param n: i32[4] written
    while n[0] < 10:i32 {
      n[0] = n[0] + 3:i32
    }
    for i < 6 {
      n[3] = select(i < 4, n[i], 7:i32) if i >= 4
    }
  })", params);
  ASSERT_TRUE(ok) << ok.error()[0].message;
  EXPECT_EQ(params[0].i, (std::vector<int64_t>{12, 0, 0, 7}));
}

TEST(Loops, AccessesOutsideBuffersAreFaults) {
  for (std::string_view statement : {"y[0] = y[4]", "y[-1] = 0:f32", "for i < 5 { y[i] = 0:f32 }"}) {
    std::vector<Tensor> params = {Tensor::zeros(DType::F32, {8})};
    auto result = run("k { param y: f32[4] written\n" + std::string(statement) + " }", params);
    ASSERT_FALSE(result) << statement;
    EXPECT_NE(result.error()[0].message.find("is outside y of 4 elements"), std::string::npos) << result.error()[0].message;
  }
}

TEST(Loops, TasksDoNotShareScratch) {
  std::vector<Tensor> params = {Tensor::zeros(DType::F32, {2})};
  auto ok = run(R"(leak {
    param y: f32[2] written
    scratch t: f32[1] written
    parallel for i < 2 {
      t[0] = 1:f32 if i == 0
      y[i] = t[0]
    }
  })", params);
  ASSERT_TRUE(ok) << ok.error()[0].message;
  EXPECT_EQ(params[0].f[0], 1);
  EXPECT_TRUE(std::isnan(params[0].f[1]));
}

TEST(Loops, NamesThatHideEachOtherAreToldApart) {
  Kernel k{.name = "k"};
  BufferId y = k.buffers.push({"y:0", DType::I32, k.pool.index(9), Space::Param, true});
  Expr outer = k.pool.axis("i", k.pool.index(3)), inner = k.pool.axis("i", k.pool.index(3));
  Stmt store{.kind = StmtKind::Store};
  store.stores.push_back({y, k.pool.add(k.pool.mul(outer, k.pool.index(3)), inner), k.pool.cast(inner, DType::I32)});
  Stmt in{.kind = StmtKind::For, .var = inner, .extent = k.pool.index(3), .body = {store}};
  k.body.push_back({.kind = StmtKind::For, .var = outer, .extent = k.pool.index(3), .body = {in}});
  EXPECT_EQ(print(k), R"(kernel k {
  param "y:0": i32[9] written
  for i < 3 {
    for i_1 < 3 {
      "y:0"[3*i + i_1] = cast(i_1, i32)
    }
  }
}
)");
}

struct Broken {
  const char* what;
  const char* by;
  const char* message;
};

class BrokenModules : public testing::TestWithParam<Broken> {};

TEST_P(BrokenModules, AreRefused) {
  auto module = parse_module(without(std::string(kModule), GetParam().what, GetParam().by));
  ASSERT_FALSE(module);
  std::string all;
  for (const Diag& d : module.error()) all += d.message + '\n';
  EXPECT_NE(all.find(GetParam().message), std::string::npos) << all;
}

INSTANTIATE_TEST_SUITE_P(
    All, BrokenModules,
    testing::Values(Broken{"kernel dense", "kernel \"a b\"", "no kernel is named `dense`"},
                    Broken{"kernel sum_all", "kernel \"1st\"", "no kernel is named `sum_all`"},
                    Broken{" written align 64", "", "stored to, but not declared as written"},
                    Broken{"  workspace 24*N", "  buffer p: f32 part of t bytes 4\n  workspace 24*N", "buffer p is part of none before it"},
                    Broken{"  workspace 24*N", "  buffer p: f32 part of t bytes 4 offset 0\n  buffer q: f32 part of p bytes 4 offset 0\n  workspace 24*N", "buffer q is part of none before it, or of another part"},
                    Broken{"param t: f32[6*N] w", "param t: f64[6*N] w", "of another type"},
                    Broken{"x[6*i_block + 3*i + k]", "x[6*i_block + 3*i + m]", "variable m is not in scope"},
                    Broken{"= max(acc, 0:f32)", "= 0:i32", "is of type i32, not f32"},
                    Broken{"rows(i < 2)", "rows(i < 0)", "a tile's axis is empty"},
                    Broken{"for j_block < 2", "parallel for j_block < 2", "only an outermost for can be parallel"},
                    Broken{"reduce k < 3 unroll", "reduce k < N unroll", "extent is not constant"},
                    Broken{"reduce k < 3 unroll", "reduce k < 4 atom, l < 2", "an atom is not the innermost reduction"},
                    Broken{"by 2", "by 0", "unrolled less than once"},
                    Broken{"partial 2", "partial 3", "no multiple of the unrolled steps"},
                    Broken{"partial 2", "partial 2 halves", "partial sums in f16 of what are no pairs of products of f16"},
                    Broken{"sum acc = bias", "max acc = bias", "partial sums of what is no sum"},
                    Broken{"sum acc = 0:f32", "custom acc = 0:f32", "no partial results per lane"},
                    Broken{"16 of 6*N", "16", "reduced lanes need a limit"},
                    Broken{"if N < 32", "if N + 32", "is of type index, not bool"},
                    Broken{"copy y, t", "copy x, t", "buffer x is written, but"},
                    Broken{"copy y, t", "copy w, t", "buffer w is written, but"},
                    Broken{"bias, t; N", "bias; N", "the wrong number of arguments"},
                    Broken{"bias, t; N", "bias, t", "the wrong number of arguments"},
                    Broken{"input 0 bytes", "input 3 bytes", "number 3 of its kind"},
                    Broken{"1/4.0.1%4", "0", "does not fit it"},
                    Broken{"1/4.0.1%4", "0.0", "does not cover each dim once"},
                    Broken{"call dense(x", "call dense(z", "no buffer is named `z` here"},
                    Broken{"twice = half[0]", "twice = half[k]", "variable k is not in scope"},
                    Broken{"// onnx 0", "// onnx x", "expected `// onnx"},
                    Broken{"param bias", "param x", "two buffers named `x`"}));

TEST(Loops, AllViolationsAreReported) {
  std::string text(kModule);
  text = without(without(std::move(text), " written align 64"), "copy y, t", "copy x, t");
  auto module = parse_module(text);
  ASSERT_FALSE(module);
  EXPECT_GE(module.error().size(), 2u);
}

TEST(Region, PrintsAsLoops) {
  Region r{.name = "norm"};
  ExprPool& p = r.pool;
  Expr n = p.symbol("N");
  BufferId x = r.buffers.push({"x", ValueId(0), DType::F32, {n, p.index(8)}, true, false});
  BufferId y = r.buffers.push({"y", ValueId(1), DType::F32, {n}, false, true});
  Expr i = p.axis("i", n), k = p.axis("i", p.index(8));
  Expr acc = p.new_var({.name = "s", .type = DType::F32});
  Statement s{.out = y, .axes = {i}, .indices = {i}, .reduce_axes = {k}};
  s.accumulators.push_back({acc, p.constant(DType::F32, 0), p.binary(SOp::Add, acc, p.load(x, DType::F32, std::array{i, k})), Monoid::Sum});
  s.value = p.unary(SOp::Sqrt, acc);
  r.statements.push_back(s);
  EXPECT_EQ(print(r), R"(region norm {
  input x: f32[N, 8]
  output y: f32[N]
  for i < N {
    sum s = 0:f32
    reduce i_1 < 8 {
      s = s + x[i, i_1]
    }
    y[i] = sqrt(s)
  }
}
)");
}

}  // namespace
}  // namespace tenon
