// A device through the changes of its kernel, its microcode and the compiler.
#include <algorithm>
#include <map>

#include "read.h"

namespace tenon::telemetry {

namespace {

std::string what_of(const Device& device, const Compiler& compiler) {
  std::string text;
  auto add = [&](const std::string& name, const std::string& value) {
    if (!value.empty()) text += (text.empty() ? "" : ", ") + name + value;
  };
  add("kernel ", device.kernel), add("microcode ", device.microcode);
  add("", compiler.version + " " + compiler.id.substr(0, 12));
  return text;
}

}  // namespace

Result<std::vector<Epoch>> Store::epochs() {
  TENON_TRY(const std::vector<Device> all, devices());
  TENON_TRY(const std::vector<Compiler> builds, compilers());
  std::map<std::string, const Device*> of_fingerprint;
  for (const Device& device : all) of_fingerprint[fingerprint(device)] = &device;
  TENON_TRY(Statement statement, db_->prepare("SELECT device, compiler, min(timestamp), max(timestamp), count(*) FROM record GROUP BY 1, 2 ORDER BY 1, 2"));
  std::vector<Epoch> epochs;
  while (true) {
    TENON_TRY(const bool more, statement.step());
    if (!more) return epochs;
    Epoch& epoch = epochs.emplace_back(Epoch{.device = statement.text(0), .compiler = statement.text(1), .begin = statement.integer(2), .end = statement.integer(3), .records = statement.integer(4)});
    const auto device = of_fingerprint.find(epoch.device);
    const auto compiler = std::ranges::find(builds, epoch.compiler, &Compiler::id);
    if (device == of_fingerprint.end() || compiler == builds.end())
      return fail({.code = Code::E0701, .message = "records have lost their device or compiler", .hint = "tenon telemetry stats --check", .file = db_->path()});
    epoch.hardware = hardware(*device->second);
    epoch.what = what_of(*device->second, *compiler);
  }
}

Result<std::vector<Epoch>> epochs(std::span<Store> stores) {
  std::map<std::pair<std::string, std::string>, Epoch> merged;
  for (Store& store : stores) {
    TENON_TRY(const std::vector<Epoch> some, store.epochs());
    for (const Epoch& epoch : some) {
      const auto [at, fresh] = merged.emplace(std::pair(epoch.device, epoch.compiler), epoch);
      if (fresh) continue;
      at->second.begin = std::min(at->second.begin, epoch.begin), at->second.end = std::max(at->second.end, epoch.end);
      at->second.records += epoch.records;
    }
  }
  std::vector<Epoch> all;
  for (const auto& [id, epoch] : merged) all.push_back(epoch);
  std::ranges::stable_sort(all, {}, [](const Epoch& e) { return std::tie(e.hardware, e.begin, e.device, e.compiler); });
  for (size_t k = 0; k < all.size(); ++k) all[k].number = k > 0 && all[k].hardware == all[k - 1].hardware ? all[k - 1].number + 1 : 1;
  return all;
}

}  // namespace tenon::telemetry
