// How the logical dims of a tensor lie in memory: an ordered list of parts, outermost first. A part is
// a whole logical dim, the blocks of one, or the inside of a block. NCHW is {0}{1}{2}{3}, NHWC
// {0}{2}{3}{1}, NCHW16c {0}{1/16}{2}{3}{1%16}; packed weights are of the same form. A blocked dim is
// padded with zeros to a multiple of its block. A halo is a margin of zeros around a logical dim that
// producers leave alone and consumers may read. A capacity is memory that the tensor may grow into. Of a tensor
// that lies within a larger one, the memory meant is the larger one's.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tenon/dtype.h"
#include "tenon/ids.h"
#include "tenon/result.h"

namespace tenon {

class ExprPool;
struct Tensor;

struct LayoutPart {
  int dim = 0;
  int64_t divide = 1;   // index / divide ...
  int64_t modulo = 0;   // ... % modulo; 0: no modulo (the outermost part of the dim)
  bool operator==(const LayoutPart&) const = default;
};

struct Halo {
  int dim = 0;
  int64_t before = 0;
  int64_t after = 0;
  bool operator==(const Halo&) const = default;
};

// Room for more than the dim's own extent, which counts from 0: as wide as a symbol or a number says.
struct Capacity {
  int dim = 0;
  std::string extent;   // "P_capacity", "1024"
  bool operator==(const Capacity&) const = default;
};

// The dim lies within a longer one, from element `begin` on: the tensor is part of a larger one.
struct Within {
  int dim = 0;
  int64_t begin = 0;
  int64_t extent = 0;   // of the larger one's dim
  bool operator==(const Within&) const = default;
};

struct Layout {
  std::vector<LayoutPart> parts;  // empty: row-major
  std::vector<Halo> halos;
  std::vector<Capacity> capacities = {};  // of dims that are one part, without a halo
  std::vector<Within> within = {};        // of such dims as well
  bool row_major() const { return parts.empty() && halos.empty() && capacities.empty() && within.empty(); }
  bool operator==(const Layout&) const = default;
};

// A permutation of dims, no blocks: permuted({0,2,3,1}) is NHWC.
Layout permuted(std::vector<int> order);
// Whether the parts cover each of `rank` dims exactly once and the halos name dims that there are.
bool fits(const Layout& layout, size_t rank);

// "0.2.3.1", "0.1/16.2.3.1%16", "0.2.3.1+h2:1,1+h3:1,1", "+c2:P_capacity", "+w1:64,128"; "" for row-major.
std::string print(const Layout& layout);
Result<Layout> parse_layout(std::string_view text);

Expr capacity_extent(ExprPool& pool, const Capacity& capacity);
// Memory extents per part, padding, halos and capacities included.
std::vector<Expr> physical_dims(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims);
// Elements in memory.
Expr physical_size(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims);
// Offset in elements of the element at logical `indices`.
Expr physical_offset(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims,
                     const std::vector<Expr>& indices);
// The layout as it is seen from where the tensor begins: every `within` at element 0.
Layout from_its_begin(Layout layout);
// Elements of the larger tensor's memory before that.
Expr elements_before(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims);
// Which elements of the memory are the tensor's own, margins and padding included.
std::vector<bool> own_elements(const Layout& layout, const std::vector<int64_t>& dims);
// The tensor as it lies in memory: one dim, padding, halos and the room of capacities zero. Capacities must be numbers.
Tensor pack(const Tensor& tensor, const Layout& layout);
// The same, its elements rounded to a type. Or, of f32 to bf16, as three parts, whole parts one after the other: x = x0 + x1 +
// x2 exactly, as long as no part is subnormal. x0 is the nearest, towards zero where that would overflow; the others are 0
// where x is infinite.
Tensor pack_rounded(const Tensor& tensor, const Layout& layout, DType type, int64_t parts = 1);

}  // namespace tenon
