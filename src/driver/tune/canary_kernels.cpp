#include "canary_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>

namespace tenon {

namespace {

constexpr double kCallSeconds = 0.25e-3;  // long against the clock, and sixteen of them short against a measurement
constexpr int64_t kSteps = 32;            // of a product's inner loop: its operands stay in the first-level cache
constexpr int64_t kElements = 1024;       // of elementwise kernels, too

class Maker {
 public:
  explicit Maker(const Target& target) : t_(target), vector_(target.vector_bytes / 4), lanes_(8 * vector_) {
    const int64_t l1 = std::max<int64_t>(t_.l1d_bytes, 16 << 10), l2 = std::max<int64_t>(t_.l2_bytes, 4 * l1);
    floats_ = std::max(whole(l2 / 2 / 4), 4 * lanes_ * kSteps);
    // Twice the last cache, where that is not too much to hold.
    doubles_ = whole(std::clamp<int64_t>(2 * std::max(l2, t_.l3_bytes), 8 << 20, 64 << 20) / 8);
    const int most = t_.vector_registers >= 32 ? 4 : 2;
    product_f32("f32_product", 6, most);
    product_f32("f32_narrow", 4, 1);
    product_f32("f32_chain", 1, 1);  // as slow as one addition after the other
    product_i8("i8_product", 6, most);
    product_i8("i8_narrow", 4, 1);
    read("read_l1", "f32", whole(l1 / 2 / 4), t_.l1_gb_per_s, false);
    read("read_l2", "f32", floats_, t_.l2_gb_per_s, false);
    // Of a cache that cores share, only a part is ours.
    read("read_l3", "f64", std::min(doubles_ / 2, whole(std::max(2 * l2, std::min(t_.l3_bytes / 2, 4 * l2)) / 8)), t_.l3_gb_per_s, false);
    read("read_memory", "f64", doubles_, t_.dram_gb_per_s, true);
    each("copy_l1", kElements, 1, "x[{}]", 1);
    each("copy_l2", whole(floats_ / 2), 1, "x[{}]", 4);
    each("strided", kElements, std::clamp<int64_t>(floats_ / kElements, 1, 32), "x[{}]", 64);
    each("exp", kElements, 1, "exp(x[{}])", 20);
    each("tanh", kElements, 1, "tanh(x[{}])", 30);
    each("root", kElements, 1, "1:f32/sqrt(x[{0}]*x[{0}] + 1:f32)", 20);
    each("select", kElements, 1, "select(x[{0}] < 0:f32, x[{0}]*3:f32, x[{0}]*x[{0}])", 4);
  }

  CanaryKernels made() && {
    std::string text = "module canary {\n";
    const auto port = [&](const char* side, const char* name, const char* type, int64_t elements) { text += fmt::format("{} {}: {}[{}]\n", side, name, type, elements); };
    port("input", "data", "f64", doubles_), port("input", "f", "f32", floats_), port("input", "u", "u8", bytes_), port("input", "w", "i8", bytes_);
    port("output", "y", "f32", floats_), port("output", "c", "i32", sums_), port("output", "d", "f64", lanes_);
    const auto buffer = [&](const char* name, const char* type, const char* kind, int k, int64_t bytes) { text += fmt::format("buffer {}: {} {} {} bytes {}\n", name, type, kind, k, bytes); };
    buffer("data", "f64", "input", 0, 8 * doubles_), buffer("f", "f32", "input", 1, 4 * floats_), buffer("u", "u8", "input", 2, bytes_), buffer("w", "i8", "input", 3, bytes_);
    buffer("y", "f32", "output", 0, 4 * floats_), buffer("c", "i32", "output", 1, 4 * sums_), buffer("d", "f64", "output", 2, 8 * lanes_);
    out_.module = text + "workspace 0\nscratch 0\n" + kernels_ + "host {\n" + host_ + "}\n}\n";
    out_.inputs = {numbers(DType::F64, doubles_), numbers(DType::F32, floats_), numbers(DType::U8, bytes_), numbers(DType::I8, bytes_)};
    return std::move(out_);
  }

 private:
  int64_t whole(int64_t elements) const { return std::max<int64_t>(1, elements / (4 * lanes_)) * 4 * lanes_; }

  // Small and of both signs where the type has them.
  static Tensor numbers(DType type, int64_t count) {
    Tensor t = Tensor::zeros(type, {count});
    for (size_t k = 0; k < t.f.size(); ++k) t.f[k] = static_cast<double>(k * 37 % 255) / 128 - 1;
    for (size_t k = 0; k < t.i.size(); ++k) t.i[k] = static_cast<int64_t>(k * 37 % 100);
    return t;
  }

  static int64_t rounds(double work, double giga_per_second) { return std::max<int64_t>(1, std::llround(kCallSeconds * giga_per_second * 1e9 / work)); }

  void call(const std::string& name, const char* buffers) {
    host_ += fmt::format("call {}({})\n", name, buffers);
    out_.names.push_back(name);
  }

  void product_f32(const std::string& name, int64_t rows, int64_t vectors) {
    const int64_t lanes = vectors * vector_;
    kernels_ += fmt::format("kernel {0} {{\nparam a: f32[{1}]\nparam y: f32[{1}] written\ntile rows(r < {2}) lanes(l < {3}) {{\nsum acc = 0:f32\n"
                            "reduce round < {4}, k < {5} {{\nacc = acc + a[{5}*r + k]*a[{3}*k + l]\n}}\ny[{3}*r + l] = acc\n}}\n}}\n",
                            name, floats_, rows, lanes, rounds(2.0 * static_cast<double>(std::max<int64_t>(rows, 4) * lanes * kSteps), t_.gflops_f32), kSteps);
    call(name, "f, y");
  }

  void product_i8(const std::string& name, int64_t rows, int64_t vectors) {
    const int64_t lanes = vectors * vector_;
    kernels_ += fmt::format("kernel {0} {{\nparam a: u8[{1}]\nparam b: i8[{1}]\nparam y: i32[{2}] written\ntile rows(r < {3}) lanes(l < {4}) {{\nsum acc = 0:i32\n"
                            "reduce round < {5}, k < {6}, q < 4 atom {{\nacc = acc + cast(a[{7}*r + 4*k + q], i32)*cast(b[{8}*k + 4*l + q], i32)\n}}\ny[{4}*r + l] = acc\n}}\n}}\n",
                            name, bytes_, sums_, rows, lanes, rounds(8.0 * static_cast<double>(rows * lanes * kSteps), t_.gops_i8), kSteps, 4 * kSteps, 4 * lanes);
    call(name, "u, w, c");
  }

  void read(const std::string& name, const char* type, int64_t elements, double gb_per_s, bool once) {
    const bool wide = std::string_view(type) == "f64";
    const int64_t bytes = elements * (wide ? 8 : 4);
    kernels_ += fmt::format("kernel {0} {{\nparam x: {1}[{2}]\nparam y: {1}[{3}] written\ntile lanes(l < {4}) {{\nsum acc = 0:{1}\n"
                            "reduce round < {5}, k < {6} by 4 {{\nacc = acc + x[{4}*k + l]\n}}\ny[l] = acc\n}}\n}}\n",
                            name, type, wide ? doubles_ : floats_, wide ? lanes_ : floats_, lanes_, once ? 1 : rounds(static_cast<double>(bytes), gb_per_s), elements / lanes_);
    call(name, wide ? "data, d" : "f, y");
  }

  // y[i] = value(x[stride*i]), again and again; `cost`: operations per element.
  void each(const std::string& name, int64_t elements, int64_t stride, const char* value, double cost) {
    const std::string index = fmt::format("{}*i + {}l", stride * vector_, stride > 1 ? fmt::format("{}*", stride) : "");
    const std::string text = fmt::format(fmt::runtime(value), index);
    kernels_ += fmt::format("kernel {0} {{\nparam x: f32[{1}]\nparam y: f32[{1}] written\nfor round < {2} {{\nfor i < {3} {{\ntile lanes(l < {4}) {{\ny[{4}*i + l] = {5}\n}}\n}}\n}}\n}}\n",
                            name, floats_, rounds(cost * static_cast<double>(elements), t_.gflops_f32 / 4), elements / vector_, vector_, text);
    call(name, "f, y");
  }

  const Target& t_;
  const int64_t vector_, lanes_;  // elements of four bytes in a register; of enough registers to hide an addition's latency
  int64_t floats_ = 0, doubles_ = 0;
  const int64_t bytes_ = 4 * kSteps * std::max<int64_t>(8, 4 * vector_), sums_ = 8 * 4 * vector_;
  std::string kernels_, host_;
  CanaryKernels out_;
};

}  // namespace

CanaryKernels canary_kernels(const Target& target) { return Maker(target).made(); }

}  // namespace tenon
