// Names in printed text. Two variables may share a name as long as neither hides the other: a variable
// bound where its name is in use gets a suffix. Buffers are told apart for the whole text.
#pragma once

#include <string>
#include <unordered_set>

#include "lexer.h"
#include "tenon/expr.h"
#include "tenon/region.h"

namespace tenon {

class Names {
 public:
  explicit Names(const ExprPool& pool) : pool_(pool) {}

  void add_buffer(BufferId buffer, const std::string& name) {
    text_.buffers[buffer] = unused(name, buffers_);
    buffers_.insert(text_.buffers[buffer]);
  }

  // A variable, for as long as the scope lives.
  class Scope {
   public:
    explicit Scope(Names& names) : names_(names) {}
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;
    ~Scope() {
      for (Expr var : bound_) names_.vars_.erase(names_.text_.vars[var]);
    }
    std::string bind(Expr var) {
      std::string name = unused(names_.pool_.var(var).name, names_.vars_);
      names_.vars_.insert(name);
      names_.text_.vars[var] = name;
      bound_.push_back(var);
      return name_text(name);
    }
    // "i < 64"
    std::string bind(Expr var, Expr extent) {
      std::string limit = names_.expr(extent);
      return bind(var) + " < " + limit;
    }

   private:
    Names& names_;
    std::vector<Expr> bound_;
  };

  std::string expr(Expr e) const { return pool_.text(e, text_); }
  std::string exprs(std::span<const Expr> list) const {
    std::string text;
    for (Expr e : list) text += (text.empty() ? "" : ", ") + expr(e);
    return text;
  }
  std::string var(Expr v) const { return expr(v); }
  std::string buffer(BufferId b) const {
    auto it = text_.buffers.find(b);
    return it == text_.buffers.end() ? 'b' + std::to_string(b.index) : name_text(it->second);
  }

  // "N" or "N in 1..512"
  static std::string symbol(const Var& var);

 private:
  static std::string unused(const std::string& name, const std::unordered_set<std::string>& used) {
    std::string result = name;
    for (int n = 1; used.contains(result); ++n) result = name + '_' + std::to_string(n);
    return result;
  }

  const ExprPool& pool_;
  ExprNames text_;
  std::unordered_set<std::string> vars_, buffers_;
};

inline std::string Names::symbol(const Var& var) {
  std::string text = name_text(var.name);
  if (var.lo == 0 && var.hi == kIndexMax) return text;
  return text + " in " + std::to_string(var.lo) + ".." + (var.hi == kIndexMax ? "" : std::to_string(var.hi));
}

// Lines with indentation; blocks in braces.
class Writer {
 public:
  void line(const std::string& text) { text_ += std::string(depth_ * 2, ' ') + text + '\n'; }
  void open(const std::string& head) {
    line(head + " {");
    ++depth_;
  }
  void close() {
    --depth_;
    line("}");
  }
  void close_open(const std::string& middle) {  // "} else {"
    --depth_;
    open("} " + middle);
  }
  void block(const std::string& text) {  // lines that are indented by this writer
    for (size_t at = 0; at < text.size();) {
      size_t end = text.find('\n', at);
      line(text.substr(at, end - at));
      at = end + 1;
    }
  }
  std::string take() { return std::move(text_); }

 private:
  std::string text_;
  size_t depth_ = 0;
};

}  // namespace tenon
