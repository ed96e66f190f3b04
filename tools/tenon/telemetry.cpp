#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <memory>

#include "command.h"
#include "telemetry_records.h"
#include "tenon/target.h"

namespace tenon::cli {

namespace {

namespace tm = telemetry;

struct Arguments {
  std::string action, store, device, compiler, workload, format = "jsonl", output, artifact, older_than;
  std::vector<std::string> files, statuses;
  bool disturbed = false, dry_run = false, names = false, check = false, here = false;
};

std::unexpected<Diags> misused(const std::string& message, const std::string& hint = "tenon telemetry --help") { return fail(Code::E0601, message, hint); }

Result<tm::Store> open_store(const Arguments& a, bool read_only) {
  std::string path = a.store;
  if (const char* named = std::getenv("TENON_TELEMETRY"); path.empty() && named) path = named;
  if (path.empty()) return misused("which store? --store or the variable TENON_TELEMETRY names it");
  return tm::Store::open(path, {.read_only = read_only, .check = true});
}

// The one id that begins so. What is asked for must be in the store: a slip of the pen is no empty answer.
Result<std::string> whole_id(const std::string& beginning, const std::vector<std::string>& ids, const std::string& what) {
  std::vector<std::string> found;
  for (const std::string& id : ids)
    if (id.starts_with(beginning)) found.push_back(id);
  if (found.size() == 1) return found[0];
  return misused(fmt::format("{} {}s of the store begin with `{}`", found.empty() ? "no" : std::to_string(found.size()), what, beginning), "tenon telemetry stats");
}

Result<std::vector<std::string>> device_ids(tm::Store& store) {
  TENON_TRY(const std::vector<tm::Device> devices, store.devices());
  std::vector<std::string> ids;
  for (const tm::Device& device : devices) ids.push_back(tm::fingerprint(device));
  return ids;
}

Result<std::vector<std::string>> compiler_ids(tm::Store& store) {
  TENON_TRY(const std::vector<tm::Compiler> compilers, store.compilers());
  std::vector<std::string> ids;
  for (const tm::Compiler& compiler : compilers) ids.push_back(compiler.id);
  return ids;
}

Result<tm::Filter> filter_of(const Arguments& a, tm::Store& store) {
  tm::Filter filter{.all_devices = a.device == "all", .all_compilers = a.compiler == "all", .workload = a.workload};
  if (a.device.empty() || a.compiler.empty())
    return misused("export needs --device and --compiler: times of several do not mix by accident", "`tenon telemetry stats` lists them; `all` takes all");
  TENON_TRY(const std::vector<std::string> devices, device_ids(store));
  TENON_TRY(const std::vector<std::string> compilers, compiler_ids(store));
  if (!filter.all_devices) {
    TENON_TRY(filter.devices.emplace_back(), whole_id(a.device, devices, "device"));
  }
  if (!filter.all_compilers) {
    TENON_TRY(filter.compilers.emplace_back(), whole_id(a.compiler, compilers, "compiler"));
  }
  for (const std::string& status : a.statuses) {
    const auto known = tm::parse_status(status);
    if (!known) return misused("there is no status `" + status + "`");
    filter.statuses.push_back(*known);
  }
  return filter;
}

Result<void> run_export(const Arguments& a, Console& console) {
  TENON_TRY(tm::Store store, open_store(a, true));
  tm::ExportOptions options{.filter = {}, .format = a.format == "csv" ? tm::ExportFormat::Csv : tm::ExportFormat::JsonLines, .names = a.names};
  TENON_TRY(options.filter, filter_of(a, store));
  std::ofstream file;
  if (!a.output.empty()) file.open(a.output, std::ios::binary);
  auto write = [&](std::string_view line) {
    if (!a.output.empty()) file << line;
    else std::fwrite(line.data(), 1, line.size(), stdout);
  };
  TENON_TRY(const int64_t count, tm::export_records(store, options, write));
  if (!a.output.empty() && !file.flush()) return fail({.code = Code::E0505, .message = "cannot write the records", .file = a.output});
  console.remark(fmt::format("{} records", count));
  return {};
}

Result<void> run_merge(const Arguments& a, Console& console) {
  if (a.files.empty()) return misused("merge needs a FILE: the store to take over");
  TENON_TRY(tm::Store store, open_store(a, false));
  for (const std::string& file : a.files) {
    TENON_TRY(const tm::Merged merged, store.merge(file));
    console.record(telemetry_merge_record(file, merged));
    console.print(fmt::format("{}: {} records added, {} known\n", file, merged.added, merged.known));
  }
  return {};
}

Result<void> run_ingest(const Arguments& a, Console& console) {
  if (a.files.empty() || a.artifact.empty()) return misused("ingest needs a FILE and --artifact, the folder of the artifact that wrote it");
  TENON_TRY(tm::Store store, open_store(a, false));
  tm::Device here;
  if (a.here) {
    TENON_TRY(const Target native, load_target("native"));
    here = tm::device_of(native, true);
  }
  for (const std::string& file : a.files) {
    TENON_TRY(const tm::Ingested ingested, tm::ingest(store, file, a.artifact, a.here ? &here : nullptr));
    console.record(telemetry_ingest_record(file, ingested));
    console.print(fmt::format("{}: {} timings, {} records added, {} known\n", file, ingested.timings, ingested.merged.added, ingested.merged.known));
    if (ingested.torn) console.remark(file + ": the last timing was half written and is left out");
  }
  return {};
}

Result<void> run_stats(const Arguments& a, Console& console) {
  TENON_TRY(tm::Store store, open_store(a, true));
  if (a.check) TENON_DO(store.check());
  auto stats = store.stats([&](int64_t done, int64_t all) {
    constexpr int64_t kPerMille = 1000;
    if (done % 256 == 0) console.progress("reading records", static_cast<int>(done * kPerMille / all), kPerMille);
  });
  console.end_progress();
  if (!stats) return std::unexpected(std::move(stats).error());
  console.record(telemetry_stats_record(*stats));
  console.print(telemetry_stats_text(*stats));
  if (a.check) console.print("the file is sound\n");
  return {};
}

// "30d", "12h": microseconds.
Result<int64_t> age(const std::string& text) {
  char* end = nullptr;
  const double number = std::strtod(text.c_str(), &end);
  const double unit = *end == 'd' ? 86400 : *end == 'h' ? 3600 : 0;
  if (end == text.c_str() || unit == 0 || end[1] != 0 || !(number >= 0 && number < 1e6)) return misused("`" + text + "` is no age", "--older-than 30d, or 12h");
  return static_cast<int64_t>(number * unit * 1e6);
}

Result<void> run_prune(const Arguments& a, Console& console) {
  if (a.older_than.empty() && a.device.empty() && a.compiler.empty() && !a.disturbed) return misused("prune needs --older-than, --device, --compiler or --disturbed");
  TENON_TRY(tm::Store store, open_store(a, a.dry_run));
  tm::PruneRule rule{.disturbed_only = a.disturbed, .dry_run = a.dry_run};
  if (!a.older_than.empty()) {
    TENON_TRY(const int64_t old, age(a.older_than));
    rule.before = std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch()).count() - old;
  }
  if (!a.device.empty()) {
    TENON_TRY(const std::vector<std::string> ids, device_ids(store));
    TENON_TRY(rule.device, whole_id(a.device, ids, "device"));
  }
  if (!a.compiler.empty()) {
    TENON_TRY(const std::vector<std::string> ids, compiler_ids(store));
    TENON_TRY(rule.compiler, whole_id(a.compiler, ids, "compiler"));
  }
  TENON_TRY(const int64_t count, store.prune(rule));
  console.record(telemetry_prune_record(count, a.dry_run));
  console.print(fmt::format("{} records {}\n", count, a.dry_run ? "would go" : "removed"));
  return {};
}

Result<void> run(const Arguments& a, Console& console) {
  if (!a.files.empty() && a.action != "merge" && a.action != "ingest") return misused(a.action + " takes no FILE: --store names the store");
  if (a.action == "export") return run_export(a, console);
  if (a.action == "merge") return run_merge(a, console);
  if (a.action == "stats") return run_stats(a, console);
  if (a.action == "prune") return run_prune(a, console);
  return run_ingest(a, console);
}

}  // namespace

Command telemetry_command() {
  auto a = std::make_shared<Arguments>();
  return {
      .name = "telemetry",
      .summary = "Look at, merge and export stores of measurements",
      .examples =
          "tenon telemetry stats --store t.db\n"
          "tenon telemetry merge --store t.db board1.db board2.db       # twice is the same as once\n"
          "tenon telemetry export --store t.db --device 3f2a --compiler all --status ok > rows.jsonl\n"
          "tenon telemetry export --store t.db --device all --compiler all --format csv -o rows.csv\n"
          "tenon telemetry prune --store t.db --older-than 90d --disturbed --dry-run\n"
          "tenon telemetry ingest --store t.db --artifact out run.prof  # what a deployed program recorded",
      .options = {{"action", "ACTION", "What to do", &a->action, {"export", "merge", "stats", "prune", "ingest"}, true},
                  {"files", "FILE", "merge: stores to take over; ingest: profiles", &a->files},
                  {"--store", "FILE", "The store; default: the variable TENON_TELEMETRY", &a->store},
                  {"--device", "ID", "export, prune: the beginning of a device's fingerprint; export: or all", &a->device},
                  {"--compiler", "ID", "export, prune: the beginning of a compiler's id; export: or all", &a->compiler},
                  {"--workload", "HASH", "export: this workload alone", &a->workload},
                  {"--status", "STATUS", "export: ok, wrong, invalid, crashed, timeout or disturbed alone; repeatable", &a->statuses},
                  {"--format", "FORMAT", "export: lines of JSON, or a table", &a->format, {"jsonl", "csv"}},
                  {"--names", "", "export: names of models and nodes too, where they were recorded", &a->names},
                  {"-o,--output", "FILE", "export: the file to write; default: stdout", &a->output},
                  {"--older-than", "AGE", "prune: records of more than so many days (30d) or hours (12h)", &a->older_than},
                  {"--disturbed", "", "prune: disturbed records alone", &a->disturbed},
                  {"--dry-run", "", "prune: count what would go", &a->dry_run},
                  {"--check", "", "stats: read the whole file and say whether it is sound", &a->check},
                  {"--artifact", "DIR", "ingest: the artifact that the program was linked with", &a->artifact},
                  {"--here", "", "ingest: the program ran on this machine, with this kernel and microcode", &a->here}},
      .run =
          [a](Console& console) {
            const auto done = run(*a, console);
            return done ? int{kOk} : console.fail(done.error());
          },
  };
}

}  // namespace tenon::cli
