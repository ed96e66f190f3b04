// Expressions inside larger texts: the printer and parser that ExprPool::text and parse_expr wrap.
#pragma once

#include "lexer.h"
#include "tenon/expr.h"

namespace tenon {

// On an error the lexer has failed; the expression returned is a placeholder.
Expr parse_expr(Lexer& in, ExprPool& pool, const ParseScope& scope);

}  // namespace tenon
