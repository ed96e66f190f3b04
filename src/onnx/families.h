// The importers, a family a file. Adding an op: write its function, add its row to the family's table.
#pragma once

#include "node.h"

namespace tenon::frontend {

std::span<const ImportRow> activation_imports();
std::span<const ImportRow> attention_imports();
std::span<const ImportRow> conv_imports();
std::span<const ImportRow> elementwise_imports();
std::span<const ImportRow> gather_imports();
std::span<const ImportRow> layout_imports();
std::span<const ImportRow> matmul_imports();
std::span<const ImportRow> norm_imports();
std::span<const ImportRow> pool_imports();
std::span<const ImportRow> quant_imports();
std::span<const ImportRow> recurrent_imports();
std::span<const ImportRow> reduce_imports();
std::span<const ImportRow> resize_imports();
std::span<const ImportRow> sample_imports();
std::span<const ImportRow> shape_imports();
std::span<const ImportRow> signal_imports();
std::span<const ImportRow> training_imports();

// Operators with sub-graphs: control_flow.cpp.
inline constexpr std::string_view kControlFlow[] = {"If", "Loop", "Scan"};

}  // namespace tenon::frontend
