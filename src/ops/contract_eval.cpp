// Reference products in float64: whole networks are judged by them. Bytes are
// summed exactly in doubles; wider integers modulo 2^64.
#include "contract_eval.h"

#include <algorithm>

#include "matrix_product.h"
#include "spatial.h"

namespace tenon {

namespace {

// A tensor's elements in the type that products are computed in: double, or uint64_t modulo 2^64.
template <class T>
std::vector<T> elements(const Tensor& t) {
  return is_float(t.type) ? std::vector<T>(t.f.begin(), t.f.end()) : std::vector<T>(t.i.begin(), t.i.end());
}

template <class T>
std::vector<Tensor> as_outputs(const EvalInput& in, const std::vector<T>& values) {
  Tensor out{.type = in.output_types[0].type, .dims = in.output_dims[0]};
  if (is_float(out.type)) {
    out.f.assign(values.begin(), values.end());
  } else {
    // Through int64_t: a negative double does not convert to an unsigned type.
    out.i.resize(values.size());
    std::ranges::transform(values, out.i.begin(), [](T v) { return static_cast<int64_t>(v); });
    round_elements(out);
  }
  return {std::move(out)};
}

// Calls f.operator()<T>() for the T in which this node's products are exact or float64.
template <class F>
auto dispatch(const EvalInput& in, F f) {
  DType type = in.inputs[0]->type;
  return is_integer(type) && bits(type) > 16 ? f.template operator()<uint64_t>() : f.template operator()<double>();
}

// Offset of the matrix that broadcasting pairs with batch index `at` of the result.
int64_t batch_offset(const std::vector<int64_t>& dims, const std::vector<int64_t>& result, int64_t at) {
  int64_t offset = 0, scale = dims[dims.size() - 1] * dims[dims.size() - 2];
  for (size_t d = result.size() - 2, e = dims.size() - 2; d-- > 0 && e-- > 0;) {
    if (dims[e] != 1) offset += at % result[d] * scale;
    scale *= dims[e];
    at /= result[d];
  }
  return offset;
}

template <class T>
std::vector<Tensor> dot(const EvalInput& in) {
  const Tensor &x = *in.inputs[0], &y = *in.inputs[1];
  std::vector<T> a = elements<T>(x), b = elements<T>(y), c(static_cast<size_t>(count(in.output_dims[0])));
  int64_t k = x.dims.back(), n = y.dims.back(), m = x.dims[x.dims.size() - 2];
  for (int64_t batch = 0; c.size() && batch < static_cast<int64_t>(c.size()) / (m * n); ++batch)
    multiply({a.data() + batch_offset(x.dims, in.output_dims[0], batch), k},
                {b.data() + batch_offset(y.dims, in.output_dims[0], batch), n}, {c.data() + batch * m * n, n}, m, n, k);
  return as_outputs(in, c);
}

int64_t positions_per_block(int64_t depth) { return std::clamp<int64_t>(32768 / std::max<int64_t>(depth, 1), 16, 1024); }

std::span<const int64_t> spatial_dims(const std::vector<int64_t>& dims) { return std::span(dims).subspan(2); }

// Per block of output positions: a matrix of what every tap reads, times the weights.
template <class T>
std::vector<Tensor> conv(const EvalInput& in) {
  const std::vector<int64_t>&xd = in.inputs[0]->dims, &wd = in.inputs[1]->dims;
  Taps geometry(in, spatial_dims(in.output_dims[0]), spatial_dims(xd), spatial_dims(wd));
  std::vector<T> x = elements<T>(*in.inputs[0]), w = elements<T>(*in.inputs[1]);
  std::vector<T> out(static_cast<size_t>(count(in.output_dims[0])));
  T pad = in.inputs.size() > 2 && in.inputs[2] ? elements<T>(*in.inputs[2])[0] : T{0};
  int64_t groups = in.node.attrs.get_or<Attr::groups>(1), channels = wd[1], outputs = wd[0] / groups;
  int64_t positions = geometry.positions(), taps = geometry.taps(), plane = count(geometry.in);
  int64_t block = positions_per_block(channels * taps);
  std::vector<T> columns;
  for (int64_t first = 0; first < positions; first += block) {
    int64_t last = std::min(positions, first + block), width = last - first;
    std::vector<int64_t> offsets = geometry.offsets(first, last);
    columns.resize(static_cast<size_t>(channels * taps * width));
    for (int64_t n = 0; n < xd[0]; ++n)
      for (int64_t g = 0; g < groups; ++g) {
        T* to = columns.data();
        for (int64_t c = 0; c < channels; ++c) {
          const T* from = x.data() + ((n * groups + g) * channels + c) * plane;
          for (int64_t offset : offsets) *to++ = offset < 0 ? pad : from[offset];
        }
        multiply({w.data() + g * outputs * channels * taps, channels * taps}, {columns.data(), width},
                    {out.data() + (n * groups + g) * outputs * positions + first, positions}, outputs, width,
                    channels * taps);
      }
  }
  return as_outputs(in, out);
}

// The adjoint: the weights times a block of the input, then every tap adds to where it would read.
template <class T>
std::vector<Tensor> conv_transpose(const EvalInput& in) {
  const std::vector<int64_t>&xd = in.inputs[0]->dims, &wd = in.inputs[1]->dims;
  Taps geometry(in, spatial_dims(xd), spatial_dims(in.output_dims[0]), spatial_dims(wd));
  std::vector<T> x = elements<T>(*in.inputs[0]), w = elements<T>(*in.inputs[1]);
  std::vector<T> out(static_cast<size_t>(count(in.output_dims[0])));
  int64_t groups = in.node.attrs.get_or<Attr::groups>(1), channels = wd[0] / groups, outputs = wd[1];
  int64_t positions = geometry.positions(), taps = geometry.taps(), plane = count(geometry.in);
  int64_t rows = outputs * taps, block = positions_per_block(rows);
  std::vector<T> transposed(static_cast<size_t>(rows * channels)), columns;
  for (int64_t g = 0; g < groups; ++g) {
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t c = 0; c < channels; ++c)
        transposed[static_cast<size_t>(r * channels + c)] = w[static_cast<size_t>((g * channels + c) * rows + r)];
    for (int64_t first = 0; first < positions; first += block) {
      int64_t last = std::min(positions, first + block), width = last - first;
      std::vector<int64_t> offsets = geometry.offsets(first, last);
      for (int64_t n = 0; n < xd[0]; ++n) {
        columns.assign(static_cast<size_t>(rows * width), T{0});
        multiply({transposed.data(), channels},
                    {x.data() + (n * groups + g) * channels * positions + first, positions}, {columns.data(), width},
                    rows, width, channels);
        const T* from = columns.data();
        for (int64_t o = 0; o < outputs; ++o) {
          T* to = out.data() + ((n * groups + g) * outputs + o) * plane;
          for (int64_t offset : offsets) {
            if (offset >= 0) to[offset] += *from;
            ++from;
          }
        }
      }
    }
  }
  return as_outputs(in, out);
}

}  // namespace

std::vector<Tensor> eval_dot(const EvalInput& in) {
  return dispatch(in, [&]<class T>() { return dot<T>(in); });
}
std::vector<Tensor> eval_conv(const EvalInput& in) {
  return dispatch(in, [&]<class T>() { return conv<T>(in); });
}
std::vector<Tensor> eval_conv_transpose(const EvalInput& in) {
  return dispatch(in, [&]<class T>() { return conv_transpose<T>(in); });
}

}  // namespace tenon
