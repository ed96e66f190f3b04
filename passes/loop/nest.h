// A statement on its way to loops: flat buffers, one offset per access, axes still unordered.
#pragma once

#include <functional>

#include "tenon/passes.h"

namespace tenon {

constexpr int64_t kLineBits = 512;  // of a cache

// Where the region's buffers lie while a kernel is built.
struct BufferPlace {
  Layout layout;               // of the logical dims
  // Folded temporaries: the part of each dim that is there, from where on and how much. Empty: all.
  std::vector<Expr> origin = {}, extents = {};
  // Along `dim` there are `rows` positions, which those of the tensor take in turn, from `before` in front of its first on.
  struct Turns {
    int dim = -1;  // none
    int64_t before = 0, rows = 0;
  } turns = {};
  double margin = 0;  // what the layout's margins hold
};

// Taps of a window that read zeros unless 0 <= rest + step * axis < extent.
struct PaddedTaps {
  Expr axis;      // of the reduction
  int64_t step;
  Expr rest;      // varies with output axes only
  Expr extent;
};

// One more element that each step of a nest stores.
struct NestStore {
  Expr offset, value;
};

// Knob::prefetch and Knob::beyond: where a panel begins that is read ahead, and which of how many blocks of rows that use one panel it is.
struct ReadAhead {
  Expr panel = {};
  Expr lanes = {};               // that the constant has
  int64_t element_bits = 0;  // of the constant
  Expr block = {}, blocks = {};
};

struct Nest {
  std::vector<Expr> axes;         // of the output, logical order
  std::vector<Expr> reduce_axes;
  std::vector<Accumulator> accumulators;
  BufferId out;
  Expr offset;                    // of the store
  Expr value;
  Expr condition = {};
  bool scan = false;
  std::vector<NestStore> also = {};
  ReadAhead ahead = {};
  std::vector<PaddedTaps> padded = {};

  // Applies f to every expression.
  template <class F>
  void each_expr(F&& f) {
    f(offset);
    f(value);
    for (NestStore& more : also) {
      f(more.offset);
      f(more.value);
    }
    if (condition.valid()) f(condition);
    if (ahead.panel.valid()) f(ahead.panel);
    for (PaddedTaps& taps : padded) f(taps.rest);
    for (Accumulator& a : accumulators) {
      f(a.init);
      f(a.update);
    }
  }
  void substitute(ExprPool& pool, const ExprPool::Substitution& map);
  std::vector<Expr> loads(ExprPool& pool);
  bool reduces() const { return !reduce_axes.empty(); }
};

// One statement per piece where a statement chooses between expressions by range of an axis.
void split_pieces(Region& region);

// A statement that chooses by bounds of its axes between an element and a constant, as a padded copy does. `loops`, outermost
// first, stand around all; under them one of the two lists, by the condition where that is valid.
struct Borders {
  std::vector<Expr> loops;
  Expr condition = {};
  std::vector<Statement> inside, outside;
};
// Nothing where it is no such statement, or where what is inside makes no run of `least_run` elements along any axis. `offset`: of its
// stores. Makes axes in `pool`.
std::optional<Borders> split_borders(ExprPool& pool, const Statement& statement, Expr offset, int64_t least_run);

// A reduction's axis that is divided by a constant (the group of a grouped convolution) becomes two axes,
// so that both quotient and remainder are loop variables. `results`: axes of the results as well.
void split_divided_axes(Region& region, bool results);

// Replaces axes of extent 1 by 0.
void drop_unit_axes(ExprPool& pool, Statement& statement);

// The statement with every access as one offset.
Nest flatten(const Region& region, ExprPool& pool, const Statement& statement, const Store<BufferId, BufferPlace>& places);

// Joins neighbouring axes (and neighbouring reduce axes) whose accesses all step as one loop would, except `keep`.
void merge_axes(ExprPool& pool, Nest& nest, Expr keep);

// coefficient of `axis` in an affine expression; nothing if it is not affine in it.
std::optional<Expr> coefficient(ExprPool& pool, Expr e, Expr axis);
std::optional<int64_t> known_coefficient(ExprPool& pool, Expr e, Expr axis);

// A factor or operand without the casts around it.
Expr strip_casts(const ExprPool& pool, Expr e);

// The axis that the store walks with stride 1 (the last such of extent above 1); invalid: none.
Expr unit_stride_axis(ExprPool& pool, Expr offset, const std::vector<Expr>& axes);

// Outermost first by the step that each axis makes in `offset`, symbols taken as large.
void sort_by_stride(ExprPool& pool, std::vector<Expr>& axes, Expr offset);

// Puts what a contraction reads into the form that its tile wants, as statements before it: padding
// guards become a padded copy unless Knob::padding keeps them, a vector operand a packed copy as Knob::pack_b says. Returns how
// many were inserted.
size_t prepare_operands(Region& region, size_t statement, Store<BufferId, BufferPlace>& places, const Knobs& knobs, int64_t lanes,
                        const std::function<bool(BufferId)>& is_constant);

// A product of bytes, none of them constant, reads a copy of the operand along the lanes in which four steps lie beside each other.
// Returns how many statements were inserted.
size_t pack_words(Region& region, size_t statement, Store<BufferId, BufferPlace>& places, const std::function<bool(BufferId)>& is_constant);

struct Narrowing {
  int64_t pack_b = 0, parts = 1;  // knobs
  bool halves = false;            // Knob::halves, and the target has what it needs
};
// Operands of a product that are rounded to bf16 as bf16 buffers, pairs of the reduction's last axis beside each other. Run
// before prepare_operands. With a Knob::pack_b that forbids copies of the vector operand they are rounded where they are read,
// unless that is a constant. With `halves` the same holds of f16; else constants along the lanes are f16, and other operands stay as they
// are, which errs less. Returns how many statements were inserted.
size_t narrow_operands(Region& region, size_t statement, Store<BufferId, BufferPlace>& places, const Narrowing& how,
                       const std::function<bool(BufferId)>& is_constant);
// A sum in f32 of products of two loads of bf16, or of three parts of both: the loads, of some part.
std::optional<Product> narrow_product(const ExprPool& pool, std::span<const Accumulator> accumulators);
bool is_narrow_product(const ExprPool& pool, std::span<const Accumulator> accumulators);

constexpr int64_t kPair = 2;          // of bf16 or f16, in a word
constexpr int64_t kBytesPerWord = 4;
constexpr int64_t kNever = 2;  // of Knob::pack_b

// The statement's axes, those of its result first.
std::vector<Expr> all_axes(const Statement& statement);
// Smallest and largest value of an index that is affine, with constant steps, in axes of known extents.
std::optional<std::pair<Expr, Expr>> index_range(ExprPool& pool, Expr e, const std::vector<Expr>& axes);
// `dim` becomes as long as what the index reaches, and `shift` where that begins; false where it is not known.
bool cover(ExprPool& pool, Expr index, const std::vector<Expr>& axes, Expr& dim, Expr& shift);
// The condition and, as far as it is not known to hold, 0 <= index < extent.
Expr and_inside(ExprPool& pool, Expr condition, Expr index, Expr extent);

// The statement's taps that may lie in padding, before prepare_operands makes a padded copy of what they read.
std::vector<PaddedTaps> padded_taps(const Region& region, ExprPool& pool, const Statement& statement);

// Whether the sum reads its operand under a condition: it has no padded copy.
bool reads_guarded(const ExprPool& pool, const Nest& nest);
// Positions [begin, end) along an output axis for which none of its taps lies in padding; nothing where padding does not go by it.
std::optional<std::pair<int64_t, int64_t>> inside_padding(ExprPool& pool, const Nest& nest, Expr axis);
// Shortens the loops of a finished tile to the taps that some row or lane of it reads from outside the padding.
void skip_padding(ExprPool& pool, Nest& nest, Stmt& tile);

// Of a kernel in the making, which names the region's buffers: what it reads and writes of them, by their numbers.
struct BuffersUsed {
  std::vector<bool> read, written;
};
BuffersUsed buffers_used(Kernel& kernel, const Region& region);
// Each buffer by its new number, which `to` has for all that are used.
void rename_buffers(Kernel& kernel, const std::unordered_map<int64_t, int64_t>& to);
// Kernel::symbols: those that its body and its buffers' sizes name.
void collect_symbols(Kernel& kernel);
// Whether some function of f32 in it has a shorter form (Knob::functions).
bool has_short_functions(Kernel& kernel);

// What a tile is made of, once knobs and target have been looked at.
struct TileShape {
  Expr lane = {};               // the vector axis: of the output, or of the reduction; invalid: scalar
  bool lanes_reduce = false;
  int64_t lanes = 1;            // elements per tile along the lane axis
  int64_t width = 1;            // of them in a vector
  int64_t rows = 1;
  int64_t registers = 0;        // vector registers of the target
  int order = 0;                // Knob::order
  int64_t row_block = 0;        // Knob::row_block
  int64_t k_block = 0;          // Knob::k_block
  int64_t part = 32;            // terms of a running sum of floats, where k_block says nothing
  int64_t unroll = 1;           // Knob::unroll
  BufferId panel = {};          // the packed constant; invalid: none
  int64_t panels_ahead = 0;     // Knob::prefetch
  int64_t beyond = 0;           // Knob::beyond
  int64_t beyond_from = 0;      // Knob::beyond_from, in bytes
  int64_t ahead = 0;            // Knob::ahead
  bool results_ahead = false;   // Knob::results_ahead
  BufferId line = {};           // Knob::line_ahead: the operand of the rows; invalid: none
  int64_t line_step = 0;        // from what a tile reads of it to what the tile of the next line of results does, in elements
  int64_t atom_k = 1;           // steps that one instruction sums
  bool matrix = false;          // Knob::matrix
  bool paired = false;          // pair_columns
  bool halves = false;          // Knob::halves
};

// What a shape is chosen by, beside the nest and its knobs.
struct ShapeInput {
  const Region& region;
  const Store<BufferId, BufferPlace>& places;
  const Target& target;
  std::function<bool(BufferId)> is_constant;
};
TileShape choose_shape(const ShapeInput& in, ExprPool& pool, Nest& nest, const Knobs& knobs, bool ordered);
// Knob::line_ahead: the operand that all lanes share, if rows of its elements lie at a known distance for the next line of results.
void find_next_line(ExprPool& pool, const Nest& nest, TileShape& shape);
// Steps of the tile's reduction ask for what the next line's tile reads of it. Requires: all of the tile but stores.
void ask_for_next_line(ExprPool& pool, const TileShape& shape, Stmt& tile);
// Where taps are summed in words (TileShape::atom_k) and the channels fill less than a vector, lanes run along columns as well.
void widen_taps(ExprPool& pool, Nest& nest, TileShape& shape);
// Where the channels of a product of f32 fill half a vector and neighbouring columns of its left operand lie beside each other, lanes
// are the channels of two columns, one after the other channel by channel.
void pair_columns(ExprPool& pool, Nest& nest, TileShape& shape);
// Knob::lanes of 3: where the lanes' axis has few positions it becomes one with the axis around it. Requires: axes merged.
void join_short_lanes(ExprPool& pool, Nest& nest, TileShape& shape);
// Lanes of the statement's tiles, where an axis of its result is the vector axis.
int64_t lanes_of(const Region& region, const Statement& statement, const Knobs& knobs, const Target& target);

// Statements that write zeros, or `fill`, into the margins of a buffer. Makes axes in region.pool.
std::vector<Statement> margins(Region& region, BufferId buffer, const Layout& layout, double fill = 0);
// What the statements read of the buffer in place of padding, if that is one number for all.
std::optional<double> padding_of(const Region& region, BufferId buffer);

// Loops for one nest, tiles at the bottom: one statement, a For where there is anything to iterate.
std::vector<Stmt> tile_nest(ExprPool& pool, Nest nest, const TileShape& shape);

// A nest that cannot be tiled because each step of its reduction is stored: loops in order, the state in
// scratch buffers of one element.
std::vector<Stmt> scan_nest(Kernel& kernel, Nest nest);

// A region whose producers are computed at an axis: knobs attach and attach_block.
struct SharedLoops {
  std::vector<size_t> before;        // statements that are the same for all blocks: kernels of their own
  std::vector<size_t> inside;        // the others
  std::vector<Expr> loops;           // outermost first
  std::vector<Statement> body;       // those inside, for one block
  // Iterations of the last loop below `full` take `body`, the others `tail`, a smaller block. Invalid: all take `body`.
  Expr full = {};
  std::vector<Statement> tail = {};
};
// Requires: operands prepared. Folds the temporaries: see BufferPlace. `parts`: each block is gone through in parts, so that copies of
// operands come before. E0403 where the knobs do not fit the region.
Result<SharedLoops> share_loops(Region& region, const Graph& graph, std::vector<Expr> shared, int64_t block, bool parts,
                                Store<BufferId, BufferPlace>& places);

// Knob::attach_slide: rows of the last statement's results and those that they read of what the statement before it makes. Row r
// reads rows step*r + low to step*r + high along a dim of `buffer`.
struct Window {
  BufferId buffer;
  size_t dim = 0;
  Expr row, made;                    // axes: the outermost of the reader beside the shared ones; of the producer
  int64_t step = 1, low = 0, high = 0;
};
// Requires: operands prepared. Nothing where no window slides.
std::optional<Window> sliding_window(const Graph& graph, Region& region, const std::vector<Expr>& shared);
// Only as many rows as are read at a time are kept.
void take_turns(ExprPool& pool, const Window& window, const std::vector<Expr>& dims, BufferPlace& place);
// The margins beside the rows that are kept, of all that `body` writes: only the last two statements make and read what is inside.
void beside_kept_rows(ExprPool& pool, const Window& window, const BufferPlace& place, std::vector<Statement>& body);
// The statement writes the margin after the buffer's last row.
bool is_below(ExprPool& pool, const Window& window, const Statement& s);
// Of `nests` the last two, which are the producer's and the reader's, become one, row by row; `below`: those of margins after the
// last row. All of `nests` stands in a loop over parts of the reader's rows, `rows_per_part` of them each; 0: there is one part.
// False where their outermost loops do not go through rows.
bool slide(ExprPool& pool, const Window& window, std::vector<Stmt>& nests, std::vector<Stmt> below, int64_t rows_per_part);

// A convolution by Winograd's F(m,3): statements in order, each of which stands for itself, or all under the loops.
struct WinogradProducts {
  std::vector<Expr> loops;               // over images and blocks of rows of tiles, outermost first; empty: there are none
  std::vector<Statement> body;           // for all tiles, or for those of a block
  std::vector<BufferId> scratch;         // temporaries of one block, where there are loops
  // Iterations of the last loop below `full` take `body`, the others `tail`. Invalid: all take `body`.
  Expr full = {};
  std::vector<Statement> tail = {};
  size_t product = 0;                    // which of `body` and of `tail` sums over channels
};
// `block`: rows of tiles at a time; 0: no loops. Adds buffers to the region.
WinogradProducts winograd_products(Region& region, const Statement& statement, const WinogradConv& conv, int64_t m, int64_t block,
                                   Store<BufferId, BufferPlace>& places);

// Marks the outermost loop as tasks, joined with the loop inside it where that gives more of them. Knobs:
// parallel, grain.
void make_tasks(ExprPool& pool, std::vector<Stmt>& body, const Knobs& knobs);

// What fills the margins of a result, one list of loops per box of `margins`, as tasks that have the same rows (or, where the kernel
// that makes the inside goes channels by channels, the same channels) as the tasks of that kernel; as they are where it is little.
std::vector<Stmt> margin_tasks(ExprPool& pool, std::vector<std::vector<Stmt>> boxes, const Layout& layout, const Knobs& knobs);

}  // namespace tenon
