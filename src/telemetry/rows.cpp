#include "rows.h"

#include <algorithm>

#include "tenon/hash.h"

namespace tenon::telemetry {

namespace {

struct Text {
  std::string all;

  void put(const char* name, std::string_view bytes) {
    all += std::string(name) + '=' + std::to_string(bytes.size()) + ':';
    all += bytes;
    all += '\n';
  }
  template <class T>
  void put_bytes(const char* name, const T* data, size_t count) {
    put(name, {reinterpret_cast<const char*>(data), count * sizeof(T)});
  }
  void operator()(const char* name, const std::string& v) { if (!v.empty()) put(name, v); }
  void operator()(const char* name, double v) { if (!std::isnan(v)) put_bytes(name, &v, 1); }
  void operator()(const char* name, int64_t v) { if (v >= 0) put_bytes(name, &v, 1); }
  void operator()(const char* name, Status v) { put(name, spelling(v)); }
  void operator()(const char* name, Source v) { put(name, spelling(v)); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& v) { if (!v.empty()) put_bytes(name, v.data(), v.size()); }
};

constexpr std::string_view kStatuses[] = {"ok", "wrong", "invalid", "crashed", "timeout", "disturbed"};
constexpr std::string_view kSources[] = {"tune", "bench", "deployed"};

template <class E, size_t n>
std::optional<E> find(const std::string_view (&names)[n], std::string_view text) {
  const auto* found = std::ranges::find(names, text);
  return found == std::end(names) ? std::nullopt : std::optional(static_cast<E>(found - names));
}

}  // namespace

std::string_view spelling(Status status) { return kStatuses[static_cast<size_t>(status)]; }
std::string_view spelling(Source source) { return kSources[static_cast<size_t>(source)]; }
std::optional<Status> parse_status(std::string_view text) { return find<Status>(kStatuses, text); }
std::optional<Source> parse_source(std::string_view text) { return find<Source>(kSources, text); }

template <class Row>
std::string checksum(const Row& row) {
  Text text;
  each_field(row, text);
  return hex(blake3(text.all));
}
template std::string checksum(const Device&);
template std::string checksum(const Compiler&);
template std::string checksum(const Session&);
template std::string checksum(const Record&);
template std::string checksum(const Canary&);

std::string fingerprint(const Device& device) { return checksum(device); }

std::string hardware(const Device& device) {
  Device lasting = device;
  lasting.kernel.clear(), lasting.microcode.clear();
  return checksum(lasting);
}

Diag refused(const std::string& what, const std::string& problem, const std::string& file) {
  return {.code = Code::E0702, .message = what.empty() ? problem : what + ": " + problem, .file = file};
}

void Problems::add(const std::string& what, const std::vector<std::string>& problems) {
  for (const std::string& problem : problems)
    if (++count_ <= kLimit) diags_.push_back(refused(what, problem, file_));
}

std::unexpected<Diags> Problems::failure() const {
  Diags all = diags_;
  if (count_ > kLimit) all.push_back(refused("", "and " + std::to_string(count_ - kLimit) + " problems more", file_));
  return std::unexpected(std::move(all));
}

}  // namespace tenon::telemetry
