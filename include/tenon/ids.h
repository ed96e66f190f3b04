// Typed indices into the vectors that own values: ids instead of pointers.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace tenon {

template <class Tag>
struct Id {
  int32_t index = -1;

  constexpr Id() = default;
  constexpr explicit Id(size_t i) : index(static_cast<int32_t>(i)) {}
  constexpr bool valid() const { return index >= 0; }
  constexpr auto operator<=>(const Id&) const = default;
};

// A vector that is indexed by its own kind of id only.
template <class IdType, class T>
class Store {
 public:
  IdType push(T value) {
    items_.push_back(std::move(value));
    return IdType(items_.size() - 1);
  }
  T& operator[](IdType id) { return items_[static_cast<size_t>(id.index)]; }
  const T& operator[](IdType id) const { return items_[static_cast<size_t>(id.index)]; }
  size_t size() const { return items_.size(); }
  bool empty() const { return items_.empty(); }
  auto begin() { return items_.begin(); }
  auto end() { return items_.end(); }
  auto begin() const { return items_.begin(); }
  auto end() const { return items_.end(); }
  bool operator==(const Store&) const = default;

 private:
  std::vector<T> items_;
};

using ValueId = Id<struct ValueTag>;
using NodeId = Id<struct NodeTag>;
using ConstantId = Id<struct ConstantTag>;
using BufferId = Id<struct BufferTag>;
using KernelId = Id<struct KernelTag>;
using Expr = Id<struct ExprTag>;

}  // namespace tenon

template <class Tag>
struct std::hash<tenon::Id<Tag>> {
  size_t operator()(tenon::Id<Tag> id) const noexcept { return std::hash<int32_t>{}(id.index); }
};
