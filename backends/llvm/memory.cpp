// Loads and stores: addressing, guards, masks. A load under a false condition reads a page of zeros
// instead, so guards need no branches and an absent element is zero.
#include <llvm/IR/IntrinsicsX86.h>

#include "emitter.h"

namespace tenon::gen {

namespace {

// e = rest + constant.
std::pair<Expr, int64_t> split_constant(ExprPool& pool, Expr e) {
  if (auto c = pool.as_int(e)) return {pool.index(0), *c};
  if (pool.op(e) == SOp::Add)
    for (Expr term : pool.operands(e))
      if (auto c = pool.as_int(term)) return {pool.sub(e, term), *c};
  return {e, 0};
}

}  // namespace

bool Emitter::bound_outside(Expr e, size_t depth) {
  std::vector<Expr> vars;
  pool.collect_vars(e, vars);
  for (Expr var : vars)
    if (auto it = bindings_.find(var); it == bindings_.end() || it->second.depth > depth) return false;
  return !has_load(e);
}

// The address in terms of a pointer that moves with the innermost loop that the offset depends on;
// accesses that differ by a constant share the pointer. Null where there is no such loop.
Value* Emitter::loop_address(BufferId buffer, Expr offset) {
  auto inside = std::ranges::find_if(loops_.rbegin(), loops_.rend(),
                                     [&](const Loop& l) { return pool.depends_on(offset, l.var); });
  if (inside == loops_.rend()) return nullptr;
  Loop& loop = *inside;
  auto split = pool.affine(offset, loop.var);
  if (!split || !bound_outside(split->first, loop.depth) || !bound_outside(split->second, loop.depth)) return nullptr;
  Expr coefficient = split->first;
  auto [rest, constant] = split_constant(pool, split->second);
  auto& b = code.b;
  llvm::Type* element = code.memory_type(buffers_[buffer].type);
  auto known = std::ranges::find_if(loop.pointers, [&, rest = rest](const Loop::Pointer& p) {
    return p.buffer == buffer && p.coefficient == coefficient && p.rest == rest;
  });
  if (known == loop.pointers.end()) {
    Value* start = ahead(loop, [&, rest = rest] {
      return b.CreateGEP(element, pointer(buffer), emit(pool.add(rest, pool.mul(coefficient, loop.begin))));
    });
    llvm::IRBuilderBase::InsertPointGuard back(b);
    b.SetInsertPoint(loop.header, loop.header->begin());
    llvm::PHINode* phi = b.CreatePHI(b.getPtrTy(), 2);
    phi->addIncoming(start, loop.preheader);
    loop.pointers.push_back({buffer, coefficient, rest, element, phi});
    known = loop.pointers.end() - 1;
  }
  return b.CreateGEP(element, known->phi, code.index(constant));
}

Value* Emitter::address(BufferId buffer, Expr offset, Expr guard) {
  if (Value* v = loop_address(buffer, offset)) return v;
  auto [rest, constant] = split_constant(pool, offset);
  llvm::Type* element = code.memory_type(buffers_[buffer].type);
  Value* base = code.b.CreateGEP(element, pointer(buffer), emit(rest, guard));
  return code.b.CreateGEP(element, base, code.index(constant));
}

void Emitter::prefetch(BufferId buffer, Expr offset, int level, Access access) {
  constexpr uint32_t kFirstLevel = 3, kSecondLevel = 2, kData = 1;
  auto& b = code.b;
  b.CreateIntrinsic(llvm::Intrinsic::prefetch, {b.getPtrTy()},
                    {address(buffer, offset, {}), b.getInt32(access == Access::Write ? 1 : 0), b.getInt32(level == 1 ? kFirstLevel : kSecondLevel), b.getInt32(kData)});
}

Emitter::Place Emitter::place(BufferId buffer, Expr offset, const Lanes& lanes, Expr guard) {
  Place place{.element = code.memory_type(buffers_[buffer].type)};
  if (auto split = pool.affine(offset, lanes.var); split && !lanes_of(split->first) && !lanes_of(split->second)) {
    place.first = address(buffer, split->second, guard);
    place.stride = pool.as_int(split->first);
    if (!place.stride) place.step = emit(split->first, guard);
  } else {
    place.first = pointer(buffer);
    place.offsets = spread(emit(offset, guard), lanes.width);
  }
  return place;
}

Value* Emitter::lane_address(const Place& place, unsigned lane) {
  auto& b = code.b;
  Value* offset = place.offsets  ? b.CreateExtractElement(place.offsets, lane)
                  : place.stride ? code.index(*place.stride * lane)
                                 : b.CreateMul(place.step, code.index(lane));
  return b.CreateGEP(place.element, place.first, offset);
}

Value* Emitter::guarded(Value* address, Value* condition) {
  return condition ? code.b.CreateSelect(condition, address, code.zeros()) : address;
}

// The lanes that exist and for which the condition holds; null: all.
Value* Emitter::mask_of(const Lanes& lanes, Value* condition) {
  if (!condition) return lanes.mask;
  condition = spread(condition, lanes.width);
  return lanes.mask ? code.b.CreateAnd(lanes.mask, condition) : condition;
}

// `element` is what is loaded per lane: the buffer's own type, or a word of several elements.
Value* Emitter::load_lanes(const Place& place, llvm::Type* element, const Lanes& lanes, Value* condition) {
  auto& b = code.b;
  const llvm::DataLayout& layout = code.module.getDataLayout();
  llvm::Type* type = shaped(element, lanes.width);
  llvm::Align align = layout.getABITypeAlign(place.element);
  bool contiguous = place.stride == static_cast<int64_t>(layout.getTypeStoreSize(element) / layout.getTypeStoreSize(place.element));
  if (contiguous && !lanes.mask && (!condition || !width(condition)))
    return b.CreateAlignedLoad(type, guarded(place.first, condition), align);
  Value* mask = mask_of(lanes, condition);
  if (contiguous && code.target.masked_memory)
    return b.CreateMaskedLoad(type, place.first, align, mask, llvm::Constant::getNullValue(type));
  Value* v = llvm::PoisonValue::get(type);
  for (unsigned i = 0; i < lanes.width; ++i) {
    Value* at = guarded(lane_address(place, i), mask ? b.CreateExtractElement(mask, i) : nullptr);
    v = b.CreateInsertElement(v, b.CreateAlignedLoad(element, at, align), i);
  }
  return v;
}

// The parts of a condition that do not depend on lanes, and those that do.
std::pair<Expr, Expr> Emitter::split_guard(Expr guard) {
  if (!guard.valid()) return {};
  if (!lanes_of(guard)) return {guard, {}};
  if (pool.op(guard) != SOp::And) return {{}, guard};
  auto [all, some] = split_guard(pool.operands(guard)[0]);
  auto [more_all, more_some] = split_guard(pool.operands(guard)[1]);
  return {pool.all_of(all, more_all), pool.all_of(some, more_some)};
}

// A byte picks one of 256: from two tables of 128 entries, by its low bits, and its sign tells which. Null where the
// load is not of that kind.
Value* Emitter::look_up(Expr e) {
  auto& b = code.b;
  const BufferId buffer = pool.buffer(e);
  const Expr offset = pool.operands(e)[0];
  constexpr unsigned kVector = 64;
  if (!code.isa.byte_tables || bits(pool.type(e)) != 8 || pool.as_int(buffers_[buffer].size) != 4 * kVector) return nullptr;
  if (pool.op(offset) != SOp::Cast || pool.type(pool.operands(offset)[0]) != DType::U8) return nullptr;
  Value* byte = emit(pool.operands(offset)[0]);
  const unsigned w = width(byte);
  if (w == 0 || w > kVector) return nullptr;
  std::vector<int> widened(kVector, -1), first(w);
  for (unsigned i = 0; i < w; ++i) widened[i] = first[i] = static_cast<int>(i);
  auto* type = llvm::FixedVectorType::get(b.getInt8Ty(), kVector);
  Value* index = b.CreateShuffleVector(byte, widened);
  Value* part[4];
  for (unsigned k = 0; k < 4; ++k)
    part[k] = b.CreateAlignedLoad(type, b.CreateGEP(b.getInt8Ty(), pointer(buffer), code.index(kVector * k)), llvm::Align(1));
  Value* low = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_qi_512, {}, {part[0], index, part[1]});
  Value* high = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512_vpermi2var_qi_512, {}, {part[2], index, part[3]});
  Value* above = b.CreateICmpSLT(index, llvm::Constant::getNullValue(type));
  return b.CreateShuffleVector(b.CreateSelect(above, high, low), first);
}

Value* Emitter::read(Expr e, Expr guard) {
  auto& b = code.b;
  BufferId buffer = pool.buffer(e);
  Expr offset = pool.operands(e)[0];
  DType type = pool.type(e);
  if (bits(type) < 8) return load_packed(buffer, type, offset, guard);
  Value* v;
  if (const Lanes* lanes = lanes_of(offset)) {
    if (Value* found = look_up(e)) return found;
    if (Value* found = guard.valid() || type == DType::Bool ? nullptr : load_apart(e, *lanes)) return found;
    Place at = place(buffer, offset, *lanes, guard);
    // What holds for all lanes or for none moves the address: masks alone are slow where no memory is mapped.
    auto [all, some] = at.stride == 1 ? split_guard(guard) : std::pair(Expr{}, guard);
    if (all.valid()) at.first = guarded(at.first, emit(all));
    v = load_lanes(at, code.memory_type(type), *lanes, some.valid() ? emit(some) : nullptr);
  } else {
    Value* condition = guard.valid() ? emit(guard) : nullptr;
    if (condition && width(condition)) condition = b.CreateOrReduce(condition);
    Value* at = guarded(address(buffer, offset, guard), condition);
    llvm::Type* stored = code.memory_type(buffers_[buffer].type);
    v = b.CreateAlignedLoad(code.memory_type(type), at, code.module.getDataLayout().getABITypeAlign(stored));
  }
  return type == DType::Bool ? b.CreateIsNotNull(v) : v;
}

// Elements of 4 or 2 bits, the first in the low bits.
Value* Emitter::load_packed(BufferId buffer, DType type, Expr offset, Expr guard) {
  auto& b = code.b;
  unsigned per_byte = 8 / static_cast<unsigned>(bits(type)), size = static_cast<unsigned>(bits(type));
  Value* condition = guard.valid() ? emit(guard) : nullptr;
  const Lanes* lanes = lanes_of(offset);
  Value* element = emit(offset, guard);
  auto constant = [&](Value* v, unsigned c) { return llvm::ConstantInt::get(v->getType(), c); };
  Value* byte_offset = b.CreateLShr(element, constant(element, static_cast<unsigned>(std::countr_zero(per_byte))));
  Value* byte;
  if (lanes) {
    Place place{.element = b.getInt8Ty(), .first = pointer(buffer), .offsets = byte_offset};
    byte = load_lanes(place, b.getInt8Ty(), *lanes, condition);
  } else {
    if (condition && width(condition)) condition = b.CreateOrReduce(condition);
    byte = b.CreateLoad(b.getInt8Ty(), guarded(b.CreateGEP(b.getInt8Ty(), pointer(buffer), byte_offset), condition));
  }
  Value* place_in_byte = b.CreateTrunc(b.CreateAnd(element, constant(element, per_byte - 1)), byte->getType());
  Value* low = b.CreateLShr(byte, b.CreateMul(place_in_byte, constant(byte, size)));
  Value* high = b.CreateShl(low, constant(byte, 8 - size));
  return is_signed(type) ? b.CreateAShr(high, constant(byte, 8 - size)) : b.CreateLShr(high, constant(byte, 8 - size));
}

void Emitter::store_lanes(const Place& place, Value* value, Value* mask) {
  auto& b = code.b;
  llvm::Align align = code.module.getDataLayout().getABITypeAlign(place.element);
  if (place.stride == 1 && !mask) {
    b.CreateAlignedStore(value, place.first, align);
  } else if (place.stride == 1 && code.target.masked_memory) {
    b.CreateMaskedStore(value, place.first, align, mask);
  } else {
    for (unsigned i = 0; i < width(value); ++i) {
      auto write = [&] { b.CreateAlignedStore(b.CreateExtractElement(value, i), lane_address(place, i), align); };
      if (mask) if_else(b.CreateExtractElement(mask, i), write, nullptr);
      else write();
    }
  }
}

// One element after the other: neighbours share a byte. Tasks never do, see lower_region.
void Emitter::store_packed(BufferId buffer, Expr offset, Value* value, const Lanes* lanes, Value* mask, Expr guard) {
  auto& b = code.b;
  auto size = static_cast<unsigned>(bits(buffers_[buffer].type)), per_byte = 8 / size;
  auto write = [&](Value* element, Value* x) {
    Value* index = b.CreateLShr(element, code.index(std::countr_zero(per_byte)));
    Value* at = b.CreateGEP(b.getInt8Ty(), pointer(buffer), index);
    Value* shift = b.CreateMul(b.CreateTrunc(b.CreateAnd(element, code.index(per_byte - 1)), b.getInt8Ty()), b.getInt8(static_cast<uint8_t>(size)));
    Value* ones = b.getInt8(static_cast<uint8_t>((1u << size) - 1));
    Value* others = b.CreateAnd(b.CreateLoad(b.getInt8Ty(), at), b.CreateNot(b.CreateShl(ones, shift)));
    Value* bits_of_x = b.CreateAnd(b.CreateZExtOrTrunc(x, b.getInt8Ty()), ones);
    b.CreateStore(b.CreateOr(others, b.CreateShl(bits_of_x, shift)), at);
  };
  Value* element = emit(offset, guard);
  if (!lanes) return write(element, value);
  element = spread(element, lanes->width);
  value = spread(value, lanes->width);
  for (unsigned i = 0; i < lanes->width; ++i) {
    auto lane = [&] { write(b.CreateExtractElement(element, i), b.CreateExtractElement(value, i)); };
    if (mask) if_else(b.CreateExtractElement(mask, i), lane, nullptr);
    else lane();
  }
}

bool Emitter::store_words(BufferId buffer, std::span<const Expr> offsets, std::span<const Expr> values, const Lanes& lanes) {
  auto& b = code.b;
  if (bits(buffers_[buffer].type) != 8 || values.size() != 4) return false;
  for (size_t k = 0; k < offsets.size(); ++k) {
    auto split = pool.affine(offsets[k], lanes.var);
    if (!split || !pool.is_index(split->first, 4) || pool.sub(offsets[k], offsets[0]) != pool.index(static_cast<int64_t>(k))) return false;
  }
  Place at = place(buffer, offsets[0], lanes, {});
  Value* words = nullptr;
  for (size_t k = 0; k < values.size(); ++k) {
    Value* byte = emit_as(values[k], &lanes);
    Value* word = b.CreateZExt(byte, like(byte, b.getInt32Ty()));
    if (k > 0) word = b.CreateShl(word, llvm::ConstantInt::get(word->getType(), 8 * k));
    words = words ? b.CreateOr(words, word) : word;
  }
  if (lanes.mask) b.CreateMaskedStore(words, at.first, llvm::Align(1), lanes.mask);
  else b.CreateAlignedStore(words, at.first, llvm::Align(1));
  return true;
}

void Emitter::store(BufferId buffer, Expr offset, Expr value, Expr condition, const Lanes* lanes) {
  auto& b = code.b;
  DType type = buffers_[buffer].type;
  TENON_CHECK(pool.type(value) == type, "a store's value has another type than its buffer");
  Value* holds = condition.valid() ? emit(condition) : nullptr;
  auto write = [&](Expr guard, Value* mask) {
    Value* v = emit(value, guard);
    if (type == DType::Bool) v = b.CreateZExt(v, like(v, b.getInt8Ty()));
    if (bits(type) < 8) return store_packed(buffer, offset, v, lanes, mask, guard);
    if (lanes && store_apart(buffer, offset, spread(v, lanes->width), *lanes, mask)) return;
    if (lanes) return store_lanes(place(buffer, offset, *lanes, guard), spread(v, lanes->width), mask);
    b.CreateAlignedStore(v, address(buffer, offset, guard),
                         code.module.getDataLayout().getABITypeAlign(code.memory_type(type)));
  };
  if (!holds) write({}, lanes ? lanes->mask : nullptr);
  else if (!width(holds)) if_else(holds, [&] { write({}, lanes ? lanes->mask : nullptr); }, nullptr);
  else write(condition, mask_of(*lanes, holds));
}

}  // namespace tenon::gen
