// Reductions over lanes, guarded loads, and objects that do not depend on the number of jobs.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>

#include "harness.h"

namespace tenon {
namespace {

class Reduce : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(On, Reduce, testing::ValuesIn(all_targets()), target_label);

// Sum and maximum of n elements, `extent` per step.
Kernel sum_and_max(int64_t extent) {
  KernelBuilder b("sum_and_max");
  Expr n = b.symbol("n");
  BufferId x = b.param("x", DType::F32, n), y = b.param("y", DType::F32, b.i(2), true);
  Expr lane = b.var("lane", n);
  Expr sum = b.k.pool.new_var({.name = "sum", .type = DType::F32}), top = b.k.pool.new_var({.name = "top", .type = DType::F32});
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, b.i(0), sum}, {y, b.i(1), top}};
  tile.lanes = {lane, extent};
  tile.lane_limit = n;
  tile.lanes_reduce = true;
  tile.accumulators = {{sum, b.f(0), b.add(sum, b.load(x, lane)), Monoid::Sum},
                       {top, b.f(-HUGE_VAL), b.k.pool.binary(SOp::Max, top, b.load(x, lane)), Monoid::Max}};
  b.k.body = {tile};
  return std::move(b.k);
}

TEST_P(Reduce, OverLanes) {
  for (int64_t extent : {8, 16, 64}) {
    Native native(module_of(sum_and_max(extent)), target(GetParam()));
    for (size_t n : {0, 1, 5, 16, 17, 63, 64, 65, 200}) {
      auto x = random_values<float>(n);
      float y[2];
      double sum = 0, top = -HUGE_VAL;
      for (float v : x) sum += double(v), top = std::max(top, double(v));
      native({x.data(), y}, {static_cast<int64_t>(n)});
      EXPECT_NEAR(y[0], sum, 1e-5) << n;
      EXPECT_EQ(y[1], top) << n;
      for (size_t i = 0; i < n; ++i) {  // a NaN anywhere is the maximum
        float kept = std::exchange(x[i], NAN);
        native({x.data(), y}, {static_cast<int64_t>(n)});
        ASSERT_TRUE(std::isnan(y[1])) << i << " of " << n;
        x[i] = kept;
      }
    }
  }
}

// y[lane] = the largest (smallest) of x[k][lane] with k in a loop: the first NaN, else the last of equals.
template <class T>
void check_extremes_down(const TestTarget& target, DType type, SOp op) {
  constexpr int64_t kLanes = 35, kSteps = 3;
  KernelBuilder b("extremes");
  BufferId x = b.param("x", type, b.i(kSteps * kLanes)), y = b.param("y", type, b.i(kLanes), true);
  Expr lane = b.var("lane", b.i(kLanes)), k = b.var("k", b.i(kSteps));
  Expr best = b.k.pool.new_var({.name = "best", .type = type});
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, lane, best}};
  tile.lanes = {lane, kLanes};
  tile.reduce = {{k, b.i(kSteps)}};
  const bool max = op == SOp::Max;
  tile.accumulators = {{best, b.k.pool.constant(type, max ? -HUGE_VAL : HUGE_VAL), b.k.pool.binary(op, best, b.load(x, b.add(b.mul(k, b.i(kLanes)), lane))),
                        max ? Monoid::Max : Monoid::Min}};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target);
  for (int64_t nan = -1; nan < kSteps; ++nan)
    for (size_t equal = 0; equal < 2; ++equal) {
      auto v = random_values<T>(static_cast<size_t>(kSteps * kLanes));
      if (equal)  // the first two are, and extreme
        for (size_t i = 0; i < 2 * kLanes; ++i) v[i] = max ? 2 : -2;
      for (size_t i = 0; nan >= 0 && i < kLanes; ++i) v[static_cast<size_t>(nan) * kLanes + i] = static_cast<T>(NAN);
      std::vector<T> out(kLanes);
      native({v.data(), out.data()});
      for (size_t i = 0; i < kLanes; ++i) {
        T want = v[i];
        for (size_t step = 1; step < kSteps; ++step) want = max ? std::max(want, v[step * kLanes + i]) : std::min(want, v[step * kLanes + i]);
        if (nan >= 0) ASSERT_TRUE(std::isnan(out[i])) << nan << " lane " << i;
        else ASSERT_EQ(out[i], want) << "lane " << i;
      }
    }
}

TEST_P(Reduce, ExtremesDownColumns) {
  for (SOp op : {SOp::Max, SOp::Min}) {
    check_extremes_down<float>(target(GetParam()), DType::F32, op);
    check_extremes_down<double>(target(GetParam()), DType::F64, op);
  }
}

// A comparison of what there is with itself and a maximum under its mask.
TEST(Extremes, TakeTwoOperationsOnAvx512) {
  KernelBuilder b("column");
  BufferId x = b.param("x", DType::F32, b.i(16 * 9)), y = b.param("y", DType::F32, b.i(16), true);
  Expr lane = b.var("lane", b.i(16)), k = b.var("k", b.i(9));
  Expr best = b.k.pool.new_var({.name = "best", .type = DType::F32});
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, lane, best}};
  tile.lanes = {lane, 16};
  tile.reduce = {{k, b.i(9)}};
  tile.accumulators = {{best, b.f(-HUGE_VAL), b.k.pool.binary(SOp::Max, best, b.load(x, b.add(b.mul(k, b.i(16)), lane))), Monoid::Max}};
  b.k.body = {tile};
  auto native = generate_code(module_of(std::move(b.k)), target("x86-64-v4"), {.keep_assembly = true});
  ASSERT_TRUE(native);
  auto loops = loops_with(native->assembly, "vmaxps");
  ASSERT_EQ(loops.size(), 1u) << native->assembly;
  EXPECT_TRUE(loops[0].contains("{%k")) << loops[0];
  EXPECT_FALSE(loops[0].contains("vmov") || loops[0].contains("vblend") || loops[0].contains("kor")) << loops[0];
}

// y[lane] = 1 + twice the sum of `count` elements, in parts of `partial`.
Kernel sum_in_parts(int64_t count, int64_t partial) {
  KernelBuilder b("sum_in_parts");
  BufferId x = b.param("x", DType::F32, b.i(16 * count)), y = b.param("y", DType::F32, b.i(16), true);
  Expr lane = b.var("lane", b.i(16)), k = b.var("k", b.i(count)), j = b.var("j", b.i(2));
  Expr sum = b.k.pool.new_var({.name = "sum", .type = DType::F32});
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, lane, sum}};
  tile.lanes = {lane, 16};
  tile.reduce = {{j, b.i(2)}, {k, b.i(count)}};
  tile.reduce.back().partial = partial;
  tile.accumulators = {{sum, b.f(1), b.add(sum, b.load(x, b.add(b.mul(k, b.i(16)), lane))), Monoid::Sum}};
  b.k.body = {tile};
  return std::move(b.k);
}

TEST_P(Reduce, PartialSums) {
  for (int64_t count : {1, 7, 8, 9, 64, 1000})
    for (int64_t partial : {0, 1, 8}) {
      Native native(module_of(sum_in_parts(count, partial)), target(GetParam()));
      std::vector<float> x(static_cast<size_t>(16 * count));
      for (size_t i = 0; i < x.size(); ++i) x[i] = 1.0f / static_cast<float>(3 + i % 16);
      float y[16], want[16];
      native({x.data(), y}, {});
      for (size_t lane = 0; lane < 16; ++lane) {
        want[lane] = 1;
        for (int j = 0; j < 2; ++j)
          for (int64_t first = 0; first < count; first += partial ? partial : count) {
            float part = partial ? 0 : want[lane];
            for (int64_t k = first; k < std::min(count, partial ? first + partial : count); ++k) part += x[lane];
            want[lane] = partial ? want[lane] + part : part;
          }
        EXPECT_EQ(y[lane], want[lane]) << count << " in parts of " << partial;  // in exactly this order
      }
    }
}

// y[i] = i in [1, n] ? x[i - 1] : 3, where memory ends on both sides of x.
TEST_P(Reduce, GuardedLoadsTouchNothing) {
  KernelBuilder b("shifted");
  ExprPool& p = b.k.pool;
  Expr n = b.symbol("n"), stride = b.symbol("stride");
  BufferId x = b.param("x", DType::F32, n), y = b.param("y", DType::F32, b.i(96), true);
  Expr lane = b.var("lane", b.i(96));
  Expr inside = p.all_of(p.binary(SOp::Ge, lane, b.i(1)), p.binary(SOp::Le, lane, n));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, lane, p.select(inside, b.load(x, b.mul(stride, b.add(lane, b.i(-1)))), b.f(3))}};
  tile.lanes = {lane, 96};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target(GetParam()));
  auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* memory = static_cast<char*>(mmap(nullptr, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_EQ(mprotect(memory + page, page, PROT_READ | PROT_WRITE), 0);
  for (size_t count : {1, 17, 90})
    for (bool at_end : {false, true}) {
      auto* data = reinterpret_cast<float*>(at_end ? memory + 2 * page - 4 * count : memory + page);
      for (size_t i = 0; i < count; ++i) data[i] = static_cast<float>(i);
      std::vector<float> out(96);
      native({data, out.data()}, {static_cast<int64_t>(count), 1});
      for (size_t i = 0; i < 96; ++i) ASSERT_EQ(out[i], i >= 1 && i <= count ? static_cast<float>(i - 1) : 3.0f) << i;
    }
  munmap(memory, 3 * page);
}

TEST(Objects, DoNotDependOnJobs) {
  Module module = module_of(sum_and_max(16));
  for (int64_t extent : {8, 32, 64}) module.kernels.push(sum_and_max(extent)), module.kernels[KernelId(module.kernels.size() - 1)].name += std::to_string(extent);
  auto one = generate_code(module, target("x86-64-v3"), {.jobs = 1}), four = generate_code(module, target("x86-64-v3"), {.jobs = 4});
  ASSERT_TRUE(one && four);
  ASSERT_EQ(one->objects.size(), 5u);
  for (size_t i = 0; i < one->objects.size(); ++i) {
    EXPECT_EQ(one->objects[i].name, four->objects[i].name);
    EXPECT_EQ(one->objects[i].bytes, four->objects[i].bytes);
  }
}

}  // namespace
}  // namespace tenon
