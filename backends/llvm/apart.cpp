// Lanes that do not lie one after the other, but at known distances: at a stride, in runs, some at one place. What
// vectors cover is loaded as vectors, and elements are put where they belong by permutations; stores likewise.
#include <algorithm>
#include <bit>

#include "emitter.h"

namespace tenon::gen {

namespace {

constexpr size_t kMostRuns = 4, kLeastLanes = 4;
constexpr int64_t kMostVectors = 4;

// Lanes whose elements lie one after the other: from `first` on in the order of their places.
struct Run {
  size_t first, count;
};

struct Lane {
  int64_t place;
  int lane;
};

std::vector<Lane> by_place(const std::vector<int64_t>& places) {
  std::vector<Lane> sorted;
  for (size_t k = 0; k < places.size(); ++k) sorted.push_back({places[k], static_cast<int>(k)});
  std::ranges::stable_sort(sorted, {}, &Lane::place);
  return sorted;
}

std::vector<Run> runs_of(const std::vector<Lane>& sorted) {
  std::vector<Run> runs;
  for (size_t k = 0; k < sorted.size(); ++k) {
    if (k > 0 && sorted[k].place == sorted[k - 1].place + 1) ++runs.back().count;
    else runs.push_back({k, 1});
  }
  return runs;
}

// Elements of vectors that are put into the lanes of another, one vector after the other.
class Gathered {
 public:
  Gathered(Code& code, unsigned width) : code_(code), width_(width), from_(width, -1) {}

  // lane_of[i]: where element i of the vector belongs; -1: nowhere.
  void add(Value* vector, const std::vector<std::vector<int>>& lanes_of) {
    auto& b = code_.b;
    std::vector<int> widened(width_, -1), merged(width_);
    for (size_t i = 0; i < lanes_of.size(); ++i) widened[i] = static_cast<int>(i);
    for (size_t lane = 0; lane < width_; ++lane) merged[lane] = from_[lane] < 0 ? -1 : static_cast<int>(lane);
    for (size_t i = 0; i < lanes_of.size(); ++i)
      for (int lane : lanes_of[i]) {
        merged[static_cast<size_t>(lane)] = static_cast<int>(width_ + i);
        from_[static_cast<size_t>(lane)] = 1;
      }
    if (lanes_of.size() < width_) vector = b.CreateShuffleVector(vector, widened);
    all_ = b.CreateShuffleVector(all_ ? all_ : llvm::PoisonValue::get(vector->getType()), vector, merged);
  }

  Value* result() const { return all_; }

 private:
  Code& code_;
  unsigned width_;
  std::vector<int> from_;
  Value* all_ = nullptr;
};

}  // namespace

// Of each lane, from the first lane's on, in steps of so many elements. Nothing where other things decide, or where they lie one
// after the other.
std::optional<std::vector<int64_t>> Emitter::lane_places(Expr offset, const Lanes& lanes, int64_t step) {
  if (lanes.width < kLeastLanes) return std::nullopt;
  if (auto split = pool.affine(offset, lanes.var); split && pool.is_index(split->first, step)) return std::nullopt;
  auto at = [&](unsigned lane) { return pool.substitute(offset, {{lanes.var, pool.index(lane)}}); };
  const Expr first = at(0);
  std::vector<int64_t> places;
  for (unsigned lane = 0; lane < lanes.width; ++lane) {
    const auto place = pool.as_int(pool.sub(at(lane), first));
    if (!place || *place % step != 0) return std::nullopt;
    places.push_back(*place / step);
  }
  return places;
}

// Null where there are too many runs, too far apart. What lies between elements that are read is read as well.
Value* Emitter::load_apart(Expr e, const Lanes& lanes) {
  auto& b = code.b;
  if (lanes.mask && !code.target.masked_memory) return nullptr;
  const BufferId buffer = pool.buffer(e);
  const Expr offset = pool.operands(e)[0];
  llvm::Type *element = code.memory_type(pool.type(e)), *stored = code.memory_type(buffers_[buffer].type);
  const llvm::DataLayout& layout = code.module.getDataLayout();
  const auto step = static_cast<int64_t>(layout.getTypeStoreSize(element) / layout.getTypeStoreSize(stored));  // words of several elements
  const auto places = lane_places(offset, lanes, step);
  if (!places) return nullptr;
  const std::vector<Lane> sorted = by_place(*places);
  const std::vector<Run> runs = runs_of(sorted);
  const int64_t begin = sorted.front().place, span = sorted.back().place - begin + 1, width = lanes.width;
  if (span == 1) return nullptr;
  const int64_t part = std::min(width, static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(span)))), parts = (span + part - 1) / part;
  const bool in_runs = runs.size() <= kMostRuns && static_cast<int64_t>(runs.size()) <= parts;
  if (!in_runs && (parts > kMostVectors || parts > width / 2)) return nullptr;

  const llvm::Align align = layout.getABITypeAlign(stored);
  Value* nobody = lanes.mask ? llvm::Constant::getNullValue(lanes.mask->getType()) : nullptr;
  Gathered all(code, lanes.width);
  // `count` elements from `from` on, by the first lanes that read them.
  auto add = [&](int64_t from, int64_t count) {
    std::vector<std::vector<int>> lanes_of(static_cast<size_t>(count));
    std::vector<int> reader(static_cast<size_t>(count), static_cast<int>(width));
    for (const Lane& l : sorted)
      if (const int64_t k = l.place - from; k >= 0 && k < count) {
        auto& readers = lanes_of[static_cast<size_t>(k)];
        if (readers.empty()) reader[static_cast<size_t>(k)] = l.lane;
        readers.push_back(l.lane);
      }
    Value* first = address(buffer, pool.add(pool.substitute(offset, {{lanes.var, pool.index(0)}}), pool.index(from * step)), {});
    llvm::Type* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(count));
    if (lanes.mask) {
      Value* mask = b.CreateShuffleVector(lanes.mask, nobody, reader);
      all.add(b.CreateMaskedLoad(type, first, align, mask, llvm::Constant::getNullValue(type)), lanes_of);
    } else {
      all.add(b.CreateAlignedLoad(type, first, align), lanes_of);
    }
  };
  if (in_runs)
    for (const Run& run : runs) add(sorted[run.first].place, static_cast<int64_t>(run.count));
  else
    for (int64_t k = 0; k < parts; ++k) add(begin + std::min(k * part, span - part), part);
  return all.result();
}

// False where that would take more than it saves; then nothing was stored.
bool Emitter::store_apart(BufferId buffer, Expr offset, Value* value, const Lanes& lanes, Value* mask) {
  constexpr int kLeastBits = 32;  // that are stored under a mask at once
  auto& b = code.b;
  const auto places = lane_places(offset, lanes);
  if (!places) return false;
  const std::vector<Lane> sorted = by_place(*places);
  for (size_t k = 1; k < sorted.size(); ++k)
    if (sorted[k].place == sorted[k - 1].place) return false;
  const std::vector<Run> runs = runs_of(sorted);
  const int64_t begin = sorted.front().place, span = sorted.back().place - begin + 1, width = lanes.width;
  const bool in_runs = !mask && runs.size() <= kMostRuns && 2 * static_cast<int64_t>(runs.size()) <= width;
  if (!in_runs && (span > kMostVectors * width || !code.target.masked_memory || bits(buffers_[buffer].type) < kLeastBits)) return false;

  llvm::Type* element = code.memory_type(buffers_[buffer].type);
  const llvm::Align align = code.module.getDataLayout().getABITypeAlign(element);
  auto at = [&](int64_t place) { return address(buffer, pool.add(pool.substitute(offset, {{lanes.var, pool.index(0)}}), pool.index(place)), {}); };
  if (in_runs) {
    for (const Run& run : runs) {
      std::vector<int> from;
      for (size_t k = 0; k < run.count; ++k) from.push_back(sorted[run.first + k].lane);
      Value* part = run.count == 1 ? b.CreateExtractElement(value, static_cast<uint64_t>(from[0])) : b.CreateShuffleVector(value, from);
      b.CreateAlignedStore(part, at(sorted[run.first].place), align);
    }
    return true;
  }
  Value* all = mask ? mask : llvm::Constant::getAllOnesValue(llvm::FixedVectorType::get(b.getInt1Ty(), lanes.width));
  for (int64_t from = begin; from < begin + span; from += width) {
    std::vector<int> lane(static_cast<size_t>(width), -1), writes(static_cast<size_t>(width), static_cast<int>(width));
    for (const Lane& l : sorted)
      if (const int64_t k = l.place - from; k >= 0 && k < width) lane[static_cast<size_t>(k)] = writes[static_cast<size_t>(k)] = l.lane;
    Value* written = b.CreateShuffleVector(all, llvm::Constant::getNullValue(all->getType()), writes);
    b.CreateMaskedStore(b.CreateShuffleVector(value, lane), at(from), align, written);
  }
  return true;
}

}  // namespace tenon::gen
