#include "node.h"

#include <onnx/defs/schema.h>

#include <algorithm>

#include "tensor.h"

namespace tenon::frontend {

using onnx::AttributeProto;

const std::string& OnnxNode::op() const { return proto_.op_type(); }

Val OnnxNode::operator[](size_t i) const {
  Val v = opt(i);
  if (!v) malformed("operand " + std::to_string(i) + " of " + op() + " is missing");
  return v;
}

size_t OnnxNode::output_count() const { return static_cast<size_t>(proto_.output_size()); }
bool OnnxNode::wants_output(size_t i) const {
  return i < output_count() && !proto_.output(static_cast<int>(i)).empty();
}

const AttributeProto* OnnxNode::find(std::string_view name) const {
  for (const AttributeProto& a : proto_.attribute())
    if (a.name() == name) return &a;
  if (!schema_) return nullptr;
  auto it = schema_->attributes().find(std::string(name));
  bool has_default = it != schema_->attributes().end() && it->second.default_value.has_name();
  return has_default ? &it->second.default_value : nullptr;
}

const AttributeProto& OnnxNode::get(std::string_view name, int type) const {
  const AttributeProto* a = find(name);
  if (!a) malformed("attribute '" + std::string(name) + "' is missing");
  if (a->type() != type) malformed("attribute '" + std::string(name) + "' has the wrong type");
  return *a;
}

int64_t OnnxNode::integer(std::string_view name) const { return get(name, AttributeProto::INT).i(); }
double OnnxNode::real(std::string_view name) const { return get(name, AttributeProto::FLOAT).f(); }
std::string OnnxNode::text(std::string_view name) const { return get(name, AttributeProto::STRING).s(); }

std::vector<int64_t> OnnxNode::integers(std::string_view name) const {
  if (!has(name)) return {};
  const auto& list = get(name, AttributeProto::INTS).ints();
  return {list.begin(), list.end()};
}
std::vector<double> OnnxNode::reals(std::string_view name) const {
  if (!has(name)) return {};
  const auto& list = get(name, AttributeProto::FLOATS).floats();
  return {list.begin(), list.end()};
}
std::vector<std::string> OnnxNode::texts(std::string_view name) const {
  if (!has(name)) return {};
  const auto& list = get(name, AttributeProto::STRINGS).strings();
  return {list.begin(), list.end()};
}

DType OnnxNode::type(std::string_view name) const {
  auto type = dtype_from_onnx(static_cast<int>(integer(name)));
  if (!type) malformed("attribute '" + std::string(name) + "' is not an element type");
  return *type;
}

Constant OnnxNode::tensor(std::string_view name) const {
  return checked(read_tensor(get(name, AttributeProto::TENSOR).t(), source_));
}
Constant OnnxNode::sparse_tensor(std::string_view name) const {
  return checked(read_sparse_tensor(get(name, AttributeProto::SPARSE_TENSOR).sparse_tensor(), source_));
}
const onnx::GraphProto& OnnxNode::graph(std::string_view name) const { return get(name, AttributeProto::GRAPH).g(); }

int OnnxNode::axis(int64_t number, int rank) const {
  int64_t counted = number < 0 ? number + rank : number;
  if (counted < 0 || counted >= rank)
    malformed("axis " + std::to_string(number) + " is outside a tensor of rank " + std::to_string(rank));
  return static_cast<int>(counted);
}

std::vector<int64_t> OnnxNode::axes(std::vector<int64_t> numbers, int rank) const {
  for (int64_t& number : numbers) number = axis(number, rank);
  std::ranges::sort(numbers);
  if (std::ranges::adjacent_find(numbers) != numbers.end()) malformed("an axis is named twice");
  return numbers;
}

Dims OnnxNode::elements(size_t i) const {
  auto content = (*this)[i].content();
  if (!content) {
    Dims dims = (*this)[i].dims();
    bool open = dims.size() == 1 && !pool.as_int(dims[0]);
    refuse(Code::E0208, "operand " + std::to_string(i) + " of " + op() + " is computed from data, and shapes depend on it",
           open ? "give its length: --dim " + pool.text(dims[0]) + "=1"
                : "make it a constant, or compute it from the inputs' shapes or from small integer inputs");
  }
  for (Expr e : *content) b.depend_on(e);
  return *content;
}

std::vector<int64_t> OnnxNode::constant_integers(size_t i) const {
  std::vector<int64_t> numbers;
  for (Expr e : elements(i)) {
    auto number = pool.as_int(e);
    if (!number) unsupported("operand " + std::to_string(i) + " that is not a constant");
    numbers.push_back(*number);
  }
  return numbers;
}

double OnnxNode::constant_real(size_t i) const {
  Dims content = elements(i);
  if (content.size() != 1) malformed("operand " + std::to_string(i) + " must be one number");
  if (auto number = pool.as_double(content[0])) return *number;
  return static_cast<double>(constant_integers(i)[0]);
}

std::optional<Dims> OnnxNode::elements_or_attribute(size_t i, std::string_view name) const {
  if (opt(i)) return elements(i);
  if (!has(name)) return std::nullopt;
  Dims list;
  for (int64_t number : integers(name)) list.push_back(pool.index(number));
  return list;
}

std::optional<std::vector<int64_t>> OnnxNode::integers_or_attribute(size_t i, std::string_view name) const {
  if (opt(i)) return constant_integers(i);
  return has(name) ? std::optional(integers(name)) : std::nullopt;
}

void OnnxNode::unsupported(const std::string& what, std::string hint) const {
  refuse(Code::E0302, op() + " with " + what + " is not supported", std::move(hint));
}

}  // namespace tenon::frontend
