// Layouts: every logical index has an offset of its own, inside the memory that physical_size states.
#include "tenon/layout.h"
#include "tenon/tensor.h"

#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "tenon/expr.h"

namespace tenon {
namespace {

// Calls visit with every index of the box [-before, dims + after).
void for_each_index(const Layout& layout, const std::vector<int64_t>& dims,
                    const std::function<void(const std::vector<int64_t>&)>& visit) {
  std::vector<int64_t> lo(dims.size(), 0), hi = dims;
  for (const Halo& h : layout.halos) {
    lo[static_cast<size_t>(h.dim)] -= h.before;
    hi[static_cast<size_t>(h.dim)] += h.after;
  }
  std::vector<int64_t> at = lo;
  for (size_t d = 0; d < at.size();) {
    visit(at);
    for (d = 0; d < at.size() && ++at[d] == hi[d]; ++d) at[d] = lo[d];
  }
}

struct Case {
  const char* layout;
  std::vector<int64_t> dims;
  int64_t size;
};

class Layouts : public testing::TestWithParam<Case> {};

TEST_P(Layouts, OffsetsAreABijection) {
  auto layout = parse_layout(GetParam().layout);
  ASSERT_TRUE(layout);
  EXPECT_EQ(print(*layout), GetParam().layout);
  ASSERT_TRUE(fits(*layout, GetParam().dims.size()));

  // Once with constant dims, once with symbols: both must name the same places.
  ExprPool pool;
  std::vector<Expr> dims, symbols, axes;
  ExprPool::Bindings bindings;
  for (size_t d = 0; d < GetParam().dims.size(); ++d) {
    dims.push_back(pool.index(GetParam().dims[d]));
    symbols.push_back(pool.symbol("D" + std::to_string(d)));
    bindings[symbols[d]] = GetParam().dims[d];
    axes.push_back(pool.new_var({.name = "i" + std::to_string(d), .lo = -kIndexMax}));
  }
  EXPECT_EQ(pool.as_int(physical_size(pool, *layout, dims)), GetParam().size);
  EXPECT_EQ(pool.evaluate(physical_size(pool, *layout, symbols), bindings), GetParam().size);

  Expr offset = physical_offset(pool, *layout, dims, axes), general = physical_offset(pool, *layout, symbols, axes);
  std::set<int64_t> seen;
  for_each_index(*layout, GetParam().dims, [&](const std::vector<int64_t>& at) {
    for (size_t d = 0; d < at.size(); ++d) bindings[axes[d]] = at[d];
    auto where = pool.evaluate(offset, bindings);
    ASSERT_TRUE(where);
    EXPECT_EQ(pool.evaluate(general, bindings), where);
    EXPECT_GE(*where, 0);
    EXPECT_LT(*where, GetParam().size);
    EXPECT_TRUE(seen.insert(*where).second);
  });
}

INSTANTIATE_TEST_SUITE_P(
    All, Layouts,
    testing::Values(Case{"", {2, 3, 4}, 24}, Case{"0.2.3.1", {2, 3, 4, 5}, 120},
                    Case{"0.1/16.2.3.1%16", {1, 33, 2, 3}, 48 * 6}, Case{"0.1/4.2.3.1%4", {2, 8, 3, 3}, 144},
                    Case{"+h2:1,2", {2, 3, 4}, 2 * 3 * 7}, Case{"0.2.3.1+h2:1,1+h3:2,0", {1, 3, 4, 5}, 3 * 6 * 7},
                    Case{"0.1/4.1%4+h1:1,2", {2, 5}, 2 * 8},
                    // Two levels of blocks, as int8 weights are packed: [N/16][K/4][N%16][K%4].
                    Case{"1/16.0/4.1%16.0%4", {6, 20}, 2 * 2 * 64}, Case{"0/8.0/2%4.0%2", {13}, 16},
                    Case{"+c1:7", {2, 3, 4}, 2 * 7 * 4}, Case{"0.2.1+c2:9", {2, 3, 4}, 2 * 9 * 3},
                    Case{"+w1:2,7", {2, 3, 4}, 2 * 7 * 4}, Case{"0.2.3.1+h2:1,1+w1:4,9", {2, 5, 3, 4}, 2 * 5 * 4 * 9}));

TEST(Layout, OffsetsOfPermutations) {
  ExprPool p;
  std::vector<Expr> dims = {p.symbol("N"), p.index(3), p.symbol("H"), p.symbol("W")};
  Expr n = p.axis("n", dims[0]), c = p.axis("c", dims[1]), h = p.axis("h", dims[2]), w = p.axis("w", dims[3]);
  Expr expected = p.add(p.mul(p.add(p.mul(p.add(p.mul(n, dims[2]), h), dims[3]), w), p.index(3)), c);
  EXPECT_EQ(physical_offset(p, permuted({0, 2, 3, 1}), dims, {n, c, h, w}), expected);
}

// Elements 2 to 4 of 9 along the innermost dim, in two rows with margins before and after them.
TEST(Layout, PartsOfLargerTensors) {
  ExprPool p;
  const Layout layout = *parse_layout("0.1+h0:1,0+w1:2,9");
  const std::vector<Expr> dims = {p.index(2), p.index(3)};
  EXPECT_TRUE(p.is_index(elements_before(p, layout, dims), 2));
  EXPECT_EQ(print(from_its_begin(layout)), "0.1+h0:1,0+w1:0,9");
  const std::vector<bool> own = own_elements(layout, {2, 3});
  ASSERT_EQ(own.size(), 27u);
  for (size_t k = 0; k < own.size(); ++k) EXPECT_EQ(own[k], k % 9 >= 2 && k % 9 < 5) << k;
}

// Rows of three elements, five apart.
TEST(Layout, RoomBehindRowsIsNobodys) {
  const Layout layout = *parse_layout("0.1+c1:5");
  const std::vector<bool> own = own_elements(layout, {2, 3});
  ASSERT_EQ(own.size(), 10u);
  for (size_t k = 0; k < own.size(); ++k) EXPECT_EQ(own[k], k % 5 < 3) << k;
  Tensor t = Tensor::zeros(DType::I32, {2, 3});
  for (size_t k = 0; k < t.i.size(); ++k) t.i[k] = static_cast<int64_t>(k + 1);
  EXPECT_EQ(pack(t, layout).i, (std::vector<int64_t>{1, 2, 3, 0, 0, 4, 5, 6, 0, 0}));
}

TEST(Layout, CapacitiesAreNumbersOrSymbols) {
  ExprPool p;
  std::vector<Expr> dims = {p.index(2), p.symbol("P"), p.index(4)};
  Expr i = p.axis("i", dims[0]), j = p.axis("j", dims[1]), k = p.axis("k", dims[2]), room = p.symbol("Room");
  const auto layout = parse_layout("+c1:Room");
  ASSERT_TRUE(layout);
  EXPECT_FALSE(layout->row_major());
  EXPECT_EQ(physical_offset(p, *layout, dims, {i, j, k}), p.add(p.mul(p.add(p.mul(i, room), j), p.index(4)), k));
  EXPECT_EQ(physical_size(p, *layout, dims), p.mul(p.index(8), room));
}

TEST(Layout, MalformedTextIsRefused) {
  for (const char* text : {"0.0", "0.2", "1", "0/16", "0%16", "0.1/16.1%8", "0.1+h2:0,0", "0.1+h1:-1,0", "0..1", "0.1x",
                           "+h0", "99999999999", "0/-2.0%-2", "0+h0:1,1+h0:1,1", "+c", "+c0:", "0/4.0%4+c0:8", "0/4.0%4+w0:0,8", "0+w0:2,1", "0+w0:1", "0+h0:1,1+w0:0,4", "0+h0:1,1+c0:4", "0+c0:4+c0:5"})
    EXPECT_FALSE(parse_layout(text)) << text;
}

}  // namespace
}  // namespace tenon
