#include "epochs.h"

#include <algorithm>
#include <set>

namespace tenon {

Result<void> choose_epochs(std::span<telemetry::Store> stores, const TrainOptions& options, telemetry::Filter& filter, int64_t& left_out) {
  TENON_TRY(std::vector<telemetry::Epoch> epochs, telemetry::epochs(stores));
  const auto is_other = [&](const telemetry::Epoch& e) {
    return (!e.hardware.starts_with(options.device) && !e.device.starts_with(options.device)) || (options.compiler != "all" && !e.compiler.starts_with(options.compiler));
  };
  std::erase_if(epochs, is_other);
  std::set<std::string> devices;
  for (const telemetry::Epoch& e : epochs) devices.insert(e.hardware);
  if (devices.size() != 1) {
    std::string known;
    for (const std::string& id : devices) known += (known.empty() ? "" : ", ") + id.substr(0, 12);
    return fail(Code::E0703, devices.empty() ? "the telemetry has no epoch of device " + options.device : "epochs are of one device, and the telemetry is of several: " + known, "--device ID; `tenon telemetry stats` lists devices and epochs");
  }
  const bool all = options.epoch == "all";
  const std::string wanted = options.epoch == "latest" ? std::to_string(epochs.back().number) : options.epoch;
  for (const telemetry::Epoch& e : epochs) {
    if (!all && std::to_string(e.number) != wanted) {
      left_out += e.records;
      continue;
    }
    // Pairs that no epoch is of are in no store, so that the two lists name the epochs.
    if (std::ranges::find(filter.devices, e.device) == filter.devices.end()) filter.devices.push_back(e.device);
    if (std::ranges::find(filter.compilers, e.compiler) == filter.compilers.end()) filter.compilers.push_back(e.compiler);
  }
  if (filter.devices.empty()) return fail(Code::E0703, "device " + devices.begin()->substr(0, 12) + " has no epoch " + options.epoch + "; its last is " + std::to_string(epochs.back().number), "--epoch latest, or --epoch all");
  return {};
}

}  // namespace tenon
