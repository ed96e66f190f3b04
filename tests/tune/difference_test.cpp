// How a program on a device compares its outputs: against the elements as the compiler reads them.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "../../src/driver/descriptor.h"
#include "tenon/tensor.h"

extern "C" {
#include "runner/difference.h"
}

namespace tenon {
namespace {

array expectation(const Tensor& tensor, const std::vector<std::byte>& bytes) {
  array a{};
  const std::string_view descr = numpy_descr(tensor.type);
  std::memcpy(a.descr, descr.data(), descr.size());
  a.rank = static_cast<uint32_t>(tensor.dims.size());
  std::ranges::copy(tensor.dims, a.dims);
  a.data = reinterpret_cast<const uint8_t*>(bytes.data());
  a.bytes = bytes.size();
  return a;
}

tn_port port_of(const Tensor& tensor) {
  tn_port port{.name = 0, .rank = static_cast<uint32_t>(tensor.dims.size()), .bits = static_cast<uint32_t>(bits(tensor.type)), .descr = {}};
  const std::string_view descr = numpy_descr(tensor.type);
  std::memcpy(port.descr, descr.data(), std::min(descr.size(), sizeof port.descr - 1));
  return port;
}

double difference(const Tensor& output, Tensor expected) {
  if (!expected.f.empty()) expected.type = DType::F64;
  const std::vector<std::byte> got = encode(output), want = encode(expected);
  const array a = expectation(expected, want);
  const tn_port port = port_of(output);
  return greatest_difference(&port, got.data(), output.dims.data(), &a);
}

TEST(Difference, ReadsEveryHalf) {
  std::vector<uint16_t> all(1 << 16);
  std::iota(all.begin(), all.end(), uint16_t{0});
  for (const DType type : {DType::F16, DType::BF16}) {
    const Tensor expected = decode(type, {1 << 16}, reinterpret_cast<const std::byte*>(all.data()), all.size() * 2);
    Tensor wide = expected;
    wide.type = DType::F64;
    const std::vector<std::byte> want = encode(wide);
    const array a = expectation(wide, want);
    const tn_port port = port_of(expected);
    EXPECT_EQ(greatest_difference(&port, all.data(), expected.dims.data(), &a), 0) << spelling(type);
  }
}

TEST(Difference, IsTheGreatestOfAllElements) {
  for (const DType type : {DType::F64, DType::F32, DType::F16, DType::BF16, DType::I8, DType::I16, DType::I32, DType::I64, DType::U8, DType::U16, DType::U32, DType::U64, DType::Bool}) {
    Tensor expected = Tensor::zeros(type, {2, 3});
    const bool wide = type != DType::Bool;
    for (size_t k = 0; k < 6; ++k)
      if (is_float(type)) expected.f[k] = static_cast<double>(k) - 2.5;
      else expected.i[k] = wide ? static_cast<int64_t>(k) + (is_signed(type) ? -3 : 100) : static_cast<int64_t>(k % 2);
    EXPECT_EQ(difference(expected, expected), 0) << spelling(type);
    Tensor output = expected;
    if (is_float(type)) output.f[1] += 0.5, output.f[4] -= 0.75;
    else if (wide) output.i[1] += 1, output.i[4] -= 2;
    else output.i[1] = 0;
    EXPECT_EQ(difference(output, expected), is_float(type) ? 0.75 : wide ? 2 : 1) << spelling(type);
    // The same elements in another shape, and another type.
    Tensor turned = expected;
    turned.dims = {3, 2};
    EXPECT_EQ(difference(output, turned), INFINITY) << spelling(type);
    const DType other = type == DType::I8 ? DType::U8 : DType::I8;
    EXPECT_EQ(difference(output, Tensor::zeros(other, {2, 3})), INFINITY) << spelling(type);
  }
}

TEST(Difference, OfWhatIsNoNumberIsInfinite) {
  Tensor expected = Tensor::zeros(DType::F32, {2}), output = expected;
  expected.f = {NAN, INFINITY}, output.f = {NAN, INFINITY};
  EXPECT_EQ(difference(output, expected), 0);
  output.f[1] = -INFINITY;
  EXPECT_EQ(difference(output, expected), INFINITY);
  output.f = {NAN, NAN};
  EXPECT_EQ(difference(output, expected), INFINITY);
  output.f = {0, INFINITY};
  EXPECT_EQ(difference(output, expected), INFINITY);
  // The last bit of f64.
  Tensor small = Tensor::zeros(DType::F64, {1}), other = small;
  small.f[0] = 1, other.f[0] = 1 + 0x1p-52;
  EXPECT_EQ(difference(small, other), 0x1p-52);
  EXPECT_EQ(difference(Tensor::zeros(DType::F8E4M3FN, {2}), Tensor::zeros(DType::F8E4M3FN, {2})), INFINITY);
}

}  // namespace
}  // namespace tenon
