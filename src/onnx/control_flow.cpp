// If, Loop and Scan. The graph has no control flow yet: both branches of an If are computed where only the run
// decides, and bodies are repeated where the number of steps is known and small. docs/decisions has why.
#include <onnx/onnx_pb.h>

#include <algorithm>

#include "importer.h"

namespace tenon::frontend {

namespace {

constexpr int64_t kMaxSteps = 256;

int64_t checked_steps(OnnxNode& n, std::optional<int64_t> steps) {
  if (!steps) n.unsupported("a number of steps that is only known when the model runs", "fix it: --dim, or a constant trip count");
  if (*steps > kMaxSteps)
    n.unsupported(std::to_string(*steps) + " steps", "at most " + std::to_string(kMaxSteps) + " are supported");
  return std::max<int64_t>(*steps, 0);
}

std::optional<bool> known_condition(Val v) {
  auto content = v.content();
  auto number = content && content->size() == 1 ? v.builder().pool.as_int(content->front()) : std::nullopt;
  return number ? std::optional(*number != 0) : std::nullopt;
}

// Results of all steps along a new axis, last step first where `reverse`.
Val stacked(Vals steps, int axis, bool reverse) {
  for (Val& v : steps) v = unsqueeze(v, axis);
  if (reverse) std::ranges::reverse(steps);
  return concat(steps, axis);
}

int axis_at(OnnxNode& n, std::string_view name, size_t i, int rank) {
  std::vector<int64_t> axes = n.integers(name);
  return i < axes.size() ? n.axis(axes[i], rank) : 0;
}

bool flag_at(OnnxNode& n, std::string_view name, size_t i) {
  std::vector<int64_t> flags = n.integers(name);
  return i < flags.size() && flags[i] != 0;
}

}  // namespace

Vals Importer::body(const onnx::GraphProto& graph, const Vals& inputs, Scope& scope) {
  if (scope.depth >= kMaxDepth) refuse(Code::E0901, "sub-graphs nest too deeply");
  if (inputs.size() != static_cast<size_t>(graph.input_size()))
    refuse(Code::E0206, "the body has " + std::to_string(graph.input_size()) + " inputs and is given " + std::to_string(inputs.size()));
  Scope inner{.outer = &scope, .opsets = scope.opsets, .attributes = scope.attributes, .call = builder_.origin,
              .depth = scope.depth + 1};
  enter(graph, inner);
  for (int i = 0; i < graph.input_size(); ++i) inner.values[graph.input(i).name()] = inputs[static_cast<size_t>(i)].id();
  nodes(graph.node(), inner);
  Vals made;
  for (const auto& output : graph.output())
    made.emplace_back(builder_, find(output.name(), inner).value_or(ValueId{}));
  return made;
}

Vals Importer::if_node(OnnxNode& n, Scope& scope) {
  Val condition = n[0];
  if (auto taken = known_condition(condition)) return body(n.graph(*taken ? "then_branch" : "else_branch"), {}, scope);
  Vals yes = body(n.graph("then_branch"), {}, scope), no = body(n.graph("else_branch"), {}, scope);
  n.require(yes.size() == no.size(), "the branches have different numbers of outputs");
  Val chosen = reshape(condition, {});
  for (size_t i = 0; i < yes.size(); ++i) {
    if (!yes[i] || !no[i]) return {};  // a node of a branch was refused, and that was reported
    if (yes[i].type() != no[i].type() || yes[i].dims() != no[i].dims())
      n.unsupported("branches whose results differ in shape or type, and a condition that is only known when the model runs");
    yes[i] = select(chosen, yes[i], no[i]);
  }
  return yes;
}

Vals Importer::loop_node(OnnxNode& n, Scope& scope) {
  std::optional<int64_t> trips = kMaxSteps;
  if (n.opt(0)) trips = n.pool.as_int(n.elements(0).at(0));
  Val condition = n.opt(1) ? n[1] : n.b.scalar(DType::Bool, 1);
  Vals state(n.operands().begin() + std::min<int64_t>(2, static_cast<int64_t>(n.operands().size())), n.operands().end());
  size_t carried = state.size();
  std::vector<Vals> scans(n.output_count() - std::min(n.output_count(), carried));
  int64_t steps = checked_steps(n, trips);
  for (int64_t step = 0; step < steps; ++step) {
    auto runs = known_condition(condition);
    if (!runs) n.unsupported("a condition that is only known when the model runs");
    if (!*runs) break;
    if (step + 1 == kMaxSteps && !n.opt(0)) n.unsupported("more than " + std::to_string(kMaxSteps) + " steps");
    Vals inputs = {n.b.integer(step), condition};
    inputs.insert(inputs.end(), state.begin(), state.end());
    Vals made = body(n.graph("body"), inputs, scope);
    if (!std::ranges::all_of(made, [](Val v) { return static_cast<bool>(v); })) return {};
    n.require(made.size() == 1 + carried + scans.size(), "the body has another number of outputs than the Loop");
    condition = made[0];
    state.assign(made.begin() + 1, made.begin() + 1 + static_cast<int64_t>(carried));
    for (size_t k = 0; k < scans.size(); ++k) scans[k].push_back(made[1 + carried + k]);
  }
  for (Vals& steps_of : scans) {
    if (steps_of.empty()) n.unsupported("results of no step at all");
    state.push_back(stacked(std::move(steps_of), 0, false));
  }
  return state;
}

Vals Importer::scan_node(OnnxNode& n, Scope& scope) {
  if (n.opset < 9) n.unsupported("a batch axis (opset 8)");
  auto count = static_cast<size_t>(std::max<int64_t>(n.integer("num_scan_inputs"), 0));
  if (count == 0 || count > n.operands().size()) n.malformed("num_scan_inputs does not fit the operands");
  size_t carried = n.operands().size() - count;
  Vals state(n.operands().begin(), n.operands().begin() + static_cast<int64_t>(carried));
  std::vector<int> axes;
  for (size_t i = 0; i < count; ++i) {
    axes.push_back(axis_at(n, "scan_input_axes", i, n[carried + i].rank()));
    checked(unify_dims(n.b.graph, n[carried].dim(axes[0]), n[carried + i].dim(axes[i])));
  }
  n.require(n.output_count() >= carried, "Scan has fewer outputs than states");
  std::vector<Vals> scans(n.output_count() - carried);
  int64_t steps = checked_steps(n, n.pool.as_int(n[carried].dim(axes[0])));
  for (int64_t step = 0; step < steps; ++step) {
    Vals inputs = state;
    for (size_t i = 0; i < count; ++i) {
      int64_t at = flag_at(n, "scan_input_directions", i) ? steps - 1 - step : step;
      inputs.push_back(squeeze(slice(n[carried + i], axes[i], n.pool.index(at), n.pool.index(1)), axes[i]));
    }
    Vals made = body(n.graph("body"), inputs, scope);
    if (!std::ranges::all_of(made, [](Val v) { return static_cast<bool>(v); })) return {};
    n.require(made.size() == carried + scans.size(), "the body has another number of outputs than the Scan");
    state.assign(made.begin(), made.begin() + static_cast<int64_t>(carried));
    for (size_t k = 0; k < scans.size(); ++k) scans[k].push_back(made[carried + k]);
  }
  for (size_t k = 0; k < scans.size(); ++k) {
    if (scans[k].empty()) n.unsupported("results of no step at all");
    int axis = axis_at(n, "scan_output_axes", k, scans[k][0].rank() + 1);
    state.push_back(stacked(std::move(scans[k]), axis, flag_at(n, "scan_output_directions", k)));
  }
  return state;
}

}  // namespace tenon::frontend
