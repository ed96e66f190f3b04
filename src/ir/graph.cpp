#include "tenon/graph.h"

#include <algorithm>
#include <numeric>

#include "tenon/tensor.h"

namespace tenon {

namespace {

constexpr std::string_view kOps[] = {
#define OP(name, family) #name,
#include "tenon/ops.def"
#undef OP
};

// Contents longer than this are data, not shape arithmetic.
constexpr int64_t kMaxContent = 64;

constexpr std::string_view kAttrs[] = {
#define ATTR(key, type) #key,
#include "tenon/attrs.def"
#undef ATTR
};

}  // namespace

std::string_view spelling(Op op) { return kOps[static_cast<size_t>(op)]; }

std::optional<Op> parse_op(std::string_view spelling) {
  auto it = std::ranges::find(kOps, spelling);
  return it == std::end(kOps) ? std::nullopt : std::optional(static_cast<Op>(it - std::begin(kOps)));
}

std::string_view spelling(Attr key) { return kAttrs[static_cast<size_t>(key)]; }

std::optional<Attr> parse_attr(std::string_view spelling) {
  auto it = std::ranges::find(kAttrs, spelling);
  return it == std::end(kAttrs) ? std::nullopt : std::optional(static_cast<Attr>(it - std::begin(kAttrs)));
}

const AttrValue* Attrs::find(Attr key) const {
  auto it = std::ranges::lower_bound(items_, key, {}, &std::pair<Attr, AttrValue>::first);
  return it != items_.end() && it->first == key ? &it->second : nullptr;
}

void Attrs::put(Attr key, AttrValue value) {
  auto it = std::ranges::lower_bound(items_, key, {}, &std::pair<Attr, AttrValue>::first);
  if (it != items_.end() && it->first == key)
    it->second = std::move(value);
  else
    items_.emplace(it, key, std::move(value));
}

void Attrs::erase(Attr key) {
  std::erase_if(items_, [&](const auto& item) { return item.first == key; });
}

Bytes Bytes::copy_of(std::span<const std::byte> bytes) {
  auto owned = std::make_shared<std::vector<std::byte>>(bytes.begin(), bytes.end());
  const std::byte* data = owned->data();
  return {std::move(owned), data, bytes.size()};
}

int64_t Constant::count() const { return tenon::count(dims); }

std::optional<std::vector<Expr>> constant_content(ExprPool& pool, const Constant& constant) {
  if (constant.count() > kMaxContent) return std::nullopt;
  if (constant.type == DType::String || is_complex(constant.type)) return std::nullopt;
  Tensor t = tensor_of(constant);
  std::vector<Expr> content;
  for (int64_t k = 0; k < t.count(); ++k) {
    auto at = static_cast<size_t>(k);
    content.push_back(is_float(t.type)        ? pool.constant(t.type, t.f[at])
                      : t.type == DType::Bool ? pool.constant_int(DType::Bool, t.i[at])
                                              : pool.index(t.i[at]));
  }
  return content;
}

ValueId Graph::add_value(std::string value_name, DType type, std::vector<Expr> dims) {
  // Values that a parser pushed by hand are in `values` but not in `names` yet.
  for (; named < values.size(); ++named) names.try_emplace(values[ValueId(named)].name, 0);
  if (value_name.empty()) value_name = "v";
  for (std::string base = value_name; !names.try_emplace(value_name, 0).second;)
    value_name = base + "_" + std::to_string(++names[base]);
  ++named;
  return values.push({.name = std::move(value_name), .type = type, .dims = std::move(dims)});
}

ValueId Graph::add_constant(std::string constant_name, Constant constant) {
  std::vector<Expr> dims;
  for (int64_t d : constant.dims) dims.push_back(pool.index(d));
  ValueId v = add_value(std::move(constant_name), constant.type, std::move(dims));
  values[v].content = constant_content(pool, constant);
  values[v].constant = constants.push(std::move(constant));
  return v;
}

const Constant* Graph::constant(ValueId v) const {
  if (!v.valid() || !values[v].constant.valid()) return nullptr;
  return &constants[values[v].constant];
}

std::vector<std::vector<int>> Graph::users() const {
  std::vector<std::vector<int>> users(values.size());
  for (size_t n = 0; n < nodes.size(); ++n)
    for (ValueId v : nodes[n].inputs) {
      if (!v.valid()) continue;
      std::vector<int>& list = users[static_cast<size_t>(v.index)];
      if (list.empty() || list.back() != static_cast<int>(n)) list.push_back(static_cast<int>(n));
    }
  return users;
}

std::string type_text(const Graph& graph, ValueId value) {
  const Value& v = graph.values[value];
  std::string text(spelling(v.type));
  const char* separator = "[";
  for (Expr d : v.dims) {
    text += separator + graph.pool.text(d);
    separator = ",";
  }
  return text + (v.dims.empty() ? "[]" : "]");
}

}  // namespace tenon
