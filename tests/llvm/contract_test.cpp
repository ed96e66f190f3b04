// Contractions: the code of the innermost loop, byte products, and speed in cache.
#include <chrono>
#include <cmath>

#include "harness.h"

namespace tenon {
namespace {

// c[rows, vectors] += a[rows, K] * b[K, lanes], one tile.
Kernel panel(int64_t rows, int64_t lanes, int64_t K) {
  KernelBuilder b("panel");
  BufferId A = b.param("a", DType::F32, b.i(rows * K)), B = b.param("b", DType::F32, b.i(K * lanes)),
           C = b.param("c", DType::F32, b.i(rows * lanes), true);
  Expr r = b.var("r", b.i(rows)), l = b.var("l", b.i(lanes)), k = b.var("k", b.i(K));
  Expr acc = b.k.pool.new_var({.name = "acc", .type = DType::F32});
  Expr product = b.mul(b.load(A, b.add(b.mul(r, b.i(K)), k)), b.load(B, b.add(b.mul(k, b.i(lanes)), l)));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{C, b.add(b.mul(r, b.i(lanes)), l), acc}};
  tile.rows = {{r, rows}};
  tile.lanes = {l, lanes};
  tile.reduce = {{k, b.i(K)}};
  tile.accumulators = {{acc, b.f(0), b.add(acc, product), Monoid::Sum}};
  b.k.body = {tile};
  return std::move(b.k);
}

size_t count(const std::string& text, const std::string& what) {
  size_t n = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++n;
  return n;
}

struct Block {
  const char* target;
  int64_t rows, vectors, width;
};

class InnermostLoop : public testing::TestWithParam<Block> {};
INSTANTIATE_TEST_SUITE_P(Of, InnermostLoop,
                         testing::Values(Block{"x86-64-v4", 6, 4, 16}, Block{"x86-64-v4", 14, 2, 16},
                                         Block{"x86-64-v4", 8, 3, 16}, Block{"sapphirerapids", 6, 4, 16},
                                         Block{"znver5", 6, 4, 16}, Block{"znver4", 14, 2, 16}, Block{"x86-64-v3", 6, 2, 8}));

TEST_P(InnermostLoop, IsFusedMultiplyAddsWithoutTheStack) {
  auto [name, rows, vectors, width] = GetParam();
  auto code = generate_code(module_of(panel(rows, vectors * width, 512)), target(name), {.keep_assembly = true});
  ASSERT_TRUE(code);
  auto loops = loops_with(code->assembly, "vfmadd");
  ASSERT_EQ(loops.size(), 1u) << code->assembly;
  EXPECT_EQ(count(loops[0], "vfmadd"), static_cast<size_t>(rows * vectors)) << loops[0];
  EXPECT_EQ(count(loops[0], "(%rsp"), 0u) << loops[0];
  EXPECT_EQ(count(loops[0], "(%rbp"), 0u) << loops[0];
  EXPECT_EQ(count(loops[0], "imul"), 0u) << loops[0];
}

// Two rows of 24 lanes: three multiply-adds.
TEST(JoinedHalves, AreThreeMultiplyAddsOfTwoRows) {
  for (const auto& [name, lanes] : {std::pair("x86-64-v4", 24), {"x86-64-v3", 12}, {"znver5", 40}}) {
    constexpr int64_t kRows = 5;
    const int64_t width = target(name).lanes(DType::F32), whole = lanes / width;
    auto code = generate_code(module_of(panel(kRows, lanes, 512)), target(name), {.keep_assembly = true});
    ASSERT_TRUE(code);
    const auto loops = loops_with(code->assembly, "vfmadd");
    ASSERT_EQ(loops.size(), 1u) << code->assembly;
    EXPECT_EQ(count(loops[0], "vfmadd"), static_cast<size_t>(kRows * whole + (kRows + 1) / 2)) << loops[0];
    EXPECT_EQ(count(loops[0], "(%rsp"), 0u) << loops[0];
  }
}

// What bench --bounds times: the same loads for nothing, and the same multiply-adds of registers.
TEST_P(InnermostLoop, InHalves) {
  auto [name, rows, vectors, width] = GetParam();
  const Module module = module_of(panel(rows, vectors * width, 512));
  auto loads = generate_code(module, target(name), {.steps = Steps::Loads, .keep_assembly = true});
  ASSERT_TRUE(loads);
  EXPECT_EQ(count(loads->assembly, "vfmadd") + count(loads->assembly, "vmulps"), 0u);
  auto loops = loops_with(loads->assembly, "(%r");
  ASSERT_EQ(loops.size(), 1u) << loads->assembly;
  EXPECT_EQ(count(loops[0], "(%r"), static_cast<size_t>(rows + vectors)) << loops[0];
  auto arithmetic = generate_code(module, target(name), {.steps = Steps::Arithmetic, .keep_assembly = true});
  ASSERT_TRUE(arithmetic);
  loops = loops_with(arithmetic->assembly, "vfmadd");
  ASSERT_EQ(loops.size(), 1u) << arithmetic->assembly;
  EXPECT_EQ(count(loops[0], "vfmadd"), static_cast<size_t>(rows * vectors)) << loops[0];
  EXPECT_EQ(count(loops[0], "(%r"), 0u) << loops[0];
}

// The lines of what is written, and of what is added to it, once each and before the sums; not those of a bias, which rows share.
TEST(Results, AreAskedForBeforeTheSums) {
  constexpr int64_t kRows = 6, kLanes = 32, kLines = kRows * kLanes * 4 / 64;
  Kernel kernel = panel(kRows, kLanes, 512);
  ExprPool& pool = kernel.pool;
  Stmt& tile = kernel.body[0];
  const BufferId added = kernel.buffers.push({.name = "d", .type = DType::F32, .size = pool.index(kRows * kLanes)});
  const BufferId bias = kernel.buffers.push({.name = "e", .type = DType::F32, .size = pool.index(kLanes)});
  TileStore& store = tile.stores[0];
  auto plus = [&](BufferId buffer, Expr offset) {
    store.value = pool.make(SOp::Add, DType::F32, std::array{store.value, pool.load(buffer, DType::F32, std::array{offset})});
  };
  plus(added, store.offset);
  plus(bias, tile.lanes.var);
  auto asked = [&](const char* instruction) {
    auto code = generate_code(module_of(kernel), target("znver4"), {.keep_assembly = true});
    EXPECT_TRUE(code);
    return code ? count(code->assembly.substr(0, code->assembly.find("vfmadd")), instruction) : 0;
  };
  EXPECT_EQ(asked("prefetch"), 0u);
  tile.results_ahead = true;
  EXPECT_EQ(asked("prefetchw"), static_cast<size_t>(kLines));
  EXPECT_EQ(asked("prefetcht0"), static_cast<size_t>(kLines));
}

TEST(Halves, AreRefusedInTheTargetsTiles) {
  Kernel kernel = panel(16, 16, 64);
  kernel.body[0].matrix = true;
  auto code = generate_code(module_of(kernel), target("sapphirerapids"), {.steps = Steps::Loads});
  ASSERT_FALSE(code);
  EXPECT_EQ(code.error()[0].code, Code::E0601);
}

class OnHost : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Contract, OnHost, testing::ValuesIn(all_targets()), target_label);

// Whatever shares a vector: every sum is a chain of its own.
TEST_P(OnHost, SumsOfHalfVectorsAreRoundedAsAlone) {
  const bool fuses = target(GetParam()).fuses();
  auto multiply_add = [&](float x, float y, float sum) {
    const volatile float product = x * y;  // rounded, where the target does not fuse
    return fuses ? std::fma(x, y, sum) : product + sum;
  };
  constexpr int64_t K = 37;
  for (const int64_t lanes : {12, 24, 40})
    for (const int64_t rows : {1, 2, 7}) {
      const Native run(module_of(panel(rows, lanes, K)), target(GetParam()));
      std::vector<float> a(rows * K), b(K * lanes), c(rows * lanes), expected(c.size());
      for (size_t i = 0; i < a.size(); ++i) a[i] = std::sin(static_cast<float>(i));
      for (size_t i = 0; i < b.size(); ++i) b[i] = std::cos(static_cast<float>(i) * 1.7F);
      for (int64_t r = 0; r < rows; ++r)
        for (int64_t l = 0; l < lanes; ++l)
          for (int64_t k = 0; k < K; ++k) expected[r * lanes + l] = multiply_add(a[r * K + k], b[k * lanes + l], expected[r * lanes + l]);
      run({a.data(), b.data(), c.data()});
      ASSERT_EQ(c, expected) << rows << " rows of " << lanes;
    }
}

#ifdef __x86_64__
TEST_P(OnHost, SubnormalsAreZeroInProducts) {
  constexpr int64_t rows = 3, lanes = 32, K = 5;
  const Native run(module_of(panel(rows, lanes, K)), target(GetParam()));
  std::vector<float> a(rows * K, 1e-40F), b(K * lanes, 1.0F), c(rows * lanes, 7.0F);
  const unsigned before = __builtin_ia32_stmxcsr();
  run({a.data(), b.data(), c.data()});
  EXPECT_EQ(__builtin_ia32_stmxcsr(), before);
  for (float v : c) ASSERT_EQ(v, 0.0F);
  a.assign(a.size(), 1e-30F), b.assign(b.size(), 1e-10F);  // the products are subnormal
  run({a.data(), b.data(), c.data()});
  for (float v : c) ASSERT_EQ(v, 0.0F);
  a.assign(a.size(), 1.0F);
  run({a.data(), b.data(), c.data()});
  for (float v : c) ASSERT_FLOAT_EQ(v, 5e-10F);
}
#endif

#ifdef __x86_64__
// z = x * y or sqrt(x * y) of floats.
Module product_module(bool root) {
  KernelBuilder b("product");
  constexpr int64_t lanes = 16;
  BufferId x = b.param("x", DType::F32, b.i(lanes)), y = b.param("y", DType::F32, b.i(lanes)), z = b.param("z", DType::F32, b.i(lanes), true);
  Expr lane = b.var("lane", b.i(lanes));
  const Expr product = b.k.pool.binary(SOp::Mul, b.load(x, lane), b.load(y, lane));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{z, lane, root ? b.k.pool.unary(SOp::Sqrt, product) : product}};
  tile.lanes = {lane, lanes};
  b.k.body = {tile};
  return module_of(std::move(b.k));
}

TEST_P(OnHost, SubnormalProductsAreZeroWhereNothingTells) {
  const Native product(product_module(false), target(GetParam())), root(product_module(true), target(GetParam()));
  std::vector<float> x(16, 1e-30F), y(16, 1e-10F), z(16, 7.0F);
  product({x.data(), y.data(), z.data()});
  for (float v : z) ASSERT_EQ(v, 0.0F);
  root({x.data(), y.data(), z.data()});
  for (float v : z) ASSERT_NEAR(v, 1e-20F, 1e-22F);
  x.assign(x.size(), 1e-40F), y.assign(y.size(), 1e10F);  // operands stay
  product({x.data(), y.data(), z.data()});
  for (float v : z) ASSERT_NEAR(v, 1e-30F, 1e-34F);
}
#endif

template <class A, class W>
void check_bytes(const std::string& name, DType a_type, DType w_type) {
  constexpr int64_t rows = 3, lanes = 20, K = 36;
  KernelBuilder b("bytes");
  BufferId a = b.param("a", a_type, b.i(rows * K)), w = b.param("w", w_type, b.i(K * lanes)),
           c = b.param("c", DType::I32, b.i(rows * lanes), true);
  ExprPool& p = b.k.pool;
  Expr r = b.var("r", b.i(rows)), l = b.var("l", b.i(lanes)), k = b.var("k", b.i(K / 4)), q = b.var("q", b.i(4));
  Expr acc = p.new_var({.name = "acc", .type = DType::I32});
  Expr step = b.add(b.mul(k, b.i(4)), q);
  // The first row is a margin: 5 where nothing may be loaded.
  Expr byte = p.select(p.binary(SOp::Ge, r, b.i(1)), b.load(a, b.add(b.mul(b.add(r, b.i(-1)), b.i(K)), step)),
                       p.constant_int(a_type, 5));
  Expr weight = b.load(w, b.add(b.mul(b.add(b.mul(k, b.i(lanes)), l), b.i(4)), q));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{c, b.add(b.mul(r, b.i(lanes)), l), acc}};
  tile.rows = {{r, rows}};
  tile.lanes = {l, lanes};
  tile.reduce = {{k, b.i(K / 4)}, {q, b.i(4), ReduceKind::Atom}};
  tile.accumulators = {{acc, p.constant_int(DType::I32, 7),
                        b.add(acc, b.mul(p.cast(byte, DType::I32), p.cast(weight, DType::I32))), Monoid::Sum}};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target(name));
  auto x = random_values<A>(rows * K);
  auto y = random_values<W>(K * lanes, 2);
  x[0] = std::numeric_limits<A>::max(), x[1] = std::numeric_limits<A>::min();
  std::fill(y.begin(), y.begin() + 8, std::numeric_limits<W>::min());
  std::vector<int32_t> z(rows * lanes);
  native({x.data(), y.data(), z.data()});
  for (int64_t i = 0; i < rows; ++i)
    for (int64_t j = 0; j < lanes; ++j) {
      int32_t sum = 7;
      for (int64_t s = 0; s < K; ++s)
        sum += (i ? x[static_cast<size_t>((i - 1) * K + s)] : 5) * y[static_cast<size_t>((s / 4 * lanes + j) * 4 + s % 4)];
      ASSERT_EQ(z[static_cast<size_t>(i * lanes + j)], sum) << i << "," << j;
    }
}

TEST_P(OnHost, ByteProductsAreExact) {
  check_bytes<uint8_t, int8_t>(GetParam(), DType::U8, DType::I8);
  check_bytes<int8_t, uint8_t>(GetParam(), DType::I8, DType::U8);
  check_bytes<int8_t, int8_t>(GetParam(), DType::I8, DType::I8);
  check_bytes<uint8_t, uint8_t>(GetParam(), DType::U8, DType::U8);
}

// In cache, against the rate that the target file states. Run by hand:
// test_llvm --gtest_also_run_disabled_tests --gtest_filter='*Speed*'
TEST(Speed, DISABLED_PanelAgainstPeak) {
  constexpr int64_t rows = 6, lanes = 64, K = 128;
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "needs AVX-512";
  auto rate = [](const Native& native, std::vector<void*> params, double flops) {
    double best = 0;
    for (int round = 0; round < 20; ++round) {
      auto start = std::chrono::steady_clock::now();
      for (int i = 0; i < 4000; ++i) native(params);
      best = std::max(best, 4000 * flops / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return best / 1e9;
  };
  Native kernel(module_of(panel(rows, lanes, K)), target("native"));
  auto a = random_values<float>(rows * K), b = random_values<float>(K * lanes);
  std::vector<float> c(rows * lanes);
  double got = rate(kernel, {a.data(), b.data(), c.data()}, 2.0 * rows * lanes * K);
  std::printf("6x64x128 tile: %.1f GFLOP/s of %.1f\n", got, target("native").gflops_f32);
}

}  // namespace
}  // namespace tenon
