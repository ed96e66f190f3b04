#include "function.h"

#include <onnx/defs/schema.h>

#include <algorithm>

#include "node.h"

namespace tenon::frontend {

namespace {

onnx::TypeProto type_proto(Val v) {
  onnx::TypeProto type;
  if (!v) return type;
  auto* tensor = type.mutable_tensor_type();
  tensor->set_elem_type(info(v.type()).onnx);
  tensor->mutable_shape();  // rank 0 has a shape, too
  const ExprPool& pool = v.builder().pool;
  for (Expr d : v.dims()) {
    auto* dim = tensor->mutable_shape()->add_dim();
    if (auto extent = pool.as_int(d)) dim->set_dim_value(*extent);
    else dim->set_dim_param(pool.text(d));
  }
  return type;
}

}  // namespace

int newest_opset(const std::string& domain) {
  const auto& ranges = onnx::OpSchemaRegistry::DomainToVersionRange::Instance().Map();
  auto it = ranges.find(domain);
  return it == ranges.end() ? 0 : it->second.second;
}

bool known_domain(const std::string& domain) {
  return newest_opset(domain) > 0 ||
         std::ranges::any_of(import_rows(), [&](const ImportRow& row) { return row.domain == domain; });
}

bool has_body(const onnx::OpSchema* schema) {
  return schema && (schema->HasFunction() || schema->HasContextDependentFunction());
}

onnx::FunctionProto function_body(const onnx::OpSchema& schema, const onnx::NodeProto& node, const Vals& operands,
                                  int opset) {
  if (schema.HasContextDependentFunction()) {
    std::vector<onnx::TypeProto> types;
    for (Val v : operands) types.push_back(type_proto(v));
    onnx::FunctionProto body;
    if (schema.BuildContextDependentFunction(onnx::FunctionBodyBuildContextImpl(node, types), body, opset)) return body;
  }
  const onnx::FunctionProto* body = schema.HasFunction() ? schema.GetFunction(opset) : nullptr;
  if (!body)
    refuse(Code::E0302, node.op_type() + " has no definition by simpler operators for these operands and attributes");
  return *body;
}

}  // namespace tenon::frontend
