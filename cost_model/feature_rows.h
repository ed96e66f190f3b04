#pragma once

#include <cstddef>

namespace tenon {

// Places in the vector of features.
namespace row {
enum Row : size_t {
#define FEATURE(name, group, unit, meaning) name,
#include "features.def"
#undef FEATURE
  count
};
}  // namespace row

}  // namespace tenon
