#include <sys/utsname.h>

#include <fstream>

#include "tenon/hash.h"
#include "tenon/target.h"
#include "tenon/telemetry.h"

namespace tenon::telemetry {

namespace {

// The value of the first line "name : value".
std::string cpuinfo(const std::string& name) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (const size_t colon = line.find(": "); line.starts_with(name) && colon != std::string::npos) return line.substr(colon + 2);
  return {};
}

}  // namespace

Device device_of(const Target& target, bool here) {
  Device device{.microarchitecture = target.cpu, .l1d_bytes = target.l1d_bytes, .l2_bytes = target.l2_bytes, .l3_bytes = target.l3_bytes};
  for (const std::string& feature : target.cpu_check) device.features += (device.features.empty() ? "" : " ") + feature;
  device.target_hash = hex(blake3(to_toml(target, "", {})));
  if (!here) return device;
  if (utsname system; uname(&system) == 0) device.kernel = system.release;
  device.microcode = cpuinfo("microcode");
  if (double khz = 0; std::ifstream("/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq") >> khz) device.clock_mhz = khz * 1e-3;
  return device;
}

}  // namespace tenon::telemetry
