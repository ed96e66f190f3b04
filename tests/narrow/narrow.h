// What the tests of narrow products share: targets as parameters, bounds by magnitudes.
#pragma once

#include <cmath>

#include "../llvm/net.h"

namespace tenon::testing {

struct Case {
  std::string target;
  std::string instruction = {};  // that the code must have where the shape allows it
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.target; }
};

inline std::string label(const ::testing::TestParamInfo<Case>& info) {
  std::string name = info.param.target;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
}

inline bool runs_here(const std::string& target) {
  if (target.starts_with("modelled:")) return true;
  if (target == "goldencove") return __builtin_cpu_supports("avx512fp16");
  if (target == "sapphirerapids") return __builtin_cpu_supports("amx-tile") && __builtin_cpu_supports("amx-bf16") && __builtin_cpu_supports("amx-int8");
  return __builtin_cpu_supports("avx512bf16");
}

// Of a target as it is the instruction is needed; by its C model, which other parameters ask for, every machine runs it.
class OnTarget : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    if (!runs_here(GetParam().target)) GTEST_SKIP() << "this machine has no " << GetParam().instruction;
  }
};

// |x|, for bounds.
inline std::vector<Tensor> magnitudes(std::vector<Tensor> tensors) {
  for (Tensor& t : tensors)
    for (double& x : t.f) x = std::abs(x);
  return tensors;
}

inline Graph with_magnitudes(Graph graph) {
  for (Constant& c : graph.constants) {
    Tensor t = tensor_of(c);
    for (double& x : t.f) x = std::abs(x);
    c.bytes = Bytes::copy_of(encode(t));
  }
  return graph;
}

// Results of a sum of `terms` products of rounded operands, summed in f32 in any order: terms * u * sum |a||b|, and 2^-126 for
// each term, as instructions may take subnormal numbers as zero. u of bf16's products is 0: they are exact in f32.
inline void expect_close(const Tensor& got, const Tensor& want, const Tensor& sizes, double terms, const char* what) {
  ASSERT_EQ(got.dims, want.dims) << what;
  ASSERT_EQ(got.i, want.i) << what;
  for (size_t k = 0; k < want.f.size(); ++k) {
    if (std::isnan(want.f[k])) ASSERT_TRUE(std::isnan(got.f[k])) << what << " element " << k << ": " << got.f[k];
    else if (!std::isfinite(static_cast<float>(want.f[k]))) ASSERT_EQ(got.f[k], static_cast<float>(want.f[k])) << what << " element " << k;
    else ASSERT_NEAR(got.f[k], want.f[k], terms * (0x1p-24 * sizes.f[k] + 0x1p-126)) << what << " element " << k;
  }
}

}  // namespace tenon::testing
