// A library of this architecture, called through its public functions.
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <filesystem>

#include "artifact.h"
#include "files.h"
#include "runtime/descriptor.h"
#include "signature.h"
#include "task_pool.h"

namespace tenon {

namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
double ms_since(Clock::time_point start) { return std::chrono::duration<double, std::milli>(Clock::now() - start).count(); }

// Memory at a multiple of the ABI's alignment.
// `huge`: begins at a large page, and the kernel is asked for such pages.
class Aligned {
 public:
  static constexpr size_t kHugePage = size_t{2} << 20;

  explicit Aligned(size_t size, bool huge = false)
      : data_(static_cast<std::byte*>(::operator new(huge ? (size + kHugePage) / kHugePage * kHugePage : size + 1, alignment(huge))), Free{huge}) {
    if (huge) madvise(data_.get(), (size + kHugePage) / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish
  }
  std::byte* get() const { return data_.get(); }

 private:
  static std::align_val_t alignment(bool huge) { return std::align_val_t{huge ? kHugePage : size_t{TN_ALIGN}}; }
  struct Free {
    bool huge = false;
    void operator()(std::byte* p) const { ::operator delete(p, alignment(huge)); }
  };
  std::unique_ptr<std::byte, Free> data_;
};

// Memory of exactly `size` bytes beside a page that faults: in front of it or behind.
class Guarded {
 public:
  enum class Side { Front, Back };

  Guarded(size_t size, Side side) : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    const size_t inside = (size + page_ - 1) / page_ * page_;
    bytes_ = inside + 2 * page_;
    void* base = mmap(nullptr, bytes_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return;
    base_ = static_cast<std::byte*>(base);
    if (inside > 0 && mprotect(base_ + page_, inside, PROT_READ | PROT_WRITE) != 0) return;
    data_ = base_ + page_ + (side == Side::Front ? 0 : inside - size);
  }
  ~Guarded() {
    if (base_) munmap(base_, bytes_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  std::byte* get() const { return data_; }  // null: no memory

 private:
  size_t page_, bytes_ = 0;
  std::byte *base_ = nullptr, *data_ = nullptr;
};

// The public functions of backends/runtime/model.h; structures are passed as memory.
struct Functions {
  uint32_t (*abi)() = nullptr;
  const char* (*build_id)() = nullptr;
  const char* (*describe)() = nullptr;
  const char* (*status_str)(tn_status) = nullptr;
  tn_status (*bind)(const void** model, const void* weights, size_t bytes) = nullptr;
  tn_status (*port_shapes)(const int64_t* dims, int64_t* shapes) = nullptr;
  tn_status (*workspace)(const int64_t* dims, unsigned width, size_t* bytes) = nullptr;
  void (*unbind)(const void** model) = nullptr;  // with oneDNN
  tn_status (*run)(const void* const* model, const int64_t* dims, int64_t* io, void* workspace, size_t bytes,
                   const tn_env* env) = nullptr;
  // With several levels.
  const char* (*level_name)(unsigned level) = nullptr;
  tn_status (*bind_level)(const void** model, const void* weights, size_t bytes, unsigned level) = nullptr;
  unsigned (*level)(const void* const* model) = nullptr;
  // With --threads pool.
  size_t (*pool_size)(unsigned width) = nullptr;
  tn_status (*pool_init)(void* memory, size_t bytes, unsigned width, void** pool) = nullptr;
  void (*pool_destroy)(void* pool) = nullptr;
  void (*pool_parallel_for)(void* pool, TaskPool::Task task, void* context, size_t count) = nullptr;
};

// Where the rows of a state lie in its buffer: `outer` runs, each with room for `capacity` rows of `row` bytes.
class StateRows {
 public:
  StateRows(std::vector<int64_t> dims, size_t axis, int64_t past, int64_t present, DType type) : dims_(std::move(dims)), axis_(axis) {
    for (size_t d = 0; d < axis; ++d) outer_ *= static_cast<size_t>(dims_[d]);
    for (size_t d = axis + 1; d < dims_.size(); ++d) row_ *= static_cast<size_t>(dims_[d]);
    row_ *= static_cast<size_t>(bits(type)) / 8;
    run_ = row_ * static_cast<size_t>(dims_[axis]);
    past_ = row_ * static_cast<size_t>(past);
    dims_[axis] = present;
  }
  size_t bytes() const { return outer_ * run_; }
  const std::vector<int64_t>& present_dims() const { return dims_; }
  // The past as a dense tensor to its place; what is beside it is nobody's.
  void put(std::span<const std::byte> past, std::byte* buffer) const {
    std::memset(buffer, 0xff, bytes());
    for (size_t k = 0; k < outer_ && past_ > 0; ++k) std::memcpy(buffer + k * run_, past.data() + k * past_, past_);
  }
  std::vector<std::byte> taken_from(const std::byte* buffer) const {
    const size_t present = row_ * static_cast<size_t>(dims_[axis_]);
    std::vector<std::byte> rows(outer_ * present);
    for (size_t k = 0; k < outer_ && present > 0; ++k) std::memcpy(rows.data() + k * present, buffer + k * run_, present);
    return rows;
  }

 private:
  std::vector<int64_t> dims_;  // of the present
  size_t axis_, outer_ = 1, row_ = 1, run_ = 0, past_ = 0;
};

// One call's arguments, in the memory layout of the generated header.
struct Call {
  std::vector<int64_t> dims, io;
  std::vector<Aligned> buffers;
  std::vector<std::vector<int64_t>> output_dims;
  std::vector<size_t> output_bytes;
  std::unique_ptr<Aligned> workspace;
  size_t workspace_bytes = 0;
  std::vector<StateRows> rows;  // per state
};

// What NAME_env points at: threads, the artifact's own where it has a pool, and the times of the kernels or who watches them.
class Environment {
 public:
  static Result<std::unique_ptr<Environment>> create(const Functions& functions, unsigned width,
                                                     std::vector<double>* kernels_ms) {
    auto made = std::unique_ptr<Environment>(new Environment(functions, width, kernels_ms));
    if (width < 2) return made;
    if (!functions.pool_init) {
      made->threads_ = std::make_unique<TaskPool>(width);
      return made;
    }
    const size_t bytes = functions.pool_size(width);
    made->memory_ = std::make_unique<Aligned>(bytes);
    const tn_status status = functions.pool_init(made->memory_->get(), bytes, width, &made->pool_);
    if (status != TN_OK) return fail(Code::E0503, functions.status_str(status));
    return made;
  }
  ~Environment() {
    if (pool_) functions_.pool_destroy(pool_);
  }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

  const tn_env& env() const { return env_; }
  void watch(const WatchCalls& watch, const CallMemory& memory) {
    watch_ = &watch;
    memory_of_call_ = &memory;
    env_.event = event;
  }

 private:
  Environment(const Functions& functions, unsigned width, std::vector<double>* kernels_ms)
      : functions_(functions), kernels_ms_(kernels_ms),
        env_{.size = sizeof(tn_env), .width = width, .user = this,
             .parallel_for = width > 1 ? parallel_for : nullptr, .event = kernels_ms ? event : nullptr} {}

  static void parallel_for(void* user, TaskPool::Task task, void* context, size_t count) {
    auto* self = static_cast<Environment*>(user);
    if (self->pool_) self->functions_.pool_parallel_for(self->pool_, task, context, count);
    else self->threads_->parallel_for(task, context, count);
  }
  static void event(void* user, uint32_t call, int end) {
    auto* self = static_cast<Environment*>(user);
    if (self->watch_) (*self->watch_)(*self->memory_of_call_, call, end != 0);
    else if (!end) self->start_ = Clock::now();
    else if (call < self->kernels_ms_->size()) (*self->kernels_ms_)[call] += ms_since(self->start_);
  }

  const Functions& functions_;
  std::vector<double>* kernels_ms_;
  Clock::time_point start_;
  const WatchCalls* watch_ = nullptr;
  const CallMemory* memory_of_call_ = nullptr;
  std::unique_ptr<TaskPool> threads_;
  std::unique_ptr<Aligned> memory_;
  void* pool_ = nullptr;
  tn_env env_;
};

class Library : public Artifact {
 public:
  explicit Library(bool huge_pages) : huge_pages_(huge_pages) {}
  ~Library() override {
    if (call_.unbind) call_.unbind(&model_);
  }

  Result<void> open(const std::string& path, const std::string& wanted) {
    handle_ = {dlopen(fs::absolute(path).c_str(), RTLD_NOW | RTLD_LOCAL), [](void* h) { if (h) dlclose(h); }};
    if (!handle_) return fail(Code::E0501, path + " cannot be loaded: " + dlerror());
    std::string name = fs::path(path).stem().string();
    if (name.starts_with("lib")) name.erase(0, 3);
    auto find = [&](auto& function, const char* suffix) {
      function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(handle_.get(), (name + suffix).c_str()));
      return function != nullptr;
    };
    if (!find(call_.abi, "_abi") || !find(call_.build_id, "_build_id") || !find(call_.describe, "_describe") ||
        !find(call_.status_str, "_status_str") || !find(call_.bind, "_bind") ||
        !find(call_.port_shapes, "_port_shapes") || !find(call_.workspace, "_workspace") || !find(call_.run, "_run"))
      return fail(Code::E0501, path + " is not a library made by Tenon for a model named " + name);
    if (call_.abi() != TN_ABI_VERSION)
      return fail(Code::E0501, path + " has version " + std::to_string(call_.abi()) + " of the interface, not " +
                                   std::to_string(TN_ABI_VERSION));
    find(call_.unbind, "_unbind");
    if (find(call_.pool_init, "_pool_init") &&
        (!find(call_.pool_size, "_pool_size") || !find(call_.pool_destroy, "_pool_destroy") ||
         !find(call_.pool_parallel_for, "_pool_parallel_for")))
      return fail(Code::E0501, path + " has a part of the functions of a pool");
    TENON_TRY(abi_, parse_signature(call_.describe()));
    signature_ = model_view(abi_);
    build_id = call_.build_id();
    const fs::path weights = fs::path(path).parent_path() / (name + ".weights");
    const void* data = nullptr;
    if (fs::exists(weights)) {
      TENON_TRY(weights_, MappedInput::open(weights));
      data = weights_.bytes().data();
      if (huge_pages_) {
        large_weights_ = std::make_unique<Aligned>(weights_.bytes().size(), true);
        data = std::memcpy(large_weights_->get(), weights_.bytes().data(), weights_.bytes().size());
      }
    }
    const bool several = find(call_.level_name, "_level_name") && find(call_.bind_level, "_bind_level") && find(call_.level, "_level");
    if (wanted.empty()) {
      TENON_DO(check(call_.bind(&model_, data, weights_.bytes().size())));
    } else {
      std::vector<std::string> known;
      for (unsigned k = 0; several && call_.level_name(k); ++k) known.emplace_back(call_.level_name(k));
      const auto found = std::ranges::find(known, wanted);
      if (found == known.end()) return no_such_level(path, wanted, known);
      TENON_DO(check(call_.bind_level(&model_, data, weights_.bytes().size(), static_cast<unsigned>(found - known.begin()))));
    }
    if (several) level = call_.level_name(call_.level(&model_));
    return {};
  }

  Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads) override {
    TENON_TRY(Call call, prepare(inputs, dims, threads));
    TENON_TRY(const auto environment, Environment::create(call_, threads, nullptr));
    if (guarded) return run_guarded(call, environment->env());
    TENON_DO(invoke(call, environment->env()));
    return outputs_of(call);
  }

  Result<std::vector<Tensor>> run_watched(const std::vector<Tensor>& inputs, const Dims& dims,
                                          const WatchCalls& watch) override {
    TENON_TRY(Call call, prepare(inputs, dims, 1));
    CallMemory memory{.workspace = call.workspace->get()};
    for (size_t k = 0; k < call.buffers.size(); ++k)
      (k < inputs.size() ? memory.inputs : memory.outputs).push_back(call.buffers[k].get());
    TENON_TRY(const auto environment, Environment::create(call_, 1, nullptr));
    environment->watch(watch, memory);
    TENON_DO(invoke(call, environment->env()));
    return outputs_of(call);
  }

  Result<std::vector<CallTimes>> time(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads, int runs,
                                      bool kernels) override {
    TENON_TRY(const std::unique_ptr<RepeatedCall> call, repeated(inputs, dims, threads, kernels));
    TENON_DO(call->run());
    return call->time(runs);
  }

  Result<std::unique_ptr<RepeatedCall>> repeated(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads, bool kernels) override {
    auto made = std::make_unique<Repeated>(*this);
    TENON_TRY(made->call, prepare(inputs, dims, threads));
    made->kernels_ms.resize(kernels ? calls.size() : 0);
    TENON_TRY(made->environment, Environment::create(call_, threads, kernels ? &made->kernels_ms : nullptr));
    return made;
  }

 private:
  Result<void> check(tn_status status) const {
    if (status == TN_OK) return {};
    return fail(Code::E0503, std::string(call_.status_str(status)));
  }

  std::vector<Tensor> outputs_of(const Call& call) const {
    std::vector<Tensor> outputs;
    const size_t first = abi_.inputs.size();
    for (size_t k = 0; k < abi_.outputs.size(); ++k)
      outputs.push_back(decode(abi_.outputs[k].type, call.output_dims[k], call.buffers[first + k].get(),
                               call.output_bytes[k]));
    std::vector<std::pair<size_t, Tensor>> grown;
    for (size_t k = 0; k < abi_.states.size(); ++k) {
      const StateInfo& state = abi_.states[k];
      const auto input = static_cast<size_t>(state.input);
      const std::vector<std::byte> rows = call.rows[k].taken_from(call.buffers[input].get());
      grown.emplace_back(static_cast<size_t>(state.position), decode(abi_.inputs[input].type, call.rows[k].present_dims(), rows.data(), rows.size()));
    }
    std::ranges::sort(grown, {}, &std::pair<size_t, Tensor>::first);
    for (auto& [position, tensor] : grown) outputs.insert(outputs.begin() + static_cast<ptrdiff_t>(position), std::move(tensor));
    return outputs;
  }

  const int64_t* dims_of(const Call& call) const { return abi_.symbols.empty() ? nullptr : call.dims.data(); }

  struct Repeated : RepeatedCall {
    explicit Repeated(Library& of) : library(of) {}
    Result<void> run() override { return library.invoke(call, environment->env()); }
    Result<std::vector<CallTimes>> time(int runs) override {
      std::vector<CallTimes> times;
      const Clock::time_point begin = Clock::now();
      while (runs > 0 ? times.size() < static_cast<size_t>(runs) : times.size() < 5 || ms_since(begin) < 1000) {
        std::ranges::fill(kernels_ms, 0);
        const Clock::time_point start = Clock::now();
        TENON_DO(run());
        times.push_back({ms_since(start), kernels_ms});
      }
      return times;
    }
    Library& library;
    Call call;
    std::vector<double> kernels_ms;
    std::unique_ptr<Environment> environment;
  };

  Result<void> invoke(Call& call, const tn_env& env) {
    return check(call_.run(&model_, dims_of(call), call.io.data(), call.workspace->get(),
                           call.workspace_bytes, &env));
  }

  // States lie between such pages as well, with no room to spare.
  Result<std::vector<Tensor>> run_guarded(Call& call, const tn_env& env) {
    std::vector<std::vector<std::byte>> first;
    for (Guarded::Side side : {Guarded::Side::Front, Guarded::Side::Back}) {
      const Guarded workspace(call.workspace_bytes, side);
      if (!workspace.get()) return fail(Code::E0503, "no memory for the workspace");
      std::vector<int64_t> io = call.io;
      std::vector<std::unique_ptr<Guarded>> states;
      for (size_t k = 0; k < abi_.states.size(); ++k) {
        const auto input = static_cast<size_t>(abi_.states[k].input);
        states.push_back(std::make_unique<Guarded>(call.rows[k].bytes(), side));
        if (!states.back()->get()) return fail(Code::E0503, "no memory for the states");
        std::memcpy(states.back()->get(), call.buffers[input].get(), call.rows[k].bytes());
        io[1 + input] = reinterpret_cast<int64_t>(states.back()->get());
      }
      TENON_DO(check(call_.run(&model_, dims_of(call), io.data(), workspace.get(), call.workspace_bytes, &env)));
      for (size_t k = 0; k < call.output_bytes.size(); ++k) {
        const std::byte* made = call.buffers[abi_.inputs.size() + k].get();
        if (side == Guarded::Side::Front) first.emplace_back(made, made + call.output_bytes[k]);
        else if (!std::equal(first[k].begin(), first[k].end(), made))
          return fail(Code::E0503, "output `" + abi_.outputs[k].name + "` depends on where the workspace lies");
      }
      for (size_t k = 0; k < states.size(); ++k) {
        const std::byte* made = states[k]->get();
        const size_t bytes = call.rows[k].bytes(), at = call.output_bytes.size() + k;
        if (side == Guarded::Side::Front) first.emplace_back(made, made + bytes);
        else if (!std::equal(first[at].begin(), first[at].end(), made))
          return fail(Code::E0503, "state `" + abi_.states[k].output + "` depends on where the workspace lies");
        else std::memcpy(call.buffers[static_cast<size_t>(abi_.states[k].input)].get(), made, bytes);
      }
    }
    return outputs_of(call);
  }

  Result<Call> prepare(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads) {
    Call call;
    const size_t in = abi_.inputs.size(), out = abi_.outputs.size();
    call.dims.push_back(static_cast<int64_t>((abi_.symbols.size() + 1) * 8));
    TENON_TRY(const Dims all, with_capacities(dims));
    for (const SymbolInfo& symbol : abi_.symbols) call.dims.push_back(all.at(symbol.name));

    // Checks the dims, which nothing else is asked about before.
    TENON_DO(check(call_.workspace(dims_of(call), threads, &call.workspace_bytes)));

    size_t words = 0, output_rank = 0;
    for (const auto* side : {&abi_.inputs, &abi_.outputs})
      for (const PortInfo& port : *side) words += port.dims.size();
    for (const PortInfo& port : abi_.outputs) output_rank += port.dims.size();
    std::vector<int64_t> shapes(words + 1);
    TENON_DO(check(call_.port_shapes(dims_of(call), shapes.data())));

    call.io.resize(1 + in + 2 * out + output_rank);
    call.io[0] = static_cast<int64_t>(call.io.size() * 8);
    const int64_t* extent = shapes.data();
    for (size_t k = 0; k < in; extent += abi_.inputs[k].dims.size(), ++k) {
      const std::vector<int64_t> declared(extent, extent + abi_.inputs[k].dims.size());
      if (const auto state = std::ranges::find(abi_.states, static_cast<int>(k), &StateInfo::input); state != abi_.states.end()) {
        TENON_DO(add_state(*state, declared, inputs[k], dims, call));
        call.io[1 + k] = reinterpret_cast<int64_t>(call.buffers.back().get());
        continue;
      }
      if (inputs[k].dims != declared)
        return fail(Code::E0502, "input `" + abi_.inputs[k].name + "` has another shape than the dims give");
      const std::vector<std::byte> bytes = encode(inputs[k]);
      call.buffers.emplace_back(bytes.size());
      if (!bytes.empty()) std::memcpy(call.buffers.back().get(), bytes.data(), bytes.size());
      call.io[1 + k] = reinterpret_cast<int64_t>(call.buffers.back().get());
    }
    for (size_t k = 0; k < out; extent += abi_.outputs[k].dims.size(), ++k) {
      call.output_dims.emplace_back(extent, extent + abi_.outputs[k].dims.size());
      const int64_t elements = count(call.output_dims[k]);
      call.output_bytes.push_back(static_cast<size_t>(byte_size(abi_.outputs[k].type, elements)));
      call.buffers.emplace_back(call.output_bytes[k]);
      call.io[1 + in + k] = reinterpret_cast<int64_t>(call.buffers.back().get());
      call.io[1 + in + out + k] = elements;
    }
    call.workspace = std::make_unique<Aligned>(call.workspace_bytes, huge_pages_);
    return call;
  }

  // The states' room: what is asked for, or some more than what is needed.
  Result<Dims> with_capacities(Dims dims) const {
    constexpr int64_t kMoreRows = 64;
    for (const StateInfo& state : abi_.states) {
      TENON_TRY(const std::vector<int64_t> present, resolve_dims({.dims = {state.present}}, dims));
      const auto symbol = std::ranges::find(abi_.symbols, state.capacity, &SymbolInfo::name);
      if (symbol == abi_.symbols.end()) return fail(Code::E0501, "the artifact's signature has a state without a capacity");
      dims.emplace(state.capacity, std::clamp(present[0] + (guarded ? 0 : kMoreRows), symbol->lo, symbol->hi));
    }
    return dims;
  }

  Result<void> add_state(const StateInfo& state, const std::vector<int64_t>& declared, const Tensor& past, const Dims& dims, Call& call) const {
    TENON_TRY(const std::vector<int64_t> extents, resolve_dims({.dims = {state.past, state.present}}, dims));
    std::vector<int64_t> rows = declared;
    rows[static_cast<size_t>(state.axis)] = extents[0];
    if (past.dims != rows)
      return fail(Code::E0502, "input `" + abi_.inputs[static_cast<size_t>(state.input)].name + "` has another shape than the dims give");
    call.rows.emplace_back(declared, static_cast<size_t>(state.axis), extents[0], extents[1], past.type);
    call.buffers.emplace_back(call.rows.back().bytes(), huge_pages_);
    call.rows.back().put(encode(past), call.buffers.back().get());
    return {};
  }

  Signature abi_;  // as the library has it; `signature_` is the model's
  std::shared_ptr<void> handle_;
  const bool huge_pages_;
  MappedInput weights_;
  std::unique_ptr<Aligned> large_weights_;
  Functions call_;
  const void* model_ = nullptr;
};

}  // namespace

Result<std::unique_ptr<Artifact>> open_library(const std::string& path, const std::string& level, bool huge_pages) {
  auto library = std::make_unique<Library>(huge_pages);
  TENON_DO(library->open(path, level));
  return library;
}

}  // namespace tenon
