// The sum of a depthwise convolution's taps along a row of bytes, as products of words.
#pragma once

#include <array>
#include <map>

#include "dot.h"

namespace tenon::gen {

// acc[row][lane] += sum over k < count of columns[lane, row * stride + k] * weights[lane, k]
struct Taps {
  Expr columns;        // a load of u8
  Expr weights;        // a load of words: four taps of i8, those beyond `count` zero
  int64_t count = 0;
  int64_t stride = 1;  // columns from row to row
};
// Nothing where the tile's innermost reduction, an atom, is no such sum or the target has no instruction for it.
std::optional<Taps> match_taps(ExprPool& pool, const Stmt& tile, const Target& target);

// Columns of up to four vectors of bytes as words of four neighbouring columns.
class TapWords {
 public:
  // `load` gives the bytes of a column, as words in memory order; there are `columns` of them.
  TapWords(Code& code, unsigned words, int64_t columns, llvm::function_ref<Value*(int64_t)> load);
  // Columns start .. start + 3 of vector j, for an even start.
  const std::array<Value*, 4>& at(int64_t start);

 private:
  Value* column(int64_t c);
  const std::array<Value*, 2>& pair(int64_t c);

  Code& code_;
  unsigned words_;
  int64_t columns_;
  llvm::function_ref<Value*(int64_t)> load_;
  std::map<int64_t, std::array<Value*, 2>> pairs_;
  std::map<int64_t, std::array<Value*, 4>> made_;
};

}  // namespace tenon::gen
