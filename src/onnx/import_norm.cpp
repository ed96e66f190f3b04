// Normalisations and softmax: composites where a fused kernel exists, elementwise chains elsewhere.
#include <algorithm>
#include <numeric>

#include "families.h"

namespace tenon::frontend {

namespace {

std::vector<int64_t> axes_from(int first, int rank) {
  std::vector<int64_t> axes(static_cast<size_t>(rank - first));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Val layer_norm(Val x, Val scale, Val bias, std::vector<int64_t> axes, double epsilon, const char* mode = "mean") {
  Vals operands = {x};
  if (scale || bias) operands.push_back(scale);
  if (bias) operands.push_back(bias);
  return x.builder().emit(Op::layer_norm, operands,
                          Attrs().set<Attr::axes>(std::move(axes)).set<Attr::epsilon>(epsilon).set<Attr::mode>(mode));
}

struct Moments {
  Val mean, variance;
};
Moments moments(Val x, const std::vector<int64_t>& axes, bool keep) {
  Val average = mean(x, axes, true), centred = x - average;
  return {keep ? average : mean(x, axes, false), mean(centred * centred, axes, keep)};
}

Vals batch_normalization(OnnxNode& n) {
  Val x = n[0], average = n[3], variance = n[4];
  if (n.integer_or("spatial", 1) == 0) n.unsupported("spatial = 0");
  Vals outputs(1);
  if (n.flag("training_mode")) {
    std::vector<int64_t> axes = axes_from(1, x.rank());
    axes[0] = 0;
    Moments now = moments(x, axes, false);
    double momentum = n.real("momentum");
    outputs.push_back(average * momentum + now.mean * (1 - momentum));
    outputs.push_back(variance * momentum + now.variance * (1 - momentum));
    average = now.mean;
    variance = now.variance;
  }
  Val factor = n[1] / sqrt(variance + n.real("epsilon")), shift = n[2] - average * factor;
  int axis = std::min(1, x.rank() - 1);
  outputs[0] = x * align_channels(factor, axis, x.rank()) + align_channels(shift, axis, x.rank());
  return outputs;
}

Vals instance_normalization(OnnxNode& n) {
  Val x = n[0];
  n.require(x.rank() >= 3, "InstanceNormalization needs an operand of rank 3 or more");
  return {layer_norm(x, align_channels(n[1], 1, x.rank()), align_channels(n[2], 1, x.rank()), axes_from(2, x.rank()),
                     n.real("epsilon"))};
}

// Opset 18 scales per group, 21 and later per channel.
Vals group_normalization(OnnxNode& n) {
  ExprPool& p = n.pool;
  Val x = n[0];
  n.require(x.rank() >= 3, "GroupNormalization needs an operand of rank 3 or more");
  Dims dims = x.dims();
  Expr groups = p.index(n.integer("num_groups"));
  auto per_group = p.div_exact(dims[1], groups);
  n.require(per_group.has_value(), "channels are no multiple of num_groups");
  Dims grouped = dims;
  grouped[1] = groups;
  grouped.insert(grouped.begin() + 2, *per_group);
  Val y = reshape(x, grouped);
  auto axes = axes_from(2, y.rank());
  if (n.opset < 21)
    return {reshape(layer_norm(y, align_channels(n[1], 1, y.rank()), align_channels(n[2], 1, y.rank()), axes, n.real("epsilon")), dims)};
  y = reshape(layer_norm(y, {}, {}, axes, n.real("epsilon")), dims);
  return {y * align_channels(n[1], 1, x.rank()) + align_channels(n[2], 1, x.rank())};
}

Vals layer_normalization(OnnxNode& n) {
  Val x = n[0];
  auto axes = axes_from(n.axis("axis", x.rank()), x.rank());
  double epsilon = n.real("epsilon");
  Vals outputs = {layer_norm(x, n[1], n.opt(2), axes, epsilon)};
  if (n.wants_output(1) || n.wants_output(2)) {
    Moments m = moments(cast(x, DType::F32), axes, true);
    outputs.push_back(m.mean);
    outputs.push_back(1.0 / sqrt(m.variance + epsilon));
  }
  return outputs;
}

Vals rms_normalization(OnnxNode& n) {
  Val x = n[0];
  return {layer_norm(x, n[1], {}, axes_from(n.axis("axis", x.rank()), x.rank()), n.real("epsilon"), "rms")};
}

Vals lp_normalization(OnnxNode& n) {
  Val x = n[0];
  std::vector<int64_t> axes = {n.axis("axis", x.rank())};
  Val norm = n.integer("p") == 1 ? reduce(Op::reduce_sum, abs(x), axes, true)
                                 : sqrt(reduce(Op::reduce_sum, x * x, axes, true));
  return {x / select(norm == 0.0, norm.like(1), norm)};
}

// x / (bias + alpha / size * sum of squares over neighbouring channels)^beta
Vals lrn(OnnxNode& n) {
  Val x = n[0];
  n.require(x.rank() >= 3, "LRN needs an operand of rank 3 or more");
  auto size = n.integer("size");
  if (size < 1) n.malformed("LRN with size " + std::to_string(size));
  std::vector<int64_t> kernel(static_cast<size_t>(x.rank() - 1), 1);
  kernel[0] = size;
  Dims begin(kernel.size(), n.pool.index(0)), end = begin;
  begin[0] = n.pool.index((size - 1) / 2);
  end[0] = n.pool.index(size / 2);
  Val sum = n.b.emit(Op::window_sum, {x * x},
                     Attrs().set<Attr::kernel>(kernel).set<Attr::pads_begin>(begin).set<Attr::pads_end>(end));
  return {x / pow(sum * (n.real("alpha") / static_cast<double>(size)) + n.real("bias"), n.real("beta"))};
}

// Before opset 13 all dims from `axis` on counted as one.
template <class F>
Vals along_axis(OnnxNode& n, const F& f) {
  Val x = n[0];
  int axis = n.axis("axis", x.rank());
  if (n.opset >= 13 || axis == x.rank() - 1) return {f(x, axis)};
  return {reshape(f(flatten(x, axis, x.rank()), axis), x.dims())};
}

Vals softmax(OnnxNode& n) {
  return along_axis(n, [](Val x, int axis) { return x.builder().emit(Op::softmax, {x}, Attrs().set<Attr::axis>(axis)); });
}

Vals log_softmax(OnnxNode& n) {
  return along_axis(n, [](Val x, int axis) {
    Val shifted = x - reduce(Op::reduce_max, x, {axis}, true);
    return shifted - log(reduce(Op::reduce_sum, exp(shifted), {axis}, true));
  });
}

constexpr ImportRow kRows[] = {
    {"BatchNormalization", batch_normalization},
    {"GroupNormalization", group_normalization},
    {"InstanceNormalization", instance_normalization},
    {"LRN", lrn},
    {"LayerNormalization", layer_normalization},
    {"LogSoftmax", log_softmax},
    {"LpNormalization", lp_normalization},
    {"RMSNormalization", rms_normalization},
    {"Softmax", softmax},
};

}  // namespace

std::span<const ImportRow> norm_imports() { return kRows; }

}  // namespace tenon::frontend
