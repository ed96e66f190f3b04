// What ONNX's schemas know beyond signatures: domains, versions, function bodies.
#pragma once

#include <string>

#include "value.h"

namespace onnx {
class FunctionProto;
class NodeProto;
class OpSchema;
}  // namespace onnx

namespace tenon::frontend {

inline constexpr int kOldestOpset = 1;
int newest_opset(const std::string& domain);  // 0: not a domain of ONNX
bool known_domain(const std::string& domain);

// Whether the schema defines the op by simpler ones, and that definition for one node. Bodies that
// depend on types get ours, symbols included.
bool has_body(const onnx::OpSchema* schema);
onnx::FunctionProto function_body(const onnx::OpSchema& schema, const onnx::NodeProto& node, const Vals& operands,
                                  int opset);

}  // namespace tenon::frontend
