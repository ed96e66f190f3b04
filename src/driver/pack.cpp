#include "pack.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <ranges>
#include <thread>

#include "tenon/winograd.h"

namespace tenon {

namespace {

// One part of the layout: `extent` steps in memory, each `step` further along the logical dim.
struct Axis {
  int dim = 0;
  int64_t extent = 1, step = 1;
  int64_t from = 0, to = 0;  // strides in elements: source, packed
  int64_t inner = 0;         // how far the axes of the same dim that come after this one can reach
};

// A copy between two strided boxes, with the positions outside the logical dims left out.
class Packer {
 public:
  Packer(const PackedConstant& packed, bool splat) : dims_(packed.dims), position_(packed.dims.size(), 0) {
    const size_t rank = dims_.size();
    std::vector<int64_t> source(rank, splat ? 0 : 1);
    for (size_t d = rank; !splat && d-- > 1;) source[d - 1] = source[d] * dims_[d];
    std::vector<int64_t> margin(rank, 0);
    for (const Halo& halo : packed.layout.halos) {
      auto d = static_cast<size_t>(halo.dim);
      position_[d] = -halo.before;
      margin[d] = halo.before + halo.after;
      start_ -= halo.before * source[d];
    }
    std::vector<LayoutPart> parts = packed.layout.parts;
    for (size_t d = 0; parts.size() < rank && packed.layout.parts.empty(); ++d) parts.push_back({.dim = static_cast<int>(d)});
    for (const LayoutPart& part : parts) {
      auto d = static_cast<size_t>(part.dim);
      int64_t extent = part.modulo ? part.modulo : (dims_[d] + margin[d] + part.divide - 1) / part.divide;
      axes_.push_back({.dim = part.dim, .extent = extent, .step = part.divide, .from = source[d] * part.divide});
    }
    int64_t stride = 1;
    for (Axis& axis : axes_ | std::views::reverse) {
      axis.to = stride;
      stride *= axis.extent;
    }
    order();
  }

  // Calls move(to, from, to stride, from stride, count, rows, to row stride, from row stride).
  template <class Move>
  void walk(Move move) {
    if (axes_.empty()) move({.to = 0, .from = 0});
    else walk(0, start_, 0, move);
  }

  struct Box {
    int64_t to, from;
    int64_t count = 1, to_stride = 1, from_stride = 1;              // the innermost axis
    int64_t rows = 1, to_row_stride = 0, from_row_stride = 0;       // the one around it
  };

 private:
  // Memory order, except that the axis that is contiguous in the source becomes the one around the
  // innermost: both sides of a transposition are then walked in cache lines.
  void order() {
    if (axes_.size() > 1 && axes_.back().from > 1) {
      auto contiguous = std::ranges::find_if(axes_, [](const Axis& a) { return a.from == 1 && a.extent > 1; });
      if (contiguous != axes_.end()) std::rotate(contiguous, contiguous + 1, axes_.end() - 1);
    }
    for (size_t k = 0; k < axes_.size(); ++k)
      for (size_t after = k + 1; after < axes_.size(); ++after)
        if (axes_[after].dim == axes_[k].dim) axes_[k].inner += (axes_[after].extent - 1) * axes_[after].step;
    two_ = axes_.size() > 1 && axes_.back().dim != axes_[axes_.size() - 2].dim;
  }

  // Steps of the axis at which something lies inside the logical dim.
  std::pair<int64_t, int64_t> clip(const Axis& axis) const {
    int64_t at = position_[static_cast<size_t>(axis.dim)], size = dims_[static_cast<size_t>(axis.dim)];
    int64_t before = -at - axis.inner;
    int64_t lo = before > 0 ? (before + axis.step - 1) / axis.step : 0;
    int64_t hi = size > at ? std::min(axis.extent, (size - at + axis.step - 1) / axis.step) : 0;
    return {lo, hi};
  }

  template <class Move>
  void walk(size_t k, int64_t from, int64_t to, Move& move) {
    const Axis& axis = axes_[k];
    auto [lo, hi] = clip(axis);
    if (lo >= hi) return;
    Box box{.to = to + lo * axis.to, .from = from + lo * axis.from};
    if (k + 1 == axes_.size()) {
      box.count = hi - lo;
      box.to_stride = axis.to;
      box.from_stride = axis.from;
      return move(box);
    }
    if (two_ && k + 2 == axes_.size()) {
      auto [first, last] = clip(axes_[k + 1]);
      if (first >= last) return;
      box.to += first * axes_[k + 1].to;
      box.from += first * axes_[k + 1].from;
      box.count = last - first;
      box.to_stride = axes_[k + 1].to;
      box.from_stride = axes_[k + 1].from;
      box.rows = hi - lo;
      box.to_row_stride = axis.to;
      box.from_row_stride = axis.from;
      return move(box);
    }
    int64_t& position = position_[static_cast<size_t>(axis.dim)];
    int64_t saved = position;
    for (int64_t c = lo; c < hi; ++c) {
      position = saved + c * axis.step;
      walk(k + 1, from + c * axis.from, to + c * axis.to, move);
    }
    position = saved;
  }

  std::vector<int64_t> dims_;
  std::vector<int64_t> position_;  // logical index so far, halo subtracted
  std::vector<Axis> axes_;
  int64_t start_ = 0;
  bool two_ = false;
};

// The box in tiles of one cache line: contiguous reads on one side, contiguous writes on the other. Elements are
// moved as bytes: in a mapped file they are not aligned.
template <int64_t kSize>
void move_box(const Packer::Box& box, const std::byte* source, std::byte* target) {
  auto from = [&](int64_t row, int64_t i) { return source + (box.from + i * box.from_stride + row * box.from_row_stride) * kSize; };
  auto to = [&](int64_t row, int64_t i) { return target + (box.to + i * box.to_stride + row * box.to_row_stride) * kSize; };
  if (box.to_stride == 1 && box.from_stride == 1) {
    for (int64_t r = 0; r < box.rows; ++r) std::memcpy(to(r, 0), from(r, 0), static_cast<size_t>(box.count * kSize));
    return;
  }
  constexpr int64_t kTile = 64 / kSize;
  for (int64_t first = 0; first < box.rows; first += kTile) {
    const int64_t last = std::min(box.rows, first + kTile);
    for (int64_t i = 0; i < box.count; ++i)
      for (int64_t r = first; r < last; ++r) std::memcpy(to(r, i), from(r, i), kSize);
  }
}

// As float_bits(DType::BF16, x), which is too slow for every weight of a model.
uint16_t nearest_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if (std::isnan(x)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// As float_bits(DType::F16, x). Below 2^-14, where the steps are of one size, an addition rounds.
uint16_t nearest_f16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x), sign = bits >> 16 & 0x8000, magnitude = bits & 0x7FFFFFFF;
  constexpr uint32_t kLeastNormal = 113u << 23, kOverflow = 0x477FF000, kInfinity = 0x7F800000, kRebias = 112u << 23;
  if (magnitude > kInfinity) return static_cast<uint16_t>(sign | 0x7E00);
  if (magnitude >= kOverflow) return static_cast<uint16_t>(sign | 0x7C00);
  if (magnitude < kLeastNormal) {
    constexpr float kShift = 0.5F;  // its last bit is 2^-24
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) + kShift) - std::bit_cast<uint32_t>(kShift)));
  }
  return static_cast<uint16_t>(sign | ((magnitude - kRebias + 0xFFF + (magnitude >> 13 & 1)) >> 13));
}

// Part `part` of x: pack_rounded of src/ir/layout.cpp.
uint16_t part_of(float x, int64_t part) {
  for (;; --part) {
    uint16_t bits = nearest_bf16(x);
    if ((bits & 0x7FFF) == 0x7F80 && std::isfinite(x)) bits = static_cast<uint16_t>(std::bit_cast<uint32_t>(x) >> 16);
    if (part == 0) return bits;
    x = std::isinf(x) ? 0 : x - std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
  }
}

// f32 as 16 bits.
template <class Convert>
void move_rounded(const Packer::Box& box, const std::byte* source, std::byte* target, Convert convert) {
  constexpr int64_t kTile = 16;
  for (int64_t first = 0; first < box.rows; first += kTile)
    for (int64_t i = 0; i < box.count; ++i)
      for (int64_t r = first; r < std::min(box.rows, first + kTile); ++r) {
        float x = 0;
        std::memcpy(&x, source + (box.from + i * box.from_stride + r * box.from_row_stride) * 4, sizeof x);
        const uint16_t bits = convert(x);
        std::memcpy(target + (box.to + i * box.to_stride + r * box.to_row_stride) * 2, &bits, sizeof bits);
      }
}

// Elements of less than a byte: low bits of a byte first.
void move_bits(const Packer::Box& box, int width, const std::byte* from, std::byte* to) {
  const auto mask = static_cast<std::byte>((1 << width) - 1);
  for (int64_t r = 0; r < box.rows; ++r)
    for (int64_t i = 0; i < box.count; ++i) {
      int64_t s = (box.from + i * box.from_stride + r * box.from_row_stride) * width;
      int64_t d = (box.to + i * box.to_stride + r * box.to_row_stride) * width;
      to[d / 8] |= ((from[s / 8] >> (s % 8)) & mask) << (d % 8);
    }
}

template <int64_t kSize>
void pack_as(Packer& packer, const Constant& constant, std::span<std::byte> out) {
  packer.walk([&](const Packer::Box& box) { move_box<kSize>(box, constant.bytes.data, out.data()); });
}

}  // namespace

namespace {

// Offsets in elements of the packed constant, per logical dim and index: the layout's parts do not mix dims.
std::vector<std::vector<int64_t>> offsets_of(const PackedConstant& packed) {
  std::vector<std::vector<int64_t>> offsets;
  for (int64_t extent : packed.dims) offsets.emplace_back(static_cast<size_t>(extent));
  int64_t stride = 1;
  for (const LayoutPart& part : packed.layout.parts | std::views::reverse) {
    const int64_t dim = packed.dims[static_cast<size_t>(part.dim)];
    for (int64_t i = 0; i < dim; ++i) {
      const int64_t index = i / part.divide;
      offsets[static_cast<size_t>(part.dim)][static_cast<size_t>(i)] += stride * (part.modulo ? index % part.modulo : index);
    }
    stride *= part.modulo ? part.modulo : (dim + part.divide - 1) / part.divide;
  }
  return offsets;
}

// Weights [O, C, 3, 3] transformed to [O, C, points]: the lanes of a vector one after the other, which lie together.
void pack_winograd(const PackedConstant& packed, const Constant& constant, std::span<std::byte> out) {
  constexpr size_t kWindow = kWinogradTaps * kWinogradTaps, kRows = 16;
  TENON_CHECK(constant.type == DType::F32 && packed.layout.halos.empty(), "transformed weights are f32");
  const WinogradTransform& t = winograd_transform(packed.winograd);
  PackedConstant place = packed;
  if (place.layout.parts.empty()) place.layout = permuted({0, 1, 2});
  const auto offsets = offsets_of(place);
  const auto rows = static_cast<size_t>(packed.dims[0]), columns = static_cast<size_t>(packed.dims[1]), points = offsets[2].size();
  std::vector<double> made(points);
  double w[kWindow];
  for (size_t first = 0; first < rows; first += kRows)
    for (size_t c = 0; c < columns; ++c)
      for (size_t o = first; o < std::min(rows, first + kRows); ++o) {
        for (size_t k = 0; k < kWindow; ++k) {
          float x = 0;
          std::memcpy(&x, constant.bytes.data + (constant.splat ? 0 : (o * columns + c) * kWindow + k) * sizeof x, sizeof x);
          w[k] = x;
        }
        transform_weights(t, w, made);
        for (size_t p = 0; p < points; ++p) {
          const auto x = static_cast<float>(made[p]);
          std::memcpy(out.data() + static_cast<size_t>(offsets[0][o] + offsets[1][c] + offsets[2][p]) * sizeof x, &x, sizeof x);
        }
      }
}

}  // namespace

void pack_constant(const PackedConstant& packed, const Constant& constant, std::span<std::byte> out) {
  TENON_CHECK(static_cast<int64_t>(out.size()) == packed.bytes, "packed size");
  if (packed.winograd > 0) return pack_winograd(packed, constant, out);
  TENON_CHECK(constant.splat || count(packed.dims) == constant.count(), "packed dims of " + packed.name);
  if (std::ranges::find(packed.dims, 0) != packed.dims.end()) return;
  Packer packer(packed, constant.splat);
  if (packed.rounded) {
    TENON_CHECK(constant.type == DType::F32 && (*packed.rounded == DType::BF16 || *packed.rounded == DType::F16), "constants are rounded from f32 to bf16 or f16");
    if (*packed.rounded == DType::F16) return packer.walk([&](const Packer::Box& box) { move_rounded(box, constant.bytes.data, out.data(), nearest_f16); });
    const auto part_bytes = static_cast<size_t>(packed.bytes / packed.parts);
    for (int64_t part = 0; part < packed.parts; ++part) {
      std::byte* to = out.data() + static_cast<size_t>(part) * part_bytes;
      auto convert = [&](float x) { return packed.parts > 1 ? part_of(x, part) : nearest_bf16(x); };
      packer.walk([&](const Packer::Box& box) { move_rounded(box, constant.bytes.data, to, convert); });
    }
    return;
  }
  const int width = bits(constant.type);
  switch (width) {
    case 8: return pack_as<1>(packer, constant, out);
    case 16: return pack_as<2>(packer, constant, out);
    case 32: return pack_as<4>(packer, constant, out);
    case 64: return pack_as<8>(packer, constant, out);
    case 128: return pack_as<16>(packer, constant, out);
    default:
      packer.walk([&](const Packer::Box& box) { move_bits(box, width, constant.bytes.data, out.data()); });
  }
}

int64_t packed_bytes(const Module& module) {
  int64_t end = 0;
  for (const PackedConstant& packed : module.constants) end = std::max(end, packed.offset + packed.bytes);
  return end;
}

void pack_constants(std::span<const PackedConstant> constants, const Graph& graph, std::span<std::byte> out, int jobs) {
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t k; (k = next++) < constants.size();) {
      const PackedConstant& packed = constants[k];
      pack_constant(packed, graph.constants[packed.source],
                    out.subspan(static_cast<size_t>(packed.offset), static_cast<size_t>(packed.bytes)));
    }
  };
  std::vector<std::jthread> threads;
  for (int i = 1; i < jobs; ++i) threads.emplace_back(work);
  work();
}

}  // namespace tenon
