#include "families.h"

#include <algorithm>

#include "tenon/frontend.h"

namespace tenon::frontend {

std::span<const ImportRow> import_rows() {
  static const std::vector<ImportRow> rows = [] {
    std::vector<ImportRow> all;
    for (auto family : {activation_imports(), attention_imports(), conv_imports(), elementwise_imports(),
                        gather_imports(), layout_imports(), matmul_imports(), norm_imports(), pool_imports(),
                        quant_imports(), recurrent_imports(), reduce_imports(), resize_imports(), sample_imports(), shape_imports(),
                        signal_imports(), training_imports()})
      all.insert(all.end(), family.begin(), family.end());
    std::ranges::sort(all, {}, [](const ImportRow& row) { return std::pair(row.domain, row.name); });
    return all;
  }();
  return rows;
}

const ImportRow* find_importer(std::string_view domain, std::string_view op) {
  auto rows = import_rows();
  auto key = [](const ImportRow& row) { return std::pair(row.domain, row.name); };
  auto it = std::ranges::lower_bound(rows, std::pair(domain, op), {}, key);
  return it != rows.end() && key(*it) == std::pair(domain, op) ? &*it : nullptr;
}

}  // namespace tenon::frontend

namespace tenon {

std::vector<std::string> supported_operators() {
  std::vector<std::string> names(std::begin(frontend::kControlFlow), std::end(frontend::kControlFlow));
  for (const frontend::ImportRow& row : frontend::import_rows())
    names.push_back((row.domain.empty() ? "" : std::string(row.domain) + "::") + std::string(row.name));
  std::ranges::sort(names);
  return names;
}

}  // namespace tenon
