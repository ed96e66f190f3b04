// Telemetry whose truth is known: times that are the prior's but for a factor per operator and one per schedule.
#pragma once

#include <cmath>
#include <random>

#include "../telemetry/samples.h"
#include "tenon/features.h"
#include "tenon/learn.h"

namespace tenon::testing {

class Dice {
 public:
  explicit Dice(uint64_t seed) : dice_(seed) {}
  double unit() { return static_cast<double>(dice_() >> 11) * 0x1p-53; }
  double normal() { return std::sqrt(-2 * std::log(1 - unit())) * std::cos(6.283185307179586 * unit()); }
  size_t below(size_t n) { return static_cast<size_t>(unit() * static_cast<double>(n)); }

 private:
  std::mt19937_64 dice_;
};

// One feature vector per schedule: x[0] the operator, x[1] and x[2] of the workload, x[3] and x[4] of the schedule.
struct Truth {
  double noise = 0.02;       // of one timing
  double unexplained = 0;    // standard deviation of a workload's own factor
  double device = 1;         // factor of all times
  double forbidden = 2;      // schedules whose x[4] is over it fail
  double factor(const std::vector<float>& x) const {
    return (x[0] > 1.5F ? 2.5 : x[0] > 0.5F ? 1.6 : 0.9) * std::exp(0.5 * static_cast<double>(x[3]) - 0.3 * static_cast<double>(x[1] * x[4])) * device;
  }
};
constexpr size_t kColumns = 6;

inline std::vector<Timing> timings(const Truth& truth, size_t groups, size_t schedules, uint64_t seed) {
  Dice dice(seed);
  std::vector<Timing> all;
  for (size_t g = 0; g < groups; ++g) {
    const auto op = static_cast<float>(g % 3);
    const double size = dice.unit(), other = dice.unit(), own = std::exp(truth.unexplained * dice.normal());
    for (size_t s = 0; s < schedules; ++s) {
      Timing& t = all.emplace_back(Timing{.features = {op, static_cast<float>(size), static_cast<float>(other), static_cast<float>(dice.unit()), static_cast<float>(dice.unit()), NAN}, .noise = truth.noise, .group = static_cast<int>(g)});
      t.prior = std::exp(-12 + 6 * size + static_cast<double>(t.features[3]));
      t.seconds = t.prior * truth.factor(t.features) * own * std::exp(truth.noise * dice.normal());
    }
  }
  return all;
}

inline std::vector<std::string> column_names() { return {"a", "b", "c", "d", "e", "f"}; }

// The same as records of a store: models with names, three operators, each session a model on a device. What is the extractor's is in its first
// columns here, the rest is missing.
struct Campaign {
  std::vector<std::string> models = {"resnet18", "resnet50", "mobilenet_v2", "bert_base", "vit_b_16", "unet_small"};
  std::vector<double> devices = {1};      // factors
  size_t workloads = 6, schedules = 20;   // per model; per workload
  Truth truth;
};

inline void fill(const std::string& path, const Campaign& campaign, uint64_t seed) {
  Dice dice(seed);
  auto store = telemetry::Store::open(path);
  telemetry::Origins origins{{}, {telemetry::sample_compiler()}, {}};
  std::vector<telemetry::Record> records;
  const char* const ops[] = {"Relu", "Conv", "MatMul"};
  uint64_t id = seed << 32;
  for (const double factor : campaign.devices) {
    const telemetry::Device device = telemetry::sample_device("level" + std::to_string(factor));
    origins.devices.push_back(device);
    for (const std::string& model : campaign.models) {
      telemetry::Session session = telemetry::sample_session(++id);
      origins.sessions.push_back(session);
      for (size_t w = 0; w < campaign.workloads; ++w) {
        const size_t op = w % 3;
        const double size = dice.unit();
        for (size_t s = 0; s < campaign.schedules; ++s) {
          telemetry::Record r = telemetry::sample_record(++id);
          r.session = session.uuid, r.device = telemetry::fingerprint(device);
          r.workload_hash = telemetry::hash_of(model + std::to_string(w));
          r.workload = "{\"op_class\":\"" + std::string(ops[op]) + "\",\"shapes\":[[" + std::to_string(w) + "]],\"ops\":[\"" + model + "\"]}";
          r.features.assign(feature_table().size(), NAN), r.feature_hash = features_id();
          r.features[0] = static_cast<float>(op), r.features[1] = static_cast<float>(size), r.features[2] = static_cast<float>(dice.unit());
          r.features[3] = static_cast<float>(dice.unit()), r.features[4] = static_cast<float>(dice.unit());
          r.predicted = std::exp(-12 + 6 * size + static_cast<double>(r.features[3]));
          r.model_hash.clear(), r.predicted_sigma = telemetry::kNotKnown, r.model_name = model, r.decided_by = s == 0 ? "rules" : "search";
          const double seconds = r.predicted * factor * campaign.truth.factor(r.features) * std::exp(campaign.truth.noise * dice.normal());
          telemetry::set_samples(r, {seconds, seconds * 1.01, seconds * 0.99});
          if (static_cast<double>(r.features[4]) > campaign.truth.forbidden) r.status = telemetry::Status::Crashed, r.message = "it was ended by signal 11", telemetry::set_samples(r, {});
          records.push_back(std::move(r));
        }
      }
    }
  }
  const auto added = store->append(records, origins);
  TENON_CHECK(added, "synthetic records");
}

}  // namespace tenon::testing
