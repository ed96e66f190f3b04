// The meaning of host programs.
#include "loops_eval.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

class HostRun : Interpreter {
 public:
  HostRun(const Module& module, const RoutineModel& routines)
      : Interpreter(module.pool), m_(module), routines_(routines) {}

  Result<std::vector<Tensor>> run(std::span<const Tensor> inputs, std::span<const int64_t> symbols,
                                  const std::function<Tensor(ConstantId)>& constant) {
    if (symbols.size() != m_.symbols.size()) return fail(Code::E0502, "wrong number of symbols");
    if (inputs.size() != m_.inputs.size()) return fail(Code::E0502, "wrong number of inputs");
    for (size_t i = 0; i < symbols.size(); ++i) set(m_.symbols[i], {.i = symbols[i]});
    if (m_.requirement.valid() && value(m_.requirement).i == 0)
      return fail(Code::E0502, "the dims do not satisfy " + m_.pool.text(m_.requirement));
    storage_.reserve(m_.buffers.size());
    for (const HostBuffer& b : m_.buffers) {
      int64_t elements = b.whole.valid() ? 0 : value(b.bytes).i * 8 / bits(b.type);
      auto index = static_cast<size_t>(b.index);
      Tensor made = b.kind == HostBufferKind::Input      ? flat(inputs[index])
                    : b.kind == HostBufferKind::Constant ? pack(m_.constants[index], constant(m_.constants[index].source))
                                                         : poisoned(b.type, elements);
      // Sub-byte elements: the last byte may be partly used.
      if (made.type != b.type || (!b.whole.valid() && byte_size(b.type, made.count()) < value(b.bytes).i))
        return fail(Code::E0502, "buffer " + b.name + " is given " + std::to_string(made.count()) + " elements of " +
                                     std::to_string(elements));
      storage_.push_back(std::move(made));
      memory_.push_back({&storage_.back(), storage_.back().count(), b.name});
    }
    TENON_DO(block(m_.host));
    return outputs();
  }

 private:
  static Tensor flat(Tensor t) {
    t.dims = {t.count()};
    return t;
  }
  std::unexpected<Diags> failure() const { return fail(Code::E0404, "host program: " + error_); }

  Result<void> block(const std::vector<HostStmt>& body) {
    for (const HostStmt& s : body) {
      TENON_DO(statement(s));
      if (failed()) return failure();
    }
    return {};
  }

  Result<void> statement(const HostStmt& s) {
    switch (s.kind) {
      case HostStmt::Kind::Call: return call(s);
      case HostStmt::Kind::Copy: return copy(s.buffers[0], s.buffers[1]);
      case HostStmt::Kind::Let: set(s.var, value(s.value)); return {};
      case HostStmt::Kind::If: return block(value(s.value).i ? s.body : s.otherwise);
      case HostStmt::Kind::While:
        while (value(s.value).i && !failed()) TENON_DO(block(s.body));
        return {};
    }
    return {};
  }

  Result<void> call(const HostStmt& s) {
    std::vector<Tensor*> params;
    std::vector<int64_t> symbols;
    std::vector<int64_t> first;
    for (BufferId b : s.buffers) {
      const HostBuffer& buffer = m_.buffers[b];
      params.push_back(memory_[static_cast<size_t>((buffer.whole.valid() ? buffer.whole : b).index)].tensor);
      first.push_back(buffer.whole.valid() ? value(buffer.offset).i * 8 / bits(buffer.type) : 0);
    }
    for (Expr e : s.symbols) symbols.push_back(value(e).i);
    return evaluate(m_.kernels[s.kernel], params, symbols, routines_, first);
  }

  Result<void> copy(BufferId to, BufferId from) {
    Tensor& target = storage_[static_cast<size_t>(to.index)];
    const Tensor& source = storage_[static_cast<size_t>(from.index)];
    if (source.count() < target.count())
      return fail(Code::E0404, "host program: copy to " + m_.buffers[to].name + " from the smaller " + m_.buffers[from].name);
    std::copy_n(source.f.begin(), target.f.size(), target.f.begin());
    std::copy_n(source.i.begin(), target.i.size(), target.i.begin());
    return {};
  }

  Result<std::vector<Tensor>> outputs() {
    std::vector<Tensor> results(m_.outputs.size());
    for (size_t b = 0; b < m_.buffers.size(); ++b) {
      const HostBuffer& buffer = m_.buffers[BufferId(b)];
      if (buffer.kind != HostBufferKind::Output) continue;
      auto index = static_cast<size_t>(buffer.index);
      std::vector<int64_t> dims;
      for (Expr d : m_.outputs[index].dims) dims.push_back(value(d).i);
      Tensor result = Tensor::zeros(buffer.type, std::move(dims));
      if (result.count() > storage_[b].count()) return fail(Code::E0404, "output " + buffer.name + " is too small");
      std::copy_n(storage_[b].f.begin(), result.f.size(), result.f.begin());
      std::copy_n(storage_[b].i.begin(), result.i.size(), result.i.begin());
      results[index] = std::move(result);
    }
    return results;
  }

  const Module& m_;
  const RoutineModel& routines_;
  std::vector<Tensor> storage_;
};

}  // namespace

Tensor pack(const PackedConstant& packed, Tensor constant) {
  if (packed.winograd > 0) constant = transform_weights(constant, packed.winograd);
  constant.dims = packed.dims;
  return pack_rounded(constant, packed.layout, packed.rounded.value_or(constant.type), packed.parts);
}

Result<std::vector<Tensor>> evaluate_host(const Module& module, std::span<const Tensor> inputs,
                                          std::span<const int64_t> symbols,
                                          const std::function<Tensor(ConstantId)>& constant,
                                          const RoutineModel& routines) {
  return HostRun(module, routines).run(inputs, symbols, constant);
}

}  // namespace tenon
