// Tiles: elementwise, contraction, reductions, tails, guards.
#include <cmath>

#include "harness.h"

namespace tenon {
namespace {

class Tiles : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(On, Tiles, testing::ValuesIn(all_targets()), target_label);

// z = x * 2 + y over n elements, 64 per tile.
TEST_P(Tiles, ElementwiseWithTail) {
  KernelBuilder b("axpy");
  Expr n = b.symbol("n");
  BufferId x = b.param("x", DType::F32, n), y = b.param("y", DType::F32, n), z = b.param("z", DType::F32, n, true);
  Expr block = b.var("block", b.k.pool.ceildiv(n, b.i(64))), lane = b.var("lane", b.i(64));
  Expr at = b.add(b.mul(block, b.i(64)), lane);
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{z, at, b.add(b.mul(b.load(x, at), b.f(2)), b.load(y, at))}};
  tile.lanes = {lane, 64};
  tile.lane_limit = b.k.pool.sub(n, b.mul(block, b.i(64)));
  b.k.body = {b.loop(block, {tile}, true)};
  Native native(module_of(std::move(b.k)), target(GetParam()));
  for (size_t count : {0, 1, 3, 16, 63, 64, 65, 100, 128, 1000}) {
    auto u = random_values<float>(count), v = random_values<float>(count, 2);
    std::vector<float> w(count + 1, 7);
    native({u.data(), v.data(), w.data()}, {static_cast<int64_t>(count)});
    for (size_t i = 0; i < count; ++i) ASSERT_FLOAT_EQ(w[i], u[i] * 2 + v[i]) << i << " of " << count;
    ASSERT_EQ(w[count], 7);
  }
}

// Channels of `groups` operands in turns, as ShuffleNet shuffles them: lanes read a run of each.
TEST_P(Tiles, ShuffledLanes) {
  for (int64_t groups : {2, 3, 5}) {
    KernelBuilder b("shuffle");
    constexpr int64_t kEach = 37, kLanes = 64;
    Expr pixels = b.symbol("pixels"), all = b.i(groups * kEach), size = b.mul(pixels, all);
    BufferId x = b.param("x", DType::F32, size), y = b.param("y", DType::F32, size, true);
    Expr pixel = b.var("pixel", pixels), block = b.var("block", b.k.pool.ceildiv(all, b.i(kLanes))), lane = b.var("lane", b.i(kLanes));
    Expr channel = b.add(b.mul(block, b.i(kLanes)), lane), base = b.mul(pixel, all);
    Expr from = b.add(b.mul(b.i(kEach), b.k.pool.mod(channel, b.i(groups))), b.k.pool.floordiv(channel, b.i(groups)));
    Stmt tile{.kind = StmtKind::Tile};
    tile.stores = {{y, b.add(base, channel), b.load(x, b.add(base, from))}};
    tile.lanes = {lane, kLanes};
    tile.lane_limit = b.k.pool.sub(all, b.mul(block, b.i(kLanes)));
    b.k.body = {b.loop(pixel, {b.loop(block, {tile})})};
    Native native(module_of(std::move(b.k)), target(GetParam()));
    auto u = random_values<float>(static_cast<size_t>(3 * groups * kEach));
    std::vector<float> w(u.size() + 1, 7);
    native({u.data(), w.data()}, {3});
    for (int64_t p = 0; p < 3; ++p)
      for (int64_t c = 0; c < groups * kEach; ++c)
        ASSERT_EQ(w[static_cast<size_t>(p * groups * kEach + c)], u[static_cast<size_t>(p * groups * kEach + kEach * (c % groups) + c / groups)]) << groups << " groups, channel " << c;
    ASSERT_EQ(w.back(), 7);
  }
}

// Lanes that read the same few elements again and again, each of them once for all.
TEST_P(Tiles, RepeatedLanes) {
  for (auto [period, lanes] : {std::pair<int64_t, int64_t>{2, 96}, {4, 96}, {8, 96}, {12, 96}, {2, 91}, {8, 91}}) {
    KernelBuilder b("repeat");
    BufferId x = b.param("x", DType::F32, b.i(period)), y = b.param("y", DType::F32, b.i(lanes), true);
    Expr lane = b.var("lane", b.i(lanes));
    Stmt tile{.kind = StmtKind::Tile};
    tile.stores = {{y, lane, b.load(x, b.k.pool.mod(lane, b.i(period)))}};
    tile.lanes = {lane, lanes};
    b.k.body = {tile};
    Native native(module_of(std::move(b.k)), target(GetParam()));
    auto u = random_values<float>(static_cast<size_t>(period));
    std::vector<float> w(static_cast<size_t>(lanes));
    native({u.data(), w.data()});
    for (size_t c = 0; c < w.size(); ++c) ASSERT_EQ(w[c], u[c % static_cast<size_t>(period)]) << period << " elements, lane " << c;
  }
}

// A pair of columns for each channel, stored column by column: lanes fill a run in another order.
TEST_P(Tiles, PairsOfColumns) {
  for (int64_t channels : {2, 4, 8}) {
    const int64_t lanes = 2 * channels;
    KernelBuilder b("pairs");
    BufferId x = b.param("x", DType::F32, b.i(6)), w = b.param("w", DType::F32, b.i(channels)), y = b.param("y", DType::F32, b.i(5 * channels + 1), true);
    Expr r = b.var("r", b.i(2)), lane = b.var("lane", b.i(lanes)), column = b.k.pool.mod(lane, b.i(2)), channel = b.k.pool.floordiv(lane, b.i(2));
    Stmt tile{.kind = StmtKind::Tile};
    Expr product = b.mul(b.load(x, b.add(b.add(b.mul(r, b.i(2)), b.i(1)), column)), b.load(w, channel));
    tile.stores = {{y, b.add(b.add(b.mul(r, b.i(lanes)), b.mul(column, b.i(channels))), channel), product}};
    tile.rows = {{r, 2}};
    tile.lanes = {lane, lanes};
    b.k.body = {tile};
    Native native(module_of(std::move(b.k)), target(GetParam()));
    auto u = random_values<float>(6), v = random_values<float>(static_cast<size_t>(channels), 2);
    std::vector<float> out(static_cast<size_t>(5 * channels + 1), 7);
    native({u.data(), v.data(), out.data()});
    for (int64_t i = 0; i < 4 * channels; ++i)
      ASSERT_EQ(out[static_cast<size_t>(i)], u[static_cast<size_t>(1 + i / channels)] * v[static_cast<size_t>(i % channels)]) << channels << " channels, element " << i;
    for (size_t i = static_cast<size_t>(4 * channels); i < out.size(); ++i) ASSERT_EQ(out[i], 7);
  }
}

// Words of four bytes, of which lanes read every second one.
TEST_P(Tiles, WordsAtAStride) {
  for (int64_t lanes : {16, 29}) {
    KernelBuilder b("words");
    BufferId x = b.param("x", DType::U8, b.i(8 * lanes)), y = b.param("y", DType::I32, b.i(lanes), true);
    Expr lane = b.var("lane", b.i(lanes));
    Stmt tile{.kind = StmtKind::Tile};
    tile.stores = {{y, lane, b.k.pool.load(x, DType::I32, std::array{b.mul(lane, b.i(8))})}};
    tile.lanes = {lane, lanes};
    b.k.body = {tile};
    Native native(module_of(std::move(b.k)), target(GetParam()));
    std::vector<int32_t> words(static_cast<size_t>(2 * lanes)), out(static_cast<size_t>(lanes));
    for (size_t k = 0; k < words.size(); ++k) words[k] = static_cast<int32_t>(0x01020304 * (k + 1));
    native({words.data(), out.data()});
    for (size_t k = 0; k < out.size(); ++k) ASSERT_EQ(out[k], words[2 * k]) << lanes << " lanes, lane " << k;
  }
}

// Groups of `few` elements, read and written every `apart`-th, each with a number of its own: what lies between stays as it is.
TEST_P(Tiles, LanesInGroups) {
  for (auto [few, apart] : {std::pair<int64_t, int64_t>{1, 2}, {1, 3}, {2, 4}, {2, 5}, {3, 4}, {3, 7}, {4, 6}, {1, 9}, {5, 40}})
    for (int64_t lanes : {48 * few, 16 * few, 5 * few}) {
      KernelBuilder b("groups");
      Expr groups = b.symbol("groups"), all = b.mul(groups, b.i(few));
      Expr spread = b.add(b.mul(groups, b.i(apart)), b.i(few - apart));
      BufferId x = b.param("x", DType::F32, spread), each = b.param("each", DType::F32, groups), y = b.param("y", DType::F32, spread, true);
      Expr block = b.var("block", b.k.pool.ceildiv(all, b.i(lanes))), lane = b.var("lane", b.i(lanes));
      Expr element = b.add(b.mul(block, b.i(lanes)), lane);
      Expr group = b.k.pool.floordiv(element, b.i(few));
      Expr at = b.add(b.mul(group, b.i(apart)), b.k.pool.mod(element, b.i(few)));
      Stmt tile{.kind = StmtKind::Tile};
      tile.stores = {{y, at, b.add(b.load(x, at), b.load(each, group))}};
      tile.lanes = {lane, lanes};
      tile.lane_limit = b.k.pool.sub(all, b.mul(block, b.i(lanes)));
      b.k.body = {b.loop(block, {tile})};
      Native native(module_of(std::move(b.k)), target(GetParam()));
      for (size_t count : {1, 5, 37, 144}) {
        const auto n = static_cast<size_t>(few), step = static_cast<size_t>(apart), size = (count - 1) * step + n;
        auto u = random_values<float>(size), v = random_values<float>(count, 2);
        std::vector<float> w(size + 1, 7);
        native({u.data(), v.data(), w.data()}, {static_cast<int64_t>(count)});
        for (size_t i = 0; i <= size; ++i)
          ASSERT_EQ(w[i], i < size && i % step < n ? u[i] + v[i / step] : 7) << i << " of " << count << " groups of " << few << " every " << apart;
      }
    }
}

Kernel matmul(int64_t rows, int64_t lanes, bool known) {
  KernelBuilder b("matmul");
  Expr K = known ? b.i(256) : b.symbol("K"), N = known ? b.i(192) : b.symbol("N");
  Expr m = b.i(rows * 2);
  BufferId A = b.param("a", DType::F32, b.mul(m, K)), B = b.param("b", DType::F32, b.mul(K, b.i(1))),
           C = b.param("c", DType::F32, b.mul(m, N), true);
  Expr i = b.var("i", b.i(2)), j = b.var("j", b.k.pool.ceildiv(N, b.i(lanes))), k = b.var("k", K);
  Expr r = b.var("r", b.i(rows)), l = b.var("l", b.i(lanes));
  Expr row = b.add(b.mul(i, b.i(rows)), r), column = b.add(b.mul(j, b.i(lanes)), l);
  Expr acc = b.k.pool.new_var({.name = "acc", .type = DType::F32});
  Expr a = b.load(A, b.add(b.mul(row, K), k));
  Expr w = b.load(B, b.add(b.mul(b.add(b.mul(j, K), k), b.i(lanes)), l));  // packed panels, padded
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{C, b.add(b.mul(row, N), column), acc}};
  tile.rows = {{r, rows}};
  tile.lanes = {l, lanes};
  tile.lane_limit = b.k.pool.sub(N, b.mul(j, b.i(lanes)));
  tile.reduce = {{k, K}};
  tile.accumulators = {{acc, b.f(0), b.add(acc, b.mul(a, w)), Monoid::Sum}};
  b.k.body = {b.loop(j, {b.loop(i, {tile})}, true)};
  return std::move(b.k);
}

void check_matmul(const Native& native, size_t rows, size_t lanes, size_t K, size_t N) {
  size_t m = rows * 2, panels = (N + lanes - 1) / lanes;
  auto a = random_values<float>(m * K), w = random_values<float>(panels * lanes * K, 2);
  std::vector<float> c(m * N + 1, 7);
  native({a.data(), w.data(), c.data()}, {static_cast<int64_t>(K), static_cast<int64_t>(N)});
  for (size_t i = 0; i < m; ++i)
    for (size_t j = 0; j < N; ++j) {
      double sum = 0, size = 0;
      for (size_t k = 0; k < K; ++k) {
        double p = double(a[i * K + k]) * double(w[(j / lanes * K + k) * lanes + j % lanes]);
        sum += p, size += std::abs(p);
      }
      ASSERT_NEAR(c[i * N + j], sum, 1e-6 + static_cast<double>(K) * 0x1p-24 * size) << i << "," << j;
    }
  ASSERT_EQ(c[m * N], 7);
}

TEST_P(Tiles, MatmulOfAnySize) {
  Native native(module_of(matmul(6, 32, false)), target(GetParam()));
  for (size_t K : {0, 1, 7, 64})
    for (size_t N : {1, 5, 16, 31, 32, 33, 70}) check_matmul(native, 6, 32, K, N);
}

TEST_P(Tiles, MatmulOfKnownSize) {
  Native native(module_of(matmul(4, 24, true)), target(GetParam()));
  check_matmul(native, 4, 24, 256, 192);
}

}  // namespace
}  // namespace tenon
