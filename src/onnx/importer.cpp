#include "importer.h"

#include <onnx/defs/schema.h>

#include <algorithm>

#include "function.h"

namespace tenon::frontend {

namespace {

constexpr int64_t kMaxSteps = 1'000'000;    // nodes, expanded functions included

std::string domain_of(const onnx::NodeProto& proto) { return proto.domain() == "ai.onnx" ? "" : proto.domain(); }

std::string qualified(const onnx::NodeProto& proto) {
  return proto.domain().empty() ? proto.op_type() : proto.domain() + "::" + proto.op_type();
}

NodeRef reference(const onnx::NodeProto& proto, int index, const Scope& scope) {
  auto version = scope.opsets.find(domain_of(proto));
  NodeRef ref{.index = index, .name = proto.name(), .op = qualified(proto),
              .opset = version == scope.opsets.end() ? 0 : version->second};
  if (ref.name.empty()) ref.name = proto.op_type() + "_" + std::to_string(index);
  if (scope.call.index < 0) return ref;
  ref.index = scope.call.index;
  ref.name = scope.call.name + "/" + ref.name;
  return ref;
}

// The node with the attributes of the call that it stands in; those that the call leaves out are dropped.
onnx::NodeProto bind_attributes(const onnx::NodeProto& proto, const Scope& scope) {
  onnx::NodeProto bound = proto;
  bound.clear_attribute();
  for (const onnx::AttributeProto& a : proto.attribute()) {
    if (a.ref_attr_name().empty()) {
      *bound.add_attribute() = a;
    } else if (auto it = scope.attributes.find(a.ref_attr_name()); it != scope.attributes.end()) {
      *bound.add_attribute() = *it->second;
      bound.mutable_attribute()->rbegin()->set_name(a.name());
    }
  }
  return bound;
}

}  // namespace

void Importer::report(Diags diags, const NodeRef& node, const Vals& operands) {
  for (Diag& diag : diags) {
    if (diag.node.index < 0) diag.node = node;
    if (diag.shapes.empty())
      for (Val v : operands)
        if (v) diag.shapes.push_back(graph_.values[v.id()].name + ": " + type_text(graph_, v.id()));
    diags_.push_back(std::move(diag));
  }
}

void Importer::enter(const onnx::GraphProto& body, Scope& scope) {
  for (const onnx::TensorProto& t : body.initializer()) scope.tensors.emplace(t.name(), &t);
  for (const onnx::SparseTensorProto& t : body.sparse_initializer()) scope.sparse.emplace(t.values().name(), &t);
}

// Node outputs are known by their names before they are made, so that a use before the definition can
// be told from a name that nobody defines.
template <class Nodes>
void Importer::nodes(const Nodes& list, Scope& scope) {
  for (const auto& proto : list)
    for (const auto& name : proto.output()) scope.later.insert(name);
  int index = 0;
  for (const auto& proto : list) {
    if (++steps_ > kMaxSteps) {
      if (steps_ == kMaxSteps + 1)
        diags_.push_back({.code = Code::E0901, .message = "the model has more than a million nodes, expanded functions included"});
      return;
    }
    node(proto, index++, scope);
  }
}

// The value of that name; throws where there is none.
std::optional<ValueId> Importer::find(const std::string& name, Scope& scope) {
  bool later = false;
  for (Scope* s = &scope; s; s = s->outer) {
    if (auto it = s->values.find(name); it != s->values.end()) return it->second;
    later |= s->later.contains(name);
    auto dense = s->tensors.find(name);
    auto sparse = s->sparse.find(name);
    if (dense == s->tensors.end() && sparse == s->sparse.end()) continue;
    std::optional<ValueId>& made = s->values[name];  // stays empty if reading fails: reported once
    made = graph_.add_constant(name, checked(dense != s->tensors.end() ? read_tensor(*dense->second, tensors_)
                                                                       : read_sparse_tensor(*sparse->second, tensors_)));
    if (s == &main_) set_name(*made, name);
    return made;
  }
  scope.values[name] = std::nullopt;
  if (later) refuse(Code::E0201, "'" + name + "' is used before the node that produces it", "sort the nodes topologically");
  refuse(Code::E0202, "'" + name + "' is not defined by an input, an initialiser or a node");
}

// Nothing where one of them is not known.
std::optional<Vals> Importer::operands(const onnx::NodeProto& proto, const NodeRef& ref, Scope& scope) {
  Vals list;
  bool all = true;
  for (const std::string& name : proto.input()) {
    try {
      std::optional<ValueId> value = name.empty() ? ValueId{} : find(name, scope);
      if (value) list.emplace_back(builder_, *value);
      else all = false;
    } catch (Failure& failure) {
      report(std::move(failure.diags), ref, {});
      all = false;
    }
  }
  return all ? std::optional(std::move(list)) : std::nullopt;
}

void Importer::node(const onnx::NodeProto& proto, int index, Scope& scope) {
  NodeRef ref = reference(proto, index, scope);
  NodeRef outer = std::exchange(builder_.origin, ref);
  std::optional<Vals> known = operands(proto, ref, scope);
  size_t first_new = graph_.values.size(), problems = diags_.size();
  Vals made;
  try {
    made = dispatch(bind_attributes(proto, scope), scope, known);
    for (int i = 0; i < proto.output_size() && known && diags_.size() == problems; ++i)
      if (!proto.output(i).empty() && (static_cast<size_t>(i) >= made.size() || !made[static_cast<size_t>(i)]))
        refuse(Code::E0302, "output " + std::to_string(i) + " of " + proto.op_type() + " is not supported");
  } catch (Failure& failure) {
    report(std::move(failure.diags), ref, known.value_or(Vals{}));
  } catch (const std::exception& error) {  // thrown by ONNX
    report({{.code = Code::E0206, .message = error.what()}}, ref, known.value_or(Vals{}));
  }
  try {
    bind_outputs(proto, made, first_new, scope);
  } catch (Failure& failure) {
    report(std::move(failure.diags), ref, known.value_or(Vals{}));
  }
  builder_.origin = std::move(outer);
}

void Importer::bind_outputs(const onnx::NodeProto& proto, const Vals& made, size_t first_new, Scope& scope) {
  for (size_t i = 0; i < static_cast<size_t>(proto.output_size()); ++i) {
    const std::string& name = proto.output(static_cast<int>(i));
    if (name.empty()) continue;
    std::optional<ValueId> value;
    if (i < made.size() && made[i]) value = made[i].id();
    std::optional<ValueId>& bound = scope.values[name];  // empty also where a use before came first
    if (scope.tensors.contains(name) || bound) refuse(Code::E0203, "'" + name + "' is defined twice");
    bound = value;
    if (&scope == &main_ && value && static_cast<size_t>(value->index) >= first_new) set_name(*value, name);
  }
}

const onnx::FunctionProto* Importer::local_function(const onnx::NodeProto& proto) const {
  for (const onnx::FunctionProto& f : model_.proto->functions())
    if (f.name() == proto.op_type() && f.domain() == proto.domain() && f.overload() == proto.overload()) return &f;
  return nullptr;
}

Importer::ControlFlow Importer::control_flow(std::string_view op) {
  if (op == "If") return &Importer::if_node;
  if (op == "Loop") return &Importer::loop_node;
  if (op == "Scan") return &Importer::scan_node;
  return nullptr;
}

// Without operands (an earlier node was refused) it only says whether the op is supported at all.
Vals Importer::dispatch(const onnx::NodeProto& proto, Scope& scope, const std::optional<Vals>& operands) {
  if (const onnx::FunctionProto* f = local_function(proto))
    return operands ? call(*f, proto, *operands, nullptr, scope) : Vals{};
  std::string domain = domain_of(proto);
  auto version = scope.opsets.find(domain);
  int opset = version == scope.opsets.end() ? 0 : version->second;
  const onnx::OpSchema* schema = onnx::OpSchemaRegistry::Schema(proto.op_type(), opset, domain);
  const ImportRow* row = find_importer(domain, proto.op_type());
  auto control = domain.empty() ? control_flow(proto.op_type()) : nullptr;
  if (!row && !control && !has_body(schema)) {
    if (!schema && !known_domain(domain))
      refuse(Code::E0304, "domain '" + domain + "' is unknown, and the model has no function " + qualified(proto));
    refuse(Code::E0301, "operator " + qualified(proto) + " is not supported");
  }
  if (version == scope.opsets.end()) refuse(Code::E0105, "the model uses domain '" + domain + "' without importing it");
  if (!operands) return {};
  if (schema) schema->Verify(proto);
  OnnxNode node(builder_, proto, schema, opset, *operands, tensors_);
  if (control) return (this->*control)(node, scope);
  if (row) return row->import(node);
  return call(function_body(*schema, proto, *operands, opset), proto, *operands, schema, scope);
}

Vals Importer::call(const onnx::FunctionProto& function, const onnx::NodeProto& proto, const Vals& operands,
                    const onnx::OpSchema* schema, Scope& scope) {
  if (scope.depth >= kMaxDepth) refuse(Code::E0901, "calls of functions nest too deeply, or for ever");
  Scope inner{.depth = scope.depth + 1};
  inner.call = builder_.origin;
  if (schema) inner.opsets[""] = newest_opset("");  // bodies of other domains may leave it out
  for (const auto& import : function.opset_import()) inner.opsets[import.domain()] = static_cast<int>(import.version());
  if (operands.size() > static_cast<size_t>(function.input_size()))
    refuse(Code::E0206, "more operands than function " + function.name() + " has inputs");
  for (int i = 0; i < function.input_size(); ++i) {
    auto at = static_cast<size_t>(i);
    inner.values[function.input(i)] = at < operands.size() ? operands[at].id() : ValueId{};
  }
  for (const onnx::AttributeProto& a : function.attribute_proto()) inner.attributes[a.name()] = &a;
  if (schema)
    for (const auto& [name, attribute] : schema->attributes())
      if (attribute.default_value.has_name()) inner.attributes[name] = &attribute.default_value;
  for (const onnx::AttributeProto& a : proto.attribute()) inner.attributes[a.name()] = &a;
  nodes(function.node(), inner);
  Vals made(static_cast<size_t>(std::min(proto.output_size(), function.output_size())));
  for (size_t i = 0; i < made.size(); ++i)  // a body may define fewer optional outputs than its signature has
    if (auto at = static_cast<int>(i); !proto.output(at).empty())
      made[i] = {builder_, find(function.output(at), inner).value_or(ValueId{})};
  return made;
}

Result<Graph> Importer::run() {
  const onnx::GraphProto& proto = model_.proto->graph();
  graph_.name = proto.name();
  enter(proto, main_);
  try {
    read_opsets();
    for (const auto& input : proto.input())
      if (!main_.tensors.contains(input.name())) declare_input(input);
    name_elements();
    apply_options();
  } catch (Failure& failure) {
    report(std::move(failure.diags), {}, {});
  }
  if (!diags_.empty()) return std::unexpected(std::move(diags_));
  for (const auto& n : proto.node())
    for (const std::string& name : n.output()) graph_.names.try_emplace(name, 0);
  nodes(proto.node(), main_);
  for (const auto& output : proto.output()) declare_output(output);
  if (!diags_.empty()) return std::unexpected(std::move(diags_));
  finish_elements();
  return std::move(graph_);
}

}  // namespace tenon::frontend
