// Kernels of quantised values: depthwise sums, bytes made from floats, words of four rows, tables.
#include <cmath>
#include <limits>

#include "harness.h"

namespace tenon {
namespace {

class Bytes : public testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Of, Bytes, testing::ValuesIn(all_targets()), target_label);

// y[row, c] = 3 + sum(t) x[row * stride + t, c] * w[c mod period, t], the weights as words of four taps.
void check_taps(const std::string& name, int64_t channels, int64_t rows, int64_t taps, int64_t stride, int64_t period = 0) {
  if (period == 0) period = channels;
  const int64_t columns = (rows - 1) * stride + taps;
  KernelBuilder b("taps");
  BufferId x = b.param("x", DType::U8, b.i(columns * channels)), w = b.param("w", DType::I8, b.i(4 * channels)),
           y = b.param("y", DType::I32, b.i(rows * channels), true);
  ExprPool& p = b.k.pool;
  Expr r = b.var("r", b.i(rows)), l = b.var("l", b.i(channels)), t = b.var("t", b.i(taps));
  Expr acc = p.new_var({.name = "acc", .type = DType::I32});
  Expr column = b.add(b.mul(r, b.i(stride)), t);
  Expr byte = b.load(x, b.add(b.mul(column, b.i(channels)), l)), weight = b.load(w, b.add(b.mul(p.mod(l, b.i(period)), b.i(4)), t));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, b.add(b.mul(r, b.i(channels)), l), acc}};
  tile.rows = {{r, rows}};
  tile.lanes = {l, channels};
  tile.reduce = {{t, b.i(taps), ReduceKind::Atom}};
  tile.accumulators = {{acc, p.constant_int(DType::I32, 3),
                        b.add(acc, b.mul(p.cast(byte, DType::I32), p.cast(weight, DType::I32))), Monoid::Sum}};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target(name));
  const auto in = random_values<uint8_t>(static_cast<size_t>(columns * channels));
  auto weights = random_values<int8_t>(static_cast<size_t>(4 * channels), 2);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t k = taps; k < 4; ++k) weights[static_cast<size_t>(4 * c + k)] = 0;
  std::vector<int32_t> out(static_cast<size_t>(rows * channels));
  native({const_cast<uint8_t*>(in.data()), weights.data(), out.data()});
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t c = 0; c < channels; ++c) {
      int32_t sum = 3;
      for (int64_t k = 0; k < taps; ++k)
        sum += in[static_cast<size_t>((row * stride + k) * channels + c)] * weights[static_cast<size_t>(4 * (c % period) + k)];
      ASSERT_EQ(out[static_cast<size_t>(row * channels + c)], sum) << channels << " channels, row " << row << ", channel " << c;
    }
}

TEST_P(Bytes, DepthwiseSumsAreExact) {
  for (int64_t stride : {1, 2, 3})
    for (int64_t taps : {2, 3}) check_taps(GetParam(), 60, 4, taps, stride);
  for (int64_t channels : {4, 8, 20, 96, 112}) check_taps(GetParam(), channels, 4, 3, 1);
  check_taps(GetParam(), 64, 1, 3, 1);
  check_taps(GetParam(), 48, 7, 3, 1);
  for (int64_t period : {4, 8, 16}) check_taps(GetParam(), 128, 2, 3, 1, period);
}

template <class T>
void check_quantise(const std::string& name, DType type, int zero) {
  constexpr int64_t n = 77;
  KernelBuilder b("quantise");
  BufferId x = b.param("x", DType::F32, b.i(n)), y = b.param("y", type, b.i(n), true), z = b.param("z", DType::F32, b.i(n), true);
  ExprPool& p = b.k.pool;
  Expr l = b.var("l", b.i(n));
  Expr real = b.add(p.unary(SOp::Round, b.mul(b.load(x, l), b.f(0.5))), b.f(zero));
  Expr byte = p.make(SOp::CastSat, type, std::array{real});
  Stmt bytes{.kind = StmtKind::Tile}, floats{.kind = StmtKind::Tile};
  bytes.stores = {{y, l, byte}};
  bytes.lanes = {l, n};
  floats.stores = {{z, l, p.cast(byte, DType::F32)}};
  floats.lanes = {l, n};
  b.k.body = {bytes, floats};
  Native native(module_of(std::move(b.k)), target(name));
  std::vector<float> in = random_values<float>(n);
  for (float& v : in) v *= 700;
  for (size_t k = 0; k < 20; ++k) in[k] = static_cast<float>(k) - 10;  // ties
  const float infinity = std::numeric_limits<float>::infinity();
  const float special[] = {infinity, -infinity, NAN, -NAN, 3e38f, -3e38f, 4294967296.0f, -4294967296.0f, 8589934592.0f};
  for (size_t where : {20, 40, 64}) std::ranges::copy(special, in.begin() + static_cast<ptrdiff_t>(where));
  std::vector<T> out(n);
  std::vector<float> wide(n);
  native({in.data(), out.data(), wide.data()});
  for (size_t k = 0; k < n; ++k) {
    const double q = std::nearbyint(static_cast<double>(in[k]) * 0.5) + zero;
    const double want = std::isnan(q) ? 0 : std::clamp<double>(q, std::numeric_limits<T>::min(), std::numeric_limits<T>::max());
    ASSERT_EQ(static_cast<double>(out[k]), want) << in[k] << " at " << k << ", zero " << zero;
    ASSERT_EQ(static_cast<double>(wide[k]), want) << in[k] << " at " << k << ", zero " << zero;
  }
}

TEST_P(Bytes, QuantiseRoundsAndSaturates) {
  for (int zero : {0, 3, 128, 255}) check_quantise<uint8_t>(GetParam(), DType::U8, zero);
  for (int zero : {0, -128, -3, 127}) check_quantise<int8_t>(GetParam(), DType::I8, zero);
}

TEST_P(Bytes, FourRowsAreWords) {
  constexpr int64_t n = 45;
  KernelBuilder b("words");
  BufferId x = b.param("x", DType::U8, b.i(3 * n)), y = b.param("y", DType::U8, b.i(4 * n), true);
  ExprPool& p = b.k.pool;
  Expr r = b.var("r", b.i(4)), l = b.var("l", b.i(n));
  Expr inside = p.binary(SOp::Lt, r, b.i(3));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, b.add(b.mul(l, b.i(4)), r), p.select(inside, b.load(x, b.add(b.mul(r, b.i(n)), l)), p.constant_int(DType::U8, 9))}};
  tile.rows = {{r, 4}};
  tile.lanes = {l, n};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target(GetParam()));
  const auto in = random_values<uint8_t>(3 * n);
  std::vector<uint8_t> out(4 * n);
  native({const_cast<uint8_t*>(in.data()), out.data()});
  for (size_t k = 0; k < out.size(); ++k) ASSERT_EQ(out[k], k % 4 < 3 ? in[k % 4 * n + k / 4] : 9) << k;
}

TEST_P(Bytes, TablesAreLookedUp) {
  constexpr int64_t n = 1000;
  KernelBuilder b("table");
  BufferId x = b.param("x", DType::U8, b.i(n)), t = b.param("t", DType::I8, b.i(256)), y = b.param("y", DType::I8, b.i(n), true);
  Expr l = b.var("l", b.i(n));
  Stmt tile{.kind = StmtKind::Tile};
  tile.stores = {{y, l, b.load(t, b.k.pool.cast(b.load(x, l), DType::Index))}};
  tile.lanes = {l, n};
  b.k.body = {tile};
  Native native(module_of(std::move(b.k)), target(GetParam()));
  const auto in = random_values<uint8_t>(n);
  const auto table = random_values<int8_t>(256, 2);
  std::vector<int8_t> out(n);
  native({const_cast<uint8_t*>(in.data()), const_cast<int8_t*>(table.data()), out.data()});
  for (size_t k = 0; k < n; ++k) ASSERT_EQ(out[k], table[in[k]]) << k;
}

}  // namespace
}  // namespace tenon
