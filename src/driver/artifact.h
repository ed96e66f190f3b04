// An artifact that can be called: a library in this process, or a program of another architecture under QEMU.
#pragma once

#include <memory>

#include "roofline.h"
#include "tenon/driver.h"

namespace tenon {

using Dims = std::map<std::string, int64_t>;

// Times of one call of the model.
struct CallTimes {
  double total_ms = 0;
  std::vector<double> kernels_ms;  // per host call, where asked for
};

// The memory of one call of the model, as its host program sees it.
struct CallMemory {
  std::byte* workspace = nullptr;
  std::vector<std::byte*> inputs, outputs;
};
// Before (end = false) and after each call of a kernel, in program order; may read and write the memory.
using WatchCalls = std::function<void(const CallMemory& memory, uint32_t call, bool end)>;

// A call that is made again and again in the same memory.
class RepeatedCall {
 public:
  virtual ~RepeatedCall() = default;
  virtual Result<void> run() = 0;
  // `runs` calls; 0: for about a second, at least five.
  virtual Result<std::vector<CallTimes>> time(int runs) = 0;
};

class Artifact {
 public:
  virtual ~Artifact() = default;
  const Signature& signature() const { return signature_; }

  // One call; `dims` has every symbol. Outputs in order.
  virtual Result<std::vector<Tensor>> run(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads) = 0;
  // The same on one thread, watched.
  virtual Result<std::vector<Tensor>> run_watched(const std::vector<Tensor>& inputs, const Dims& dims,
                                                  const WatchCalls& watch);
  // `runs` calls after one that warms up; 0: for about a second, at least five.
  virtual Result<std::vector<CallTimes>> time(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads,
                                              int runs, bool kernels) = 0;

  // `kernels`: with the time of each.
  virtual Result<std::unique_ptr<RepeatedCall>> repeated(const std::vector<Tensor>& inputs, const Dims& dims, unsigned threads, bool kernels);

  std::string target, build_id, compiler, loops_blake3;  // where a manifest says so
  std::string level;                           // that runs, of an artifact for several processors; else empty
  std::vector<LevelSummary> levels;            // where a manifest says so
  std::optional<Precision> precision;                    // the same
  int64_t weights_bytes = 0;
  std::vector<KernelTime> calls;               // per host call: kernel and nodes
  // `run` places the workspace between pages that nobody may touch, once against the one in front and once
  // against the one behind: an access outside ends the process, and both runs must agree.
  bool guarded = false;
  std::vector<std::optional<WorkText>> work;   // per host call, where it is known
  Rates rates;

 protected:
  Signature signature_;
};

// A folder with a manifest, a library, or a program. `level`: of several; empty: the best that runs here.
// `huge_pages`: of a library; a weights file is then read into memory of our own.
Result<std::unique_ptr<Artifact>> open_artifact(const std::string& path, const std::string& level = {}, bool huge_pages = false);

// artifact_library.cpp, artifact_program.cpp
Result<std::unique_ptr<Artifact>> open_library(const std::string& path, const std::string& level, bool huge_pages);
Result<std::unique_ptr<Artifact>> open_program(const std::string& path, const std::vector<std::string>& emulator,
                                               const std::string& level);
// Where `level` is asked for and there is none of that name.
std::unexpected<Diags> no_such_level(const std::string& path, const std::string& level, const std::vector<std::string>& known);

// The dims of a port at a binding of all symbols.
Result<std::vector<int64_t>> resolve_dims(const PortInfo& port, const Dims& dims);

}  // namespace tenon
