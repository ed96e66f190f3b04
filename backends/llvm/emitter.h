// Scalar expressions as LLVM IR. An expression is a scalar unless it depends on a lane variable; then it is
// a vector of that variable's width. Values are memoised by expression, so whatever a tile's rows and
// vectors have in common is emitted once: the caller substitutes rows by constants and lanes by
// `constant + lane variable`, and equal expressions have equal ids.
#pragma once

#include <deque>
#include <unordered_map>

#include <llvm/ADT/STLFunctionalExtras.h>

#include "code.h"
#include "tenon/loops.h"

namespace tenon::gen {

enum class Access : uint8_t { Read, Write };

// A vector's worth of lanes: var counts from 0 to width - 1.
struct Lanes {
  Expr var;
  unsigned width = 1;
  Value* mask = nullptr;  // lanes that exist; null: all
};

class Emitter {
 public:
  using Values = std::vector<Value*>;

  // The references must outlive the emitter.
  Emitter(Code& code, ExprPool& pool, const Store<BufferId, LoopBuffer>& buffers, Values pointers);

  Code& code;
  ExprPool& pool;

  void bind(Expr var, Value* value, const Lanes* lanes = nullptr);
  const Lanes* new_lanes(unsigned width, Value* mask);

  // The value of e. Loads touch memory only where `guard` holds, and give zero elsewhere.
  Value* emit(Expr e, Expr guard = {});
  Value* emit_as(Expr e, const Lanes* lanes) { return spread(emit(e), lanes ? lanes->width : 0); }
  Value* spread(Value* v, unsigned width);
  const Lanes* lanes_of(Expr e);
  bool has_load(Expr e) { return facts(e).load; }

  // buffer[offset] = value where `condition` (invalid: always) holds and the lanes exist.
  void store(BufferId buffer, Expr offset, Expr value, Expr condition, const Lanes* lanes);
  // Stores of neighbouring vectors of bytes that come from floats, as one: offsets[k] is that of vector k. False where
  // the target has nothing for it; then nothing was stored.
  bool store_quantised(BufferId buffer, std::span<const Expr> offsets, std::span<const Expr> values, std::span<const Lanes* const> lanes);
  // Stores four values that lie beside each other, lane after lane: buffer[offsets[k]] = values[k], the offsets being
  // 4*lane + k of one place. False where they are not; then nothing was stored.
  bool store_words(BufferId buffer, std::span<const Expr> offsets, std::span<const Expr> values, const Lanes& lanes);
  // What lies at the offset, read as another type.
  Value* load_as(BufferId buffer, Expr offset, llvm::Type* type);
  // Around a step of a reduction, the part of the code that Code::steps is about.
  void step(llvm::function_ref<void()> body) {
    step_ = true;
    body();
    step_ = false;
  }
  DType type(BufferId buffer) const { return buffers_[buffer].type; }
  // Asks for the line into a cache, level 1 or 2; any address will do.
  void prefetch(BufferId buffer, Expr offset, int level, Access access);
  // Memory was written, or may be in what follows: loads are not remembered across this point.
  void forget_loads();

  // for (var = begin; var < end; var += step): body maps the carried values of one iteration to the next.
  // Offsets that are affine in var become pointers that are incremented.
  Values loop(Expr var, Expr begin, Expr end, int64_t step, Values carried,
              llvm::function_ref<Values(const Values&)> body);
  void if_else(Value* condition, llvm::function_ref<void()> then, llvm::function_ref<void()> otherwise);
  llvm::BasicBlock* block(const char* name);
  // Code under a condition: what it computes is not remembered after it.
  void scoped(llvm::function_ref<void()> body);

  // The address of an element, in terms of pointers that loops increment.
  Value* address_of(BufferId buffer, Expr offset) { return address(buffer, offset, {}); }

  void add_pointer(Value* pointer) { pointers_.push_back(pointer); }  // of the next buffer
  Value* pointer(BufferId buffer) { return pointers_[static_cast<size_t>(buffer.index)]; }

 private:
  struct Facts {
    const Lanes* lanes = nullptr;
    bool load = false, known = false;
  };
  struct Binding {
    Value* value = nullptr;
    size_t depth = 0;
    const Lanes* lanes = nullptr;
  };
  struct Scope {
    std::unordered_map<uint64_t, Value*> plain, loading;
  };
  struct Loop {
    Expr var, begin;
    size_t depth;  // scopes that are open in the preheader
    llvm::BasicBlock *preheader, *header;
    struct Pointer {
      BufferId buffer;
      Expr coefficient, rest;
      llvm::Type* element;
      llvm::PHINode* phi;
    };
    std::vector<Pointer> pointers;
  };

  Facts facts(Expr e);
  Value* compute(Expr e, Expr guard);
  Value* index_sum(Expr e, Expr guard);
  Value* index_divide(SOp op, Expr e, Value* a, Value* b);
  Value* compare_index(Expr e, Expr guard);
  Value* fused(Expr e, Expr guard);
  Value* gated(Expr e, Expr guard);
  Value* pick(Expr e, Expr guard);  // pick.cpp
  bool zero_where_false(Expr e);

  // quantise.cpp
  struct Quantised {  // sat(rne(real) + zero)
    Expr real;
    int zero = 0;
    DType type{};
  };
  std::optional<Quantised> match_quantised(Expr e);
  Value* quotient(const Quantised& q, Expr guard, bool both);
  Value* quantised_float(const Quantised& q, Expr guard);
  Value* quantised_word(const Quantised& q, Expr guard);
  Value* quantised_bytes(const Quantised& q, Expr guard);
  Value* pack_quantised(std::span<Value* const> words, const Quantised& q);
  bool bound_outside(Expr e, size_t depth);
  Value* ahead(const Loop& loop, llvm::function_ref<Value*()> make);  // in the preheader

  // steps.cpp
  Value* load(Expr e, Expr guard);
  void keep(Value* v);              // as if it were used
  Value* stand_in(llvm::Type* type);  // one, but nobody knows

  // memory.cpp
  struct Place {  // where the lanes of an access lie
    llvm::Type* element;
    Value* first = nullptr;                       // address of lane 0 ...
    std::optional<int64_t> stride = std::nullopt; // ... and elements from lane to lane: known,
    Value* step = nullptr;                        // or a value;
    Value* offsets = nullptr;                     // or each lane's offset from `first`
  };
  Value* address(BufferId buffer, Expr offset, Expr guard);
  Value* loop_address(BufferId buffer, Expr offset);
  Place place(BufferId buffer, Expr offset, const Lanes& lanes, Expr guard);
  Value* lane_address(const Place& place, unsigned lane);
  Value* read(Expr e, Expr guard);
  Value* look_up(Expr e);
  std::pair<Expr, Expr> split_guard(Expr guard);
  Value* load_lanes(const Place& place, llvm::Type* element, const Lanes& lanes, Value* condition);
  Value* load_packed(BufferId buffer, DType type, Expr offset, Expr guard);  // less than a byte
  void store_packed(BufferId buffer, Expr offset, Value* value, const Lanes* lanes, Value* mask, Expr guard);
  void store_lanes(const Place& place, Value* value, Value* mask);
  Value* mask_of(const Lanes& lanes, Value* condition);

  // apart.cpp
  std::optional<std::vector<int64_t>> lane_places(Expr offset, const Lanes& lanes, int64_t step = 1);
  Value* load_apart(Expr e, const Lanes& lanes);
  bool store_apart(BufferId buffer, Expr offset, Value* value, const Lanes& lanes, Value* mask);
  Value* guarded(Value* address, Value* condition);

  const Store<BufferId, LoopBuffer>& buffers_;
  Values pointers_;
  std::unordered_map<Expr, Binding> bindings_;
  std::vector<Facts> facts_;
  std::vector<Scope> scopes_;
  size_t depth_ = 1;  // scopes that are open here; fewer than exist while code goes into a preheader
  std::deque<Loop> loops_;
  std::deque<Lanes> lanes_;
  bool step_ = false;
  std::unordered_map<llvm::Type*, Value*> stand_ins_;
};

// emit_tile.cpp
void emit_tile(Emitter& emitter, const Stmt& tile);

}  // namespace tenon::gen
