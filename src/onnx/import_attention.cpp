// Attention and rotary embedding, in primitives: dot, softmax, dot.
#include <cmath>
#include <limits>

#include "families.h"

namespace tenon::frontend {

namespace {

constexpr double kMasked = -std::numeric_limits<double>::infinity();

// [B, S, H*D] -> [B, H, S, D]
Val split_heads(OnnxNode& n, Val x, std::string_view heads_attribute) {
  if (x.rank() == 4) return x;
  n.require(x.rank() == 3, "operands must have rank 3 or 4");
  ExprPool& p = n.pool;
  Expr heads = p.index(n.integer(heads_attribute));
  auto size = p.div_exact(x.dim(2), heads);
  n.require(size.has_value(), "the last dim is no multiple of " + std::string(heads_attribute));
  return transpose(reshape(x, {x.dim(0), x.dim(1), heads, *size}), {0, 2, 1, 3});
}

// Every key-value head serves a group of neighbouring query heads.
Val repeat_heads(OnnxNode& n, Val kv, Expr heads) {
  Dims d = kv.dims();
  if (d[1] == heads) return kv;
  auto group = n.pool.div_exact(heads, d[1]);
  n.require(group.has_value(), "query heads are no multiple of key-value heads");
  return reshape(broadcast(unsqueeze(kv, 2), {d[0], d[1], *group, d[2], d[3]}), {d[0], heads, d[2], d[3]});
}

// What is added to the scores: the mask, and -inf where a query may not look. Empty: nothing.
struct Bias {
  Val value;
  bool may_mask_rows = false;
};

Val restrict_to(Val allowed, Val bias, Val zero) { return select(allowed, bias ? bias : zero, zero.like(kMasked)); }

Bias bias_of(OnnxNode& n, Val scores, Val past_key, Val lengths) {
  ExprPool& p = n.pool;
  Bias bias;
  Val zero = scores.like(0);
  Expr queries = scores.dim(2), keys = scores.dim(3);
  if (Val mask = n.opt(3)) {
    if (mask.type() == DType::Bool) mask = restrict_to(mask, {}, zero);
    Expr given = mask.dim(mask.rank() - 1);
    if (p.provably_less(given, keys)) {  // keys beyond the mask are masked
      Dims begin(mask.dims().size(), p.index(0)), end = begin;
      end.back() = p.sub(keys, given);
      mask = pad(mask, begin, end, mask.like(kMasked));
    }
    bias = {cast(mask, scores.type()), true};
  }
  int64_t left = n.integer_or("left_window_size", -1), right = n.integer_or("right_window_size", -1);
  bool causal = n.flag("is_causal");
  Val key = n.b.iota(DType::I64, {keys}, 0);
  if (causal || left >= 0 || right >= 0) {
    // The position of a query: its index after the keys that came before this block.
    Val position = n.b.iota(DType::I64, {queries, p.index(1)}, 0);
    if (past_key) position = position + scalar_of(n.b, past_key.dim(2), DType::I64);
    else if (lengths) position = position + (lengths - scalar_of(n.b, queries, DType::I64));
    if (causal) bias.value = restrict_to(key <= position, bias.value, zero);
    if (left >= 0) bias.value = restrict_to(position <= key + static_cast<double>(left), bias.value, zero);
    if (right >= 0) bias.value = restrict_to(key <= position + static_cast<double>(right), bias.value, zero);
    bias.may_mask_rows |= lengths || left >= 0 || right >= 0;
  }
  if (lengths) bias = {restrict_to(key < lengths, bias.value, zero), true};
  return bias;
}

Vals attention(OnnxNode& n) {
  Val q = split_heads(n, n[0], "q_num_heads"), k = split_heads(n, n[1], "kv_num_heads"),
      v = split_heads(n, n[2], "kv_num_heads");
  Val past_key = n.opt(4), past_value = n.opt(5), lengths = n.opt(6);
  if (past_key) k = concat({past_key, k}, 2);
  if (past_value) v = concat({past_value, v}, 2);
  Val present_key = k, present_value = v;
  if (lengths) lengths = reshape(lengths, {lengths.dim(0), n.pool.index(1), n.pool.index(1), n.pool.index(1)});
  k = repeat_heads(n, k, q.dim(1));
  v = repeat_heads(n, v, q.dim(1));

  Val scaled;
  if (n.has("scale")) {
    scaled = q * n.real("scale");
  } else {
    auto size = n.pool.as_int(q.dim(3));
    if (!size) n.unsupported("a symbolic head size");
    scaled = q * (1 / std::sqrt(static_cast<double>(*size)));
  }
  Val raw = dot(scaled, transpose(k, {0, 1, 3, 2})), scores = raw;
  double softcap = n.real_or("softcap", 0);
  if (softcap > 0) scores = tanh(scores / softcap) * softcap;
  Val capped = scores;
  Bias bias = bias_of(n, scores, past_key, lengths);
  if (bias.value) scores = scores + bias.value;
  DType precision = n.has("softmax_precision") ? n.type("softmax_precision") : scores.type();
  Val weights = n.b.emit(Op::softmax, {cast(scores, precision)}, Attrs().set<Attr::axis>(3));
  weights = cast(weights, q.type());
  if (bias.may_mask_rows) {  // a query that may look at nothing gets zeros
    Val most = reduce(Op::reduce_max, bias.value, {bias.value.rank() - 1}, true);
    weights = select(most == kMasked, weights.like(0), weights);
  }
  Val y = dot(weights, v);
  if (n[0].rank() == 3) y = flatten(transpose(y, {0, 2, 1, 3}), 2, 4);
  Vals stages = {raw, capped, scores, weights};
  auto mode = n.integer_or("qk_matmul_output_mode", 0);
  if (mode < 0 || mode > 3) n.malformed("qk_matmul_output_mode must be 0 to 3");
  return {y, present_key, present_value, stages[static_cast<size_t>(mode)]};
}

Vals rotary_embedding(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0], cosines = n[1], sines = n[2];
  bool heads_first = x.rank() == 4;  // [B, H, S, D], else [B, S, H*D]
  if (!heads_first) {
    n.require(x.rank() == 3, "RotaryEmbedding needs an operand of rank 3 or 4");
    Expr heads = p.index(n.integer("num_heads"));
    auto size = p.is_index(heads, 0) ? std::nullopt : p.div_exact(x.dim(2), heads);
    n.require(size.has_value(), "the last dim is no multiple of num_heads");
    x = reshape(x, {x.dim(0), x.dim(1), heads, *size});
  }
  if (Val positions = n.opt(3)) {
    cosines = gather(cosines, positions, 0);
    sines = gather(sines, positions, 0);
  }
  cosines = unsqueeze(cosines, heads_first ? 1 : 2);
  sines = unsqueeze(sines, heads_first ? 1 : 2);

  int64_t rotated = n.integer_or("rotary_embedding_dim", 0);
  Expr size = rotated > 0 ? p.index(rotated) : x.dim(3), half = p.floordiv(size, p.index(2)), zero = p.index(0);
  bool interleaved = n.flag("interleaved");
  Val a = interleaved ? slice(x, 3, zero, half, 2) : slice(x, 3, zero, half);
  Val b = interleaved ? slice(x, 3, p.index(1), half, 2) : slice(x, 3, half, half);
  Val real = cosines * a - sines * b, imaginary = sines * a + cosines * b;
  Val y = interleaved ? flatten(concat({unsqueeze(real, 4), unsqueeze(imaginary, 4)}, 4), 3, 5)
                      : concat({real, imaginary}, 3);
  if (size != x.dim(3)) y = concat({y, slice(x, 3, size, p.sub(x.dim(3), size))}, 3);
  return {reshape(y, n[0].dims())};
}

constexpr ImportRow kRows[] = {{"Attention", attention}, {"RotaryEmbedding", rotary_embedding}};

}  // namespace

std::span<const ImportRow> attention_imports() { return kRows; }

}  // namespace tenon::frontend
