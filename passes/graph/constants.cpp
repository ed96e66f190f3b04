#include "constants.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

namespace tenon {

namespace {

constexpr size_t kFileBytes = size_t{1} << 20;       // constants from here on lie in a file
constexpr int64_t kSmallBytes = int64_t{1} << 16;    // results up to here are always folded
constexpr int64_t kChunk = int64_t{1} << 20;         // elements widened at a time
constexpr int64_t kMaxCompared = 4096;               // elements looked at to find that they are all equal
constexpr int64_t kMaxWidened = int64_t{1} << 23;    // elements widened where chunks are not possible

// An unlinked file of that size, mapped; null where the system has none to give.
std::byte* map_temporary(size_t size) {
  std::error_code error;
  std::string path = std::filesystem::temp_directory_path(error).string() + "/tenon-XXXXXX";
  int fd = error ? -1 : ::mkostemp(path.data(), O_CLOEXEC);
  if (fd < 0) return nullptr;
  ::unlink(path.c_str());
  // Reserved now: running out of space later would be a signal, not an error.
  bool reserved = ::posix_fallocate(fd, 0, static_cast<off_t>(size)) == 0;
  void* data = reserved ? ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
  ::close(fd);
  return data == MAP_FAILED ? nullptr : static_cast<std::byte*>(data);
}

bool all_known(const Graph& graph, const std::vector<Expr>& dims) {
  return std::ranges::all_of(dims, [&](Expr d) { return graph.pool.as_int(d).has_value(); });
}

std::vector<int64_t> known(const Graph& graph, const std::vector<Expr>& dims) {
  std::vector<int64_t> extents;
  for (Expr d : dims) extents.push_back(*graph.pool.as_int(d));
  return extents;
}

std::vector<Tensor> evaluate_node(const Graph& graph, const Node& node, std::span<const Tensor* const> inputs,
                                  const std::vector<std::vector<int64_t>>& dims) {
  std::vector<ValueType> types;
  for (ValueId v : node.outputs) types.push_back({graph.values[v].type, graph.values[v].dims});
  auto attribute = [&](Attr key) { return known(graph, std::get<attr::Dims>(*node.attrs.find(key))); };
  return definition(node.op).eval({node, inputs, types, dims, attribute});
}

ValueId push_constant(Graph& graph, std::string name, DType type, std::vector<int64_t> dims, Bytes bytes, bool splat) {
  return graph.add_constant(std::move(name), {.type = type, .dims = std::move(dims), .bytes = std::move(bytes), .splat = splat});
}

bool is_splat(const Constant& c) { return c.splat || c.count() == 1; }

// `count` elements of a constant from `first` on, as a vector; all of a splat are one.
Tensor piece(const Constant& c, int64_t first, int64_t count) {
  if (is_splat(c)) return decode(c.type, {1}, c.bytes.data, c.bytes.size);
  auto skip = static_cast<size_t>(byte_size(c.type, first));
  return decode(c.type, {count}, c.bytes.data + skip, c.bytes.size - skip);
}

// Element by element, a chunk at a time; operands are of the result's shape or one element.
std::optional<ValueId> fold_elementwise(Graph& graph, const Node& node) {
  if (!is_pointwise(node.op)) return std::nullopt;
  const Value& out = graph.values[node.outputs[0]];
  bool splat = true;
  int64_t total = count(known(graph, out.dims));
  for (ValueId v : node.inputs) {
    const Constant& c = *graph.constant(v);
    if (!is_splat(c) && c.count() != total) return std::nullopt;
    if (!is_splat(c) && bits(c.type) < 8) return std::nullopt;
    splat &= is_splat(c);
  }
  if (bits(out.type) < 8) return std::nullopt;
  if (splat) total = 1;
  NewBytes to = new_bytes(static_cast<size_t>(byte_size(out.type, total)));
  for (int64_t first = 0; first < total; first += kChunk) {
    int64_t n = std::min(kChunk, total - first);
    std::vector<Tensor> pieces;
    for (ValueId v : node.inputs) pieces.push_back(piece(*graph.constant(v), first, n));
    std::vector<const Tensor*> inputs;
    for (const Tensor& t : pieces) inputs.push_back(&t);
    std::vector<std::byte> bytes = encode(evaluate_node(graph, node, inputs, {{n}})[0]);
    std::memcpy(to.data + byte_size(out.type, first), bytes.data(), bytes.size());
  }
  return push_constant(graph, out.name, out.type, known(graph, out.dims), std::move(to.bytes), splat && total == 1);
}

// Row-major walk of `dims`, copying elements of `width` bytes from where `strides` say.
void copy_strided(const std::byte* from, std::byte* to, std::span<const int64_t> dims, std::span<const int64_t> strides,
                  size_t width) {
  if (dims.empty()) {
    std::memcpy(to, from, width);
    return;
  }
  int64_t inner = count({dims.begin() + 1, dims.end()});
  for (int64_t i = 0; i < dims[0]; ++i)
    copy_strided(from + i * strides[0] * static_cast<int64_t>(width), to + i * inner * static_cast<int64_t>(width),
                 dims.subspan(1), strides.subspan(1), width);
}

// What only moves bytes is not widened: reshape shares them, transpose and slice copy them.
std::optional<ValueId> fold_movement(Graph& graph, const Node& node) {
  const Value& out = graph.values[node.outputs[0]];
  if (node.op != Op::reshape && node.op != Op::broadcast && node.op != Op::transpose && node.op != Op::slice)
    return std::nullopt;
  const Constant& c = *graph.constant(node.inputs[0]);
  std::vector<int64_t> dims = known(graph, out.dims);
  if (c.type == DType::String) return std::nullopt;
  if (is_splat(c) || node.op == Op::reshape)
    return push_constant(graph, out.name, c.type, dims, c.bytes, is_splat(c));
  if (bits(c.type) < 8 || node.op == Op::broadcast) return std::nullopt;
  std::vector<int64_t> own(c.dims.size(), 1), strides = own;
  for (size_t d = own.size(); d-- > 1;) own[d - 1] = own[d] * c.dims[d];
  int64_t first = 0;
  for (size_t d = 0; d < own.size(); ++d) {
    if (node.op == Op::transpose) {
      strides[d] = own[static_cast<size_t>(node.attrs.get<Attr::perm>()[d])];
    } else {
      strides[d] = own[d] * node.attrs.get<Attr::steps>()[d];
      first += own[d] * *graph.pool.as_int(node.attrs.get<Attr::starts>()[d]);
    }
  }
  auto width = static_cast<size_t>(bits(c.type)) / 8;
  NewBytes to = new_bytes(static_cast<size_t>(count(dims)) * width);
  if (count(dims) > 0) copy_strided(c.bytes.data + first * static_cast<int64_t>(width), to.data, dims, strides, width);
  return push_constant(graph, out.name, c.type, dims, std::move(to.bytes), false);
}

}  // namespace

NewBytes new_bytes(size_t size) {
  if (size >= kFileBytes)
    if (std::byte* data = map_temporary(size))
      return {{std::shared_ptr<const void>(data, [size](void* p) { ::munmap(p, size); }), data, size}, data};
  auto owned = std::make_shared<std::vector<std::byte>>(size);
  std::byte* data = owned->data();
  return {{std::move(owned), data, size}, data};
}

ValueId add_tensor(Graph& graph, std::string name, const Tensor& tensor) {
  std::vector<std::byte> encoded = encode(tensor);
  NewBytes to = new_bytes(encoded.size());
  if (!encoded.empty()) std::memcpy(to.data, encoded.data(), encoded.size());
  return push_constant(graph, std::move(name), tensor.type, tensor.dims, std::move(to.bytes), false);
}

std::optional<std::vector<ValueId>> fold_node(Graph& graph, const Node& node) {
  int64_t in_bytes = 0, elements = 0, out_bytes = 0;
  bool movable = !node.inputs.empty();  // no tensor has to be widened as a whole
  for (ValueId v : node.inputs) {
    if (!v.valid()) continue;
    const Constant* c = graph.constant(v);
    if (!c || c->type == DType::String) return std::nullopt;
    in_bytes += static_cast<int64_t>(c->bytes.size);
    elements += c->count();
  }
  for (ValueId v : node.outputs) {
    const Value& out = graph.values[v];
    if (!all_known(graph, out.dims) || out.type == DType::String) return std::nullopt;
    int64_t n = count(known(graph, out.dims));
    out_bytes += byte_size(out.type, n);
    elements += n;
  }
  for (const auto& [key, value] : node.attrs)
    if (auto* dims = std::get_if<attr::Dims>(&value); dims && !all_known(graph, *dims)) return std::nullopt;
  if (movable && node.outputs.size() == 1)
    if (auto moved = fold_movement(graph, node)) return std::vector{*moved};
  if (out_bytes > std::max(kSmallBytes, 2 * in_bytes)) return std::nullopt;
  if (movable && node.outputs.size() == 1)
    if (auto folded = fold_elementwise(graph, node)) return std::vector{*folded};
  if (elements > kMaxWidened) return std::nullopt;
  std::vector<Tensor> tensors;
  tensors.reserve(node.inputs.size());
  std::vector<const Tensor*> inputs;
  for (ValueId v : node.inputs) {
    tensors.push_back(v.valid() ? tensor_of(*graph.constant(v)) : Tensor{});
    inputs.push_back(v.valid() ? &tensors.back() : nullptr);
  }
  std::vector<std::vector<int64_t>> dims;
  for (ValueId v : node.outputs) dims.push_back(known(graph, graph.values[v].dims));
  std::vector<Tensor> results = evaluate_node(graph, node, inputs, dims);
  std::vector<ValueId> folded;
  for (size_t k = 0; k < results.size(); ++k)
    folded.push_back(add_tensor(graph, graph.values[node.outputs[k]].name, results[k]));
  return folded;
}

Result<ValueId> make_folded(Graph& graph, const Node& origin, Op op, std::vector<ValueId> inputs, Attrs attrs) {
  TENON_TRY(ValueId made, make(graph, origin, op, std::move(inputs), std::move(attrs)));
  const Node node = graph.nodes.back();
  auto folded = fold_node(graph, node);
  if (!folded) return made;
  graph.nodes.pop_back();
  for (ValueId v : node.outputs) graph.values[v].def = {};
  return folded->front();
}

Result<ValueId> exchanged(Graph& g, const Node& n, ValueId v, size_t dim, int64_t outer, int64_t inner) {
  ExprPool& p = g.pool;
  const std::vector<Expr> dims = g.values[v].dims;
  if (p.is_index(dims[dim], 1)) return v;
  std::vector<Expr> split = dims;
  split[dim] = p.index(outer);
  split.insert(split.begin() + static_cast<ptrdiff_t>(dim) + 1, p.index(inner));
  std::vector<int64_t> perm(split.size());
  for (size_t d = 0; d < perm.size(); ++d) perm[d] = static_cast<int64_t>(d);
  std::swap(perm[dim], perm[dim + 1]);
  TENON_TRY(ValueId apart, make_folded(g, n, Op::reshape, {v}, Attrs().set<Attr::dims>(split)));
  TENON_TRY(ValueId moved, make_folded(g, n, Op::transpose, {apart}, Attrs().set<Attr::perm>(perm)));
  return make_folded(g, n, Op::reshape, {moved}, Attrs().set<Attr::dims>(dims));
}

std::optional<double> splat_value(const Graph& graph, ValueId v) {
  const Constant* c = graph.constant(v);
  if (!c || c->count() == 0 || c->type == DType::String || is_complex(c->type)) return std::nullopt;
  if (!is_splat(*c) && c->count() > kMaxCompared) return std::nullopt;
  Tensor t = piece(*c, 0, c->count());
  if (std::ranges::adjacent_find(t.f, std::not_equal_to{}) != t.f.end() ||
      std::ranges::adjacent_find(t.i, std::not_equal_to{}) != t.i.end())
    return std::nullopt;
  return t.f.empty() ? static_cast<double>(t.i[0]) : t.f[0];
}

ValueId add_number(Graph& graph, std::string name, DType type, double value) {
  Tensor t = Tensor::zeros(type, {});
  if (is_float(type)) t.f[0] = value;
  else t.i[0] = static_cast<int64_t>(value);
  return add_tensor(graph, std::move(name), t);
}

}  // namespace tenon
