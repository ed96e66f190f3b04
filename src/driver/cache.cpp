#include "cache.h"

#include <stdlib.h>

#include <algorithm>
#include <chrono>

#include <nlohmann/json.hpp>

#include "cache_key.h"
#include "compiler_id.h"
#include "files.h"
#include "tenon/hash.h"

namespace tenon {

namespace fs = std::filesystem;

namespace {

using Json = nlohmann::ordered_json;

Result<std::string> file_hash(const fs::path& path) {
  TENON_TRY(const MappedInput file, MappedInput::open(path));
  return hex(blake3(file.bytes()));
}

std::string key_of(const std::map<std::string, std::string>& parts) {
  std::string all;
  for (const auto& [name, value] : parts) all += name + '=' + std::to_string(value.size()) + ':' + value + '\n';
  return hex(blake3(all));
}

// A new folder or file under `parent` that nobody else has.
fs::path unique_path(const fs::path& parent) {
  std::string name = (parent / "tmp.XXXXXX").string();
  return mkdtemp(name.data()) ? fs::path(name) : fs::path();
}

// The whole file or nothing, whatever other processes do.
bool write_beside(const fs::path& path, const std::string& text) {
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  const fs::path own = unique_path(path.parent_path());
  if (own.empty()) return false;
  const bool written = write_file(own / "file", text).has_value();
  if (written) fs::rename(own / "file", path, error);
  std::error_code ignored;
  fs::remove_all(own, ignored);
  return written && !error;
}

Json to_json(const ArtifactSummary& s) {
  Json files = Json::array();
  for (const OutputFile& file : s.files) files.push_back({{"path", file.path}, {"bytes", file.bytes}, {"blake3", file.blake3}});
  Json levels = Json::array();
  for (const LevelSummary& level : s.levels)
    levels.push_back({{"target", level.target}, {"code_bytes", level.code_bytes}, {"weights_bytes", level.weights_bytes},
                      {"own_weights_bytes", level.own_weights_bytes}, {"workspace_bytes", level.workspace_bytes}, {"kernels", level.kernels}});
  return {{"name", s.name}, {"target", s.target}, {"build_id", s.build_id}, {"files", files},
          {"code_bytes", s.code_bytes}, {"weights_bytes", s.weights_bytes}, {"workspace_bytes", s.workspace_bytes},
          {"kernels", s.kernels}, {"nodes", s.nodes}, {"levels", levels}};
}

ArtifactSummary summary_of(const Json& json) {
  ArtifactSummary s{.name = json.at("name"), .target = json.at("target"), .build_id = json.at("build_id")};
  for (const Json& file : json.at("files"))
    s.files.push_back({.path = file.at("path"), .bytes = file.at("bytes"), .blake3 = file.at("blake3")});
  s.code_bytes = json.at("code_bytes");
  s.weights_bytes = json.at("weights_bytes");
  s.workspace_bytes = json.at("workspace_bytes");
  s.kernels = json.at("kernels");
  s.nodes = json.at("nodes");
  for (const Json& level : json.value("levels", Json::array()))
    s.levels.push_back({.target = level.at("target"), .code_bytes = level.at("code_bytes"), .weights_bytes = level.at("weights_bytes"),
                        .own_weights_bytes = level.at("own_weights_bytes"), .workspace_bytes = level.at("workspace_bytes"),
                        .kernels = level.at("kernels")});
  s.cached = true;
  return s;
}

std::optional<Json> read_json(const fs::path& path) {
  const Result<std::string> text = read_file(path);
  if (!text) return std::nullopt;
  Json json = Json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return std::nullopt;
  return json;
}

// Copies and checks every file of an artifact; false where one is not what it was.
bool copy_artifact(const fs::path& from, const fs::path& to, const ArtifactSummary& summary, const std::string& manifest) {
  std::vector<OutputFile> files = summary.files;
  files.push_back({.path = "manifest.json", .bytes = 0, .blake3 = manifest});
  return std::ranges::all_of(files, [&](const OutputFile& file) {
    std::error_code error;
    fs::copy_file(from / file.path, to / file.path, error);
    const Result<std::string> hash = error ? Result<std::string>() : file_hash(to / file.path);
    return !error && hash && *hash == file.blake3;
  });
}

}  // namespace

std::string joined_names(std::span<const Target> targets) {
  std::string names;
  for (const Target& target : targets) names += (names.empty() ? "" : "+") + target.name;
  return names;
}

Result<ArtifactCache> ArtifactCache::open(const CompileOptions& options, const std::string& name) {
  ArtifactCache cache(options);
  // File times may lag behind the clock by a tick.
  cache.opened_ = fs::file_time_type::clock::now() - std::chrono::milliseconds(20);
  cache.folder_ = fs::path(options.cache_dir) / "v1";
  std::error_code error;
  fs::create_directories(cache.folder_, error);
  if (error) return fail(Code::E0505, cache.folder_.string() + ": " + error.message());
  cache.parts_ = option_parts(options);
  cache.parts_["name"] = name;
  TENON_TRY(cache.parts_["model"], file_hash(options.model));
  TENON_TRY(cache.parts_["compiler"], compiler_id());
  if (!options.schedule.empty()) {
    TENON_TRY(cache.parts_["schedule"], file_hash(options.schedule));
  }
  if (!options.locked.empty()) {
    TENON_TRY(cache.parts_["locked"], file_hash(options.locked));
  }
  // What the model names was found out when it was compiled before.
  cache.sources_ = {options.model};
  if (const auto known = read_json(cache.folder_ / "sources" / cache.parts_["model"]); known && known->is_array())
    for (const Json& source : *known)
      if (source.is_string()) cache.sources_.push_back((fs::path(options.model).parent_path() / source.get<std::string>()).string());
  cache.parts_["external data"] = cache.external_hash(cache.sources_);
  return cache;
}

void ArtifactCache::remark(const std::string& text) const {
  if (options_.remark) options_.remark("cache: " + text);
}

ArtifactCache::Parts ArtifactCache::parts_for(std::span<const Target> targets) const {
  Parts parts = parts_;
  for (const Target& target : targets) parts["target"] += target_text(target);
  return parts;
}

std::string ArtifactCache::external_hash(const std::vector<std::string>& sources) const {
  std::string all;
  for (size_t k = 1; k < sources.size(); ++k) {
    const Result<std::string> hash = file_hash(sources[k]);
    if (!hash) return {};
    all += *hash;
  }
  return hex(blake3(all));
}

fs::path ArtifactCache::entry(const Parts& parts) const {
  const std::string key = key_of(parts);
  return folder_ / key.substr(0, 2) / key;
}

// What this model was asked for the last time, for this target, wherever that went.
fs::path ArtifactCache::last(const std::string& target) const {
  std::error_code error;
  const std::string who = fs::absolute(options_.model, error).lexically_normal().string() + '\0' + parts_.at("name") + '\0' + target;
  return folder_ / "last" / hex(blake3(who));
}

void ArtifactCache::explain(const std::string& target, const Parts& parts) const {
  if (!options_.remark) return;
  const std::string what = parts.at("name") + " for " + target;
  const auto before = read_json(last(target));
  if (!before || !before->is_object()) return remark(what + ": compiled, it was never seen before");
  std::string changed;
  for (const auto& [name, value] : parts)
    if (!before->contains(name) || before->at(name) != value) changed += (changed.empty() ? "" : ", ") + name;
  for (const auto& [name, value] : before->items())
    if (!parts.contains(name)) changed += (changed.empty() ? "" : ", ") + name;
  remark(what + ": compiled, " + (changed.empty() ? "its entry is gone" : "what changed: " + changed));
}

Result<std::optional<ArtifactSummary>> ArtifactCache::take(std::span<const Target> targets, const std::string& folder) {
  const Parts parts = parts_for(targets);
  const std::string target = joined_names(targets);
  const fs::path from = entry(parts);
  const auto json = read_json(from / "entry.json");
  if (!json) {
    explain(target, parts);
    return std::nullopt;
  }
  try {
    ArtifactSummary summary = summary_of(json->at("artifact"));
    TENON_TRY(StagedFolder staged, StagedFolder::beside(folder));
    if (copy_artifact(from / "artifact", staged.path(), summary, json->at("manifest"))) {
      TENON_DO(staged.commit());
      summary.folder = folder;
      write_beside(last(target), Json(parts).dump());
      remark(summary.name + " for " + target + ": found, " + from.filename().string().substr(0, 16));
      return summary;
    }
  } catch (const Json::exception&) {
  }
  remark(parts.at("name") + " for " + target + ": compiled, its entry is damaged");
  std::error_code ignored;
  if (const fs::path aside = unique_path(folder_); !aside.empty()) {
    fs::rename(from, aside / "damaged", ignored);
    fs::remove_all(aside, ignored);
  }
  return std::nullopt;
}

void ArtifactCache::put(std::span<const Target> targets, const ArtifactSummary& artifact,
                        const std::vector<std::string>& sources) {
  const std::string target = joined_names(targets);
  auto lost = [&](const std::string& why) { remark(artifact.name + " for " + target + ": not kept, " + why); };
  std::error_code error;
  const fs::path base = fs::path(options_.model).parent_path();
  std::vector<std::string> relative, found = {options_.model};
  for (size_t k = 1; k < sources.size(); ++k) {
    fs::path path = fs::path(sources[k]).lexically_relative(base);
    if (path.empty()) path = fs::proximate(sources[k], base.empty() ? "." : base, error);
    relative.push_back(path.string());
    found.push_back((base / path).string());
  }
  // A file that was written while it was being read may not be what was compiled.
  for (const std::string& source : found)
    if (fs::last_write_time(source, error) >= opened_ || error) return lost(source + " has just changed");

  Parts parts = parts_for(targets);
  parts["external data"] = external_hash(found);
  if (parts["external data"].empty()) return lost("external data cannot be read");
  const fs::path own = unique_path(folder_), to = entry(parts);
  const Result<std::string> manifest = file_hash(fs::path(artifact.folder) / "manifest.json");
  const bool copied = !own.empty() && manifest && fs::create_directories(own / "entry" / "artifact", error) &&
                      copy_artifact(artifact.folder, own / "entry" / "artifact", artifact, *manifest) &&
                      write_file(own / "entry" / "entry.json",
                                 Json{{"artifact", to_json(artifact)}, {"manifest", *manifest}}.dump(1) + "\n");
  if (copied) {
    fs::create_directories(to.parent_path(), error);
    fs::rename(own / "entry", to, error);  // where another process was first, its entry is the same
    write_beside(folder_ / "sources" / parts["model"], Json(relative).dump());
    write_beside(last(target), Json(parts).dump());
  } else {
    lost("the cache cannot be written");
  }
  std::error_code ignored;
  if (!own.empty()) fs::remove_all(own, ignored);
}

}  // namespace tenon
