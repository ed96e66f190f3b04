#include "xgboost_library.h"

#include <dlfcn.h>

#include <cstdlib>

namespace tenon {

namespace {

Result<XgboostLibrary> open_library() {
  const char* named = std::getenv("TENON_XGBOOST");
  const std::string file = named && *named ? named : TENON_XGBOOST_FILE;
  auto missing = [&] {
    const char* why = dlerror();
    return fail(Code::E0703, "XGBoost's library cannot be used: " + std::string(why ? why : file), "it is Debian's libxgboost0; TENON_XGBOOST=FILE names another place");
  };
  void* const handle = dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) return missing();
  XgboostLibrary library;
#define XGBOOST(function) \
  if (library.function = reinterpret_cast<decltype(library.function)>(dlsym(handle, #function)); !library.function) return missing();
#include "xgboost.def"
#undef XGBOOST
  return library;
}

}  // namespace

Result<const XgboostLibrary*> xgboost_library() {
  static const Result<XgboostLibrary> library = open_library();
  if (!library) return std::unexpected(library.error());
  return &*library;
}

}  // namespace tenon
