#include "adapt_records.h"

#include <cmath>

#include "json_line.h"

namespace tenon::cli {

std::string adapt_record(const AdaptReport& report) {
  Json json = record("adapt/1");
  json["target"] = report.target;
  json["device"] = report.delta.device;
  json["probes"] = report.delta.probes;
  json["factor"] = std::exp(report.delta.offset);
  json["mape_before"] = report.mape;
  json["calibration"] = {{"floor", report.delta.calibration.floor}, {"scale", report.delta.calibration.scale}, {"units", report.delta.calibration.units}};
  Json timings = Json::array();
  for (const Probed& p : report.probes)
    timings.push_back({{"model", p.probe.model}, {"region", p.probe.region}, {"op_class", p.probe.op_class}, {"workload", p.probe.workload}, {"schedule", p.probe.schedule}, {"predicted_s", p.predicted},
                       {"seconds", p.time.seconds > 0 ? Json(p.time.seconds) : Json()}, {"noise", p.time.seconds > 0 ? Json(p.time.noise) : Json()}, {"failure", p.time.failure.empty() ? Json() : Json(p.time.failure)}});
  json["timings"] = std::move(timings);
  json["blake3"] = report.blake3;
  return line(json);
}

}  // namespace tenon::cli
