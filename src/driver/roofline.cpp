#include "roofline.h"

#include <algorithm>

namespace tenon {

namespace {

std::optional<double> value_of(const std::string& text, const std::map<std::string, int64_t>& dims) {
  ExprPool pool;
  ExprPool::Bindings bindings;
  for (const auto& [name, value] : dims) bindings[pool.symbol(name)] = value;
  const Result<Expr> expr = parse_expr(pool, text);
  const auto value = expr ? pool.evaluate(*expr, bindings) : std::nullopt;
  return value ? std::optional<double>(static_cast<double>(*value)) : std::nullopt;
}

// Operations per second of a type, in billions: a vector holds as many elements as fit.
double peak(const std::string& type, const Rates& rates) {
  if (type == "i8") return rates.gops_i8;
  const std::optional<DType> parsed = parse_dtype(type);
  return parsed && bits(*parsed) > 32 ? rates.gflops_f32 * 32 / bits(*parsed) : rates.gflops_f32;
}

}  // namespace

std::optional<CallCost> call_cost(const WorkText& work, const Rates& rates, const std::map<std::string, int64_t>& dims,
                                  unsigned threads, int64_t weights_bytes) {
  CallCost cost;
  double compute_ms = 0;
  for (const auto& [type, text] : work.multiply_adds) {
    const std::optional<double> number = value_of(text, dims);
    if (!number) return std::nullopt;
    cost.operations += 2 * *number;
    compute_ms += 2 * *number / (peak(type, rates) * threads) * 1e-6;
  }
  const std::optional<double> bytes = value_of(work.bytes, dims), constants = value_of(work.constant_bytes, dims);
  if (!bytes || !constants) return std::nullopt;
  cost.bytes = *bytes;
  // The fastest memory that holds it all, as if it were there already.
  auto gb_per_s = [&](double size) {
    if (size <= static_cast<double>(rates.l1d_bytes)) return rates.l1_gb_per_s * threads;
    if (size <= static_cast<double>(rates.l2_bytes)) return rates.l2_gb_per_s * threads;
    if (size <= static_cast<double>(rates.l3_bytes)) return rates.l3_gb_per_s * threads;
    return rates.dram_gb_per_s;
  };
  const double constants_ms = *constants / gb_per_s(std::max(*constants, static_cast<double>(weights_bytes))) * 1e-6;
  cost.least_ms = std::max({compute_ms, *bytes / gb_per_s(*bytes) * 1e-6, constants_ms});
  return cost;
}

}  // namespace tenon
