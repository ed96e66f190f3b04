// Errors as values. A user's or the environment's error is a list of Diags in a Result; a bug in
// Tenon stops the program through TENON_CHECK (exit code 70). No exception crosses a library border.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace tenon {

// One enumerator per row of diagnostics.def.
enum class Code : uint16_t {
#define DIAG(code, title, explanation) code,
#include "tenon/diagnostics.def"
#undef DIAG
};

enum class Severity : uint8_t { Note, Warning, Error };

// The ONNX node that a diagnostic or a kernel speaks of; index is its position in the file, -1: none.
struct NodeRef {
  int index = -1;
  std::string name;
  std::string op;
  int opset = 0;

  bool operator==(const NodeRef&) const = default;
};

struct Diag {
  Code code{};
  Severity severity = Severity::Error;
  std::string message;
  std::string hint = {};
  NodeRef node = {};
  std::vector<std::string> shapes = {};  // "X: f32[1,3,224,224]", inputs in order
  std::string file = {};
};

using Diags = std::vector<Diag>;

template <class T>
using Result = std::expected<T, Diags>;

inline std::unexpected<Diags> fail(Diag diag) { return std::unexpected(Diags{std::move(diag)}); }
inline std::unexpected<Diags> fail(Code code, std::string message, std::string hint = {}) {
  return fail(Diag{.code = code, .message = std::move(message), .hint = std::move(hint)});
}

std::string_view code_name(Code code);         // "E0101"
std::string_view code_title(Code code);        // one line
std::string_view code_explanation(Code code);  // what `tenon explain` prints

// Prints the message and stops with exit code 70: a bug in Tenon, never a user's mistake.
[[noreturn]] void internal_error(const char* file, int line, const std::string& message);

}  // namespace tenon

#define TENON_CHECK(condition, message)                              \
  do {                                                               \
    if (!(condition)) [[unlikely]]                                   \
      ::tenon::internal_error(__FILE__, __LINE__, (message));        \
  } while (false)

#define TENON_CONCAT_(a, b) a##b
#define TENON_CONCAT(a, b) TENON_CONCAT_(a, b)

// TENON_TRY(auto graph, import_onnx(path)): declares `graph`, or returns the errors to the caller.
#define TENON_TRY(declaration, expression)                                          \
  auto TENON_CONCAT(result_, __LINE__) = (expression);                              \
  if (!TENON_CONCAT(result_, __LINE__))                                             \
    return std::unexpected(std::move(TENON_CONCAT(result_, __LINE__)).error());     \
  declaration = std::move(*TENON_CONCAT(result_, __LINE__))

// TENON_DO(verify(graph)): the same for Result<void>.
#define TENON_DO(expression)                                                        \
  do {                                                                              \
    if (auto result_ = (expression); !result_)                                      \
      return std::unexpected(std::move(result_).error());                           \
  } while (false)
