// Where a model meets its user: opsets, inputs with their symbols and ranges, outputs.
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cctype>
#include <charconv>

#include "function.h"
#include "importer.h"

namespace tenon::frontend {

namespace {

std::optional<int64_t> as_number(std::string_view text) {
  int64_t number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc{} && end == text.data() + text.size() ? std::optional(number) : std::nullopt;
}

// A dim_param may be any text. `P + S` is arithmetic; `batch-size` is a name.
std::string identifier(const std::string& text) {
  std::string name;
  for (char c : text) name.push_back(std::isalnum(static_cast<unsigned char>(c)) ? c : '_');
  if (name.empty() || std::isdigit(static_cast<unsigned char>(name[0]))) name.insert(0, "_");
  return name;
}

bool is_arithmetic(const std::string& text) {
  return text.find_first_of("+*/") != std::string::npos || text.find(" - ") != std::string::npos;
}

}  // namespace

void Importer::read_opsets() {
  for (const auto& import : model_.proto->opset_import()) {
    std::string domain = import.domain() == "ai.onnx" ? "" : import.domain();
    if (domain.empty() && (import.version() < kOldestOpset || import.version() > newest_opset("")))
      refuse(Code::E0105, "the model imports opset " + std::to_string(import.version()) + "; supported are " +
                              std::to_string(kOldestOpset) + " to " + std::to_string(newest_opset("")));
    main_.opsets[domain] = static_cast<int>(import.version());
  }
}

// A dim as spelled in a model or on the command line.
Expr Importer::dim(const std::string& text) {
  if (auto number = as_number(text); number && *number >= 0) return graph_.pool.index(*number);
  if (is_arithmetic(text))
    if (auto parsed = parse_expr(graph_.pool, text)) return *parsed;
  return graph_.pool.symbol(identifier(text));
}

void Importer::declare_input(const onnx::ValueInfoProto& info) {
  const std::string quoted = "input '" + info.name() + "'";
  if (!info.type().has_tensor_type()) refuse(Code::E0303, quoted + " is not a tensor");
  const auto& tensor = info.type().tensor_type();
  auto type = dtype_from_onnx(tensor.elem_type());
  if (!type) refuse(Code::E0205, quoted + " has no element type");
  if (*type == DType::String || is_complex(*type))
    refuse(Code::E0303, quoted + " has elements of type " + std::string(spelling(*type)));
  auto given = options_.shapes.find(info.name());
  int rank = tensor.has_shape() ? tensor.shape().dim_size() : -1;
  if (rank < 0 && given == options_.shapes.end())
    refuse(Code::E0208, quoted + " declares no shape", "give one: --shape " + info.name() + ":1x3x224x224");
  Dims dims;
  for (int d = 0; d < rank; ++d) {
    const auto& declared = tensor.shape().dim(d);
    if (declared.has_dim_value() && declared.dim_value() >= 0) dims.push_back(graph_.pool.index(declared.dim_value()));
    else if (!declared.dim_param().empty()) dims.push_back(dim(declared.dim_param()));
    else dims.push_back(graph_.pool.symbol(identifier(info.name() + "_d" + std::to_string(d))));
  }
  if (rank < 0)
    for (const std::string& text : given->second) dims.push_back(dim(text));
  if (!main_.values.try_emplace(info.name(), ValueId(graph_.values.size())).second)
    refuse(Code::E0203, quoted + " is declared twice");
  graph_.inputs.push_back(graph_.add_value(info.name(), *type, std::move(dims)));
}

// Shapes may depend on the elements of an integer input that is a scalar or a short vector.
void Importer::name_elements() {
  constexpr int64_t kMost = 16;
  ExprPool& pool = graph_.pool;
  for (size_t k = 0; k < graph_.inputs.size(); ++k) {
    Value& input = graph_.values[graph_.inputs[k]];
    if ((input.type != DType::I64 && input.type != DType::I32) || input.dims.size() > 1) continue;
    auto count = input.dims.empty() ? 1 : pool.as_int(input.dims[0]);
    if (!count || *count > kMost) continue;
    input.content.emplace();
    for (int64_t element = 0; element < *count; ++element) {
      std::string name = identifier(input.name) + (input.dims.empty() ? "" : "_" + std::to_string(element));
      while (pool.symbol_named(name).valid()) name += '_';
      Expr symbol = pool.symbol(name);
      pool.var(symbol).lo = -kDataLimit;
      pool.var(symbol).hi = kDataLimit;
      input.content->push_back(symbol);
      builder_.input_elements.push_back({symbol, static_cast<int>(k), element});
    }
  }
}

// Contents that no shape depends on are data again. Extents that depend on data, and sizes, must be legal.
void Importer::finish_elements() {
  ExprPool& pool = graph_.pool;
  auto depends = [&](Expr e) { return builder_.depends_on_input(e); };
  if (builder_.input_elements.empty()) return;
  std::set<Expr> checked;
  for (Value& v : graph_.values) {
    if (v.content && std::ranges::any_of(*v.content, depends)) v.content.reset();
    if (std::ranges::none_of(v.dims, depends)) continue;
    Expr size = pool.index(1);
    for (Expr d : v.dims) {
      size = pool.mul(size, d);
      for (Expr e : {d, size}) {
        Expr legal = pool.min(pool.max(e, pool.index(0)), pool.index(kDataLimit - 1));
        if (depends(e) && legal != e && checked.insert(e).second) graph_.assumed_equal.emplace_back(e, legal);
      }
    }
  }
}

// Ranges and bindings from the command line.
void Importer::apply_options() {
  ExprPool& pool = graph_.pool;
  std::vector<Expr> symbols;
  for (const DataSymbol& d : builder_.input_elements) symbols.push_back(d.symbol);
  for (ValueId input : graph_.inputs)
    for (Expr d : graph_.values[input].dims) pool.collect_vars(d, symbols);
  for (const auto& [name, range] : options_.dims) {
    auto it = std::ranges::find_if(symbols, [&](Expr s) { return pool.var(s).name == identifier(name); });
    if (it == symbols.end()) refuse(Code::E0601, "no input has a dim '" + name + "'");
    if (range.lo < std::min<int64_t>(pool.var(*it).lo, 0) || range.hi < range.lo) refuse(Code::E0601, "dim '" + name + "' has an empty range");
    pool.var(*it).lo = range.lo;
    pool.var(*it).hi = range.hi;
    builder_.depend_on(*it);
    if (range.lo == range.hi) checked(unify_dims(graph_, *it, pool.index(range.lo)));
  }
  for (const auto& [name, shape] : options_.shapes) {
    auto it = std::ranges::find_if(graph_.inputs, [&](ValueId v) { return graph_.values[v].name == name; });
    if (it == graph_.inputs.end()) refuse(Code::E0601, "the model has no input '" + name + "'");
    size_t rank = graph_.values[*it].dims.size();
    if (shape.size() != rank)
      refuse(Code::E0204, "--shape gives input '" + name + "' rank " + std::to_string(shape.size()) + ", the model " +
                              std::to_string(rank));
    for (size_t d = 0; d < rank; ++d) checked(unify_dims(graph_, graph_.values[*it].dims[d], dim(shape[d])));
  }
}

// Names of the main graph are in single-assignment form: they belong to the ONNX values.
void Importer::set_name(ValueId value, const std::string& name) { graph_.values[value].name = name; }

void Importer::declare_output(const onnx::ValueInfoProto& info) {
  std::optional<ValueId> found;
  try {
    found = find(info.name(), main_);
  } catch (Failure& failure) {
    report(std::move(failure.diags), {}, {});
  }
  if (!found) return;
  builder_.origin = {};
  Val value(builder_, *found);
  // Outputs are values of their own: not inputs, weights or each other under a second name.
  bool own = graph_.values[*found].name == info.name() && graph_.values[*found].def.valid() &&
             std::ranges::find(graph_.outputs, *found) == graph_.outputs.end();
  if (!own) {
    ValueId copy = builder_.emit(Op::reshape, {value}, Attrs().set<Attr::dims>(value.dims())).id();
    const bool input = std::ranges::count(graph_.inputs, *found) > 0;
    if (!input && graph_.values[*found].name == info.name()) std::swap(graph_.values[*found].name, graph_.values[copy].name);
    else set_name(copy, info.name());
    value = {builder_, copy};
  }
  graph_.outputs.push_back(value.id());
  check_declared(info, value);
}

// Symbols may go by other names outside; types, ranks and numbers must agree.
void Importer::check_declared(const onnx::ValueInfoProto& info, Val value) {
  if (!info.type().has_tensor_type()) return;
  const auto& declared = info.type().tensor_type();
  bool fits = declared.elem_type() == 0 || declared.elem_type() == tenon::info(value.type()).onnx;
  if (declared.has_shape()) {
    fits &= declared.shape().dim_size() == value.rank();
    for (int d = 0; fits && d < value.rank(); ++d) {
      auto extent = graph_.pool.as_int(value.dim(d));
      if (declared.shape().dim(d).has_dim_value() && extent) fits = *extent == declared.shape().dim(d).dim_value();
    }
  }
  if (!fits)
    report({{.code = Code::E0209,
             .message = "output '" + info.name() + "' is declared otherwise than inferred: " + type_text(graph_, value.id())}},
           {}, {});
}

Importer::Importer(Model& model, const ImportOptions& options)
    : model_(model), options_(options), tensors_(model.tensors()), builder_(graph_) {}

}  // namespace tenon::frontend

namespace tenon {

Result<Graph> import_onnx(const std::string& path, const ImportOptions& options) {
  TENON_TRY(frontend::Model model, frontend::load_model(path));
  auto graph = frontend::Importer(model, options).run();
  if (!graph) {
    for (Diag& diag : graph.error()) diag.file = path;
    return graph;
  }
  graph->sources = model.external->opened();
  graph->sources.insert(graph->sources.begin(), path);
  return graph;
}

}  // namespace tenon
