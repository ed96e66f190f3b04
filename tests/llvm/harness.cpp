#include "harness.h"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "tenon/runtime.h"

namespace tenon {

namespace fs = std::filesystem;

Module module_of(Kernel kernel) {
  Module module;
  module.name = "t";
  HostStmt call{.kind = HostStmt::Kind::Call};
  int inputs = 0, outputs = 0;
  for (const LoopBuffer& buffer : kernel.buffers) {
    if (buffer.space != Space::Param) continue;
    call.buffers.push_back(module.buffers.push({.name = buffer.name,
                                                .kind = buffer.written ? HostBufferKind::Output : HostBufferKind::Input,
                                                .type = buffer.type,
                                                .index = buffer.written ? outputs++ : inputs++}));
  }
  for (Expr symbol : kernel.symbols) {
    module.symbols.push_back(module.pool.symbol(kernel.pool.var(symbol).name));
    call.symbols.push_back(module.symbols.back());
  }
  call.kernel = module.kernels.push(std::move(kernel));
  module.workspace_bytes = module.pool.index(0);
  module.scratch_bytes = module.pool.index(1 << 16);
  module.host.push_back(std::move(call));
  return module;
}

namespace {

std::vector<bool> outputs_of(const Module& module) {
  std::vector<bool> result;
  for (const HostBuffer& buffer : module.buffers) result.push_back(buffer.kind == HostBufferKind::Output);
  return result;
}

}  // namespace

// Code that every machine of this architecture runs.
Target baseline() {
#if defined(__aarch64__)
  return target("aarch64");
#elif defined(__riscv)
  return target("rv64gcv");
#else
  return target("x86-64-v2");
#endif
}

Native::Native(const Module& module, const TestTarget& target, CodeOptions options) : outputs(outputs_of(module)) {
  const Target host = baseline();
  if (target.modelled) {
    options.modelled_on = &host;
    options.models = runtime_bitcode(RuntimePart::Isa, host.triple.substr(0, host.triple.find('-')));
  }
  auto code = generate_code(module, target, options);
  if (!code) {
    ADD_FAILURE() << code.error()[0].message;
    return;
  }
  assembly = std::move(code->assembly);
  std::string pattern = (fs::temp_directory_path() / "tenon-XXXXXX").string();
  fs::path folder = mkdtemp(pattern.data());
  std::vector<fs::path> objects = {TENON_TEST_ENTRY};
  for (const ObjectFile& object : code->objects) {
    objects.push_back(folder / object.name);
    std::ofstream(objects.back(), std::ios::binary).write(object.bytes.data(), static_cast<std::streamsize>(object.bytes.size()));
  }
  auto linked = link_shared(folder / "t.so", "t.so", objects, target.modelled ? host : target);
  if (!linked) ADD_FAILURE() << linked.error()[0].message;
  library_ = dlopen((folder / "t.so").c_str(), RTLD_NOW);
  EXPECT_TRUE(library_) << dlerror();
  if (library_) run_ = reinterpret_cast<int32_t (*)(const tn_call*)>(dlsym(library_, "run"));
  if (library_) workspace_bytes_ = reinterpret_cast<int64_t (*)(const int64_t*)>(dlsym(library_, "workspace_bytes"));
  fs::remove_all(folder);
}

Native::~Native() {
  if (library_) dlclose(library_);
}

void Native::operator()(const std::vector<void*>& params, std::vector<int64_t> symbols, const tn_env* env) const {
  ASSERT_TRUE(run_);
  std::vector<const void*> in;
  std::vector<void*> out;
  for (size_t i = 0; i < params.size(); ++i) outputs[i] ? out.push_back(params[i]) : in.push_back(params[i]);
  alignas(64) static thread_local uint8_t workspace[4 << 16];
  symbols.push_back(0);
  tn_call call{in.data(), out.data(), nullptr, workspace, symbols.data(), env};
  ASSERT_EQ(run_(&call), 0);
}

TestTarget target(const std::string& name) {
  constexpr std::string_view kModelled = "modelled:";
  const bool modelled = name.starts_with(kModelled);
  auto loaded = load_target(modelled ? name.substr(kModelled.size()) : name);
  TENON_CHECK(loaded.has_value(), "no target " + name);
  return {std::move(*loaded), modelled};
}

std::vector<std::string> host_targets() {
  std::vector<std::string> names = {"x86-64-v2"};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) names.push_back("x86-64-v3");
  if (__builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq")) names.push_back("x86-64-v4");
  if (__builtin_cpu_supports("avx512vnni")) names.push_back("native");
  return names;
}

std::vector<std::string> all_targets() {
  std::vector<std::string> names = host_targets();
  for (const char* name : {"modelled:x86-64-v4", "modelled:sapphirerapids", "modelled:znver5"}) names.emplace_back(name);
  return names;
}

std::string target_label(const testing::TestParamInfo<std::string>& target) {
  std::string name = target.param;
  std::ranges::replace(name, '-', '_');
  std::ranges::replace(name, ':', '_');
  return name;
}

std::vector<std::string> loops_with(const std::string& assembly, const std::string& instruction) {
  std::vector<std::string> lines, found;
  std::istringstream stream(assembly);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  for (size_t end = 0; end < lines.size(); ++end) {
    if (lines[end].find("\tj") == std::string::npos) continue;
    size_t dot = lines[end].find(".L");
    if (dot == std::string::npos) continue;
    std::string label = lines[end].substr(dot) + ":", text;
    size_t start = end;
    while (start > 0 && lines[start].compare(0, label.size(), label) != 0) --start;
    if (start == 0) continue;
    bool innermost = true;
    for (size_t i = start; i <= end; ++i) {
      text += lines[i] + "\n";
      innermost = innermost && (i == end || lines[i].find("\tj") == std::string::npos);
    }
    if (innermost && text.find(instruction) != std::string::npos) found.push_back(text);
  }
  return found;
}

}  // namespace tenon
