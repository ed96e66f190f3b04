// What deployed programs record: a header and timings of fixed size, appended without a count. docs/telemetry.md.
#include <algorithm>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "rows.h"
#include "tenon/hash.h"

namespace tenon::telemetry {

namespace {

using Json = nlohmann::json;

struct Header {
  char magic[8];
  uint32_t version, timing_bytes;
  uint8_t build_id[32];
  uint32_t level;
  uint8_t reserved[12];
};
static_assert(sizeof(Header) == 64);

struct Timing {
  uint32_t call, flags;
  uint64_t nanoseconds, at;  // `at`: nanoseconds since 1970
};
static_assert(sizeof(Timing) == 24);

constexpr char kMagic[8] = {'T', 'E', 'N', 'O', 'N', 'P', 'R', '1'};
constexpr uint32_t kDisturbed = 1;
constexpr uint64_t kDay = 86400'000'000'000, kYear2100 = 4102444800'000'000'000;

// A UUID of its own kind (version 8) from text: the same text, the same UUID.
std::string uuid_of(const std::string& text) {
  std::string digits = hex(blake3(text)).substr(0, 32);
  digits[12] = '8';
  digits[16] = "89ab"[digits[16] & 3];
  for (const size_t at : {20, 16, 12, 8}) digits.insert(at, 1, '-');
  return digits;
}

std::unexpected<Diags> no_profile(const std::string& file, const std::string& message) { return std::unexpected(Diags{refused("", message, file)}); }

struct Profile {
  Header header;
  std::vector<Timing> timings;
  bool torn = false;
};

Result<Profile> read_profile(const std::string& path) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return fail({.code = Code::E0101, .message = "cannot open the profile", .file = path});
  const auto bytes = static_cast<uint64_t>(file.tellg());
  file.seekg(0);
  Profile profile;
  if (bytes < sizeof(Header) || !file.read(reinterpret_cast<char*>(&profile.header), sizeof(Header))) return no_profile(path, "this is no profile: it is shorter than its header");
  const Header& header = profile.header;
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0) return no_profile(path, "this is no profile: it does not begin with TENONPR1");
  if (header.version != 1 || header.timing_bytes != sizeof(Timing)) return no_profile(path, "the profile has version " + std::to_string(header.version) + ", which this release does not know");
  profile.timings.resize((bytes - sizeof(Header)) / sizeof(Timing));
  profile.torn = (bytes - sizeof(Header)) % sizeof(Timing) != 0;
  if (!file.read(reinterpret_cast<char*>(profile.timings.data()), static_cast<std::streamsize>(profile.timings.size() * sizeof(Timing))))
    return fail({.code = Code::E0101, .message = "cannot read the profile", .file = path});
  // After a loss of power a file may have its length and not its bytes.
  while (!profile.timings.empty() && profile.timings.back().nanoseconds == 0 && profile.timings.back().at == 0) profile.timings.pop_back(), profile.torn = true;
  return profile;
}

// What a manifest says of one call.
struct Call {
  std::string kernel, workload_hash, schedule_hash, workload;
};

// `text` where it is a number and no expression over dims; else nothing.
std::optional<int64_t> plain_number(const Json& text) {
  if (!text.is_string() || text.get_ref<const std::string&>().empty()) return std::nullopt;
  const std::string& s = text.get_ref<const std::string&>();
  if (s.size() > 18 || s.find_first_not_of("0123456789") != std::string::npos) return std::nullopt;
  return std::stoll(s);
}

Json workload_of(const Json& kernel, const Json& work) {
  Json json = {{"op_class", "none"}};
  std::set<std::string> seen;
  for (const Json& node : kernel.value("nodes", Json::array()))
    if (const std::string op = node.value("op", ""); !op.empty() && seen.insert(op).second) json["ops"].push_back(op);
  if (json.contains("ops")) json["op_class"] = json["ops"][0];
  if (!work.is_object()) return json;
  double flops = 0;
  const Json products = work.value("multiply_adds", Json::object());  // items() keeps a reference
  for (const auto& [type, number] : products.items()) {
    json["dtypes"].push_back(type);
    const auto known = plain_number(number);
    flops += known ? 2.0 * static_cast<double>(*known) : kNotKnown;
  }
  if (!std::isnan(flops)) json["flops"] = flops;
  for (const char* key : {"bytes", "constant_bytes"})
    if (const auto number = plain_number(work.value(key, Json()))) json[key] = *number;
  return json;
}

struct ManifestFacts {
  std::string build_id, compiler;
  Device device;
  std::vector<Call> calls;
};

// Throws what nlohmann throws where a key has another type.
ManifestFacts facts_of(const Json& manifest, uint32_t level) {
  ManifestFacts facts{.build_id = manifest.at("build_id"), .compiler = manifest.at("compiler")};
  const Json& code = manifest.contains("levels") ? manifest.at("levels").at(level) : manifest;
  const Json& target = code.at("target");
  facts.device = {.microarchitecture = target.at("cpu"), .target_hash = hex(blake3(target.dump()))};
  for (const Json& feature : target.at("checked")) facts.device.features += (facts.device.features.empty() ? "" : " ") + feature.get<std::string>();
  facts.device.l1d_bytes = target.at("cache").at("l1d_bytes");
  facts.device.l2_bytes = target.at("cache").at("l2_bytes");
  facts.device.l3_bytes = target.at("cache").at("l3_bytes");
  std::map<std::string, Json> kernels;
  for (const Json& kernel : code.at("kernels")) kernels[kernel.at("name")] = kernel;
  const std::string loops = code.at("loops_blake3");
  const Json workloads = code.value("workloads", Json::object());
  const std::vector<std::string> regions = code.value("regions", std::vector<std::string>(code.at("calls").size()));
  std::map<std::string, int> calls_of;
  for (const std::string& region : regions) ++calls_of[region];
  for (size_t k = 0; k < code.at("calls").size(); ++k) {
    Call& call = facts.calls.emplace_back(Call{.kernel = code["calls"][k]});
    const Json& kernel = kernels.at(call.kernel);
    const std::string& region = regions.at(k);
    // Of a region of several calls, and of artifacts that do not say: the artifact's own kernel, equal among its profiles alone.
    const Json whole = calls_of[region] == 1 ? workloads.value(region, Json::object()) : Json::object();
    call.workload_hash = whole.value("workload_blake3", hex(blake3("workload of " + call.kernel + " in " + loops)));
    call.schedule_hash = whole.value("schedule_blake3", hex(blake3("schedule of " + call.kernel + " in " + loops)));
    const Json& work = code.at("work");
    call.workload = workload_of(kernel, k < work.size() ? work[k] : Json()).dump();
  }
  return facts;
}

Result<ManifestFacts> read_manifest(const std::string& artifact, uint32_t level) {
  const std::string path = artifact + "/manifest.json";
  std::ifstream file(path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file) return fail({.code = Code::E0501, .message = "the artifact has no manifest", .hint = "--artifact names the folder that `tenon compile` wrote", .file = path});
  try {
    return facts_of(Json::parse(text), level);
  } catch (const std::exception& error) {  // Json's, and of maps that lack a name
    return fail({.code = Code::E0501, .message = std::string("the manifest is not understood: ") + error.what(), .file = path});
  }
}

void check_timing(const Timing& t, size_t index, size_t calls, Problems& problems) {
  std::vector<std::string> wrong;
  if (t.call >= calls) wrong.push_back("call " + std::to_string(t.call) + " of " + std::to_string(calls));
  if (t.flags & ~kDisturbed) wrong.push_back("flags " + std::to_string(t.flags) + " are not known");
  if (t.nanoseconds == 0) wrong.push_back("no time is zero");
  if (t.nanoseconds > kDay) wrong.push_back("a time of more than a day");
  if (t.at == 0 || t.at > kYear2100) wrong.push_back("its moment is not between 1970 and 2100");
  if (!wrong.empty()) problems.add("timing " + std::to_string(index), wrong);
}

}  // namespace

Result<Ingested> ingest(Store& store, const std::string& path, const std::string& artifact, const Device* here) {
  TENON_TRY(const Profile profile, read_profile(path));
  TENON_TRY(ManifestFacts facts, read_manifest(artifact, profile.header.level));
  Digest id;
  std::ranges::copy(profile.header.build_id, id.begin());
  if (hex(id) != facts.build_id)
    return fail({.code = Code::E0702, .message = "the profile is of the artifact " + hex(id).substr(0, 12) + ", not of " + facts.build_id.substr(0, 12), .file = path});
  Ingested result{.merged = {}, .timings = static_cast<int64_t>(profile.timings.size()), .torn = profile.torn};
  if (profile.timings.empty()) return result;

  Problems problems(path);
  std::map<std::pair<uint32_t, uint32_t>, Record> records;  // by call, and whether it was disturbed
  std::map<std::pair<uint32_t, uint32_t>, std::vector<double>> samples;
  for (size_t k = 0; k < profile.timings.size(); ++k) {
    const Timing& t = profile.timings[k];
    check_timing(t, k, facts.calls.size(), problems);
    samples[{t.call, t.flags}].push_back(static_cast<double>(t.nanoseconds) * 1e-9);
    int64_t& last = records[{t.call, t.flags}].timestamp;
    last = std::max(last, static_cast<int64_t>(t.at / 1000));
  }
  if (problems.any()) return problems.failure();

  const Device device = here ? *here : facts.device;
  const Compiler compiler{.id = hex(blake3("compiler of artifacts: " + facts.compiler)), .version = facts.compiler};
  const Timing& first = profile.timings.front();
  const std::string beginning(reinterpret_cast<const char*>(&first), sizeof first);
  const Session session{.uuid = uuid_of(facts.build_id + beginning + fingerprint(device)), .started = static_cast<int64_t>(first.at / 1000), .source = Source::Deployed, .runner = "artifact"};
  std::vector<Record> all;
  for (auto& [key, record] : records) {
    const Call& call = facts.calls[key.first];
    record.uuid = uuid_of(session.uuid + '/' + std::to_string(key.first) + '/' + std::to_string(key.second));
    record.session = session.uuid, record.device = fingerprint(device), record.compiler = compiler.id;
    record.workload_hash = call.workload_hash, record.schedule_hash = call.schedule_hash, record.workload = call.workload;
    if (key.second & kDisturbed) record.status = Status::Disturbed, record.message = "the program saw a disturbance";
    set_samples(record, std::move(samples[key]));
    all.push_back(std::move(record));
  }
  auto merged = store.append(all, {{device}, {compiler}, {session}});
  if (!merged) {
    for (Diag& diag : merged.error()) {
      if (diag.file.empty()) diag.file = path;
      if (diag.code == Code::E0702) diag.hint = "a profile that grows may be ingested once, when it is done";
    }
    return std::unexpected(merged.error());
  }
  result.merged = *merged;
  return result;
}

}  // namespace tenon::telemetry
