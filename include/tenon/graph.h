// The graph IR: values, nodes in execution order, constants. A plain, copyable value; edges are ids.
// Text form: docs/ir.md; printer and parser: src/ir/graph_text.cpp; rules: src/ir/graph_verify.cpp.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "tenon/expr.h"
#include "tenon/layout.h"
#include "tenon/tensor.h"

namespace tenon {

// Core ops, one enumerator per row of ops.def.
enum class Op : uint16_t {
#define OP(name, family) name,
#include "tenon/ops.def"
#undef OP
};

std::string_view spelling(Op op);
std::optional<Op> parse_op(std::string_view spelling);

// Attributes: typed keys, kept sorted.
enum class Attr : uint8_t {
#define ATTR(key, type) key,
#include "tenon/attrs.def"
#undef ATTR
};

std::string_view spelling(Attr key);
std::optional<Attr> parse_attr(std::string_view spelling);

namespace attr {
using Int = int64_t;
using Float = double;
using Ints = std::vector<int64_t>;
using Floats = std::vector<double>;
using Text = std::string;
using Type = DType;
using Dims = std::vector<Expr>;
}  // namespace attr

using AttrValue = std::variant<attr::Int, attr::Float, attr::Ints, attr::Floats, attr::Text, attr::Type, attr::Dims>;

template <Attr key>
struct AttrType;
#define ATTR(key, type)          \
  template <>                    \
  struct AttrType<Attr::key> {   \
    using Value = attr::type;    \
  };
#include "tenon/attrs.def"
#undef ATTR

class Attrs {
 public:
  template <Attr key>
  Attrs& set(typename AttrType<key>::Value value) {
    put(key, AttrValue(std::in_place_type<typename AttrType<key>::Value>, std::move(value)));
    return *this;
  }
  // The attribute, which must be there.
  template <Attr key>
  const typename AttrType<key>::Value& get() const {
    const AttrValue* v = find(key);
    TENON_CHECK(v, "attribute missing");
    return std::get<typename AttrType<key>::Value>(*v);
  }
  template <Attr key>
  typename AttrType<key>::Value get_or(typename AttrType<key>::Value fallback) const {
    const AttrValue* v = find(key);
    return v ? std::get<typename AttrType<key>::Value>(*v) : std::move(fallback);
  }
  bool has(Attr key) const { return find(key) != nullptr; }
  const AttrValue* find(Attr key) const;
  void put(Attr key, AttrValue value);  // for parsers; keys stay sorted
  void erase(Attr key);
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  bool empty() const { return items_.empty(); }
  bool operator==(const Attrs&) const = default;

 private:
  std::vector<std::pair<Attr, AttrValue>> items_;
};

// Bytes that outlive the graph: a mapped model or external file, or memory owned here. Little endian,
// row-major, sub-byte types packed as ONNX packs them.
struct Bytes {
  std::shared_ptr<const void> owner;  // keeps the mapping or the vector alive
  const std::byte* data = nullptr;
  size_t size = 0;

  static Bytes copy_of(std::span<const std::byte> bytes);
  std::span<const std::byte> span() const { return {data, size}; }
};

// A tensor known at compile time. `splat`: bytes hold one element that stands for all.
struct Constant {
  DType type{};
  std::vector<int64_t> dims;
  Bytes bytes;
  bool splat = false;
  std::vector<std::string> strings = {};  // DType::String only
  // Read from text that gives the hash of the data only: the bytes are stand-ins made from it.
  std::string digest = {};

  int64_t count() const;
};

// real = (q - zero_point) * scale. Scale and zero point are constants or values of the graph.
struct Quant {
  ValueId scale;
  ValueId zero_point;  // invalid: 0
  int axis = -1;       // -1: per tensor
  int64_t block = 0;   // along axis; 0: one per index of axis
  bool operator==(const Quant&) const = default;
};

struct Value {
  std::string name;                    // unique in the graph
  DType type{};
  std::vector<Expr> dims;              // index expressions over symbols
  NodeId def = {};                     // invalid: graph input or constant
  ConstantId constant = {};            // valid: an initialiser
  std::optional<Quant> quant = {};
  Layout layout = {};                  // empty: row-major, dense
  // The elements as expressions, where shape arithmetic needs them and they are few; row-major. Integers
  // are of type `index`, bools and floats of their own type.
  std::optional<std::vector<Expr>> content = {};
};

// A symbol whose value is an element of an input, as the shape that a Reshape is given when the model runs.
struct DataSymbol {
  Expr symbol;
  int input = 0;         // position in Graph::inputs; i32 or i64
  int64_t element = 0;   // row-major
  bool operator==(const DataSymbol&) const = default;
};
// Elements are cut to this magnitude: beyond it a slice bound means "to the end", and no extent is legal.
inline constexpr int64_t kDataLimit = int64_t{1} << 31;

// An input that an output grows in place: one buffer of the caller's, with room for `capacity` steps along the axis.
// The first steps are the input; the call adds the others. Both values have a layout with that capacity.
struct State {
  int input = 0, output = 0;  // positions in Graph::inputs and Graph::outputs
  int axis = 0;
  Expr capacity = {};
  bool operator==(const State&) const = default;
};

struct Graph;

struct Node {
  Op op{};
  std::vector<ValueId> inputs;   // an invalid id: optional operand left out
  std::vector<ValueId> outputs;
  Attrs attrs = {};
  std::vector<Graph> bodies = {};  // If: then, else; Loop, Scan: body. Captures are extra inputs.
  NodeRef origin = {};             // the ONNX node that it comes from
};

struct Graph {
  std::string name;
  ExprPool pool;                      // dims, and dims in attributes
  Store<ValueId, Value> values;
  std::vector<Node> nodes;            // execution order
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::vector<DataSymbol> data_symbols;
  std::vector<State> states;
  Store<ConstantId, Constant> constants;
  std::vector<std::string> sources = {};  // files it was read from: the model, external data
  // Dims that inference had to take as equal without being able to show it: checked when the model runs.
  std::vector<std::pair<Expr, Expr>> assumed_equal;
  // Symbols that unification replaced everywhere, and by what: for expressions that were kept outside.
  ExprPool::Substitution replaced;
  // For add_value: names in use and how often each was asked for again, over the first `named` values.
  std::unordered_map<std::string, int> names;
  size_t named = 0;

  ValueId add_value(std::string name, DType type, std::vector<Expr> dims);  // makes the name unique
  ValueId add_constant(std::string name, Constant constant);                // fills `content` where it is small and integer
  const Constant* constant(ValueId v) const;  // null where v is not a constant
  std::vector<std::vector<int>> users() const;  // per value: indices into nodes, ascending
};

// The `content` of a constant; nothing where it is large or not numeric.
std::optional<std::vector<Expr>> constant_content(ExprPool& pool, const Constant& constant);
// Widened for the reference evaluators; a splat is repeated.
Tensor tensor_of(const Constant& constant);

// "f32[N,3,224,224]"
std::string type_text(const Graph& graph, ValueId value);

std::string print(const Graph& graph);
Result<Graph> parse_graph(std::string_view text);

// What needs no knowledge of the ops: unique names, definition before use, single assignment, extents,
// constants of their values' types, layouts and contents that fit. All violations in one go. verify_ops
// (ops.h) checks the rest.
Result<void> verify(const Graph& graph);

}  // namespace tenon
