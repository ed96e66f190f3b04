// Products of matrices.
#include <algorithm>
#include <map>

#include "families.h"
#include "quant.h"

namespace tenon::frontend {

namespace {

// As numpy.matmul: a vector on the left is a row, on the right a column, and the dim goes again.
Val matmul(OnnxNode& n, Val a, Val b) {
  n.require(a.rank() >= 1 && b.rank() >= 1, "MatMul needs operands of rank 1 or more");
  bool row = a.rank() == 1, column = b.rank() == 1;
  Val y = dot(row ? unsqueeze(a, 0) : a, column ? unsqueeze(b, 1) : b);
  if (column) y = squeeze(y, y.rank() - 1);
  if (row) y = squeeze(y, y.rank() - (column ? 1 : 2));
  return y;
}

Vals matmul(OnnxNode& n) { return {matmul(n, n[0], n[1])}; }

Vals gemm(OnnxNode& n) {
  Val a = n[0], b = n[1];
  n.require(a.rank() == 2 && b.rank() == 2, "Gemm needs matrices");
  if (n.flag("transA")) a = transpose(a, {1, 0});
  if (n.flag("transB")) b = transpose(b, {1, 0});
  double alpha = n.real("alpha"), beta = n.real("beta");
  Val y = dot(a, b);
  if (alpha != 1) y = y * alpha;
  if (Val c = n.opt(2); c && beta != 0) y = y + (beta == 1 ? c : c * beta);
  return {y};
}

// sum (a - za)(b - zb) = sum a*b - za * sum b - zb * sum a + K * za * zb; za per row, zb per column.
Vals matmul_integer(OnnxNode& n) {
  Val a = n[0], b = n[1], za = nonzero(n.opt(2)), zb = nonzero(n.opt(3));
  Val y = matmul(n, a, b);
  if ((za || zb) && (a.rank() == 1 || b.rank() == 1)) n.unsupported("vectors and zero points");
  auto wide = [](Val v) { return cast(v, DType::I32); };
  auto sum = [&](Val v, int axis) { return reduce(Op::reduce_sum, wide(v), {axis}, true); };
  if (za && za.rank() == 1) za = unsqueeze(za, 1);
  if (za) y = y - wide(za) * sum(b, b.rank() - 2);
  if (zb) y = y - wide(zb) * sum(a, a.rank() - 1);
  if (za && zb) y = y + wide(za) * wide(zb) * element_count(a, {a.rank() - 1}, DType::I32);
  return {y};
}

// Dequantise, multiply, quantise: the same value; a pass makes integer arithmetic of the pattern.
Vals qlinear_matmul(OnnxNode& n) {
  Val a = dequantize(n[0], n[1], n[2], std::max(n[0].rank() - 2, 0)), b = dequantize(n[3], n[4], n[5], n[3].rank() - 1);
  Val y = matmul(n, a, b);
  return {quantize(y, n[6], n[7], std::max(y.rank() - 2, 0))};
}

// Einsum: labels of each operand and of the result, one per dim; "..." becomes upper-case labels of its own.
struct Equation {
  std::vector<std::string> operands;
  std::string result;
};

Equation parse(OnnxNode& n) {
  std::string text = n.text("equation");
  std::erase(text, ' ');
  size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  Equation e;
  for (size_t start = 0; start <= left.size();) {
    size_t comma = std::min(left.find(',', start), left.size());
    e.operands.push_back(left.substr(start, comma - start));
    start = comma + 1;
  }
  if (e.operands.size() != n.operands().size()) n.malformed("the equation names another number of operands");
  size_t most = 0;
  for (size_t i = 0; i < e.operands.size(); ++i)
    if (e.operands[i].find("...") != std::string::npos)
      most = std::max(most, static_cast<size_t>(n[i].rank()) - std::min(e.operands[i].size() - 3, n[i].dims().size()));
  auto expand = [&](std::string& labels, size_t dims) {
    if (size_t at = labels.find("..."); at != std::string::npos) {
      std::string own;
      for (size_t k = most - dims; k < most; ++k) own.push_back(static_cast<char>('\x01' + k));
      labels.replace(at, 3, own);
    }
  };
  for (size_t i = 0; i < e.operands.size(); ++i) {
    size_t named = e.operands[i].size() - (e.operands[i].find("...") != std::string::npos ? 3 : 0);
    if (named > n[i].dims().size()) n.malformed("the equation names more dims than an operand has");
    expand(e.operands[i], n[i].dims().size() - named);
    if (e.operands[i].size() != n[i].dims().size()) n.malformed("the equation names fewer dims than an operand has");
  }
  if (arrow != std::string::npos) {
    e.result = text.substr(arrow + 2);
    expand(e.result, most);
  } else {  // labels that occur once, sorted; those of "..." first
    std::map<char, int> count;
    for (const std::string& labels : e.operands)
      for (char label : labels) ++count[label];
    for (auto [label, times] : count)
      if (times == 1 || label < ' ') e.result.push_back(label);
  }
  return e;
}

// The diagonal of repeated labels, then the sum over labels that nobody else asks for.
Val reduced(OnnxNode& n, Val x, std::string& labels, const std::string& needed) {
  for (size_t i = 0; i < labels.size(); ++i)
    for (size_t j = labels.find(labels[i], i + 1); j != std::string::npos; j = labels.find(labels[i], i + 1)) {
      Val row = n.b.iota(DType::I64, x.dims(), static_cast<int>(i)), column = n.b.iota(DType::I64, x.dims(), static_cast<int>(j));
      x = reduce(Op::reduce_sum, select(row == column, x, x.like(0)), {static_cast<int64_t>(j)}, false);
      labels.erase(j, 1);
    }
  std::vector<int64_t> alone;
  std::string kept;
  for (size_t d = 0; d < labels.size(); ++d) {
    if (needed.find(labels[d]) == std::string::npos) alone.push_back(static_cast<int64_t>(d));
    else kept.push_back(labels[d]);
  }
  labels = kept;
  return alone.empty() ? x : reduce(Op::reduce_sum, x, alone, false);
}

Val arranged(Val x, const std::string& labels, const std::string& order) {
  std::vector<int64_t> perm;
  for (char label : order) perm.push_back(static_cast<int64_t>(labels.find(label)));
  return std::ranges::is_sorted(perm) ? x : transpose(x, perm);
}

// One product of two operands: shared labels that are kept are batch dims, those that go are summed.
Val contract(Val a, std::string la, Val b, std::string lb, const std::string& needed, std::string& result) {
  ExprPool& p = a.builder().pool;
  std::string batch, rows, columns, sums;
  for (char label : la) {
    bool both = lb.find(label) != std::string::npos, kept = needed.find(label) != std::string::npos;
    (both ? kept ? batch : sums : rows).push_back(label);
  }
  for (char label : lb)
    if (la.find(label) == std::string::npos) columns.push_back(label);
  a = arranged(a, la, batch + rows + sums);
  b = arranged(b, lb, batch + sums + columns);
  Dims da = a.dims(), db = b.dims();
  size_t nb = batch.size(), nr = rows.size(), ns = sums.size();
  Dims head, left(da.begin() + nb, da.begin() + nb + nr), right(db.begin() + nb + ns, db.end());
  auto all = [&](const Dims& dims, size_t from, size_t count) { return product(p, std::span(dims).subspan(from, count)); };
  Dims a3(da.begin(), da.begin() + nb), b3(db.begin(), db.begin() + nb);
  a3.insert(a3.end(), {all(da, nb, nr), all(da, nb + nr, ns)});
  b3.insert(b3.end(), {all(db, nb, ns), all(db, nb + ns, columns.size())});
  Val y = dot(reshape(a, a3), reshape(b, b3));
  head = y.dims();
  head.resize(nb);
  head.insert(head.end(), left.begin(), left.end());
  head.insert(head.end(), right.begin(), right.end());
  result = batch + rows + columns;
  return reshape(y, head);
}

Vals einsum(OnnxNode& n) {
  Equation e = parse(n);
  Val x = n[0];
  std::string labels = e.operands[0];
  for (size_t i = 0; i < e.operands.size(); ++i) {
    std::string later = e.result;  // what the rest of the equation still needs
    for (size_t k = i + 1; k < e.operands.size(); ++k) later += e.operands[k];
    if (i == 0) {
      x = reduced(n, x, labels, later);
      continue;
    }
    std::string own = e.operands[i];
    Val y = reduced(n, n[i], own, later + labels);
    x = contract(x, labels, y, own, later, labels);
  }
  for (char label : e.result)
    if (labels.find(label) == std::string::npos) n.malformed("the result names a label that no operand has");
  return {arranged(x, labels, e.result)};
}

// By the first row, over the columns left; batches are the leading dims.
Val minor(Val x, size_t row, const std::vector<int64_t>& columns) {
  ExprPool& p = x.builder().pool;
  auto element = [&](int64_t column) {
    Val line = squeeze(slice(x, x.rank() - 2, p.index(static_cast<int64_t>(row)), p.index(1)), x.rank() - 2);
    return squeeze(slice(line, line.rank() - 1, p.index(column), p.index(1)), line.rank() - 1);
  };
  if (columns.size() == 1) return element(columns[0]);
  Val sum;
  for (size_t k = 0; k < columns.size(); ++k) {
    std::vector<int64_t> others = columns;
    others.erase(others.begin() + static_cast<int64_t>(k));
    Val term = element(columns[k]) * minor(x, row + 1, others);
    sum = !sum ? term : k % 2 == 0 ? sum + term : sum - term;
  }
  return sum;
}

Vals det(OnnxNode& n) {
  Val x = n[0];
  n.require(x.rank() >= 2, "Det needs a matrix");
  auto size = n.pool.as_int(checked(unify_dims(n.b.graph, x.dim(x.rank() - 2), x.dim(x.rank() - 1))));
  constexpr int64_t kMost = 5;
  if (!size || *size < 1 || *size > kMost) n.unsupported("matrices of any size but 1 to " + std::to_string(kMost));
  std::vector<int64_t> columns;
  for (int64_t c = 0; c < *size; ++c) columns.push_back(c);
  return {minor(x, 0, columns)};
}

constexpr ImportRow kRows[] = {{"Det", det},
                               {"Einsum", einsum},
                               {"Gemm", gemm},
                               {"MatMul", matmul},
                               {"MatMulInteger", matmul_integer},
                               {"QLinearMatMul", qlinear_matmul}};

}  // namespace

std::span<const ImportRow> matmul_imports() { return kRows; }

}  // namespace tenon::frontend
