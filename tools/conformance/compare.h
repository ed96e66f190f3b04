#pragma once

#include <optional>
#include <string>

#include "tenon/tensor.h"

namespace tenon::conformance {

// What numpy.testing.assert_allclose would say of the two, as ONNX's runner calls it; nothing: they agree.
std::optional<std::string> mismatch(const Tensor& got, const Tensor& want, double rtol, double atol);

}  // namespace tenon::conformance
