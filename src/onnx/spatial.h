// Attributes that convolutions and pools share, per spatial dim, padding made explicit.
#pragma once

#include "node.h"

namespace tenon::frontend {

struct Window {
  std::vector<int64_t> kernel, strides, dilations;
  Dims begin, end;  // pads
};

// Reads kernel_shape (or takes `kernel`), strides, dilations, pads, auto_pad; `extents` are x's spatial dims.
Window window_of(OnnxNode& n, const Dims& extents, std::vector<int64_t> kernel = {});

// What a window covers, dilation included.
int64_t reach(const Window& w, size_t d);

Attrs window_attrs(const Window& w);  // strides, dilations, pads; not kernel

}  // namespace tenon::frontend
