// RNN, GRU and LSTM, a cell per step: the number of steps must be known, and small.
#include <algorithm>
#include <functional>
#include <map>

#include "families.h"

namespace tenon::frontend {

namespace {

constexpr int64_t kMaxSteps = 256;

using Activation = std::function<Val(Val)>;

// Names are case-insensitive; alpha and beta default as the specification says.
Activation activation(OnnxNode& n, std::string name, std::optional<double> alpha, std::optional<double> beta) {
  std::ranges::transform(name, name.begin(), [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c); });
  double a = alpha.value_or(name == "leakyrelu" ? 0.01 : name == "hardsigmoid" ? 0.2 : 1), b = beta.value_or(name == "hardsigmoid" ? 0.5 : 1);
  if (name == "sigmoid") return [](Val x) { return sigmoid(x); };
  if (name == "tanh") return [](Val x) { return tanh(x); };
  if (name == "relu") return [](Val x) { return max(x, 0.0); };
  if (name == "leakyrelu") return [a](Val x) { return select(x < 0.0, x * a, x); };
  if (name == "thresholdedrelu") return [a](Val x) { return select(x < a, x.like(0), x); };
  if (name == "elu") return [a](Val x) { return select(x < 0.0, expm1(x) * a, x); };
  if (name == "affine") return [a, b](Val x) { return x * a + b; };
  if (name == "scaledtanh") return [a, b](Val x) { return tanh(x * b) * a; };
  if (name == "hardsigmoid") return [a, b](Val x) { return min(max(x * a + b, 0.0), 1.0); };
  if (name == "softsign") return [](Val x) { return x / (abs(x) + 1.0); };
  if (name == "softplus") return [](Val x) { return max(x, 0.0) + log1p(exp(-abs(x))); };
  n.malformed("unknown activation '" + name + "'");
}

// One direction's weights and start; [hidden] per gate where rank 1.
struct Cell {
  Val w, r, wb, rb, peepholes;   // [G*H, I], [G*H, H], [G*H] each, [3*H]
  std::vector<Activation> f;
  double clip = 0;               // 0: none
  bool linear_before_reset = false, input_forget = false;
  Expr hidden;
};

struct State {
  Val h, c;  // [B, H]; c of LSTM only
};

Val bounded(const Cell& cell, Val x) { return cell.clip > 0 ? max(min(x, cell.clip), -cell.clip) : x; }

Val gate(const Cell& cell, Val gates, int64_t k) {
  ExprPool& p = gates.builder().pool;
  return slice(gates, gates.rank() - 1, p.mul(cell.hidden, p.index(k)), cell.hidden);
}

Val product_with(Val x, Val w) { return dot(x, transpose(w, {1, 0})); }

State rnn_step(const Cell& cell, Val xw, State s) {
  return {cell.f[0](bounded(cell, xw + product_with(s.h, cell.r) + cell.rb)), {}};
}

// Gates z, r, h.
State gru_step(const Cell& cell, Val xw, State s) {
  Val hr = product_with(s.h, cell.r);
  Val z = cell.f[0](bounded(cell, gate(cell, xw, 0) + gate(cell, hr, 0) + gate(cell, cell.rb, 0)));
  Val r = cell.f[0](bounded(cell, gate(cell, xw, 1) + gate(cell, hr, 1) + gate(cell, cell.rb, 1)));
  ExprPool& p = xw.builder().pool;
  Val rest = cell.linear_before_reset
                 ? r * (gate(cell, hr, 2) + gate(cell, cell.rb, 2))
                 : product_with(r * s.h, slice(cell.r, 0, p.mul(cell.hidden, p.index(2)), cell.hidden)) + gate(cell, cell.rb, 2);
  Val h = cell.f[1](bounded(cell, gate(cell, xw, 2) + rest));
  return {(1.0 - z) * h + z * s.h, {}};
}

// Gates i, o, f, c; peepholes i, o, f.
State lstm_step(const Cell& cell, Val xw, State s) {
  Val gates = xw + product_with(s.h, cell.r) + cell.rb;
  auto peep = [&](Val g, Val c, int64_t k) { return cell.peepholes ? g + gate(cell, cell.peepholes, k) * c : g; };
  Val i = cell.f[0](bounded(cell, peep(gate(cell, gates, 0), s.c, 0)));
  Val f = cell.input_forget ? 1.0 - i : cell.f[0](bounded(cell, peep(gate(cell, gates, 2), s.c, 2)));
  Val c = f * s.c + i * cell.f[1](bounded(cell, gate(cell, gates, 3)));
  Val o = cell.f[0](bounded(cell, peep(gate(cell, gates, 1), c, 1)));
  return {o * cell.f[2](c), c};
}

using Step = State (*)(const Cell&, Val, State);

// Item k of the first dim, without that dim.
Val item(Val v, int64_t k) {
  ExprPool& p = v.builder().pool;
  return squeeze(slice(v, 0, p.index(k), p.index(1)), 0);
}

Vals recurrent(OnnxNode& n, int64_t gates, std::vector<std::string> defaults, Step step) {
  ExprPool& p = n.pool;
  bool lstm = gates == 4, batch_first = n.integer_or("layout", 0) != 0;
  n.require(n[0].rank() == 3 && n[1].rank() == 3 && n[2].rank() == 3, "x, w and r must have rank 3");
  auto steps_first = [&](Val v) { return batch_first ? transpose(v, {1, 0, 2}) : v; };
  Val x = steps_first(n[0]);
  auto steps = p.as_int(x.dim(0)), directions = p.as_int(n[1].dim(0));
  if (!steps) n.unsupported("a symbolic number of steps", "give the sequence length: --dim");
  if (*steps > kMaxSteps) n.unsupported(std::to_string(*steps) + " steps", "at most " + std::to_string(kMaxSteps) + " are supported");
  std::string direction = n.text_or("direction", "forward");
  n.require(directions == (direction == "bidirectional" ? 2 : 1), "w does not fit the direction");
  n.require(*steps > 0, "a sequence of no steps");
  Expr hidden = n[2].dim(2), batch = x.dim(1);
  std::vector<std::string> names = n.texts("activations");
  if (names.empty())
    for (int64_t d = 0; d < *directions; ++d) names.insert(names.end(), defaults.begin(), defaults.end());
  if (names.size() < defaults.size() * static_cast<size_t>(*directions)) n.malformed("wrong number of activations");
  std::vector<double> alphas = n.reals("activation_alpha"), betas = n.reals("activation_beta");
  Val lengths = n.opt(4) ? reshape(cast(n[4], DType::I64), {batch, p.index(1)}) : Val{};

  std::vector<Vals> y(static_cast<size_t>(*steps));
  Vals last_h, last_c;
  for (int64_t d = 0; d < *directions; ++d) {
    Cell cell{.w = item(n[1], d), .r = item(n[2], d), .clip = n.real_or("clip", 0),
              .linear_before_reset = n.flag("linear_before_reset"), .input_forget = n.flag("input_forget"), .hidden = hidden};
    Expr width = p.mul(hidden, p.index(gates));
    Val zero = x.like(0), bias = n.opt(3) ? item(n[3], d) : broadcast(zero, {p.mul(width, p.index(2))});
    cell.wb = slice(bias, 0, p.index(0), width);
    cell.rb = slice(bias, 0, width, width);
    if (lstm && n.opt(7)) cell.peepholes = item(n[7], d);
    for (size_t k = 0; k < defaults.size(); ++k) {
      size_t at = static_cast<size_t>(d) * defaults.size() + k;
      auto given = [&](const std::vector<double>& list) { return at < list.size() ? std::optional(list[at]) : std::nullopt; };
      cell.f.push_back(activation(n, names[at], given(alphas), given(betas)));
    }
    Val nothing = broadcast(zero, {batch, hidden});
    auto start = [&](Val v) { return v ? item(batch_first ? transpose(v, {1, 0, 2}) : v, d) : nothing; };
    State s{start(n.opt(5)), lstm ? start(n.opt(6)) : Val{}};
    bool backwards = direction == "reverse" || d == 1;
    for (int64_t k = 0; k < *steps; ++k) {
      int64_t t = backwards ? *steps - 1 - k : k;
      State next = step(cell, product_with(item(x, t), cell.w) + cell.wb, s);
      Val out = next.h;
      if (lengths) {  // beyond its end a sequence keeps its state, and y is zero
        Val runs = n.b.integer(t) < lengths;
        out = select(runs, next.h, next.h.like(0));
        next.h = select(runs, next.h, s.h);
        if (lstm) next.c = select(runs, next.c, s.c);
      }
      y[static_cast<size_t>(t)].push_back(unsqueeze(out, 0));
      s = next;
    }
    last_h.push_back(unsqueeze(s.h, 0));
    if (lstm) last_c.push_back(unsqueeze(s.c, 0));
  }
  Vals all;
  for (const Vals& step_of : y) all.push_back(unsqueeze(concat(step_of, 0), 0));
  Val whole = concat(all, 0), h = concat(last_h, 0);  // [T, D, B, H], [D, B, H]
  if (batch_first) whole = transpose(whole, {2, 0, 1, 3}), h = transpose(h, {1, 0, 2});
  Vals outputs = {whole, h};
  if (lstm) outputs.push_back(batch_first ? transpose(concat(last_c, 0), {1, 0, 2}) : concat(last_c, 0));
  return outputs;
}

Vals rnn(OnnxNode& n) { return recurrent(n, 1, {"Tanh"}, rnn_step); }
Vals gru(OnnxNode& n) { return recurrent(n, 3, {"Sigmoid", "Tanh"}, gru_step); }
Vals lstm(OnnxNode& n) { return recurrent(n, 4, {"Sigmoid", "Tanh", "Tanh"}, lstm_step); }

constexpr ImportRow kRows[] = {{"GRU", gru}, {"LSTM", lstm}, {"RNN", rnn}};

}  // namespace

std::span<const ImportRow> recurrent_imports() { return kRows; }

}  // namespace tenon::frontend
