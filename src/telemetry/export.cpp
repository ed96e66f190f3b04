#include <charconv>
#include <map>
#include <nlohmann/json.hpp>

#include "rows.h"

namespace tenon::telemetry {

namespace {

using Json = nlohmann::ordered_json;

struct Origin {
  std::map<std::string, Device> devices;
  std::map<std::string, Compiler> compilers;
  std::map<std::string, Session> sessions;

  bool has(const Record& r) const { return devices.contains(r.device) && compilers.contains(r.compiler) && sessions.contains(r.session); }
};

Result<Origin> origins(Store& store) {
  Origin all;
  TENON_TRY(const std::vector<Device> devices, store.devices());
  for (const Device& device : devices) all.devices[fingerprint(device)] = device;
  TENON_TRY(const std::vector<Compiler> compilers, store.compilers());
  for (const Compiler& compiler : compilers) all.compilers[compiler.id] = compiler;
  TENON_TRY(const std::vector<Session> sessions, store.sessions());
  for (const Session& session : sessions) all.sessions[session.uuid] = session;
  return all;
}

// JSON has no NaN: what is not known is null.
struct ToJson {
  Json& json;
  void operator()(const char* name, const std::string& v) { json[name] = v; }
  void operator()(const char* name, double v) { json[name] = v; }
  void operator()(const char* name, int64_t v) { json[name] = v < 0 ? Json() : Json(v); }
  void operator()(const char* name, Status v) { json[name] = spelling(v); }
  void operator()(const char* name, Source v) { json[name] = spelling(v); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& v) { json[name] = v; }
};

template <class Row>
Json to_json(const Row& row) {
  Json json = Json::object();
  each_field(row, ToJson{json});
  return json;
}

std::string json_line(const Record& record, const Origin& origin, bool names) {
  Json json = {{"schema", "tenon.measurement/1"}};
  json.update(to_json(record));
  json["workload"] = Json::parse(record.workload, nullptr, false);
  json["device"] = to_json(origin.devices.at(record.device));
  json["device"]["fingerprint"] = record.device;
  json["compiler"] = to_json(origin.compilers.at(record.compiler));
  json["session"] = to_json(origin.sessions.at(record.session));
  if (!names) json.erase("model_name"), json.erase("nodes");
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

template <class T>
std::string number(T value) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, value).ptr};
}

// A line of CSV, or of names where `heading`. Lists are joined by semicolons; what is not known is empty.
struct ToCsv {
  std::string line = {};
  std::string prefix = {};
  bool heading = false;

  void put(const char* name, const std::string& text) {
    if (!line.empty()) line += ',';
    if (heading) {
      line += prefix + name;
    } else if (text.find_first_of(",\"\r\n") == std::string::npos) {
      line += text;
    } else {
      line += '"';
      for (const char c : text) line += c == '"' ? std::string("\"\"") : std::string(1, c);
      line += '"';
    }
  }
  void operator()(const char* name, const std::string& v) { put(name, v); }
  void operator()(const char* name, double v) { put(name, std::isnan(v) ? "" : number(v)); }
  void operator()(const char* name, int64_t v) { put(name, v < 0 ? "" : number(v)); }
  void operator()(const char* name, Status v) { put(name, std::string(spelling(v))); }
  void operator()(const char* name, Source v) { put(name, std::string(spelling(v))); }
  template <class T>
  void operator()(const char* name, const std::vector<T>& v) {
    std::string list;
    for (const T value : v) list += (list.empty() ? "" : ";") + number(value);
    put(name, list);
  }
};

std::string csv_line(Record record, const Device& device, const Compiler& compiler, const Session& session, bool names, bool heading) {
  if (!names) record.model_name.clear(), record.nodes.clear();
  ToCsv csv{.heading = heading};
  each_field(record, csv);
  csv.prefix = "device_", each_field(device, csv);
  csv.prefix = "compiler_", each_field(compiler, csv);
  csv.prefix = "session_", each_field(session, csv);
  return csv.line + "\n";
}

}  // namespace

Result<int64_t> export_records(Store& store, const ExportOptions& options, const std::function<void(std::string_view)>& write) {
  Origin origin;
  Diags problems;
  const bool csv = options.format == ExportFormat::Csv;
  if (csv) write(csv_line({}, {}, {}, {}, true, true));
  auto count = store.each(options.filter, [&](const Record& r) {
    // Asked for while a record is read, so that they are of the same moment.
    if (!origin.has(r)) {
      auto all = origins(store);
      if (all && all->has(r)) origin = std::move(*all);
      else if (!problems.empty()) return;
      else problems = all ? Diags{{.code = Code::E0701, .message = "record " + r.uuid + " has lost its device, compiler or session"}} : all.error();
    }
    if (!problems.empty()) return;
    write(csv ? csv_line(r, origin.devices.at(r.device), origin.compilers.at(r.compiler), origin.sessions.at(r.session), options.names, false)
              : json_line(r, origin, options.names));
  });
  if (count && !problems.empty()) return std::unexpected(std::move(problems));
  return count;
}

}  // namespace tenon::telemetry
