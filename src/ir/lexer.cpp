#include "lexer.h"

#include <algorithm>
#include <cmath>

namespace tenon {

namespace {

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool in_name(char c) { return is_alpha(c) || is_digit(c); }
bool in_value_name(char c) { return in_name(c) || c == '/' || c == '.' || c == '-' || c == '$'; }

// Words that mean something where a name may stand.
constexpr std::string_view kKeywords[] = {"inf",  "nan",   "true", "false", "parallel", "for", "let",  "if",
                                          "else", "while", "tile", "call",  "copy",     "sum", "prod", "max",
                                          "min",  "custom", "reduce", "update"};

template <class Float>
std::string shortest(Float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

template <class Float>
double parse_real(std::string_view digits) {
  Float value = 0;
  auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  // Out of range: overflow to infinity, underflow to zero, as the nearest value would be.
  if (error == std::errc::result_out_of_range) return std::strtod(std::string(digits).c_str(), nullptr);
  return static_cast<double>(value);
}

}  // namespace

void Lexer::error(std::string message) {
  if (failed()) return;
  auto line_begin = text_.substr(0, begin_).rfind('\n');
  size_t column = line_begin == std::string_view::npos ? begin_ + 1 : begin_ - line_begin;
  auto line = 1 + std::ranges::count(text_.substr(0, begin_), '\n');
  message_ = "line " + std::to_string(line) + ", column " + std::to_string(column) + ": " + message;
  kind_ = Kind::End;
  token_ = {};
  at_ = text_.size();
}

void Lexer::scan_origin(std::string_view comment) {
  constexpr std::string_view kPrefix = "// onnx ";
  if (!comment.starts_with(kPrefix)) return;
  Lexer inner(comment.substr(kPrefix.size()));
  NodeRef node;
  node.index = inner.integer<int>();
  node.name = inner.string();
  node.op = inner.name();
  node.opset = inner.integer<int>();
  if (inner.failed() || !inner.at(Kind::End)) return error("expected `// onnx INDEX \"NAME\" OP OPSET`");
  origins_.push_back(std::move(node));
}

void Lexer::skip_blank() {
  while (at_ < text_.size()) {
    if (text_.substr(at_).starts_with("//")) {
      begin_ = at_;
      at_ = std::min(text_.find('\n', at_), text_.size());
      scan_origin(text_.substr(begin_, at_ - begin_));
    } else if (std::string_view(" \t\r\n").contains(text_[at_])) {
      ++at_;
    } else {
      return;
    }
  }
}

void Lexer::next() {
  skip_blank();
  begin_ = at_;
  auto take_while = [&](auto&& accepts) {
    while (at_ < text_.size() && accepts(text_[at_])) ++at_;
  };
  auto digit_at = [&](size_t i) { return i < text_.size() && is_digit(text_[i]); };
  auto take = [&](Kind kind, size_t from) {
    kind_ = kind;
    token_ = text_.substr(from, at_ - from);
  };
  if (at_ >= text_.size()) return take(Kind::End, at_);
  char c = text_[at_];
  bool value = c == '%';
  if (value) c = ++at_ < text_.size() ? text_[at_] : ' ';
  if (c == '"') {
    size_t from = ++at_;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) return error("a quote is not closed");
    take(value ? Kind::Value : Kind::String, from);
    ++at_;
  } else if (value) {
    size_t from = at_;
    take_while(in_value_name);
    take(Kind::Value, from);
    if (token_.empty()) error("expected a name after %");
  } else if (is_alpha(c)) {
    take_while(in_name);
    take(Kind::Name, begin_);
  } else if (is_digit(c)) {
    take_while(is_digit);
    if (text_.substr(at_).starts_with('.') && digit_at(at_ + 1)) {
      ++at_;
      take_while(is_digit);
    }
    if (at_ < text_.size() && text_[at_] == 'e') {
      size_t sign = at_ + 1 < text_.size() && (text_[at_ + 1] == '-' || text_[at_ + 1] == '+');
      if (digit_at(at_ + 1 + sign)) {
        at_ += 1 + sign;
        take_while(is_digit);
      }
    }
    take(Kind::Number, begin_);
  } else {
    constexpr std::string_view kPairs[] = {"==", "!=", "<=", ">=", "->", ".."};
    at_ += std::ranges::find(kPairs, text_.substr(at_, 2)) != std::end(kPairs) ? 2 : 1;
    take(Kind::Punct, begin_);
  }
}

bool Lexer::accept(std::string_view token) {
  if (!at(token)) return false;
  next();
  return true;
}

void Lexer::expect(std::string_view token) {
  if (accept(token)) return;
  error("expected `" + std::string(token) + "`" +
        (at(Kind::End) ? "" : " before `" + std::string(text_.substr(begin_, at_ - begin_)) + "`"));
}

std::string Lexer::unescaped() const {
  std::string result;
  for (size_t i = 0; i < token_.size(); ++i) {
    if (token_[i] != '\\' || i + 1 == token_.size()) {
      result += token_[i];
      continue;
    }
    switch (token_[++i]) {
      case 'n': result += '\n'; break;
      case 't': result += '\t'; break;
      case 'x': {
        unsigned code = 0;
        size_t digits = std::min<size_t>(2, token_.size() - i - 1);
        std::from_chars(token_.data() + i + 1, token_.data() + i + 1 + digits, code, 16);
        result += static_cast<char>(code);
        i += digits;
        break;
      }
      default: result += token_[i];
    }
  }
  return result;
}

std::string Lexer::name() {
  if (at(Kind::String)) return string();
  std::string result(token_);
  if (!at(Kind::Name)) error("expected a name");
  else next();
  return result;
}

std::string Lexer::value_name() {
  std::string result = unescaped();
  if (!at(Kind::Value)) error("expected a value, such as %x");
  else next();
  return result;
}

std::string Lexer::string() {
  std::string result = unescaped();
  if (!at(Kind::String)) error("expected a string in quotes");
  else next();
  return result;
}

std::string_view Lexer::number() {
  std::string_view result = token_;
  if (!at(Kind::Number)) error("expected a number");
  else next();
  return failed() ? "0" : result;
}

double Lexer::real(DType type) {
  bool negative = accept("-");
  double value = accept("inf")   ? HUGE_VAL
                 : accept("nan") ? NAN
                 : type == DType::F32 ? parse_real<float>(number()) : parse_real<double>(number());
  return negative ? -value : value;
}

DType Lexer::dtype() {
  auto type = at(Kind::Name) ? parse_dtype(token_) : std::nullopt;
  if (!type) error("expected an element type");
  else next();
  return type.value_or(DType::F32);
}

std::string Lexer::until(char stop) {
  size_t end = text_.find(stop, begin_);
  if (failed() || end == std::string_view::npos) {
    error(std::string("expected `") + stop + '`');
    return {};
  }
  std::string_view result = text_.substr(begin_, end - begin_);
  result = result.substr(0, result.find_last_not_of(" \t\r\n") + 1);
  at_ = end + 1;
  next();
  return std::string(result);
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (char c : text) {
    constexpr char kHex[] = "0123456789abcdef";
    auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') result += {'\\', c};
    else if (c == '\n') result += "\\n";
    else if (c == '\t') result += "\\t";
    else if (byte < 0x20 || byte == 0x7f) result += {'\\', 'x', kHex[byte / 16], kHex[byte % 16]};
    else result += c;
  }
  return result + '"';
}

std::string name_text(std::string_view name) {
  bool plain = !name.empty() && is_alpha(name[0]) && std::ranges::all_of(name, in_name) &&
               std::ranges::find(kKeywords, name) == std::end(kKeywords);
  return plain ? std::string(name) : quoted(name);
}

std::string value_name_text(std::string_view name) {
  bool plain = !name.empty() && std::ranges::all_of(name, in_value_name);
  return '%' + (plain ? std::string(name) : quoted(name));
}

std::string real_text(DType type, double value) {
  if (std::isnan(value)) return "nan";
  return type == DType::F64 ? shortest(value) : shortest(static_cast<float>(value));
}

std::string origin_text(const NodeRef& node) {
  if (node == NodeRef{}) return {};
  return "// onnx " + std::to_string(node.index) + ' ' + quoted(node.name) + ' ' + name_text(node.op) + ' ' +
         std::to_string(node.opset);
}

}  // namespace tenon
