// Sums of 24 channels in vectors of 16: the second vector of a row would be half empty. Two rows' halves are summed in one vector, three
// multiply-adds for the two rows instead of four, with the same roundings.
#include "joined_halves.h"

#include <algorithm>
#include <numeric>

namespace tenon::gen {

JoinedHalves::JoinedHalves(Emitter& e, const Stmt& tile, std::span<Instance> instances, size_t pieces, int64_t register_lanes)
    : e_(e), instances_(instances), with_(instances.size(), kAlone) {
  if (!e.code.isa.fma || e.code.target.computes_in_parts() || pieces < 2 || tile.matrix || tile.lanes_reduce || tile.accumulators.size() != 1 || tile.rows.empty()) return;
  const ExprPool& pool = e.pool;
  if (pool.type(tile.accumulators[0].var) != DType::F32) return;
  const auto product = match_product(pool, tile.accumulators);
  if (!product || pool.type(product->a) != DType::F32) return;
  of_rows_ = product->a, of_lanes_ = product->b;
  if (!pool.depends_on(of_lanes_, tile.lanes.var)) std::swap(of_rows_, of_lanes_);
  auto depends_on_rows = [&](Expr factor) { return std::ranges::any_of(tile.rows, [&](const TileAxis& row) { return pool.depends_on(factor, row.var); }); };
  if (pool.depends_on(of_rows_, tile.lanes.var) || !pool.depends_on(of_lanes_, tile.lanes.var) || depends_on_rows(of_lanes_)) return;
  const Lanes* half = instances[pieces - 1].lanes;
  if (!half || half->mask || 2 * static_cast<int64_t>(half->width) != register_lanes) return;
  lanes_ = instances[0].lanes;
  if (lanes_->width != 2 * half->width) return;
  for (size_t k = 2 * pieces - 1; k < instances.size(); k += 2 * pieces) with_[k - pieces] = k, with_[k] = k - pieces;
}

void JoinedHalves::begin() {
  each_pair([&](Instance& a, Instance& b) {
    a.state[0] = side_by_side(a.state[0], b.state[0]);
    b.state.clear();
  });
}

void JoinedHalves::end() {
  each_pair([&](Instance& a, Instance& b) {
    std::vector<int> low(lanes_->width / 2), high(lanes_->width / 2);
    std::iota(low.begin(), low.end(), 0);
    std::iota(high.begin(), high.end(), static_cast<int>(lanes_->width / 2));
    b.state = {e_.code.b.CreateShuffleVector(a.state[0], high)};
    a.state[0] = e_.code.b.CreateShuffleVector(a.state[0], low);
  });
}

void JoinedHalves::update(size_t k, const ExprPool::Substitution& steps) {
  Instance &a = instances_[with_[k]], &b = instances_[k];
  auto factor = [&](Expr e, const Instance& i, const Lanes* lanes) {
    ExprPool::Substitution rename = i.rename;
    rename.insert(steps.begin(), steps.end());
    return e_.emit_as(e_.pool.substitute(e, rename), lanes);
  };
  auto& builder = e_.code.b;
  std::vector<llvm::Constant*> second(lanes_->width);
  for (unsigned i = 0; i < lanes_->width; ++i) second[i] = builder.getInt1(i >= lanes_->width / 2);
  Value* x = builder.CreateSelect(llvm::ConstantVector::get(second), factor(of_rows_, b, lanes_), factor(of_rows_, a, lanes_));
  Value* half = factor(of_lanes_, a, a.lanes);
  a.state[0] = emit_fma(e_.code, x, side_by_side(half, half), a.state[0]);
}

Value* JoinedHalves::side_by_side(Value* a, Value* b) {
  std::vector<int> all(lanes_->width);
  std::iota(all.begin(), all.end(), 0);
  return e_.code.b.CreateShuffleVector(a, b, all);
}

}  // namespace tenon::gen
