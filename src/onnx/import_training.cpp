// Optimisers of ai.onnx.preview.training, and small operators of ai.onnx.ml.
#include "families.h"

namespace tenon::frontend {

namespace {

// Operands: rate, step count, then groups of equally many tensors. Outputs: groups, too.
template <size_t groups, class F>
Vals each(OnnxNode& n, const F& update) {
  size_t count = (n.operands().size() - std::min<size_t>(2, n.operands().size())) / groups;
  if (n.operands().size() != 2 + groups * count || count == 0) n.malformed("wrong number of operands");
  Val rate = reshape(n[0], {}), step = reshape(n[1], {});
  std::vector<Vals> columns;
  for (size_t i = 0; i < count; ++i) {
    Vals own;
    for (size_t g = 0; g < groups; ++g) own.push_back(n[2 + g * count + i]);
    columns.push_back(update(rate, step, own));
  }
  Vals outputs;
  for (size_t k = 0; k < columns[0].size(); ++k)
    for (const Vals& column : columns) outputs.push_back(column[k]);
  return outputs;
}

Vals adagrad(OnnxNode& n) {
  return each<3>(n, [&](Val rate, Val step, const Vals& v) -> Vals {  // x, gradient, sum of squares
    Val r = rate / (cast(step, rate.type()) * n.real("decay_factor") + 1.0);
    Val g = v[0] * n.real("norm_coefficient") + v[1], h = v[2] + g * g;
    return {v[0] - r * g / (sqrt(h) + n.real("epsilon")), h};
  });
}

Vals adam(OnnxNode& n) {
  return each<4>(n, [&](Val rate, Val step, const Vals& v) -> Vals {  // x, gradient, two moments
    double alpha = n.real("alpha"), beta = n.real("beta");
    Val g = v[0] * n.real("norm_coefficient") + v[1];
    Val first = v[2] * alpha + g * (1 - alpha), second = v[3] * beta + g * g * (1 - beta);
    Val t = cast(step, rate.type());
    Val adjusted = rate * sqrt(1.0 - pow(t.like(beta), t)) / (1.0 - pow(t.like(alpha), t));
    adjusted = select(0.0 < t, adjusted, rate);
    Val x = v[0] - adjusted * (first / (sqrt(second) + n.real("epsilon")));
    return {x * (1 - n.real("norm_coefficient_post")), first, second};
  });
}

Vals momentum(OnnxNode& n) {
  bool nesterov = n.text("mode") == "nesterov";
  if (!nesterov && n.text("mode") != "standard") n.malformed("unknown mode '" + n.text("mode") + "'");
  return each<3>(n, [&](Val rate, Val step, const Vals& v) -> Vals {  // x, gradient, momentum
    double alpha = n.real("alpha");
    Val g = v[0] * n.real("norm_coefficient") + v[1];
    Val weight = select(0.0 < cast(step, g.type()), g.like(n.real("beta")), g.like(1));
    Val moved = v[2] * alpha + g * weight;
    return {v[0] - rate * (nesterov ? g + moved * alpha : moved), moved};
  });
}

Vals binarizer(OnnxNode& n) { return {cast(n.real("threshold") < n[0], n[0].type())}; }

// Columns by number; a vector counts as one row.
Vals array_feature_extractor(OnnxNode& n) {
  Val x = n[0].rank() == 1 ? unsqueeze(n[0], 0) : n[0], index = flatten(n[1], 0, n[1].rank());
  n.require(x.rank() >= 1, "ArrayFeatureExtractor needs an operand of rank 1 or more");
  return {gather(x, index, x.rank() - 1)};
}

constexpr std::string_view kTraining = "ai.onnx.preview.training", kMl = "ai.onnx.ml";
constexpr ImportRow kRows[] = {{"Adagrad", adagrad, kTraining},
                               {"Adam", adam, kTraining},
                               {"ArrayFeatureExtractor", array_feature_extractor, kMl},
                               {"Binarizer", binarizer, kMl},
                               {"Momentum", momentum, kTraining}};

}  // namespace

std::span<const ImportRow> training_imports() { return kRows; }

}  // namespace tenon::frontend
