// Two rows' half vectors as one while they are summed.
#pragma once

#include "tenon/region.h"
#include "tile.h"

namespace tenon::gen {

class JoinedHalves {
 public:
  // Of a tile's instances, rows outside, `pieces` to each; none is joined where the last piece is no half of a register or the sum
  // no product of f32 whose factors depend on rows alone and on lanes alone. The references must outlive this.
  JoinedHalves(Emitter& e, const Stmt& tile, std::span<Instance> instances, size_t pieces, int64_t register_lanes);

  // Instance k is the first of two: its sum is computed when the second's turn comes.
  bool waits(size_t k) const { return with_[k] != kAlone && with_[k] > k; }
  bool completes(size_t k) const { return with_[k] != kAlone && with_[k] < k; }
  // From here to `end` the first of a pair has both sums, the second none.
  void begin();
  void end();
  // One step of both sums. Requires: completes(k).
  void update(size_t k, const ExprPool::Substitution& steps);

 private:
  static constexpr size_t kAlone = ~size_t{0};

  void each_pair(auto f) {
    for (size_t k = 0; k < with_.size(); ++k)
      if (completes(k)) f(instances_[with_[k]], instances_[k]);
  }
  Value* side_by_side(Value* a, Value* b);

  Emitter& e_;
  std::span<Instance> instances_;
  std::vector<size_t> with_;
  Expr of_rows_, of_lanes_;
  const Lanes* lanes_ = nullptr;  // of a whole register
};

}  // namespace tenon::gen
