// An evaluation as the vector of features.
#include <algorithm>
#include <cmath>

#include "evaluate.h"
#include "feature_rows.h"

namespace tenon {

namespace {

using Kind = StatementFacts::Kind;
constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

float count(double x) { return std::log2(1 + static_cast<float>(x)); }
float nanoseconds(double seconds) { return count(seconds * kGiga); }

class Writer {
 public:
  Writer(const RegionFacts& facts, const DeviceFacts& device, const Evaluation& e, std::span<float> out)
      : f_(facts), d_(device), e_(e), out_(out), s_(facts.statements[facts.heaviest]) {}

  void run() {
    work(), space(), knobs(), tile(), buffers(), traffic(), parallel(), device(), prior();
  }

 private:
  void put(size_t row, float value) { out_[row] = value; }
  void put(size_t row, double value) { out_[row] = static_cast<float>(value); }
  void put(size_t row, bool value) { out_[row] = value ? 1 : 0; }

  void work() {
    const OpCounts& o = e_.ops;
    put(row::flops, count(o.flops)), put(row::integer_ops, count(o.integer));
    for (size_t k = 0; k < std::size(e_.macs); ++k) put(row::macs_f32 + k, count(e_.macs[k]));
    put(row::transcendentals, count(o.transcendental - e_.short_functions)), put(row::short_functions, count(e_.short_functions));
    put(row::divisions, count(o.divisions)), put(row::compares, count(o.compares));
    put(row::conversions, count(o.conversions)), put(row::index_ops, count(o.index));
    put(row::executed_ratio, e_.points > 0 ? e_.executed / e_.points : 1);
  }

  void space() {
    double depth = 0, loops = 0, symbolic = 0, products = 0;
    for (const StatementFacts::Axis& a : s_.axes) depth += a.extent > 1, loops += a.reduce && a.extent > 1, symbolic += a.symbolic;
    for (const StatementFacts& s : f_.statements) products += s.kind == Kind::Product || s.kind == Kind::Depthwise;
    const int lane = e_.tile.lanes_reduce ? s_.reduce_lane : s_.lane;
    put(row::points, count(e_.points)), put(row::rows_extent, count(s_.m)), put(row::columns_extent, count(s_.n)), put(row::reduction_extent, count(s_.terms));
    put(row::depth, depth), put(row::reduce_loops, loops), put(row::innermost_extent, count(lane < 0 ? 1 : s_.axes[static_cast<size_t>(lane)].extent));
    put(row::lanes_reduce, e_.tile.lanes_reduce), put(row::row_remainder, e_.tile.row_remainder), put(row::lane_remainder, e_.tile.idle);
    put(row::imperfect_tiles, e_.tile.imperfect), put(row::statements, static_cast<double>(f_.statements.size())), put(row::products, products);
    put(row::epilogue_ops, count(s_.point.simple + s_.point.compares + s_.point.conversions + s_.point.transcendental)), put(row::symbolic_axes, symbolic);
  }

  void knobs() {
    size_t at = row::knob_rows;
    for (size_t k = 0; k < kKnobDefaults.size(); ++k, ++at) {
      const auto knob = static_cast<Knob>(k);
      const bool blocks = knob == Knob::attach || knob == Knob::attach_block || knob == Knob::attach_inner || knob == Knob::attach_slide || knob == Knob::attach_rows;
      const auto value = static_cast<float>((blocks ? e_.region_knobs : e_.knobs)[knob]);
      put(at, !is_count(knob) ? value : value < 0 ? value : std::log2(1 + value));
    }
  }
  static bool is_count(Knob k) {
    switch (k) {
      case Knob::order: case Knob::pack_b: case Knob::padding: case Knob::results_ahead: case Knob::line_ahead: case Knob::attach_inner:
      case Knob::attach_slide: case Knob::lanes: case Knob::matrix: case Knob::parts: case Knob::halves: case Knob::functions: case Knob::winograd:
      case Knob::parallel: return false;
      default: return true;
    }
  }

  void tile() {
    const TileUse& t = e_.tile;
    const double accumulators = t.rows * t.vectors;
    put(row::tile_rows, t.rows), put(row::tile_vectors, t.vectors), put(row::tile_lanes, count(t.vectors * t.width)), put(row::lane_fill, t.width / t.native);
    put(row::accumulators, accumulators), put(row::registers_used, (accumulators + 1) / d_.registers), put(row::spilled, std::max(0.0, accumulators + 1 - d_.registers));
    put(row::steps_at_once, s_.steps_at_once), put(row::sum_parts, count(e_.sum_parts)), put(row::packed, e_.packed), put(row::copies, e_.copies), put(row::tiles, count(t.tiles));
  }

  void buffers() {
    constexpr size_t kTop = 3, kFields = 8;
    size_t best[kTop];
    size_t found = 0;
    for (size_t b = 0; b < kMostBuffers; ++b) {
      if (e_.buffers[b].touched <= 0) continue;
      size_t at = found;
      while (at > 0 && e_.buffers[best[at - 1]].touched < e_.buffers[b].touched) --at;
      if (at >= kTop) continue;
      found = std::min(found + 1, kTop);
      for (size_t k = found - 1; k > at; --k) best[k] = best[k - 1];
      best[at] = b;
    }
    for (size_t k = 0; k < kTop; ++k) {
      const size_t at = row::buffer1_touched + k * kFields;
      for (size_t field = 0; field < kFields; ++field) put(at + field, kNone);
      if (k >= found) continue;
      const BufferUse& b = e_.buffers[best[k]];
      const double values[kFields] = {b.touched, b.unique, b.lines, b.stride, b.run, b.touched / std::max(1.0, b.unique), b.distance, b.alignment};
      for (size_t field = 0; field < kFields; ++field) put(at + field, count(values[field]));
    }
  }

  void traffic() {
    const double operations = e_.ops.flops + e_.ops.integer, moved = e_.read + e_.written;
    auto per = [&](double a, double b) { return b > 0 ? count(a / b) : kNone; };
    put(row::read_bytes, count(e_.read)), put(row::written_bytes, count(e_.written)), put(row::compulsory_bytes, count(f_.compulsory));
    for (size_t c = 0; c < kCaches; ++c) put(row::l1_fills + c, d_.bytes[c] > 0 ? count(e_.fills[c]) : kNone);
    put(row::actual_compulsory, per(e_.fills[0], f_.compulsory));
    put(row::tile_per_l1, per(e_.tile_bytes, d_.bytes[0])), put(row::pass_per_l2, per(e_.pass_bytes, d_.bytes[1]));
    double last = 0;
    for (double size : d_.bytes) last = size > 0 ? size : last;
    put(row::region_per_l3, per(e_.region_bytes, last));
    put(row::ops_per_byte_l1, per(operations, moved));
    for (size_t c = 0; c < kCaches; ++c) put(row::ops_per_byte_l2 + c, d_.bytes[c] > 0 ? count(operations / std::max(1.0, e_.fills[c])) : kNone);
    put(row::weight_fraction, f_.compulsory > 0 ? f_.weights / f_.compulsory : 0), put(row::unproduced_fraction, f_.inputs > 0 ? f_.unproduced / f_.inputs : 0);
    put(row::temporary_bytes, count(f_.temporaries));
  }

  void parallel() {
    const double threads = d_.threads, share = e_.tasks / threads;
    put(row::tasks, count(e_.tasks)), put(row::imbalance, std::ceil(share) / share);
    put(row::fork_share, threads > 1 && e_.tasks > 1 ? d_.fork_us * 1e-6 / e_.prior.seconds : 0.0);
  }

  void device() {
    constexpr double kBits = 8, kNano = 1000;
    put(row::vector_bits, count(kBits * d_.vector_bytes)), put(row::unit_share, d_.unit_bytes / d_.vector_bytes), put(row::registers, d_.registers);
    put(row::peak_f32, count(d_.gflops_f32)), put(row::peak_half, count(std::max(d_.gops_pairs, d_.gflops_half))), put(row::peak_i8, count(d_.gops_i8));
    put(row::peak_matrix, count(std::max(d_.gops_matrix_i8, d_.gops_matrix_half)));
    for (size_t l = 0; l <= kCaches; ++l) put(row::l1_rate + l, count(d_.gb_per_s[l]));
    for (size_t c = 0; c < kCaches; ++c) put(row::l1_size + c, count(d_.bytes[c]));
    put(row::line, count(d_.line_bytes)), put(row::clock, d_.gigahertz), put(row::fork_time, count(kNano * d_.fork_us)), put(row::threads, d_.threads);
    put(row::fuses, d_.fuses), put(row::masks, d_.masks);
  }

  void prior() {
    const Prior& p = e_.prior;
    put(row::t_compute, nanoseconds(p.compute)), put(row::t_overhead, nanoseconds(p.overhead)), put(row::t_prior, nanoseconds(p.seconds));
    for (size_t l = 0; l <= kCaches; ++l) put(row::t_l1 + l, l > 0 && d_.bytes[l - 1] <= 0 ? kNone : nanoseconds(p.levels[l]));
    put(row::bound, static_cast<double>(p.bound)), put(row::second_share, p.second);
  }

  const RegionFacts& f_;
  const DeviceFacts& d_;
  const Evaluation& e_;
  std::span<float> out_;
  const StatementFacts& s_;
};

static_assert(row::tile_rows - row::knob_rows == kKnobDefaults.size(), "a row of features.def per knob, in the order of knobs.def");

}  // namespace

Prior features_of(const RegionFacts& facts, const Variant& variant, const DeviceFacts& device, std::span<float> out) {
  TENON_CHECK(out.size() == row::count && !facts.statements.empty(), "a float per row, of a region that computes something");
  Evaluation e;
  evaluate(facts, variant, device, e);
  Writer(facts, device, e, out).run();
  return e.prior;
}

}  // namespace tenon
