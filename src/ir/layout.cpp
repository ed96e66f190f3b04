#include "tenon/layout.h"

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "tenon/expr.h"
#include "tenon/narrow_float.h"
#include "tenon/tensor.h"

namespace tenon {

Layout permuted(std::vector<int> order) {
  Layout layout;
  for (int dim : order) layout.parts.push_back({.dim = dim});
  return layout;
}

bool fits(const Layout& layout, size_t rank) {
  auto in_range = [&](int dim) { return dim >= 0 && static_cast<size_t>(dim) < rank; };
  std::vector<bool> padded(rank, false);
  for (const Halo& halo : layout.halos) {
    if (!in_range(halo.dim) || padded[static_cast<size_t>(halo.dim)] || halo.before < 0 || halo.after < 0) return false;
    padded[static_cast<size_t>(halo.dim)] = true;
  }
  for (const Capacity& capacity : layout.capacities) {
    const bool whole = layout.parts.empty() || std::ranges::find(layout.parts, LayoutPart{.dim = capacity.dim}) != layout.parts.end();
    if (!in_range(capacity.dim) || padded[static_cast<size_t>(capacity.dim)] || capacity.extent.empty() || !whole) return false;
    padded[static_cast<size_t>(capacity.dim)] = true;
  }
  for (const Within& within : layout.within) {
    const bool whole = layout.parts.empty() || std::ranges::find(layout.parts, LayoutPart{.dim = within.dim}) != layout.parts.end();
    if (!in_range(within.dim) || padded[static_cast<size_t>(within.dim)] || within.begin < 0 || within.extent < within.begin || !whole) return false;
    padded[static_cast<size_t>(within.dim)] = true;
  }
  if (layout.parts.empty()) return true;
  if (!std::ranges::all_of(layout.parts, [&](const LayoutPart& p) { return in_range(p.dim) && p.divide > 0; }))
    return false;
  // The parts of a dim, innermost first, must chain: each divides by what the ones inside it span.
  std::vector<LayoutPart> parts = layout.parts;
  std::ranges::stable_sort(parts, {}, [](const LayoutPart& p) { return std::pair(p.dim, p.divide); });
  size_t next = 0;
  for (int dim = 0; static_cast<size_t>(dim) < rank; ++dim) {
    int64_t span = 1;
    while (next < parts.size() && parts[next].dim == dim && span != 0) {
      if (parts[next].divide != span || parts[next].modulo < 0) return false;
      if (__builtin_mul_overflow(span, parts[next].modulo, &span)) return false;
      ++next;
    }
    if (span != 0) return false;  // the outermost part, modulo 0, is missing
  }
  return next == parts.size();
}

namespace {

// Where it is a number.
std::optional<int64_t> known_extent(const Capacity& capacity) {
  int64_t number = 0;
  const char* end = capacity.extent.data() + capacity.extent.size();
  const auto [rest, error] = std::from_chars(capacity.extent.data(), end, number);
  return error == std::errc{} && rest == end ? std::optional(number) : std::nullopt;
}

const Halo* halo_of(const Layout& layout, int dim) {
  auto it = std::ranges::find(layout.halos, dim, &Halo::dim);
  return it == layout.halos.end() ? nullptr : &*it;
}

const Within* within_of(const Layout& layout, int dim) {
  auto it = std::ranges::find(layout.within, dim, &Within::dim);
  return it == layout.within.end() ? nullptr : &*it;
}

// The parts, also of a row-major layout.
std::vector<LayoutPart> all_parts(const Layout& layout, size_t rank) {
  if (!layout.parts.empty()) return layout.parts;
  std::vector<LayoutPart> parts;
  for (size_t d = 0; d < rank; ++d) parts.push_back({.dim = static_cast<int>(d)});
  return parts;
}

Expr part_extent(ExprPool& pool, const Layout& layout, const LayoutPart& part, const std::vector<Expr>& dims) {
  if (part.modulo) return pool.index(part.modulo);
  if (auto room = std::ranges::find(layout.capacities, part.dim, &Capacity::dim); room != layout.capacities.end())
    return capacity_extent(pool, *room);
  if (const Within* within = within_of(layout, part.dim)) return pool.index(within->extent);
  Expr extent = dims[static_cast<size_t>(part.dim)];
  if (const Halo* halo = halo_of(layout, part.dim)) extent = pool.add(extent, pool.index(halo->before + halo->after));
  return pool.ceildiv(extent, pool.index(part.divide));
}

}  // namespace

Expr capacity_extent(ExprPool& pool, const Capacity& capacity) {
  const auto number = known_extent(capacity);
  return number ? pool.index(*number) : pool.symbol(capacity.extent);
}

std::vector<Expr> physical_dims(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims) {
  TENON_CHECK(fits(layout, dims.size()), "layout does not fit the rank");
  std::vector<Expr> extents;
  for (const LayoutPart& part : all_parts(layout, dims.size()))
    extents.push_back(part_extent(pool, layout, part, dims));
  return extents;
}

Expr physical_size(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims) {
  Expr size = pool.index(1);
  for (Expr extent : physical_dims(pool, layout, dims)) size = pool.mul(size, extent);
  return size;
}

Expr physical_offset(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims,
                     const std::vector<Expr>& indices) {
  TENON_CHECK(fits(layout, dims.size()) && indices.size() == dims.size(), "layout does not fit the rank");
  Expr offset = pool.index(0);
  for (const LayoutPart& part : all_parts(layout, dims.size())) {
    Expr index = indices[static_cast<size_t>(part.dim)];
    if (const Halo* halo = halo_of(layout, part.dim)) index = pool.add(index, pool.index(halo->before));
    if (const Within* within = within_of(layout, part.dim)) index = pool.add(index, pool.index(within->begin));
    index = pool.floordiv(index, pool.index(part.divide));
    if (part.modulo) index = pool.mod(index, pool.index(part.modulo));
    offset = pool.add(pool.mul(offset, part_extent(pool, layout, part, dims)), index);
  }
  return offset;
}

Layout from_its_begin(Layout layout) {
  for (Within& within : layout.within) within.begin = 0;
  return layout;
}

Expr elements_before(ExprPool& pool, const Layout& layout, const std::vector<Expr>& dims) {
  const std::vector<Expr> first(dims.size(), pool.index(0));
  return pool.sub(physical_offset(pool, layout, dims, first), physical_offset(pool, from_its_begin(layout), dims, first));
}

namespace {

// Of the dim's capacity, which must be a number.
std::optional<int64_t> room_of(const Layout& layout, int dim) {
  const auto capacity = std::ranges::find(layout.capacities, dim, &Capacity::dim);
  if (capacity == layout.capacities.end()) return std::nullopt;
  const auto extent = known_extent(*capacity);
  TENON_CHECK(extent, "layout with a capacity that is not known");
  return extent;
}

// Where an index of a part of the layout lies: (index + shift) / divide % modulo of `extent`.
struct Place {
  size_t dim;
  int64_t shift, divide, modulo, extent;
};

std::vector<Place> places_of(const Layout& layout, const std::vector<int64_t>& dims) {
  TENON_CHECK(fits(layout, dims.size()), "layout does not fit the rank");
  std::vector<Place> places;
  for (const LayoutPart& part : all_parts(layout, dims.size())) {
    auto dim = static_cast<size_t>(part.dim);
    const Halo* halo = halo_of(layout, part.dim);
    const Within* within = within_of(layout, part.dim);
    const auto room = room_of(layout, part.dim);
    int64_t span = room ? *room : within ? within->extent : dims[dim] + (halo ? halo->before + halo->after : 0);
    int64_t extent = part.modulo ? part.modulo : (span + part.divide - 1) / part.divide;
    places.push_back({dim, halo ? halo->before : within ? within->begin : 0, part.divide, part.modulo, extent});
  }
  return places;
}

int64_t size_of(const std::vector<Place>& places) {
  int64_t size = 1;
  for (const Place& p : places) size *= p.extent;
  return size;
}

}  // namespace

std::vector<bool> own_elements(const Layout& layout, const std::vector<int64_t>& dims) {
  const std::vector<Place> places = places_of(layout, dims);
  std::vector<bool> own(static_cast<size_t>(size_of(places)), true);
  for (size_t at = 0; at < own.size(); ++at) {
    auto rest = static_cast<int64_t>(at);
    for (size_t p = places.size(); p-- > 0; rest /= places[p].extent) {
      const int dim = static_cast<int>(places[p].dim);
      const Within* within = within_of(layout, dim);
      if (!within && !room_of(layout, dim)) continue;
      const int64_t index = rest % places[p].extent - (within ? within->begin : 0);
      own[at] = own[at] && index >= 0 && index < dims[places[p].dim];
    }
  }
  return own;
}

Tensor pack(const Tensor& tensor, const Layout& layout) {
  const std::vector<Place> places = places_of(layout, tensor.dims);
  const int64_t size = size_of(places);
  Tensor packed = Tensor::zeros(tensor.type, {size});
  std::vector<int64_t> at(tensor.dims.size(), 0);
  for (int64_t from = 0; from < tensor.count(); ++from) {
    int64_t to = 0;
    for (const Place& p : places) {
      int64_t index = (at[p.dim] + p.shift) / p.divide;
      to = to * p.extent + (p.modulo ? index % p.modulo : index);
    }
    auto source = static_cast<size_t>(from), target = static_cast<size_t>(to);
    if (!packed.f.empty()) packed.f[target] = tensor.f[source];
    else packed.i[target] = tensor.i[source];
    for (size_t d = at.size(); d-- > 0 && ++at[d] == tensor.dims[d];) at[d] = 0;
  }
  return packed;
}

namespace {

double nearest_part(double x) {
  const double nearest = round_to(DType::BF16, x);
  if (!std::isinf(nearest) || std::isinf(x)) return nearest;
  return static_cast<double>(std::bit_cast<float>(std::bit_cast<uint32_t>(static_cast<float>(x)) & 0xFFFF0000));
}

}  // namespace

Tensor pack_rounded(const Tensor& tensor, const Layout& layout, DType type, int64_t parts) {
  Tensor packed = pack(tensor, layout);
  if (parts > 1) {
    TENON_CHECK(type == DType::BF16 && tensor.type == DType::F32, "parts are bf16 parts of f32");
    Tensor all = Tensor::zeros(type, {0});
    for (int64_t part = 0; part < parts; ++part)
      for (double& x : packed.f) {
        all.f.push_back(nearest_part(x));
        x = std::isinf(x) ? 0 : x - all.f.back();
      }
    all.dims = {static_cast<int64_t>(all.f.size())};
    return all;
  }
  if (type == tensor.type) return packed;
  packed.type = type;
  round_elements(packed);
  return packed;
}

std::string print(const Layout& layout) {
  std::string text;
  for (const LayoutPart& part : layout.parts) {
    if (!text.empty()) text += '.';
    text += std::to_string(part.dim);
    if (part.divide != 1) text += '/' + std::to_string(part.divide);
    if (part.modulo != 0) text += '%' + std::to_string(part.modulo);
  }
  for (const Halo& halo : layout.halos)
    text += "+h" + std::to_string(halo.dim) + ':' + std::to_string(halo.before) + ',' + std::to_string(halo.after);
  for (const Capacity& capacity : layout.capacities) text += "+c" + std::to_string(capacity.dim) + ':' + capacity.extent;
  for (const Within& within : layout.within)
    text += "+w" + std::to_string(within.dim) + ':' + std::to_string(within.begin) + ',' + std::to_string(within.extent);
  return text;
}

Result<Layout> parse_layout(std::string_view text) {
  const char* at = text.data();
  const char* end = at + text.size();
  auto accept = [&](char c) { return at != end && *at == c ? ++at, true : false; };
  auto number = [&](auto& value) {
    auto [rest, error] = std::from_chars(at, end, value);
    at = rest;
    return error == std::errc{};
  };
  auto malformed = [&] {
    return fail(Code::E0603, "layout \"" + std::string(text) + "\" is malformed at character " +
                                 std::to_string(at - text.data()));
  };

  Layout layout;
  int rank = 0;
  if (at != end && *at != '+') {
    do {
      LayoutPart part;
      if (!number(part.dim)) return malformed();
      if (accept('/') && !number(part.divide)) return malformed();
      if (accept('%') && !number(part.modulo)) return malformed();
      rank = std::max(rank, part.dim + 1);
      layout.parts.push_back(part);
    } while (accept('.'));
  }
  while (accept('+')) {
    if (accept('c')) {
      Capacity capacity;
      if (!number(capacity.dim) || !accept(':')) return malformed();
      const char* name = at;
      while (at != end && *at != '+') ++at;
      capacity.extent.assign(name, at);
      if (layout.parts.empty()) rank = std::max(rank, capacity.dim + 1);
      layout.capacities.push_back(std::move(capacity));
      continue;
    }
    if (accept('w')) {
      Within within;
      if (!number(within.dim) || !accept(':') || !number(within.begin) || !accept(',') || !number(within.extent)) return malformed();
      if (layout.parts.empty()) rank = std::max(rank, within.dim + 1);
      layout.within.push_back(within);
      continue;
    }
    Halo halo;
    if (!accept('h') || !number(halo.dim) || !accept(':') || !number(halo.before) || !accept(',') ||
        !number(halo.after))
      return malformed();
    if (layout.parts.empty()) rank = std::max(rank, halo.dim + 1);
    layout.halos.push_back(halo);
  }
  if (at != end) return malformed();
  if (rank > 64 || !fits(layout, static_cast<size_t>(rank)))
    return fail(Code::E0603, "layout \"" + std::string(text) + "\" does not cover each dim once");
  return layout;
}

}  // namespace tenon
