// Plan -> Module: the kernels of every region and variant, and the host program that calls them. Values
// become host buffers; a view shares its source's buffer, a part has one in its whole's; constants are listed in the layout in which the
// kernels read them, each (constant, layout) once.
#include <algorithm>
#include <map>

#include "tenon/passes.h"
#include "tenon/points.h"
#include "tenon/provider.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

constexpr int64_t kAlign = 64;

// A C identifier.
std::string identifier(const std::string& name) {
  std::string out;
  for (char c : name) out += std::isalnum(static_cast<unsigned char>(c)) ? c : '_';
  while (out.size() > 1 && out[0] == '_') out.erase(0, 1);
  if (out.empty() || std::isdigit(static_cast<unsigned char>(out[0]))) out.insert(0, "k_");
  return out.substr(0, 80);
}

class ModuleBuilder {
 public:
  ModuleBuilder(Graph graph, const Plan& plan, const Target& target)
      : graph_(std::move(graph)), plan_(plan), target_(target), importer_{graph_.pool} {}

  Result<Module> build() {
    m_.name = identifier(graph_.name);
    graph_ = laid_out(std::move(graph_), plan_);
    for (const auto& [value, of] : plan_.views) view_of_[value] = of;
    for (const Part& part : plan_.parts) whole_of_[part.value] = part.whole;
    add_ports();
    for (const DataSymbol& d : graph_.data_symbols) add_data_symbol(d);
    for (auto [a, b] : graph_.assumed_equal)
      m_.requirement = m_.pool.all_of(m_.requirement, m_.pool.binary(SOp::Eq, host(a), host(b)));
    for (const RegionPlan& region : plan_.regions) TENON_DO(add_region(region));
    copy_aliased_outputs();
    return std::move(m_);
  }

 private:
  Expr host(Expr dim) { return m_.pool.import(importer_, dim); }

  Port port(ValueId v) {
    Port p{graph_.values[v].name, graph_.values[v].type, {}};
    for (Expr d : graph_.values[v].dims) p.dims.push_back(host(d));
    return p;
  }

  Expr bytes(ValueId v) {
    const Value& value = graph_.values[v];
    Expr size = physical_size(graph_.pool, value.layout, value.dims);
    return storage_bytes(host(size), value.type);
  }
  Expr storage_bytes(Expr elements, DType type) {
    return m_.pool.ceildiv(m_.pool.mul(elements, m_.pool.index(bits(type))), m_.pool.index(8));
  }

  void add_ports() {
    for (size_t i = 0; i < graph_.inputs.size(); ++i) {
      ValueId v = graph_.inputs[i];
      m_.inputs.push_back(port(v));
      for (Expr d : m_.inputs.back().dims) collect_symbols(d);
      for (const State& s : graph_.states)
        if (s.input == static_cast<int>(i)) m_.inputs.back().dims[static_cast<size_t>(s.axis)] = host(s.capacity);
      buffers_[v] = m_.buffers.push({graph_.values[v].name, HostBufferKind::Input, graph_.values[v].type, bytes(v), static_cast<int>(i)});
      for (Expr d : m_.inputs.back().dims) collect_symbols(d);
    }
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      ValueId v = graph_.outputs[i];
      if (auto s = std::ranges::find(graph_.states, static_cast<int>(i), &State::output); s != graph_.states.end()) {
        add_state(*s, v);
        continue;
      }
      m_.outputs.push_back(port(v));
      for (Expr d : m_.outputs.back().dims) collect_symbols(d);
      // The value itself, or what it is a view of, is made in the caller's memory; the first name wins.
      ValueId source = root(v);
      BufferId out = m_.buffers.push({graph_.values[v].name, HostBufferKind::Output, graph_.values[v].type, bytes(v), static_cast<int>(m_.outputs.size()) - 1});
      outputs_.push_back(out);
      if (!buffers_.contains(source) && !graph_.constant(source)) buffers_[source] = out;
    }
  }

  // The output is made in the input's memory.
  void add_state(const State& s, ValueId output) {
    const ValueId input = graph_.inputs[static_cast<size_t>(s.input)];
    const auto axis = static_cast<size_t>(s.axis);
    m_.states.push_back({.input = s.input, .output = s.output, .axis = s.axis, .name = graph_.values[output].name,
                         .past = host(graph_.values[input].dims[axis]), .present = host(graph_.values[output].dims[axis]),
                         .capacity = host(s.capacity)});
    outputs_.push_back(buffers_[output] = buffers_[input]);
  }

  // The caller gives its value with the dims, so that the workspace is known; the runtime compares. What
  // inference put in its place must be equal.
  void add_data_symbol(const DataSymbol& d) {
    Expr symbol = host(d.symbol);
    collect_symbols(symbol);
    m_.data_symbols.push_back({symbol, d.input, d.element});
    if (auto it = graph_.replaced.find(d.symbol); it != graph_.replaced.end())
      m_.requirement = m_.pool.all_of(m_.requirement, m_.pool.binary(SOp::Eq, symbol, host(it->second)));
  }

  void collect_symbols(Expr e) {
    std::vector<Expr> vars;
    m_.pool.collect_vars(e, vars);
    for (Expr v : vars)
      if (std::ranges::find(m_.symbols, v) == m_.symbols.end()) m_.symbols.push_back(v);
  }

  ValueId root(ValueId v) const {
    for (auto it = view_of_.find(v); it != view_of_.end(); it = view_of_.find(v)) v = it->second;
    return v;
  }

  BufferId buffer(const KernelParam& p) {
    if (graph_.constant(root(p.value))) return constant(root(p.value), p);
    return buffer(p.value);
  }

  BufferId buffer(ValueId v) {
    ValueId source = root(v);
    if (graph_.constant(source)) return constant(source, {});
    if (auto whole = whole_of_.find(source); whole != whole_of_.end() && !buffers_.contains(source)) add_part(source, whole->second);
    auto [it, fresh] = buffers_.try_emplace(source);
    if (fresh)
      it->second = m_.buffers.push({graph_.values[source].name, HostBufferKind::Workspace, graph_.values[source].type, bytes(source)});
    return it->second;
  }

  void add_part(ValueId v, ValueId whole) {
    BufferId in = buffer(whole);
    if (m_.buffers[in].whole.valid()) in = m_.buffers[in].whole;
    const Value& value = graph_.values[v];
    const Expr before = storage_bytes(host(elements_before(graph_.pool, value.layout, value.dims)), value.type);
    buffers_[v] = m_.buffers.push({.name = value.name, .kind = HostBufferKind::Part, .type = value.type,
                                   .bytes = m_.pool.sub(m_.buffers[in].bytes, before), .offset = before, .whole = in});
  }

  // The value in whose memory it lies.
  ValueId memory(ValueId v) const {
    v = root(v);
    if (auto it = whole_of_.find(v); it != whole_of_.end()) return memory(it->second);
    for (const State& s : graph_.states)
      if (graph_.outputs[static_cast<size_t>(s.output)] == v) return graph_.inputs[static_cast<size_t>(s.input)];
    return v;
  }

  // As a parameter says that it is read.
  BufferId constant(ValueId v, const KernelParam& as) {
    const Value& value = graph_.values[v];
    std::string form = print(as.packed);
    if (as.rounded) form += ' ' + std::string(spelling(*as.rounded)) + std::to_string(as.parts);
    if (as.winograd > 0) form += " winograd " + std::to_string(as.winograd);
    auto [it, fresh] = constants_.try_emplace({value.constant, form});
    if (!fresh) return it->second;
    const Constant& c = graph_.constants[value.constant];
    PackedConstant packed{value.name, value.constant, c.dims, as.packed};
    std::vector<Expr> dims = value.dims;
    if (as.winograd > 0) {
      const int64_t points = winograd_transform(as.winograd).points;
      packed.dims = {c.dims[0], c.dims[1], points * points};
      dims = {dims[0], dims[1], graph_.pool.index(points * points)};
    }
    Expr elements = physical_size(graph_.pool, as.packed, dims);
    packed.rounded = as.rounded;
    packed.parts = as.parts;
    packed.winograd = as.winograd;
    packed.bytes = byte_size(as.rounded.value_or(c.type), as.parts * *graph_.pool.as_int(elements));
    packed.offset = weights_;
    weights_ += (packed.bytes + 2 * kAlign - 1) / kAlign * kAlign;  // slack that vector loads may touch
    it->second = m_.buffers.push({value.name, HostBufferKind::Constant, as.rounded.value_or(c.type), m_.pool.index(packed.bytes), static_cast<int>(m_.constants.size())});
    m_.constants.push_back(std::move(packed));
    return it->second;
  }

  // A region that a library computes is a kernel of one call. Buffers are as the plan lays them out, constants row-major.
  Result<void> add_library_call(const RegionPlan& plan) {
    TENON_TRY(const ProviderCall call, onednn_call(graph_, plan));
    Kernel kernel{.name = unique(identifier(plan.name)), .pool = {}, .buffers = {}, .symbols = {}, .body = {}, .origins = {}};
    Stmt run{.kind = StmtKind::Call, .routine = std::string(kOneDnn)};
    HostStmt host{.kind = HostStmt::Kind::Call};
    for (ValueId v : call.operands) {
      const Value& value = graph_.values[v];
      const int64_t elements = *graph_.pool.as_int(physical_size(graph_.pool, value.layout, value.dims));
      run.buffers.push_back(kernel.buffers.push({value.name, value.type, kernel.pool.index(elements)}));
      host.buffers.push_back(buffer(v));
    }
    kernel.buffers[run.buffers.back()].written = true;
    for (int64_t word : call.words) run.scalars.push_back(kernel.pool.index(word));
    kernel.body.push_back(std::move(run));
    for (int n : plan.nodes) {
      const NodeRef& origin = graph_.nodes[static_cast<size_t>(n)].origin;
      if (std::ranges::find(kernel.origins, origin) == kernel.origins.end()) kernel.origins.push_back(origin);
    }
    host.kernel = m_.kernels.push(std::move(kernel));
    m_.host.push_back(std::move(host));
    return {};
  }

  Result<void> add_region(const RegionPlan& plan) {
    if (plan.provider == Provider::OneDnn) return add_library_call(plan);
    TENON_TRY(const Region region, build_region(graph_, plan));
    std::vector<HostStmt> otherwise;
    // From the last variant, which has no predicate, to the first.
    for (size_t i = plan.schedule.variants.size(); i-- > 0;) {
      const Variant& variant = plan.schedule.variants[i];
      TENON_TRY(std::vector<HostStmt> calls, add_variant(plan, region, variant));
      if (variant.predicate.empty()) {
        otherwise = std::move(calls);
        continue;
      }
      TENON_TRY(Expr condition, parse_expr(m_.pool, variant.predicate));
      HostStmt choose{.kind = HostStmt::Kind::If, .value = condition};
      choose.body = std::move(calls);
      choose.otherwise = std::move(otherwise);
      otherwise.clear();
      otherwise.push_back(std::move(choose));
    }
    for (HostStmt& s : otherwise) m_.host.push_back(std::move(s));
    return {};
  }

  // The graph with these dims as numbers: kernels of a variant for one value of a dim are made for it.
  Result<const Graph*> bound(const DimValues& values) {
    const auto known = bound_.find(values);
    if (known != bound_.end()) return &known->second;
    TENON_TRY(Graph graph, bind_dims(graph_, values));
    return &bound_.emplace(values, std::move(graph)).first->second;
  }

  Result<std::vector<HostStmt>> add_variant(const RegionPlan& plan, const Region& region, const Variant& variant) {
    const DimValues fixed = equalities(variant.predicate);
    if (fixed.empty()) return add_kernels(region, graph_, variant, plan.name);
    TENON_TRY(const Graph* graph, bound(fixed));
    TENON_TRY(const Region own, build_region(*graph, plan));
    return add_kernels(own, *graph, variant, plan.name);
  }

  Result<std::vector<HostStmt>> add_kernels(const Region& region, const Graph& graph, const Variant& variant, const std::string& name) {
    const MemoryOf memory_of = [this](ValueId v) { return memory(v); };
    TENON_TRY(std::vector<BuiltKernel> built, lower_region(region, graph, variant, target_, memory_of));
    std::map<int, BufferId> temporaries;
    std::vector<HostStmt> calls;
    for (BuiltKernel& b : built) {
      HostStmt call{.kind = HostStmt::Kind::Call, .region = name};
      for (size_t i = 0; i < b.params.size(); ++i) {
        const KernelParam& p = b.params[i];
        if (p.temporary < 0) {
          call.buffers.push_back(buffer(p));
          continue;
        }
        auto [it, fresh] = temporaries.try_emplace(p.temporary);
        if (fresh) {
          const LoopBuffer& lb = b.kernel.buffers[BufferId(i)];
          ExprPool::Importer importer{b.kernel.pool};
          Expr size = storage_bytes(m_.pool.import(importer, lb.size), lb.type);
          it->second = m_.buffers.push({lb.name, HostBufferKind::Workspace, lb.type, size});
        }
        call.buffers.push_back(it->second);
      }
      ExprPool::Importer importer{b.kernel.pool};
      for (Expr s : b.kernel.symbols) call.symbols.push_back(m_.pool.import(importer, s));
      b.kernel.name = unique(identifier(b.kernel.name));
      call.kernel = m_.kernels.push(std::move(b.kernel));
      calls.push_back(std::move(call));
    }
    return calls;
  }

  std::string unique(std::string name) {
    int& uses = names_[name];
    return uses++ ? name + "_v" + std::to_string(uses) : name;
  }

  // An output that is an input, a constant, another output, or a view of one.
  void copy_aliased_outputs() {
    for (size_t i = 0; i < graph_.outputs.size(); ++i) {
      BufferId from = buffer(graph_.outputs[i]);
      if (from != outputs_[i]) m_.host.push_back({.kind = HostStmt::Kind::Copy, .buffers = {outputs_[i], from}});
    }
  }

  Graph graph_;
  const Plan& plan_;
  const Target& target_;
  ExprPool::Importer importer_;
  Module m_;
  std::map<DimValues, Graph> bound_;
  std::map<ValueId, ValueId> view_of_, whole_of_;
  std::map<ValueId, BufferId> buffers_;
  std::map<std::pair<ConstantId, std::string>, BufferId> constants_;
  std::vector<BufferId> outputs_;
  std::map<std::string, int> names_;
  int64_t weights_ = 0;
};

}  // namespace

Result<Module> lower_graph(const Graph& graph, const Plan& plan, const Target& target) {
  return ModuleBuilder(graph, plan, target).build();
}

Result<Module> build_module(const Graph& graph, const Plan& plan, const Target& target, const PassOptions& options) {
  TENON_TRY(Module module, lower_graph(graph, plan, target));
  if (options.after_loops) options.after_loops("lower", module);
  return run_loop_passes(std::move(module), target, loop_passes(), options);
}

}  // namespace tenon
