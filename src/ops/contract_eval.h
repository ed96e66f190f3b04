#pragma once

#include "tenon/ops.h"

namespace tenon {

std::vector<Tensor> eval_dot(const EvalInput& in);
std::vector<Tensor> eval_conv(const EvalInput& in);
std::vector<Tensor> eval_conv_transpose(const EvalInput& in);

}  // namespace tenon
