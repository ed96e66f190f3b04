#pragma once

#include "tenon/features.h"

namespace tenon {

// Operations of the expressions, each distinct one once; `skip` and what it is made of are somebody else's, but their index arithmetic.
OpCounts count_ops(const ExprPool& pool, std::span<const Expr> of, std::span<const Expr> skip = {});

}  // namespace tenon
