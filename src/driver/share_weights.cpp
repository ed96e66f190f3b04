#include "share_weights.h"

#include <algorithm>
#include <map>

#include "tenon/hash.h"

namespace tenon {

namespace {

constexpr int64_t kAlign = 64;

// Equal for constants that are the same bytes when packed. Hashes data once, wherever it is named.
class Keys {
 public:
  std::string of(const PackedConstant& packed, const Constant& constant) {
    const auto [known, fresh] = digests_.try_emplace({constant.bytes.data, constant.bytes.size});
    if (fresh) known->second = hex(blake3(constant.bytes.span()));
    std::string key = known->second + ' ' + std::to_string(bits(constant.type)) + (constant.splat ? " splat " : " ") +
                      print(packed.layout) + ' ' + std::to_string(packed.bytes);
    for (int64_t dim : packed.dims) key += ',' + std::to_string(dim);
    return key;
  }

 private:
  std::map<std::pair<const std::byte*, size_t>, std::string> digests_;
};

}  // namespace

SharedWeights share_weights(std::span<const LevelWeights> levels) {
  struct Place {
    int64_t offset = 0, bytes = 0;
    std::vector<bool> readers;
  };
  SharedWeights shared{.read = std::vector<int64_t>(levels.size()), .alone = std::vector<int64_t>(levels.size()),
                       .packed = std::vector<std::vector<PackedConstant>>(levels.size())};
  std::map<std::string, Place> places;
  Keys keys;
  for (size_t level = 0; level < levels.size(); ++level) {
    std::vector<PackedConstant*> as_they_lie;
    for (PackedConstant& packed : levels[level].module.constants) as_they_lie.push_back(&packed);
    std::ranges::stable_sort(as_they_lie, {}, &PackedConstant::offset);
    for (PackedConstant* packed : as_they_lie) {
      auto [place, fresh] = places.try_emplace(keys.of(*packed, levels[level].graph.constants[packed->source]));
      if (fresh) {
        place->second = {.offset = (shared.bytes + kAlign - 1) / kAlign * kAlign, .bytes = packed->bytes,
                         .readers = std::vector<bool>(levels.size())};
        shared.bytes = place->second.offset + packed->bytes;
      }
      packed->offset = place->second.offset;
      place->second.readers[level] = true;
      if (fresh) shared.packed[level].push_back(*packed);
    }
  }
  for (const auto& [key, place] : places) {
    const bool one = std::ranges::count(place.readers, true) == 1;
    for (size_t level = 0; level < levels.size(); ++level) {
      if (!place.readers[level]) continue;
      shared.read[level] += place.bytes;
      if (one) shared.alone[level] += place.bytes;
    }
  }
  return shared;
}

}  // namespace tenon
