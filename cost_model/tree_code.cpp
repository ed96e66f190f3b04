#include "tenon/tree_code.h"

#include <algorithm>
#include <array>
#include <bit>
#include <map>

#include "tenon/hash.h"

namespace tenon {

namespace {

// Nodes of a kernel: its code stays in the first level of the instruction cache (32 KiB) while the blocks go through it.
constexpr size_t kKernelNodes = 1000;

size_t depth(const Booster& booster, int32_t at) {
  const TreeNode& node = booster.nodes[static_cast<size_t>(at)];
  return node.feature < 0 ? 0 : 1 + std::max(depth(booster, node.left), depth(booster, node.right));
}

size_t size(const Booster& booster, int32_t at) {
  const TreeNode& node = booster.nodes[static_cast<size_t>(at)];
  return node.feature < 0 ? 1 : 1 + size(booster, node.left) + size(booster, node.right);
}

class TreeKernel {
 public:
  TreeKernel(const Booster& booster, size_t features, int64_t lanes) : booster_(booster), features_(static_cast<int64_t>(features)), lanes_(lanes) {}

  Kernel make(std::string name, std::span<const int32_t> roots, bool first) {
    k_.name = std::move(name);
    const Expr blocks = k_.pool.symbol("blocks");
    k_.symbols = {blocks};
    const Expr all = times(blocks, kTreeBlock);
    x_ = k_.buffers.push({.name = "x", .type = DType::F32, .size = times(blocks, kTreeBlock * features_)});
    const BufferId margin = first ? k_.buffers.push({.name = "margin", .type = DType::F32, .size = all}) : BufferId{};
    const BufferId sums = k_.buffers.push({.name = "sums", .type = DType::F32, .size = all, .written = true});
    block_ = k_.pool.axis("block", blocks);
    part_ = k_.pool.axis("part", k_.pool.index(kTreeBlock / lanes_));
    Stmt tile{.kind = StmtKind::Tile, .lanes = {k_.pool.axis("lane", k_.pool.index(lanes_)), lanes_}};
    candidate_ = k_.pool.add(times(part_, lanes_), tile.lanes.var);
    const Expr at = k_.pool.add(times(block_, kTreeBlock), candidate_);
    Expr sum = load(first ? margin : sums, at);
    for (const int32_t root : roots) sum = k_.pool.binary(SOp::Add, sum, leaf(root));
    // Features are read ahead of all trees: below a select they would be read under its condition.
    for (const auto& [feature, var] : used_)
      tile.accumulators.push_back({.var = var, .init = load(x_, k_.pool.add(times(k_.pool.add(times(block_, features_), k_.pool.index(feature)), kTreeBlock), candidate_)), .update = var});
    tile.stores = {{sums, at, sum}};
    Stmt parts{.kind = StmtKind::For, .var = part_, .extent = k_.pool.index(kTreeBlock / lanes_), .body = {std::move(tile)}};
    k_.body = {{.kind = StmtKind::For, .var = block_, .extent = blocks, .body = {std::move(parts)}}};
    return std::move(k_);
  }

 private:
  Expr times(Expr e, int64_t factor) { return k_.pool.mul(e, k_.pool.index(factor)); }
  Expr load(BufferId buffer, Expr at) { return k_.pool.load(buffer, DType::F32, std::array{at}); }

  Expr leaf(int32_t at) {
    const TreeNode& node = booster_.nodes[static_cast<size_t>(at)];
    if (node.feature < 0) return k_.pool.constant(DType::F32, node.value);
    auto [found, fresh] = used_.try_emplace(node.feature);
    if (fresh) found->second = k_.pool.new_var({.name = "x" + std::to_string(node.feature), .type = DType::F32});
    const Expr x = found->second, bound = k_.pool.constant(DType::F32, node.value), left = leaf(node.left), right = leaf(node.right);
    // No comparison holds of NaN.
    if (node.missing_left) return k_.pool.select(k_.pool.binary(SOp::Ge, x, bound), right, left);
    return k_.pool.select(k_.pool.binary(SOp::Lt, x, bound), left, right);
  }

  const Booster& booster_;
  int64_t features_, lanes_;
  Kernel k_;
  BufferId x_;
  Expr block_, part_, candidate_;
  std::map<int32_t, Expr> used_;  // features
};

}  // namespace

bool fits_code(const Booster& booster) {
  return booster.nodes.size() <= kMostTreeNodes && std::ranges::all_of(booster.roots, [&](int32_t root) { return depth(booster, root) <= kMostTreeDepth; });
}

std::string tree_hash(const Booster& booster, size_t features) {
  std::vector<uint32_t> words = {static_cast<uint32_t>(features), static_cast<uint32_t>(booster.roots.size())};
  for (const int32_t root : booster.roots) words.push_back(static_cast<uint32_t>(root));
  for (const TreeNode& n : booster.nodes)
    for (const uint32_t word : {static_cast<uint32_t>(n.feature), std::bit_cast<uint32_t>(n.value), static_cast<uint32_t>(n.left), static_cast<uint32_t>(n.right), uint32_t{n.missing_left}})
      words.push_back(word);
  return hex(blake3(std::as_bytes(std::span(words))));
}

Module tree_module(const std::string& name, const Booster& booster, size_t features, int64_t lanes) {
  TENON_CHECK(fits_code(booster) && lanes > 0 && kTreeBlock % lanes == 0, "trees beyond what becomes code");
  Module module;
  module.name = name;
  const Expr blocks = module.pool.symbol("blocks"), all = module.pool.mul(blocks, module.pool.index(kTreeBlock));
  const Expr cells = module.pool.mul(all, module.pool.index(static_cast<int64_t>(features)));
  module.symbols = {blocks};
  auto bytes = [&](Expr elements) { return module.pool.mul(elements, module.pool.index(static_cast<int64_t>(sizeof(float)))); };
  const BufferId x = module.buffers.push({.name = "x", .kind = HostBufferKind::Input, .type = DType::F32, .bytes = bytes(cells), .index = 0});
  const BufferId margin = module.buffers.push({.name = "margin", .kind = HostBufferKind::Input, .type = DType::F32, .bytes = bytes(all), .index = 1});
  const BufferId sums = module.buffers.push({.name = "sums", .kind = HostBufferKind::Output, .type = DType::F32, .bytes = bytes(all), .index = 0});
  module.inputs = {{.name = "x", .type = DType::F32, .dims = {cells}}, {.name = "margin", .type = DType::F32, .dims = {all}}};
  module.outputs = {{.name = "sums", .type = DType::F32, .dims = {all}}};
  module.workspace_bytes = module.scratch_bytes = module.pool.index(0);
  std::span<const int32_t> left = booster.roots;
  do {
    size_t count = 0, nodes = 0;
    while (count < left.size() && (count == 0 || nodes + size(booster, left[count]) <= kKernelNodes)) nodes += size(booster, left[count++]);
    const bool first = module.kernels.size() == 0;
    HostStmt call{.kind = HostStmt::Kind::Call, .buffers = first ? std::vector{x, margin, sums} : std::vector{x, sums}, .symbols = {blocks}};
    call.kernel = module.kernels.push(TreeKernel(booster, features, lanes).make("trees" + std::to_string(module.kernels.size()), left.first(count), first));
    module.host.push_back(std::move(call));
    left = left.subspan(count);
  } while (!left.empty());
  return module;
}

}  // namespace tenon
