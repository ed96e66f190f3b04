// The artifact runs once, under watch: before each call the buffers that it reads are overwritten with the
// reference's values, after it those that it wrote are compared. So every kernel is the artifact's own, with its
// own weights, in its own place in memory, and no error of one region reaches the next.
#include "verify_layers.h"

#include <algorithm>
#include <cstring>

#include "compare.h"

namespace tenon {

namespace {

Tensor packed(Tensor tensor, const Layout& layout) { return layout.row_major() ? std::move(tensor) : pack(tensor, layout); }

Tensor as_tensor(std::vector<double> elements, const std::vector<int64_t>& dims) {
  return {.type = DType::F64, .dims = dims, .f = std::move(elements)};
}

class Watch {
 public:
  Watch(const Lowered& model, const Reference& reference, const Dims& dims)
      : model_(model), module_(model.module), reference_(reference), graph_(laid_out(model.graph, model.plan)) {
    for (Expr symbol : module_.symbols) bindings_[symbol] = dims.at(module_.pool.var(symbol).name);
    std::map<std::string, ValueId> by_name;
    for (size_t v = 0; v < model.graph.values.size(); ++v) by_name[model.graph.values[ValueId(v)].name] = ValueId(v);
    std::map<ValueId, ValueId> view_of(model.plan.views.begin(), model.plan.views.end());
    for (const HostBuffer& buffer : module_.buffers) {
      auto it = by_name.find(buffer.name);
      ValueId value = it == by_name.end() ? ValueId{} : it->second;
      for (auto of = view_of.find(value); of != view_of.end(); of = view_of.find(value)) value = of->second;
      values_.push_back(reference.contains(value) ? value : ValueId{});
    }
    list_calls(module_.host);
    assign_regions();
  }

  void operator()(const CallMemory& memory, uint32_t number, bool end) {
    if (number >= calls_.size()) return;
    const HostStmt& call = *calls_[number];
    const Kernel& kernel = module_.kernels[call.kernel];
    for (size_t k = 0; k < call.buffers.size(); ++k) {
      const BufferId buffer = call.buffers[k];
      const ValueId value = values_[static_cast<size_t>(buffer.index)];
      if (!value.valid()) continue;
      const bool written = kernel.buffers[BufferId(k)].written;
      if (!end && !written && region_of(value) != regions_[number]) feed(memory, buffer, value);
      if (!end && written) feed_parts(memory, value);
      if (end && written) judge(memory, buffer, value);
    }
  }

  std::vector<OutputError> take() const {
    std::vector<OutputError> errors;
    for (const RegionPlan& region : model_.plan.regions)
      for (auto [value, placement] : region.placed)
        if (auto it = errors_.find(value); it != errors_.end()) errors.push_back(it->second);
    return errors;
  }

 private:
  void list_calls(const std::vector<HostStmt>& body) {  // as the artifact's events count them
    for (const HostStmt& s : body) {
      if (s.kind == HostStmt::Kind::Call) calls_.push_back(&s);
      list_calls(s.body);
      list_calls(s.otherwise);
    }
  }

  int region_of(ValueId value) const {
    for (size_t r = 0; r < model_.plan.regions.size(); ++r)
      for (auto [made, placement] : model_.plan.regions[r].placed)
        if (made == value) return static_cast<int>(r);
    return -1;
  }

  // A call that writes temporaries only belongs to the region of the next one that writes a value.
  void assign_regions() {
    regions_.assign(calls_.size(), -1);
    int region = -1;
    for (size_t c = calls_.size(); c-- > 0;) {
      const Kernel& kernel = module_.kernels[calls_[c]->kernel];
      for (size_t k = 0; k < calls_[c]->buffers.size(); ++k) {
        const ValueId value = values_[static_cast<size_t>(calls_[c]->buffers[k].index)];
        if (kernel.buffers[BufferId(k)].written && value.valid()) region = region_of(value);
      }
      regions_[c] = region;
    }
  }

  std::byte* address(const CallMemory& memory, BufferId id) const {
    const HostBuffer& buffer = module_.buffers[id];
    switch (buffer.kind) {
      case HostBufferKind::Output: return memory.outputs[static_cast<size_t>(buffer.index)];
      case HostBufferKind::Workspace: return memory.workspace + *module_.pool.evaluate(buffer.offset, bindings_);
      case HostBufferKind::Part: {
        std::byte* whole = address(memory, buffer.whole);
        return whole ? whole + *module_.pool.evaluate(buffer.offset, bindings_) : nullptr;
      }
      default: return nullptr;
    }
  }

  // As it is seen from where the value begins.
  Layout layout(ValueId value) const { return from_its_begin(graph_.values[value].layout); }

  // What a call does not write of a value has been written as parts of it.
  void feed_parts(const CallMemory& memory, ValueId whole) {
    for (const Part& part : model_.plan.parts)
      if (part.whole == whole)
        for (size_t b = 0; b < values_.size(); ++b)
          if (values_[b] == part.value) feed(memory, BufferId(b), part.value);
  }

  void feed(const CallMemory& memory, BufferId buffer, ValueId value) {
    std::byte* to = address(memory, buffer);
    if (!to) return;
    const Layout order = layout(value);
    const Tensor& fed = reference_.at(value).fed;
    const std::vector<std::byte> bytes = encode(packed(fed, order));
    if (order.within.empty()) {
      if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
      return;
    }
    const std::vector<bool> own = own_elements(order, fed.dims);
    const size_t each = bytes.size() / std::max<size_t>(1, own.size());
    for (size_t k = 0; k < own.size(); ++k)
      if (own[k]) std::memcpy(to + k * each, bytes.data() + k * each, each);
  }

  void judge(const CallMemory& memory, BufferId buffer, ValueId value) {
    const std::byte* from = address(memory, buffer);
    if (!from) return;
    const Judged& judged = reference_.at(value);
    const Layout order = layout(value);
    Tensor want = packed(as_tensor(numbers(judged.exact), judged.exact.dims), order);
    const Tensor allowed = packed(as_tensor(judged.bound, judged.exact.dims), order);
    const Value& made = model_.graph.values[value];
    std::vector<double> got = made_by(made.type, from, judged.exact.dims, order, want.f);
    OutputError error = compare(made.name, made.type, std::move(got), want.f, allowed.f);
    error.op = judged.op;
    error.c = judged.c;
    error.terms = judged.terms;
    if (!error.within && !order.row_major()) error.worst = logical(error.worst, judged.exact.dims, order);
    errors_[value] = std::move(error);
  }

  // The memory of a value; between what is its own lies what belongs to others or to none, and may be `want`.
  static std::vector<double> made_by(DType type, const std::byte* from, const std::vector<int64_t>& dims, const Layout& order, const std::vector<double>& want) {
    if (order.within.empty() && order.capacities.empty()) return numbers(decode(type, {static_cast<int64_t>(want.size())}, from, static_cast<size_t>(byte_size(type, static_cast<int64_t>(want.size())))));
    const std::vector<bool> own = own_elements(order, dims);
    std::vector<double> got = want;
    const auto each = static_cast<size_t>(byte_size(type, 1));
    for (size_t k = 0; k < own.size(); ++k)
      if (own[k]) got[k] = numbers(decode(type, {1}, from + k * each, each))[0];
    return got;
  }

  // The row-major index of the element that lies at `physical`.
  static int64_t logical(int64_t physical, const std::vector<int64_t>& dims, const Layout& order) {
    Tensor index = Tensor::zeros(DType::I64, dims);
    for (size_t k = 0; k < index.i.size(); ++k) index.i[k] = static_cast<int64_t>(k);
    return pack(index, order).i[static_cast<size_t>(physical)];
  }

  const Lowered& model_;
  const Module& module_;
  const Reference& reference_;
  const Graph graph_;
  ExprPool::Bindings bindings_;
  std::vector<ValueId> values_;         // per host buffer; invalid: not a value that a region makes
  std::vector<const HostStmt*> calls_;
  std::vector<int> regions_;            // per call
  std::map<ValueId, OutputError> errors_;
};

}  // namespace

Result<std::vector<OutputError>> verify_regions(Artifact& artifact, const Lowered& model, const Reference& reference,
                                                const std::vector<Tensor>& inputs, const Dims& dims) {
  Watch watch(model, reference, dims);
  TENON_TRY(const std::vector<Tensor> outputs,
            artifact.run_watched(inputs, dims, [&](const CallMemory& m, uint32_t call, bool end) { watch(m, call, end); }));
  return watch.take();
}

}  // namespace tenon
