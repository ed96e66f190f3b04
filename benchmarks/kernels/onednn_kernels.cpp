// Times contractions with oneDNN on one thread: one line of stdin per contraction, one JSON line of stdout each.
//
//   conv N IC H W OC KH KW SH SW DH DW TOP LEFT BOTTOM RIGHT GROUPS RELU
//   matmul BATCH M K N WEIGHTS RELU       WEIGHTS 1: the second operand is a constant
//
// All run one after another, pass after pass, as they do in a model: what is in the cache is what the one before left
// there. Layouts are the library's own choice; weights are packed beforehand. The figure is the median over passes.
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include <dnnl.hpp>

namespace {

using dnnl::memory;
using Clock = std::chrono::steady_clock;
using Dims = memory::dims;

struct Work {
  dnnl::primitive run;
  std::unordered_map<int, memory> arguments;
  std::string implementation;
  std::vector<double> ms = {};
};

class Bench {
 public:
  Bench() : engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  void add(const std::string& line) {
    std::istringstream words(line);
    std::string kind;
    words >> kind;
    std::vector<memory::dim> n;
    for (memory::dim value; words >> value;) n.push_back(value);
    if (kind == "conv" && n.size() == 17) add_conv(n);
    else if (kind == "matmul" && n.size() == 6) add_matmul(n);
    else throw std::invalid_argument("not understood: " + line);
  }

  void run(int passes) {
    for (int pass = -1; pass < passes; ++pass)  // the first warms up
      for (Work& work : work_) {
        const auto start = Clock::now();
        work.run.execute(stream_, work.arguments);
        stream_.wait();
        if (pass >= 0) work.ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
      }
    for (Work& work : work_) {
      std::ranges::sort(work.ms);
      std::cout << "{\"median_ms\": " << work.ms[work.ms.size() / 2] << ", \"min_ms\": " << work.ms.front() << ", \"implementation\": \""
                << work.implementation << "\"}\n";
    }
  }

 private:
  static memory::desc any(const Dims& dims) { return {dims, memory::data_type::f32, memory::format_tag::any}; }

  // Values near 1: no subnormals.
  memory filled(const memory::desc& desc) {
    memory m(desc, engine_);
    auto* values = static_cast<float*>(m.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) values[i] = 1.0f + static_cast<float>(i % 7) * 0.125f;
    return m;
  }

  static dnnl::primitive_attr attributes(bool relu) {
    dnnl::primitive_attr attr;
    dnnl::post_ops ops;
#if DNNL_VERSION_MAJOR >= 3
    if (relu) ops.append_eltwise(dnnl::algorithm::eltwise_relu, 0, 0);
#else
    if (relu) ops.append_eltwise(1, dnnl::algorithm::eltwise_relu, 0, 0);
#endif
    attr.set_post_ops(ops);
    return attr;
  }

  template <class Desc>
  void push(const Desc& pd, const memory::desc& bias) {
    Work work{.run = dnnl::primitive(pd), .arguments = {}, .implementation = pd.impl_info_str()};
    work.arguments = {{DNNL_ARG_SRC, filled(pd.src_desc())}, {DNNL_ARG_WEIGHTS, filled(pd.weights_desc())}, {DNNL_ARG_DST, filled(pd.dst_desc())}};
    if (bias.get_size() > 0) work.arguments[DNNL_ARG_BIAS] = filled(bias);
    work_.push_back(std::move(work));
  }

  void add_conv(const std::vector<memory::dim>& n) {
    const memory::dim groups = n[15], oc = n[4], ic = n[1];
    auto extent = [&](int in, int k, int s, int d, int lo, int hi) { return (n[in] + n[lo] + n[hi] - (n[k] - 1) * n[d] - 1) / n[s] + 1; };
    const Dims src = {n[0], ic, n[2], n[3]}, dst = {n[0], oc, extent(2, 5, 7, 9, 11, 13), extent(3, 6, 8, 10, 12, 14)};
    const Dims weights = groups > 1 ? Dims{groups, oc / groups, ic / groups, n[5], n[6]} : Dims{oc, ic, n[5], n[6]};
    const memory::desc bias({oc}, memory::data_type::f32, memory::format_tag::a);
    const Dims strides = {n[7], n[8]}, dilates = {n[9] - 1, n[10] - 1}, before = {n[11], n[12]}, after = {n[13], n[14]};
    constexpr auto inference = dnnl::prop_kind::forward_inference;
    constexpr auto direct = dnnl::algorithm::convolution_direct;
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::convolution_forward::primitive_desc pd(engine_, inference, direct, any(src), any(weights), bias, any(dst), strides, dilates,
                                                       before, after, attributes(n[16] != 0));
#else
    const dnnl::convolution_forward::desc desc(inference, direct, any(src), any(weights), bias, any(dst), strides, dilates, before, after);
    const dnnl::convolution_forward::primitive_desc pd(desc, attributes(n[16] != 0), engine_);
#endif
    push(pd, bias);
  }

  void add_matmul(const std::vector<memory::dim>& n) {
    const bool batched = n[0] > 1, constant = n[4] != 0;
    const Dims src = batched ? Dims{n[0], n[1], n[2]} : Dims{n[1], n[2]}, dst = batched ? Dims{n[0], n[1], n[3]} : Dims{n[1], n[3]};
    const Dims weights = batched ? Dims{n[0], n[2], n[3]} : Dims{n[2], n[3]};
    auto plain = [&](const Dims& dims) {
      return memory::desc(dims, memory::data_type::f32, batched ? memory::format_tag::abc : memory::format_tag::ab);
    };
    const memory::desc second = constant ? any(weights) : plain(weights);
#if DNNL_VERSION_MAJOR >= 3
    const dnnl::matmul::primitive_desc pd(engine_, plain(src), second, plain(dst), attributes(n[5] != 0));
#else
    const dnnl::matmul::primitive_desc pd(dnnl::matmul::desc(plain(src), second, plain(dst)), attributes(n[5] != 0), engine_);
#endif
    push(pd, memory::desc());
  }

  dnnl::engine engine_;
  dnnl::stream stream_;
  std::vector<Work> work_;
};

}  // namespace

int main(int argc, char** argv) try {
  if (argc > 1 && std::string(argv[1]) == "--version") {
    const dnnl_version_t* version = dnnl_version();
    std::cout << version->major << '.' << version->minor << '.' << version->patch << '\n';
    return 0;
  }
  Bench bench;
  for (std::string line; std::getline(std::cin, line);)
    if (!line.empty()) bench.add(line);
  bench.run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 15);
  return 0;
} catch (const std::exception& error) {
  std::cerr << "onednn_kernels: " << error.what() << '\n';
  return 1;
}
