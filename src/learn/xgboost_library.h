// XGBoost's C interface, opened when something is to be learnt: linked, the library and its OpenMP would cost every start of `tenon` 3.5 ms.
#pragma once

#include <xgboost/c_api.h>

#include "tenon/result.h"

namespace tenon {

struct XgboostLibrary {
#define XGBOOST(function) decltype(&::function) function = nullptr;
#include "xgboost.def"
#undef XGBOOST
};

// Opened once per process and never closed. The variable TENON_XGBOOST names another file. E0703: there is none that fits.
Result<const XgboostLibrary*> xgboost_library();

}  // namespace tenon
