// Region + knobs -> kernels. Each statement becomes a nest: accesses flattened through the layouts, axes
// merged, operands packed, then tiled. With `attach` leading axes shared, all statements stand in one
// kernel under the shared loops and the temporaries between them are folded into scratch (share_loops.cpp).
#include <algorithm>
#include <map>

#include "nest.h"
#include "tenon/winograd.h"

namespace tenon {

namespace {

constexpr int64_t kBytesPerKiB = 1024;
constexpr int64_t kLanesJoined = 3;  // of Knob::lanes

class RegionLowering {
 public:
  RegionLowering(const Region& region, const Graph& graph, const Variant& variant, const Target& target, const MemoryOf& memory)
      : region_(region), graph_(graph), variant_(variant), target_(target), memory_(memory) {}

  Result<std::vector<BuiltKernel>> lower() {
    for (const RegionBuffer& b : region_.buffers)
      places_.push({b.value.valid() ? from_its_begin(graph_.values[b.value].layout) : Layout{}});
    const int64_t winograd = variant_.knobs[Knob::winograd];
    if (winograd != 0 && winograd != 2 && winograd != 4)
      return fail(Code::E0403, "region " + region_.name + ": there is no Winograd transform for " + std::to_string(winograd), "winograd=2 or winograd=4");
    const auto attach = winograd ? 0 : static_cast<size_t>(variant_.knobs[Knob::attach]);
    std::vector<Expr> shared = attach ? shared_axes(graph_, region_, variant_.knobs) : std::vector<Expr>{};
    if (shared.size() < attach)
      return fail(Code::E0403, "region " + region_.name + " has fewer axes than attach asks for", "choose a smaller `attach` for it");
    if (attach == 0) {
      split_pieces(region_);
      drop_copies_in_place();
    }
    split_divided_axes(region_, attach == 0);  // axes of results are shared by their names
    std::erase_if(shared, [&](Expr axis) { return region_.pool.is_index(region_.pool.var(axis).extent, 1); });
    for (Statement& s : region_.statements) drop_unit_axes(region_.pool, s);
    add_inner_margins();
    for (size_t i = 0; i < region_.statements.size(); ++i) {
      const Knobs& knobs = knobs_of(region_.statements[i]);
      if (const auto conv = winograd ? match_winograd(graph_, region_, region_.statements[i]) : std::nullopt) {
        i += filter_by_winograd(i, *conv, knobs);
        continue;
      }
      auto taps = padded_taps(region_, region_.pool, region_.statements[i]);
      const std::function<bool(BufferId)> constant = [&](BufferId b) { return is_constant(b); };
      const bool splits = attach == 0 && knobs[Knob::matrix] == 1 && target_.has("tdpbf16ps");
      const bool halves = knobs[Knob::halves] == 1 && target_.half_fma();
      const size_t narrowed = narrow_operands(region_, i, places_, {knobs[Knob::pack_b], splits ? knobs[Knob::parts] : 1, halves}, constant);
      i += narrowed;
      const bool sums_words = target_.has("vpdpbusd") && knobs[Knob::matrix] == 0 && knobs[Knob::pack_b] != kNever;
      const size_t words = sums_words ? pack_words(region_, i, places_, constant) : 0;
      i += words;
      if (narrowed == 0 && words == 0 && !is_narrow_product(region_.pool, region_.statements[i].accumulators))
        i += prepare_operands(region_, i, places_, knobs, lanes_of(region_, region_.statements[i], knobs, target_), constant);
      knobs_.resize(i + 1, &knobs);
      padded_.resize(i);
      padded_.push_back(std::move(taps));
    }
    if (winograd && filtered_ == 0)
      return fail(Code::E0403, "region " + region_.name + " has no convolution that Winograd's transforms fit",
                  "they take f32, 3x3 taps of stride and dilation 1, one group, constant weights, known width and height: leave `winograd` out");
    folded_.resize(region_.buffers.size());
    if (attach == 0) {
      for (size_t i = 0; i < region_.statements.size(); ++i) add_kernel(i);
      if (!built_.empty()) add_margins();
      return std::move(built_);
    }
    TENON_TRY(SharedLoops loops, share_loops(region_, graph_, shared, variant_.knobs[Knob::attach_block], variant_.knobs[Knob::attach_rows] > 0, places_));
    std::optional<Window> window;
    if (variant_.knobs[Knob::attach_slide] == 1) {
      window = sliding_window(graph_, region_, shared);
      if (!window) return no_window("of which the second reads the first through a window over its rows");
      take_turns(region_.pool, *window, region_.buffers[window->buffer].dims, places_[window->buffer]);
      for (std::vector<Statement>* body : {&loops.body, &loops.tail}) beside_kept_rows(region_.pool, *window, places_[window->buffer], *body);
    }
    for (size_t i : loops.before) add_kernel(i);
    TENON_DO(add_shared(std::move(loops), window));
    add_margins();
    return std::move(built_);
  }

 private:
  // What a state holds already, or a part has written, is where it belongs.
  void drop_copies_in_place() {
    if (!memory_) return;
    ExprPool& pool = region_.pool;
    std::erase_if(region_.statements, [&](const Statement& s) {
      if (!s.routine.empty() || pool.op(s.value) != SOp::Load || s.condition.valid() || !s.reduce_axes.empty()) return false;
      const BufferId source = pool.buffer(s.value);
      const ValueId from = region_.buffers[source].value, to = region_.buffers[s.out].value;
      if (!from.valid() || !to.valid() || from == to || memory_(from) != memory_(to)) return false;
      const std::vector<Expr> indices(pool.operands(s.value).begin(), pool.operands(s.value).end());
      const Expr read = physical_offset(pool, graph_.values[from].layout, region_.buffers[source].dims, indices);
      return read == physical_offset(pool, graph_.values[to].layout, region_.buffers[s.out].dims, s.indices);
    });
  }

  Kernel& kernel() { return built_.back().kernel; }
  bool is_constant(BufferId b) const {
    return region_.buffers[b].value.valid() && graph_.constant(region_.buffers[b].value) != nullptr;
  }

  std::unexpected<Diags> no_window(const std::string& wanted, const std::string& hint = "leave `attach_slide` out") const {
    return fail(Code::E0403, "region " + region_.name + " has no two statements at its end " + wanted + ": attach_slide needs them", hint);
  }

  // A statement is tiled by the knobs of the value whose node it comes from.
  const Knobs& knobs_of(const Statement& s) const {
    const ValueId owner = owner_of(region_, s.out);
    auto own = std::ranges::find(variant_.producers, owner, &std::pair<ValueId, Knobs>::first);
    return own == variant_.producers.end() ? variant_.knobs : own->second;
  }

  // Knob winograd: the statements in place of statement i, or what stands for them until they become one kernel. How many
  // were added.
  size_t filter_by_winograd(size_t i, const WinogradConv& conv, const Knobs& knobs) {
    constexpr int64_t kAttached = 2;  // images, rows of tiles
    const int64_t block = knobs[Knob::attach] == kAttached ? std::max<int64_t>(1, knobs[Knob::attach_block]) : 0;
    WinogradProducts products = winograd_products(region_, region_.statements[i], conv, knobs[Knob::winograd], block, places_);
    ++filtered_;
    auto knobs_at = [&](size_t k) { return k == products.product ? &knobs : &transforms_; };
    knobs_.resize(i);
    padded_.resize(i);
    if (!products.loops.empty()) {
      knobs_.push_back(&knobs);
      padded_.emplace_back();
      under_loops_.emplace(i, std::move(products));
      return 0;
    }
    for (size_t k = 0; k < products.body.size(); ++k) knobs_.push_back(knobs_at(k));
    padded_.resize(knobs_.size());
    const auto at = region_.statements.begin() + static_cast<ptrdiff_t>(i);
    *at = std::move(products.body.back());
    products.body.pop_back();
    region_.statements.insert(region_.statements.begin() + static_cast<ptrdiff_t>(i), std::make_move_iterator(products.body.begin()),
                              std::make_move_iterator(products.body.end()));
    return products.body.size();
  }

  // Operands, sums and results of a block of tiles one after the other, under the loops over blocks.
  void add_winograd(const WinogradProducts& products, const Knobs& knobs) {
    for (BufferId b : products.scratch) folded_[static_cast<size_t>(b.index)] = true;
    begin_kernel(built_.size());
    add_blocks(products.loops, products.full, products.body, products.tail, {},
               [&](size_t k) -> const Knobs& { return k == products.product ? knobs : transforms_; });
    make_tasks(kernel().pool, kernel().body, variant_.knobs);
    finish_kernel();
  }

  void add_kernel(size_t i) {
    if (auto it = under_loops_.find(i); it != under_loops_.end()) return add_winograd(it->second, *knobs_[i]);
    begin_kernel(built_.size());
    const Statement& s = region_.statements[i];
    if (!add_borders(s, *knobs_[i])) add_statement(s, *knobs_[i], kernel().body, padded_[i]);
    if (!writes_packed(s)) make_tasks(kernel().pool, kernel().body, variant_.knobs);
    finish_kernel();
  }

  // What is inside of margins and these, each in runs. False where the statement is of another kind.
  bool add_borders(Statement s, const Knobs& knobs) {
    if (writes_packed(s) || !s.routine.empty() || s.scan) return false;
    ExprPool& pool = kernel().pool;
    drop_unit_axes(pool, s);
    const auto borders = split_borders(pool, s, flatten(region_, pool, s, places_).offset, target_.lanes(region_.buffers[s.out].type));
    if (!borders) return false;
    std::vector<Stmt> body;
    for (const Statement& piece : borders->inside) add_statement(piece, knobs, body);
    if (borders->condition.valid()) {
      Stmt choose{.kind = StmtKind::If, .value = borders->condition, .body = std::move(body)};
      for (const Statement& piece : borders->outside) add_statement(piece, knobs, choose.otherwise);
      body.clear();
      body.push_back(std::move(choose));
    }
    for (size_t k = borders->loops.size(); k-- > 0;) {
      Stmt loop{.kind = StmtKind::For, .var = borders->loops[k], .extent = pool.var(borders->loops[k]).extent};
      loop.body = std::move(body);
      body.clear();
      body.push_back(std::move(loop));
    }
    for (Stmt& stmt : body) kernel().body.push_back(std::move(stmt));
    return true;
  }

  // What is read around the temporaries whose layouts have margins, before the statement that makes the rest.
  void add_inner_margins() {
    for (size_t i = 0; i < region_.statements.size(); ++i) {
      const BufferId b = region_.statements[i].out;
      if (region_.buffers[b].is_output || places_[b].layout.halos.empty()) continue;
      if (std::ranges::find(region_.statements, b, &Statement::out) - region_.statements.begin() != static_cast<ptrdiff_t>(i)) continue;
      places_[b].margin = padding_of(region_, b).value_or(0);
      const std::vector<Statement> around = margins(region_, b, places_[b].layout, places_[b].margin);
      region_.statements.insert(region_.statements.begin() + static_cast<ptrdiff_t>(i), around.begin(), around.end());
      i += around.size();
    }
  }

  // Zeros around the results whose layouts have margins: a kernel for all of one result, after what may be computed
  // in place of an operand.
  void add_margins() {
    for (size_t i = 0; i < region_.buffers.size(); ++i) {
      const BufferId b(i);
      if (!region_.buffers[b].is_output || places_[b].layout.halos.empty()) continue;
      const std::vector<Statement> zeros = margins(region_, b, places_[b].layout);
      begin_kernel(built_.size());
      std::vector<std::vector<Stmt>> boxes(zeros.size());
      for (size_t k = 0; k < zeros.size(); ++k) add_statement(zeros[k], Knobs{}, boxes[k]);
      kernel().body = margin_tasks(kernel().pool, std::move(boxes), places_[b].layout, variant_.knobs);
      finish_kernel();
    }
  }

  // One kernel of all statements under the shared loops.
  Result<void> add_shared(SharedLoops loops, const std::optional<Window>& window) {
    for (const Statement& s : loops.body) {
      const RegionBuffer& out = region_.buffers[s.out];
      folded_[static_cast<size_t>(s.out.index)] = !out.is_output;
    }
    begin_kernel(built_.size());
    if (!add_blocks(loops.loops, loops.full, loops.body, loops.tail, window, [&](size_t k) -> const Knobs& { return *knobs_[loops.inside[k]]; }))
      return no_window("whose outermost loops are not their rows", "fewer `rows` than two rows are long, no `row_block`, and `order=1`");
    if (std::ranges::none_of(loops.body, [&](const Statement& s) { return writes_packed(s); }))
      make_tasks(kernel().pool, kernel().body, variant_.knobs);
    finish_kernel();
    return {};
  }

  // `body` under the loops; `tail` from iteration `full` of the last of them on, if that is valid. `window`: rows of the last
  // statement but one go with those of the last; false: they cannot.
  bool add_blocks(const std::vector<Expr>& loops, Expr full, const std::vector<Statement>& body, const std::vector<Statement>& tail, const std::optional<Window>& window,
                  const std::function<const Knobs&(size_t)>& knobs_of) {
    ExprPool& pool = kernel().pool;
    bool slid = true;
    auto nests = [&](const std::vector<Statement>& statements) {
      std::vector<Stmt> inside, below;
      for (size_t i = 0; i < statements.size(); ++i)
        add_statement(statements[i], knobs_of(i), window && is_below(pool, *window, statements[i]) ? below : inside);
      if (window) slid &= slide(pool, *window, inside, std::move(below), variant_.knobs[Knob::attach_rows]);
      return inside;
    };
    std::vector<Stmt> inside = nests(body);
    if (full.valid()) {
      Stmt choose{.kind = StmtKind::If, .value = pool.binary(SOp::Lt, loops.back(), full)};
      choose.body = std::move(inside);
      choose.otherwise = nests(tail);
      inside.clear();
      inside.push_back(std::move(choose));
    }
    for (size_t k = loops.size(); k-- > 0;) {
      Stmt loop{.kind = StmtKind::For, .var = loops[k], .extent = pool.var(loops[k]).extent};
      loop.body = std::move(inside);
      inside.clear();
      inside.push_back(std::move(loop));
    }
    kernel().body = std::move(inside);
    return slid;
  }

  // Elements that share a byte are written by one task.
  bool writes_packed(const Statement& s) const { return bits(region_.buffers[s.out].type) < 8; }

  // --- one statement --------------------------------------------------------------------------------

  void add_statement(const Statement& statement, const Knobs& knobs, std::vector<Stmt>& into, std::vector<PaddedTaps> padded = {}) {
    if (!statement.routine.empty()) {
      Stmt call{.kind = StmtKind::Call, .routine = statement.routine};
      call.buffers = statement.operands;
      call.buffers.push_back(statement.out);
      call.buffers.insert(call.buffers.end(), statement.more_outs.begin(), statement.more_outs.end());
      call.scalars = statement.scalars;
      into.push_back(std::move(call));
      return;
    }
    ExprPool& pool = kernel().pool;
    if (std::ranges::any_of(statement.axes, [&](Expr a) { return pool.is_index(pool.var(a).extent, 0); })) return;
    Nest nest = flatten(region_, pool, statement, places_);
    if (nest.scan) {
      for (Stmt& s : scan_nest(kernel(), std::move(nest))) into.push_back(std::move(s));
      return;
    }
    bool ordered = std::ranges::any_of(nest.accumulators, [](const Accumulator& a) { return a.monoid == Monoid::Custom; });
    if (!ordered && !is_narrow_product(pool, nest.accumulators)) order_reduction(pool, nest);
    TileShape shape = choose_shape({region_, places_, target_, [this](BufferId b) { return is_constant(b); }}, pool, nest, knobs, ordered);
    const BufferId packed = pack_constants(pool, statement, nest, shape);
    if (packed.valid()) {
      shape.panel = packed;
      shape.panels_ahead = shape.order == 0 && !shape.matrix ? knobs[Knob::prefetch] : 0;
      shape.beyond = shape.order == 0 && !shape.matrix ? knobs[Knob::beyond] : 0;
      shape.beyond_from = knobs[Knob::beyond_from] * kBytesPerKiB;
      shape.ahead = shape.matrix ? 0 : knobs[Knob::ahead];
    }
    if (packed.valid() || lay_along_lanes(statement, nest, shape)) {
      std::vector<Expr> reduce_axes = nest.reduce_axes;
      nest = flatten(region_, pool, statement, places_);
      nest.reduce_axes = reduce_axes;
    }
    shape.results_ahead = knobs[Knob::results_ahead] != 0 && !shape.matrix;
    if (knobs[Knob::line_ahead] == 1 && !shape.matrix) find_next_line(pool, nest, shape);
    nest.padded = padded.empty() ? padded_taps(region_, pool, statement) : std::move(padded);
    widen_taps(pool, nest, shape);
    pair_columns(pool, nest, shape);
    if (shape.atom_k == 1) merge_axes(pool, nest, nest.reduces() || shape.rows > 1 ? shape.lane : Expr{});
    else merge_outputs(pool, nest, shape.lane);
    if (!nest.reduces() && shape.rows == 1) shape.lane = shape.lane.valid() ? unit_stride_axis(pool, nest.offset, nest.axes) : Expr{};
    if (knobs[Knob::lanes] == kLanesJoined) join_short_lanes(pool, nest, shape);
    start_from_bias(pool, nest);
    for (Stmt& s : tile_nest(pool, std::move(nest), shape)) into.push_back(std::move(s));
  }

  // An integer sum to which the epilogue adds a constant starts there.
  void start_from_bias(ExprPool& pool, Nest& nest) {
    if (nest.accumulators.size() != 1 || nest.accumulators[0].monoid != Monoid::Sum) return;
    Accumulator& acc = nest.accumulators[0];
    if (pool.type(acc.var) != DType::I32 || pool.as_int(acc.init) != 0) return;
    Expr sum = {};  // what the epilogue reads instead of the accumulator
    bool alone = true;
    std::vector<bool> seen(pool.size());
    auto visit = [&](auto& self, Expr e) -> void {
      if (seen[static_cast<size_t>(e.index)]) return;
      seen[static_cast<size_t>(e.index)] = true;
      for (Expr child : pool.operands(e)) {
        if (child == acc.var) alone &= !sum.valid() && pool.op(e) == SOp::Add, sum = e;
        self(self, child);
      }
    };
    visit(visit, nest.value);
    if (!alone || !sum.valid() || (nest.condition.valid() && pool.depends_on(nest.condition, acc.var))) return;
    Expr bias = pool.operands(sum)[pool.operands(sum)[0] == acc.var ? 1 : 0];
    if (pool.op(bias) != SOp::Load || !is_constant(pool.buffer(bias))) return;
    acc.init = bias;
    nest.value = pool.substitute(nest.value, {{sum, acc.var}});
  }

  static void merge_outputs(ExprPool& pool, Nest& nest, Expr lane) {
    std::vector<Expr> reduce_axes = std::move(nest.reduce_axes);
    nest.reduce_axes.clear();
    merge_axes(pool, nest, lane);
    nest.reduce_axes = std::move(reduce_axes);
  }

  // Innermost where the reduced operand is contiguous.
  void order_reduction(ExprPool& pool, Nest& nest) {
    if (nest.reduce_axes.size() < 2) return;
    std::vector<Expr> loads;
    for (const Accumulator& a : nest.accumulators) pool.collect_loads(a.update, loads);
    auto guide = std::ranges::find_if(loads, [&](Expr load) {
      return !is_constant(pool.buffer(load)) &&
             std::ranges::all_of(nest.reduce_axes, [&](Expr axis) { return pool.depends_on(load, axis); });
    });
    if (guide != loads.end()) sort_by_stride(pool, nest.reduce_axes, pool.operands(*guide)[0]);
  }

  // The vector operand of a product, if it is a constant, is stored as panels of `lanes` columns with the
  // reduction in the order of the loops inside: [batch..., N/lanes, K..., lanes, atom].
  // Returns it; invalid: there is none.
  BufferId pack_constants(ExprPool& pool, const Statement& s, const Nest& nest, const TileShape& shape) {
    if (!nest.reduces() || !shape.lane.valid() || shape.lanes_reduce) return {};
    if (!match_product(pool, nest.accumulators) && !is_narrow_product(pool, nest.accumulators)) return {};
    std::vector<Expr> loads;
    region_.pool.collect_loads(s.accumulators[0].update, loads);
    BufferId packed = {};
    for (Expr load : loads) {
      BufferId b = region_.pool.buffer(load);
      if (!is_constant(b) || !places_[b].layout.row_major() || !region_.pool.depends_on(load, shape.lane)) continue;
      if (std::ranges::none_of(nest.reduce_axes, [&](Expr r) { return region_.pool.depends_on(load, r); })) continue;
      places_[b].layout = panel_layout(load, nest, shape);
      packed = b;
    }
    return packed;
  }

  // Where the reduction is the vector axis, constants whose elements lie apart along it are laid out along it. Whether there are any.
  bool lay_along_lanes(const Statement& s, const Nest& nest, const TileShape& shape) {
    if (!shape.lanes_reduce || nest.accumulators.size() != 1) return false;
    std::vector<Expr> loads;
    region_.pool.collect_loads(s.accumulators[0].update, loads);
    bool found = false;
    for (Expr load : loads) {
      const BufferId b = region_.pool.buffer(load);
      if (!is_constant(b) || !places_[b].layout.row_major()) continue;
      const auto indices = region_.pool.operands(load);
      const auto at = std::ranges::find_if(indices, [&](Expr index) { return region_.pool.depends_on(index, shape.lane); });
      if (at == indices.end() || at + 1 == indices.end() || *at != shape.lane) continue;
      const int lane = static_cast<int>(at - indices.begin());
      for (int d = 0; d < static_cast<int>(indices.size()); ++d)
        if (d != lane) places_[b].layout.parts.push_back({d, 1, 0});
      places_[b].layout.parts.push_back({lane, 1, 0});
      found = true;
    }
    return found;
  }

  Layout panel_layout(Expr load, const Nest& nest, const TileShape& shape) {
    ExprPool& pool = region_.pool;
    const std::vector<Expr> indices(pool.operands(load).begin(), pool.operands(load).end());
    auto rank_of = [&](int d) -> size_t {  // position in the loop order: output axes, then reductions
      for (size_t r = 0; r < nest.reduce_axes.size(); ++r)
        if (pool.depends_on(indices[static_cast<size_t>(d)], nest.reduce_axes[r])) return r + 1;
      return 0;
    };
    std::vector<int> order;
    int lane_dim = -1, atom_dim = -1;
    for (int d = 0; d < static_cast<int>(indices.size()); ++d) {
      Expr index = indices[static_cast<size_t>(d)];
      if (pool.depends_on(index, shape.lane)) lane_dim = d;
      else order.push_back(d);
      auto along = coefficient(pool, index, nest.reduce_axes.back());
      if (shape.atom_k > 1 && along && pool.is_index(*along, 1)) atom_dim = d;
    }
    std::ranges::stable_sort(order, {}, rank_of);
    // Panels of `lanes` columns; of one group's where the dim is a group index and the lane inside it.
    Expr rest = pool.sub(indices[static_cast<size_t>(lane_dim)], shape.lane);
    auto extent = pool.as_int(pool.var(shape.lane).extent);
    int64_t block = rest == pool.index(0) ? shape.lanes : extent.value_or(0);
    bool whole = block > 0 && pool.is_index(pool.mod(rest, pool.index(block)), 0);
    const int64_t word = bits(region_.buffers[pool.buffer(load)].type) == 16 ? kPair : kBytesPerWord;
    Layout layout;
    auto first_reduced = std::ranges::find_if(order, [&](int d) { return rank_of(d) > 0; });
    for (auto it = order.begin(); it != first_reduced; ++it) layout.parts.push_back({*it, 1, 0});
    if (whole) layout.parts.push_back({lane_dim, block, 0});
    for (auto it = first_reduced; it != order.end(); ++it)
      layout.parts.push_back({*it, *it == atom_dim ? word : 1, 0});
    layout.parts.push_back({lane_dim, 1, whole ? block : 0});
    if (atom_dim >= 0) layout.parts.push_back({atom_dim, 1, word});
    return layout;
  }

  // --- kernels --------------------------------------------------------------------------------------

  void begin_kernel(size_t index) {
    built_.push_back({});
    kernel().name = region_.name + (index ? "_" + std::to_string(index) : "");
    kernel().pool = region_.pool;
    kernel().origins = region_.origins;
    // While it is built a kernel names the region's buffers; scratch made on the way comes after them.
    for (size_t i = 0; i < region_.buffers.size(); ++i) kernel().buffers.push({});
  }

  // Renumbers: the kernel's buffers are those it uses, params first.
  void finish_kernel() {
    Kernel& k = kernel();
    Store<BufferId, LoopBuffer> old = std::move(k.buffers);
    k.buffers = {};
    const auto [read, written] = buffers_used(k, region_);
    k.short_functions = variant_.knobs[Knob::functions] == 1 && has_short_functions(k);
    std::unordered_map<int64_t, int64_t> renumber;
    for (int pass = 0; pass < 2; ++pass)  // params, then folded temporaries
      for (size_t i = 0; i < region_.buffers.size(); ++i) {
        BufferId b(i);
        bool param = !folded_[i];
        if (!(read[i] || written[i]) || param != (pass == 0)) continue;
        const RegionBuffer& source = region_.buffers[b];
        Expr size = physical_size(k.pool, places_[b].layout, places_[b].extents.empty() ? source.dims : places_[b].extents);
        if (!places_[b].layout.within.empty()) size = k.pool.sub(size, elements_before(k.pool, graph_.values[source.value].layout, source.dims));
        BufferId made = k.buffers.push({source.name, source.type, size, param ? Space::Param : Space::Scratch, written[i], 0});
        renumber[static_cast<int64_t>(i)] = made.index;
        if (!param) continue;
        KernelParam p{source.value, source.value.valid() ? -1 : static_cast<int>(i), {}};
        if (is_constant(b)) p.packed = places_[b].layout;
        if (is_constant(b) && source.type != graph_.values[source.value].type) p.rounded = source.type;
        if (const size_t rank = source.dims.size(); is_constant(b) && rank < graph_.values[source.value].dims.size())
          p.winograd = winograd_of(*k.pool.as_int(source.dims[rank - 1]));
        if (is_constant(b) && source.dims.size() > graph_.values[source.value].dims.size()) take_parts(p, *k.pool.as_int(source.dims[0]));
        built_.back().params.push_back(std::move(p));
      }
    for (size_t i = region_.buffers.size(); i < old.size(); ++i)
      renumber[static_cast<int64_t>(i)] = k.buffers.push(old[BufferId(i)]).index;
    rename_buffers(k, renumber);
    collect_symbols(k);
  }

  // The buffer's last dim is a tile's points.
  static int64_t winograd_of(int64_t points) { return points == winograd_transform(4).points * winograd_transform(4).points ? 4 : 2; }

  // The buffer's first dim is the part.
  static void take_parts(KernelParam& p, int64_t parts) {
    p.parts = parts;
    std::erase_if(p.packed.parts, [](const LayoutPart& part) { return part.dim == 0; });
    for (LayoutPart& part : p.packed.parts) --part.dim;
  }

  Region region_;
  const Graph& graph_;
  const Variant& variant_;
  const Target& target_;
  const MemoryOf& memory_;
  Store<BufferId, BufferPlace> places_;
  std::vector<const Knobs*> knobs_;              // per statement
  std::vector<std::vector<PaddedTaps>> padded_;  // the same
  std::map<size_t, WinogradProducts> under_loops_;  // by statement
  size_t filtered_ = 0;                             // convolutions that Knob::winograd has changed
  const Knobs transforms_{{{Knob::vectors, 1}}};    // a tile has a vector of channels
  std::vector<bool> folded_;                     // per buffer: scratch of the kernel under the shared loops
  std::vector<BuiltKernel> built_;
};

}  // namespace

Result<std::vector<BuiltKernel>> lower_region(const Region& region, const Graph& graph, const Variant& variant,
                                              const Target& target, const MemoryOf& memory) {
  return RegionLowering(region, graph, variant, target, memory).lower();
}

}  // namespace tenon
