// The tokens that all text forms share, and an error that sticks: after the first one every token is
// End, so that parsers are written without a check after each step and ask failed() at the end.
#pragma once

#include <charconv>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tenon/dtype.h"
#include "tenon/result.h"

namespace tenon {

class Lexer {
 public:
  enum class Kind : uint8_t { End, Name, Value, Number, String, Punct };

  explicit Lexer(std::string_view text) : text_(text) { next(); }

  bool at(Kind kind) const { return kind_ == kind; }
  bool at(std::string_view token) const { return (kind_ == Kind::Punct || kind_ == Kind::Name) && token_ == token; }
  bool accept(std::string_view token);
  void expect(std::string_view token);

  std::string name();              // an identifier, or any name in quotes
  std::string value_name();        // %x, %"any name"; without the %
  std::string string();
  std::string_view number();       // as written, without sign
  template <class Int>
  Int integer();                   // with sign
  double real(DType type);         // with sign; inf, nan
  DType dtype();
  std::string until(char stop);    // the text up to `stop`, trimmed; `stop` is consumed

  // Nodes named by comments `// onnx 12 "/layer/Add" Add 13` since the last call.
  std::vector<NodeRef> origins() { return std::exchange(origins_, {}); }

  // open item, item ... close
  template <class Item>
  void list(std::string_view open, std::string_view close, const Item& item) {
    expect(open);
    if (accept(close)) return;
    do item();
    while (accept(","));
    expect(close);
  }

  void error(std::string message);  // at the current token; the first error stays
  bool failed() const { return !message_.empty(); }
  std::unexpected<Diags> failure() const { return fail(Code::E0603, message_); }

 private:
  void next();
  void skip_blank();
  void scan_origin(std::string_view comment);
  std::string unescaped() const;

  std::string_view text_;
  size_t begin_ = 0;  // of the current token
  size_t at_ = 0;     // behind it
  Kind kind_ = Kind::End;
  std::string_view token_;  // of a String: what stands between the quotes
  std::vector<NodeRef> origins_;
  std::string message_;
};

template <class Int>
Int Lexer::integer() {
  std::string digits = accept("-") ? "-" : "";
  digits += number();
  Int value{};
  auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (bad != std::errc{} || end != digits.data() + digits.size()) error("`" + digits + "` is not an integer in range");
  return value;
}

// What the lexer reads, written.
std::string quoted(std::string_view text);
std::string name_text(std::string_view name);        // in quotes where it is no identifier, or a keyword
std::string value_name_text(std::string_view name);  // with its %
std::string real_text(DType type, double value);     // the shortest that reads back as the same value
std::string origin_text(const NodeRef& node);        // "" where there is none

}  // namespace tenon
