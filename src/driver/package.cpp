#include "package.h"

#include <algorithm>
#include <cstring>

#include "bindings.h"
#include "descriptor.h"
#include "files.h"
#include "manifest.h"
#include "pack.h"
#include "runtime/descriptor.h"
#include "signature.h"
#include "tenon/runtime.h"

namespace tenon {

namespace fs = std::filesystem;

namespace {

const std::string kOneDnnLibrary = "libdnnl.so.3";  // the soname of oneDNN's version 3
constexpr const char* kOneDnnImports[] = {
#define IMPORT(symbol) #symbol,
#include "runtime/onednn/imports.def"
#undef IMPORT
};

// The worst case over the ranges of the symbols, or -1.
int64_t workspace_max(const Module& module) {
  const int64_t shared = module.pool.bounds(module.workspace_bytes).second;
  const int64_t scratch = module.pool.bounds(module.scratch_bytes).second;
  const bool bounded = std::ranges::all_of(module.symbols, [&](Expr s) { return module.pool.var(s).hi <= kLargestDim; });
  return bounded && shared < kIndexMax - scratch ? shared + scratch : -1;
}

// Packed weights with their header, in their file or in the object that embeds them.
struct WrittenWeights {
  MappedOutput file;
  size_t start = 0;  // of the header
  size_t bytes = 0;  // without it
  Digest digest{};

  void seal(const Digest& build_id) const {
    tn_weights header{.magic = "TENONW1", .bytes = bytes, .build_id = {}, .padding = {}};
    std::ranges::copy(build_id, header.build_id);
    std::memcpy(file.bytes().data() + start, &header, sizeof header);
  }
};

class Packager {
 public:
  Packager(const PackageInput& in, const fs::path& folder)
      : in_(in), first_(in.levels.front()), folder_(folder), objects_(folder / ".objects"),
        signature_(signature_of(first_.module)) {
    signature_.name = summary_.name = first_.graph.name;
    summary_.weights_bytes = in.shared ? in.shared->bytes : packed_bytes(first_.module);
    for (size_t k = 0; k < in.levels.size(); ++k) {
      const PackageLevel& level = in.levels[k];
      const int64_t workspace = workspace_max(level.module);
      summary_.target += (k == 0 ? "" : "+") + level.target.name;
      summary_.kernels += level.module.kernels.size();
      summary_.workspace_bytes = k > 0 && std::min(workspace, summary_.workspace_bytes) < 0
                                     ? -1 : std::max(workspace, summary_.workspace_bytes);
      if (!in.shared) continue;
      summary_.levels.push_back({.target = level.target.name, .weights_bytes = in.shared->read[k],
                                 .own_weights_bytes = in.shared->alone[k], .workspace_bytes = workspace,
                                 .kernels = level.module.kernels.size()});
    }
    embedded_ = in.options.weights == Weights::Embed && summary_.weights_bytes > 0;
  }

  Result<ArtifactSummary> run() {
    std::error_code error;
    fs::create_directory(objects_, error);
    TENON_DO(check_ports());
    if (calls_onednn() && emits(Emit::Exe))
      return fail(Code::E0601, "the plan has regions of oneDNN, which a static program cannot load", "--emit so,a,header, or no `provider onednn`");
    TENON_TRY(weights_, write_weights());
    TENON_DO(write_objects());
    TENON_DO(write_libraries());
    TENON_DO(write_texts());
    fs::remove_all(objects_, error);
    TENON_DO(rewrite_weights());
    std::ranges::sort(files_);
    for (const std::string& name : files_) {
      TENON_TRY(OutputFile file, output_file(folder_, name));
      summary_.files.push_back(std::move(file));
    }
    TENON_TRY(const std::string manifest, manifest_json({.levels = in_.levels, .signature = signature_, .summary = summary_, .embedded = embedded_, .weights_blake3 = hex(weights_.digest),
                                                         .precision = precision(), .allowed = in_.options.precision, .steps = in_.options.steps, .onednn = calls_onednn() ? kOneDnnLibrary : ""}));
    TENON_DO(write_file(folder_ / "manifest.json", manifest));
    return summary_;
  }

 private:
  bool emits(Emit emit) const { return std::ranges::find(in_.options.emit, emit) != in_.options.emit.end(); }
  bool pooled() const { return in_.options.threads == Threads::Pool; }
  const std::string& name() const { return signature_.name; }
  std::string arch() const { return first_.target.triple.substr(0, first_.target.triple.find('-')); }
  bool dispatches() const { return in_.shared != nullptr; }
  // Some region is oneDNN's.
  bool calls_onednn() const { return std::ranges::any_of(first_.plan.regions, [](const RegionPlan& r) { return r.provider == Provider::OneDnn; }); }
  RuntimePart model_part() const { return dispatches() ? RuntimePart::Dispatch : calls_onednn() ? RuntimePart::Onednn : RuntimePart::Model; }
  // What the plan says, whoever wrote it.
  Precision precision() const {
    auto rounds = [&](DType to) { return std::ranges::any_of(first_.plan.regions, [&](const RegionPlan& region) { return region.precision == to; }); };
    if (rounds(DType::BF16)) return Precision::Bf16;
    if (rounds(DType::F16)) return Precision::Fp16;
    const bool is_fast = std::ranges::any_of(in_.levels, [](const PackageLevel& level) {
      return std::ranges::any_of(level.plan.regions, [](const RegionPlan& region) {
        return std::ranges::any_of(region.schedule.variants, [](const Variant& variant) { return variant.knobs[Knob::winograd] > 0 || variant.knobs[Knob::functions] == 1; });
      });
    });
    return is_fast ? Precision::Fast : Precision::Strict;
  }

  Result<void> check_ports() const {
    for (const auto* side : {&signature_.inputs, &signature_.outputs})
      for (const PortInfo& port : *side)
        if (port.type == DType::String)
          return fail(Code::E0303, "`" + port.name + "` is a tensor of strings, which the C interface cannot pass");
    return {};
  }

  Result<WrittenWeights> write_weights() {
    WrittenWeights out{.bytes = static_cast<size_t>(summary_.weights_bytes)};
    if (out.bytes == 0) return out;
    const size_t size = sizeof(tn_weights) + out.bytes;
    // Whoever links an archive gets large pages as well, at the price of an unused part of one.
    constexpr size_t kWorthPadding = 32 * kLargePage;
    if (embedded_) {
      TENON_TRY(DataObject frame, data_object(name() + "_weights", size, first_.target, size >= kWorthPadding ? kLargePage : 0));
      const fs::path path = objects_ / (name() + "_weights.o");
      TENON_TRY(out.file, MappedOutput::create(path, frame.head.size() + size + frame.tail.size()));
      std::memcpy(out.file.bytes().data(), frame.head.data(), frame.head.size());
      std::memcpy(out.file.bytes().data() + frame.head.size() + size, frame.tail.data(), frame.tail.size());
      out.start = frame.head.size();
      weights_object_ = {path};
    } else {
      TENON_TRY(out.file, MappedOutput::create(folder_ / (name() + ".weights"), size));
      files_.push_back(name() + ".weights");
    }
    std::span<std::byte> packed = out.file.bytes().subspan(out.start + sizeof(tn_weights), out.bytes);
    for (size_t k = 0; k < in_.levels.size(); ++k)
      pack_constants(in_.shared ? in_.shared->packed[k] : in_.levels[k].module.constants, in_.levels[k].graph, packed,
                     in_.options.jobs);
    out.digest = blake3(packed);
    return out;
  }

  // Files whose weights are read where they lie, and more of them than a TLB knows pages.
  Result<void> rewrite_weights() {
    constexpr int64_t kLeast = int64_t{1} << 20;
    if (summary_.weights_bytes < kLeast) return {};
    for (const std::string& file : {"lib" + name() + ".so", name() + ".weights", name()})
      if (std::ranges::count(files_, file) > 0 && (embedded_ || file.ends_with(".weights"))) TENON_DO(rewrite_file(folder_ / file));
    return {};
  }

  // Everything that a caller could tell two builds apart by.
  Digest build_id() const {
    std::string all = version();
    for (const PackageLevel& level : in_.levels)
      all += '\0' + level.target.triple + '\0' + level.target.cpu + '\0' + level.target.features;
    all += '\0' + to_json(signature_) + '\0' + hex(weights_.digest) + (embedded_ ? "e" : "f") +
           hex(blake3(runtime_bitcode(model_part(), arch())));
    if (in_.options.threads == Threads::None) all += "serial";
    if (pooled()) all += hex(blake3(runtime_bitcode(RuntimePart::Pool, arch())));
    for (const PackageLevel& level : in_.levels)
      for (const ObjectFile& object : level.code.objects)
        all += hex(blake3(std::string_view(object.bytes.data(), object.bytes.size())));
    return blake3(all);
  }

  Result<void> write_object(const ObjectFile& object, std::vector<fs::path>& list) {
    // Numbered: kernels' names may differ in case only, and file systems may not care.
    list.push_back(objects_ / (std::to_string(list.size()) + "_" + object.name));
    summary_.code_bytes += static_cast<int64_t>(object.bytes.size());
    return write_file(list.back(), {object.bytes.data(), object.bytes.size()});
  }

  Result<ObjectFile> runtime_part(RuntimePart part, std::span<const std::byte> bytes) {
    std::string_view bitcode = runtime_bitcode(part, arch());
    if (bitcode.empty()) return fail(Code::E0404, "there is no runtime for " + arch(), "--emit graph,loops,llvm,asm works");
    TENON_TRY(const std::string own, specialize_bitcode(bitcode, name(), bytes, embedded_));
    static constexpr const char* kObjects[] = {"runtime.o", "runner.o", "pool.o", "runtime.o", "runner.o", "runtime.o"};
    return compile_bitcode(own, kObjects[static_cast<int>(part)], first_.target, {.level = in_.options.level});
  }

  Result<void> write_objects() {
    const Digest id = build_id();
    summary_.build_id = hex(id);
    if (weights_.bytes > 0) weights_.seal(id);
    TENON_TRY(const std::vector<std::byte> bytes,
              descriptor({.signature = signature_, .targets = targets(), .build_id = id,
                          .weights_bytes = summary_.weights_bytes, .embedded = embedded_,
                          .serial = in_.options.threads == Threads::None,
                          .onednn = calls_onednn() ? &first_.module : nullptr}));
    std::vector<std::string> modules;
    for (size_t k = 0; k < in_.levels.size(); ++k) {
      const int64_t before = summary_.code_bytes;
      for (const ObjectFile& object : in_.levels[k].code.objects) TENON_DO(write_object(object, code_objects_));
      if (dispatches()) summary_.levels[k].code_bytes = summary_.code_bytes - before;
      modules.push_back(in_.levels[k].module.name);
    }
    if (dispatches()) {
      TENON_TRY(const ObjectFile choice, generate_levels(name(), modules, first_.target, {.level = in_.options.level}));
      TENON_DO(write_object(choice, code_objects_));
    }
    TENON_TRY(const ObjectFile runtime, runtime_part(model_part(), bytes));
    return write_object(runtime, code_objects_);
  }

  std::vector<const Target*> targets() const {
    std::vector<const Target*> all;
    for (const PackageLevel& level : in_.levels) all.push_back(&level.target);
    return all;
  }

  // Two models may meet in one program, so the code becomes one object with public symbols only. The weights
  // stay an object of their own: they are never held in memory.
  Result<void> write_libraries() {
    std::vector<fs::path> joined = {objects_ / (name() + ".o")};
    std::vector<fs::path> parts = code_objects_;
    if (pooled()) {
      TENON_TRY(const ObjectFile pool, runtime_part(RuntimePart::Pool, {}));
      TENON_DO(write_object(pool, parts));
    }
    TENON_DO(link_relocatable(joined[0], parts, first_.target));
    std::vector<std::string> elsewhere;
    if (embedded_) elsewhere.push_back(name() + "_weights");
    if (pooled()) elsewhere.insert(elsewhere.end(), {"pthread_create", "pthread_join"});
    if (calls_onednn()) elsewhere.insert(elsewhere.end(), std::begin(kOneDnnImports), std::end(kOneDnnImports));
    TENON_DO(localize_hidden(joined[0], elsewhere));
    joined.insert(joined.end(), weights_object_.begin(), weights_object_.end());

    if (emits(Emit::SharedLibrary)) {
      const std::string file = "lib" + name() + ".so";
      const std::span<const std::string> needed(&kOneDnnLibrary, calls_onednn() ? 1 : 0);
      TENON_DO(link_shared(folder_ / file, file, joined, first_.target, pooled() || calls_onednn(), needed, embedded_ && weights_.bytes >= kLargePage));
      files_.push_back(file);
    }
    if (emits(Emit::Archive) || emits(Emit::Object)) {
      const std::vector<fs::path> whole = {emits(Emit::Object) ? folder_ / (name() + ".o") : objects_ / "whole" / (name() + ".o")};
      std::error_code error;
      fs::create_directory(objects_ / "whole", error);
      TENON_DO(link_relocatable(whole[0], joined, first_.target));
      if (emits(Emit::Object)) files_.push_back(name() + ".o");
      if (emits(Emit::Archive)) {
        files_.push_back("lib" + name() + ".a");
        TENON_DO(write_archive(folder_ / files_.back(), whole));
      }
    }
    if (emits(Emit::Exe)) {
      TENON_TRY(const ObjectFile runner, runtime_part(dispatches() ? RuntimePart::DispatchRunner : RuntimePart::Runner, {}));
      std::vector<fs::path> all = code_objects_;
      TENON_DO(write_object(runner, all));
      all.insert(all.end(), weights_object_.begin(), weights_object_.end());
      files_.push_back(name());
      TENON_DO(link_executable(folder_ / files_.back(), all, first_.target));
    }
    return {};
  }

  Result<void> write_text(const std::string& file, const std::string& text) {
    files_.push_back(file);
    return write_file(folder_ / file, text);
  }

  Result<void> write_texts() {
    const BindingInfo info{.signature = signature_,
                           .target = summary_.target,
                           .build_id = summary_.build_id,
                           .workspace_max = summary_.workspace_bytes,
                           .weights_file_bytes = !embedded_ && weights_.bytes > 0
                                                     ? static_cast<int64_t>(weights_.bytes + sizeof(tn_weights)) : 0,
                           .shared = emits(Emit::SharedLibrary),
                           .archive = emits(Emit::Archive),
                           .pool = pooled(),
                           .onednn = calls_onednn() ? kOneDnnLibrary : "",
                           .levels = summary_.levels};
    if (emits(Emit::Header)) {
      TENON_DO(write_text(name() + ".h", c_header(info)));
      TENON_DO(write_text(name() + ".hpp", cpp_header(info)));
      if (info.shared) TENON_DO(write_text(name() + ".py", python_module(info)));
      if (info.shared || info.archive) {
        TENON_DO(write_text(name() + "Config.cmake", cmake_config(info)));
        TENON_DO(write_text(name() + ".pc", pkg_config(info)));
      }
    }
    for (const PackageLevel& level : in_.levels)
      TENON_DO(write_dumps(level, dispatches() ? name() + "." + level.target.name : name()));
    return {};
  }

  Result<void> write_dumps(const PackageLevel& level, const std::string& stem) {
    if (emits(Emit::Assembly)) TENON_DO(write_text(stem + ".s", level.code.assembly));
    if (emits(Emit::Llvm)) TENON_DO(write_text(stem + ".ll", level.code.llvm));
    if (emits(Emit::GraphText)) TENON_DO(write_text(stem + ".graph", print(level.graph)));
    if (emits(Emit::LoopsText)) TENON_DO(write_text(stem + ".loops", print(level.module)));
    if (emits(Emit::Schedule)) {
      Plan plan = level.plan;
      plan.graph_hash = hash(level.graph);
      TENON_DO(write_text(stem + ".schedule", print(plan, level.graph)));
    }
    return {};
  }

  const PackageInput& in_;
  const PackageLevel& first_;  // what is common is compiled for the least
  fs::path folder_, objects_;
  Signature signature_;
  bool embedded_ = false;
  WrittenWeights weights_;
  std::vector<fs::path> code_objects_, weights_object_;
  std::vector<std::string> files_;
  ArtifactSummary summary_;
};

}  // namespace

Result<ArtifactSummary> package(const PackageInput& in, const std::string& folder) {
  TENON_TRY(StagedFolder staged, StagedFolder::beside(folder));
  TENON_TRY(ArtifactSummary summary, Packager(in, staged.path()).run());
  TENON_DO(staged.commit());
  summary.folder = folder;
  return summary;
}

}  // namespace tenon
