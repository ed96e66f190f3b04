// The vocabulary that reference evaluations are written in: row-major walks over widened tensors.
#pragma once

#include "tenon/ops.h"

namespace tenon {

using Dims = std::vector<int64_t>;

// Elements between neighbours along each dim.
inline Dims strides_of(const Dims& dims) {
  Dims strides(dims.size(), 1);
  for (size_t d = dims.size(); d-- > 1;) strides[d - 1] = strides[d] * dims[d];
  return strides;
}

// Strides over the dims of a result that `dims` broadcasts to: 0 where an element is repeated.
inline Dims broadcast_strides(const Dims& dims, const Dims& to) {
  Dims own = strides_of(dims), strides(to.size(), 0);
  for (size_t d = 0; d < dims.size(); ++d)
    if (dims[d] != 1) strides[to.size() - dims.size() + d] = own[d];
  return strides;
}

// visit(index, linear) for every index below dims, last dim fastest.
template <class F>
void for_each_index(const Dims& dims, F&& visit) {
  int64_t n = count(dims);
  Dims index(dims.size(), 0);
  for (int64_t linear = 0; linear < n; ++linear) {
    visit(static_cast<const Dims&>(index), linear);
    for (size_t d = dims.size(); d-- > 0 && ++index[d] == dims[d];) index[d] = 0;
  }
}

inline int64_t offset_of(const Dims& index, const Dims& strides) {
  int64_t offset = 0;
  for (size_t d = 0; d < index.size(); ++d) offset += index[d] * strides[d];
  return offset;
}

// The widened elements as double, int64_t or uint64_t (u64 only).
template <class T>
const T* elements(const Tensor& t) {
  if constexpr (std::is_same_v<T, double>)
    return t.f.data();
  else
    return reinterpret_cast<const T*>(t.i.data());
}
template <class T>
T* elements(Tensor& t) {
  return const_cast<T*>(elements<T>(static_cast<const Tensor&>(t)));
}

// f.operator()<T>() with the T in which numbers of `type` are computed.
template <class F>
decltype(auto) with_wide(DType type, F&& f) {
  if (is_float(type)) return f.template operator()<double>();
  if (type == DType::U64) return f.template operator()<uint64_t>();
  return f.template operator()<int64_t>();
}

// The same element of any type, from one tensor to another of that type.
inline void copy_element(const Tensor& from, int64_t k, Tensor& to, int64_t at) {
  auto source = static_cast<size_t>(k), target = static_cast<size_t>(at);
  if (!from.i.empty())
    to.i[target] = from.i[source];
  else if (!from.s.empty())
    to.s[target] = from.s[source];
  else if (!is_complex(from.type))
    to.f[target] = from.f[source];
  else
    for (size_t part = 0; part < 2; ++part) to.f[2 * target + part] = from.f[2 * source + part];
}

// out[index] = x[source(index)], any element type; a source of -1 leaves the output as it is.
template <class F>
Tensor move_elements(const Tensor& x, Tensor out, F&& source) {
  for_each_index(out.dims, [&](const Dims& index, int64_t k) {
    int64_t from = source(index, k);
    if (from >= 0) copy_element(x, from, out, k);
  });
  return out;
}

inline const Tensor& input(const EvalInput& in, size_t i) { return *in.inputs[i]; }
inline bool has_input(const EvalInput& in, size_t i) { return i < in.inputs.size() && in.inputs[i]; }

// The output of that number, filled with zeros.
inline Tensor make_output(const EvalInput& in, size_t i = 0) {
  return Tensor::zeros(in.output_types[i].type, in.output_dims[i]);
}
inline std::vector<Tensor> one(Tensor t) {
  std::vector<Tensor> list;
  list.push_back(std::move(t));
  return list;
}

}  // namespace tenon
