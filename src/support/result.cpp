#include "tenon/result.h"

#include <cstdio>
#include <cstdlib>

namespace tenon {

namespace {

struct Row {
  std::string_view name, title, explanation;
};

constexpr Row kRows[] = {
#define DIAG(code, title, explanation) {#code, title, explanation},
#include "tenon/diagnostics.def"
#undef DIAG
};

}  // namespace

std::string_view code_name(Code code) { return kRows[static_cast<int>(code)].name; }
std::string_view code_title(Code code) { return kRows[static_cast<int>(code)].title; }
std::string_view code_explanation(Code code) { return kRows[static_cast<int>(code)].explanation; }

void internal_error(const char* file, int line, const std::string& message) {
  std::fprintf(stderr, "tenon: internal error: %s (%s:%d)\nThis is a bug in Tenon.\n", message.c_str(), file, line);
  std::_Exit(70);
}

}  // namespace tenon
