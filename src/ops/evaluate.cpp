// The reference evaluator: nodes in order, float64, tensors dropped after their last reader.
#include <algorithm>

#include "tenon/ops.h"

namespace tenon {

namespace {

class Evaluator {
 public:
  Evaluator(const Graph& graph, const EvalOptions& options)
      : graph_(graph),
        options_(options),
        pool_(graph.pool),
        tensors_(graph.values.size()),
        last_use_(graph.values.size(), -1) {
    for (size_t n = 0; n < graph.nodes.size(); ++n)
      for (ValueId v : graph.nodes[n].inputs)
        if (v.valid()) last_use_[static_cast<size_t>(v.index)] = static_cast<int>(n);
    for (ValueId v : graph.outputs)
      last_use_[static_cast<size_t>(v.index)] = static_cast<int>(graph.nodes.size());
  }

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs) {
    TENON_DO(bind(inputs));
    for (size_t k = 0; k < inputs.size(); ++k) tensor(graph_.inputs[k]) = inputs[k];
    for (size_t n = 0; n < graph_.nodes.size(); ++n) TENON_DO(step(static_cast<int>(n)));
    std::vector<Tensor> outputs;
    for (ValueId v : graph_.outputs) outputs.push_back(value(v));
    return outputs;
  }

 private:
  std::optional<Tensor>& tensor(ValueId v) { return tensors_[static_cast<size_t>(v.index)]; }

  const Tensor& value(ValueId v) {
    std::optional<Tensor>& t = tensor(v);
    if (!t) t = tensor_of(*graph_.constant(v));
    return *t;
  }

  // Symbols by name from the options, then from input dims with one unknown each, as often as that helps.
  Result<void> bind(std::span<const Tensor> inputs) {
    TENON_CHECK(inputs.size() == graph_.inputs.size(), "one tensor per graph input");
    for (Expr s : free_symbols())
      if (auto it = options_.dims.find(pool_.var(s).name); it != options_.dims.end())
        bindings_[s] = it->second;
    for (const DataSymbol& d : graph_.data_symbols) {
      const Tensor& source = inputs[static_cast<size_t>(d.input)];
      if (static_cast<size_t>(d.element) < source.i.size())
        bindings_[d.symbol] = std::clamp(source.i[static_cast<size_t>(d.element)], -kDataLimit, kDataLimit);
    }
    for (size_t before = ~size_t{0}; before != bindings_.size();) {
      before = bindings_.size();
      TENON_DO(each_known_dim(inputs, [&](Expr dim, int64_t extent) { return solve(dim, extent); }));
    }
    TENON_DO(each_known_dim(
        inputs, [&](Expr dim, int64_t extent) { return pool_.evaluate(dim, bindings_) == extent; }));
    for (auto [symbol, extent] : bindings_)
      if (extent < pool_.var(symbol).lo || extent > pool_.var(symbol).hi)
        return fail(Code::E0502,
                    "dimension " + pool_.var(symbol).name + " cannot be " + std::to_string(extent));
    for (const DataSymbol& d : graph_.data_symbols)
      if (auto it = graph_.replaced.find(d.symbol); it != graph_.replaced.end())
        if (pool_.evaluate(it->second, bindings_) != pool_.evaluate(d.symbol, bindings_))
          return fail(Code::E0502, "the model needs " + pool_.text(d.symbol) + " to be " + pool_.text(it->second));
    for (auto [a, b] : graph_.assumed_equal)
      if (pool_.evaluate(a, bindings_) != pool_.evaluate(b, bindings_))
        return fail(Code::E0502,
                    "the model needs " + pool_.text(a) + " and " + pool_.text(b) + " to be equal");
    return {};
  }

  std::vector<Expr> free_symbols() const {
    std::vector<Expr> symbols;
    for (const Value& v : graph_.values)
      for (Expr d : v.dims) pool_.collect_vars(d, symbols);
    for (const Node& n : graph_.nodes)
      for (const auto& [key, value] : n.attrs)
        if (auto* dims = std::get_if<attr::Dims>(&value))
          for (Expr d : *dims) pool_.collect_vars(d, symbols);
    return symbols;
  }

  // Dims whose extent the caller gives, of inputs and of symbols that were replaced. Stops with E0502
  // where `visit` says that an extent does not fit.
  template <class F>
  Result<void> each_known_dim(std::span<const Tensor> inputs, F&& visit) {
    for (auto [symbol, expression] : graph_.replaced) {
      if (pool_.op(symbol) != SOp::Var) continue;
      auto it = options_.dims.find(pool_.var(symbol).name);
      if (it != options_.dims.end() && !visit(expression, it->second))
        return fail(Code::E0502, "dimension " + it->first + " is " + pool_.text(expression) +
                                     ", which cannot be " + std::to_string(it->second));
    }
    for (size_t k = 0; k < inputs.size(); ++k) {
      const Value& v = graph_.values[graph_.inputs[k]];
      bool fits = inputs[k].type == v.type && inputs[k].dims.size() == v.dims.size();
      for (size_t d = 0; fits && d < v.dims.size(); ++d) fits = visit(v.dims[d], inputs[k].dims[d]);
      if (!fits)
        return fail(Code::E0502, "input " + v.name + " does not fit " + type_text(graph_, graph_.inputs[k]));
    }
    return {};
  }

  bool solve(Expr dim, int64_t extent) {
    std::vector<Expr> symbols;
    pool_.collect_vars(dim, symbols);
    std::erase_if(symbols, [&](Expr s) { return bindings_.contains(s); });
    if (symbols.size() != 1) return true;
    auto split = pool_.affine(dim, symbols[0]);
    auto factor = split ? pool_.evaluate(split->first, bindings_) : std::nullopt;
    auto rest = split ? pool_.evaluate(split->second, bindings_) : std::nullopt;
    if (!factor || !rest || *factor == 0) return true;
    if ((extent - *rest) % *factor != 0) return false;
    bindings_[symbols[0]] = (extent - *rest) / *factor;
    return true;
  }

  Result<std::vector<int64_t>> extents(const std::vector<Expr>& dims) {
    std::vector<int64_t> result;
    for (Expr d : dims) {
      auto extent = pool_.evaluate(d, bindings_);
      if (!extent) return fail(Code::E0602, "dimension " + pool_.text(d) + " has no value");
      result.push_back(*extent);
    }
    return result;
  }

  Result<void> step(int n) {
    const Node& node = graph_.nodes[static_cast<size_t>(n)];
    std::vector<const Tensor*> inputs;
    for (ValueId v : node.inputs) inputs.push_back(v.valid() ? &value(v) : nullptr);
    std::vector<ValueType> types;
    std::vector<std::vector<int64_t>> dims;
    for (ValueId v : node.outputs) {
      types.push_back({graph_.values[v].type, graph_.values[v].dims});
      TENON_TRY(std::vector<int64_t> resolved, extents(graph_.values[v].dims));
      dims.push_back(std::move(resolved));
    }
    for (const auto& [key, attribute] : node.attrs)
      if (auto* list = std::get_if<attr::Dims>(&attribute)) TENON_DO(extents(*list));
    auto attribute_dims = [&](Attr key) { return *extents(std::get<attr::Dims>(*node.attrs.find(key))); };
    std::vector<Tensor> rounded;
    if (options_.rounded != DType::F32 && definition(node.op).kind == OpKind::Contraction && types[0].type == DType::F32) round_operands(inputs, rounded);
    const EvalInput input{node, inputs, types, dims, attribute_dims};
    std::vector<Tensor> results = definition(node.op).eval(input);
    TENON_CHECK(results.size() == node.outputs.size(), "an evaluation made the wrong number of outputs");
    for (size_t k = 0; k < results.size(); ++k)
      TENON_CHECK(results[k].dims == dims[k] && results[k].type == types[k].type,
                  "an evaluation made the wrong type");
    if (options_.observe) options_.observe(input, results);
    for (size_t k = 0; k < results.size(); ++k) tensor(node.outputs[k]) = std::move(results[k]);
    for (ValueId v : node.inputs) release(v, n);
    for (ValueId v : node.outputs) release(v, n);
    return {};
  }

  void round_operands(std::vector<const Tensor*>& inputs, std::vector<Tensor>& rounded) const {
    rounded.reserve(inputs.size());
    for (const Tensor*& x : inputs) {
      if (!x) continue;
      rounded.push_back(*x);
      rounded.back().type = options_.rounded;
      round_elements(rounded.back());
      rounded.back().type = DType::F32;
      x = &rounded.back();
    }
  }

  void release(ValueId v, int n) {
    if (v.valid() && last_use_[static_cast<size_t>(v.index)] <= n) tensor(v).reset();
  }

  const Graph& graph_;
  const EvalOptions& options_;
  ExprPool pool_;  // a copy: solving makes expressions
  ExprPool::Bindings bindings_;
  std::vector<std::optional<Tensor>> tensors_;
  std::vector<int> last_use_;  // index of the last node that reads the value; -1: none
};

}  // namespace

Result<std::vector<Tensor>> evaluate(const Graph& graph, std::span<const Tensor> inputs,
                                     const EvalOptions& options) {
  return Evaluator(graph, options).run(inputs);
}

}  // namespace tenon
