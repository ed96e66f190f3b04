#include "splits.h"

#include <algorithm>
#include <ctime>
#include <functional>

#include "families.h"

namespace tenon {

namespace {

// One split per key, whose samples are left out; an empty key is in no split at all.
std::vector<Split> by_key(std::span<const Sample* const> samples, const std::function<std::string(const Sample&)>& key) {
  std::map<std::string, Split> splits;
  for (const Sample* s : samples)
    if (const std::string k = key(*s); !k.empty()) splits[k].testing.push_back(s);
  for (auto& [name, split] : splits) {
    split.left_out = name;
    for (const Sample* s : samples)
      if (const std::string k = key(*s); !k.empty() && k != name) split.training.push_back(s);
  }
  std::vector<Split> all;
  for (auto& [name, split] : splits) all.push_back(std::move(split));
  return all;
}

std::string text_of(int64_t microseconds) {
  const auto seconds = static_cast<std::time_t>(microseconds / 1000000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &utc);
  return text;
}

// The sessions that began last, a quarter of all timings or a little less.
std::vector<Split> later(std::span<const Sample* const> samples) {
  constexpr double kEarlier = 0.75;
  std::map<std::string, std::pair<int64_t, size_t>> sessions;  // when they began; samples
  for (const Sample* s : samples) {
    auto& [began, count] = sessions.try_emplace(s->session, s->timestamp, 0).first->second;
    began = std::min(began, s->timestamp), ++count;
  }
  std::vector<std::pair<int64_t, std::string>> order;
  for (const auto& [id, session] : sessions) order.emplace_back(session.first, id);
  std::ranges::sort(order);
  size_t before = 0, k = 0;
  while (k < order.size() && static_cast<double>(before) < kEarlier * static_cast<double>(samples.size())) before += sessions[order[k++].second].second;
  if (k == order.size()) return {};
  Split split{.left_out = "since " + text_of(order[k].first), .training = {}, .testing = {}};
  for (const Sample* s : samples) (sessions[s->session].first < order[k].first ? split.training : split.testing).push_back(s);
  return {std::move(split)};
}

}  // namespace

std::string machine_of(const telemetry::Device& d) {
  return std::to_string(d.l1d_bytes) + ' ' + std::to_string(d.l2_bytes) + ' ' + std::to_string(d.l3_bytes) + ' ' + std::to_string(d.clock_mhz) + ' ' + d.microcode;
}

std::string level_of(const telemetry::Device& d) { return d.microarchitecture + ' ' + d.target_hash.substr(0, 8) + ' ' + machine_of(d); }

Splits split(const Samples& samples, Leave leave) {
  std::vector<const Sample*> usable;
  for (const Sample& s : samples.all)
    if (s.timed() || s.failed()) usable.push_back(&s);
  Splits splits;
  switch (leave) {
    case Leave::Family: {
      for (const Sample* s : usable) splits.unnamed += s->timed() && s->model.empty(), splits.of_no_family += s->timed() && !s->model.empty() && family_of(s->model).empty();
      splits.all = by_key(usable, [](const Sample& s) { return family_of(s.model); });
      break;
    }
    case Leave::Device: splits.all = by_key(usable, [&](const Sample& s) { return level_of(samples.devices.at(s.device)); }); break;
    case Leave::Machine: splits.all = by_key(usable, [&](const Sample& s) { return machine_of(samples.devices.at(s.device)); }); break;
    case Leave::Operator: splits.all = by_key(usable, [](const Sample& s) { return s.op_class; }); break;
    case Leave::Later: splits.all = later(usable); break;
  }
  return splits;
}

}  // namespace tenon
