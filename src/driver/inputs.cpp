#include "inputs.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <random>

namespace tenon {

namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRandom = "random:";

// What the specifications say of each input: a tensor, or a seed.
struct Given {
  std::vector<std::optional<Tensor>> tensors;
  std::vector<std::optional<uint64_t>> seeds;
};

Result<uint64_t> parse_seed(std::string_view text) {
  uint64_t seed = 0;
  auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), seed);
  if (error != std::errc{} || rest != text.data() + text.size())
    return fail(Code::E0601, "`random:" + std::string(text) + "` needs a number as seed");
  return seed;
}

std::optional<size_t> find_input(const Signature& signature, std::string_view name) {
  auto it = std::ranges::find(signature.inputs, name, &PortInfo::name);
  if (it == signature.inputs.end()) return std::nullopt;
  return static_cast<size_t>(it - signature.inputs.begin());
}

Result<Tensor> read_tensor(const std::string& path) {
  if (!path.ends_with(".pb")) return read_npy(path);
  TENON_TRY(auto named, read_tensor_file(path));
  return std::move(named.second);
}

// input_0.pb, input_1.pb ...: by their names where they have any of ours, else by number.
Result<void> read_data_set(const Signature& signature, const std::string& folder, Given& given) {
  for (size_t k = 0; k < signature.inputs.size(); ++k) {
    const std::string path = (fs::path(folder) / ("input_" + std::to_string(k) + ".pb")).string();
    if (!fs::exists(path)) break;
    TENON_TRY(auto named, read_tensor_file(path));
    given.tensors[find_input(signature, named.first).value_or(k)] = std::move(named.second);
  }
  return {};
}

Result<void> apply(const Signature& signature, const std::string& spec, Given& given) {
  // An input's name may contain `=` itself: the longest that fits is meant.
  std::optional<size_t> input;
  for (size_t k = 0; k < signature.inputs.size(); ++k) {
    const std::string& name = signature.inputs[k].name;
    if (spec.starts_with(name + "=") && (!input || name.size() > signature.inputs[*input].name.size())) input = k;
  }
  if (input) {
    const std::string value = spec.substr(signature.inputs[*input].name.size() + 1);
    if (value.starts_with(kRandom)) {
      TENON_TRY(given.seeds[*input], parse_seed(value.substr(kRandom.size())));
    } else {
      TENON_TRY(given.tensors[*input], read_tensor(value));
    }
    return {};
  }
  if (spec.starts_with(kRandom)) {
    TENON_TRY(const uint64_t seed, parse_seed(spec.substr(kRandom.size())));
    for (size_t k = 0; k < given.seeds.size(); ++k)
      if (!given.seeds[k]) given.seeds[k] = seed + k;
    return {};
  }
  if (spec.ends_with(".npz")) {
    TENON_TRY(std::vector<NamedTensor> tensors, read_npz(spec));
    for (NamedTensor& named : tensors) {
      auto k = find_input(signature, named.name);
      if (!k) return fail(Code::E0502, spec + " holds `" + named.name + "`, which is no input");
      given.tensors[*k] = std::move(named.tensor);
    }
    return {};
  }
  if (fs::is_directory(spec)) return read_data_set(signature, spec, given);
  std::string names;
  for (const PortInfo& port : signature.inputs) names += (names.empty() ? "" : ", ") + port.name;
  return fail(Code::E0502, "--input " + spec + " names no input", "the inputs are: " + names);
}

// Values that no operator chokes on: floats in [-1, 1), bytes of any value, 0 and 1 where they may be indices.
Tensor random_tensor(DType type, const std::vector<int64_t>& dims, uint64_t seed) {
  Tensor tensor = Tensor::zeros(type, dims);
  std::mt19937_64 random(seed);
  for (double& x : tensor.f) x = static_cast<double>(static_cast<int64_t>(random() >> 11)) * 0x1p-52 - 1;
  const bool byte = bits(type) <= 8 && type != DType::Bool;
  const int64_t low = byte && is_signed(type) ? -(int64_t{1} << (bits(type) - 1)) : 0;
  const int64_t span = byte ? int64_t{1} << bits(type) : 2;
  for (int64_t& x : tensor.i) x = low + static_cast<int64_t>(random() % static_cast<uint64_t>(span));
  round_elements(tensor);
  return tensor;
}

Result<void> check_type(const PortInfo& port, Tensor& tensor) {
  // Types that .npy does not have travel in bytes of the same kind.
  if (tensor.type != port.type && is_integer(port.type) && bits(port.type) < 8 &&
      tensor.type == (is_signed(port.type) ? DType::I8 : DType::U8))
    tensor.type = port.type;
  if (tensor.type == port.type && tensor.dims.size() == port.dims.size()) return {};
  return fail(Code::E0502, "input `" + port.name + "` is " + std::string(spelling(tensor.type)) + " of rank " +
                               std::to_string(tensor.dims.size()) + ", the model takes " +
                               std::string(spelling(port.type)) + " of rank " + std::to_string(port.dims.size()));
}

// What a given input says of a symbol: one of its dims, or an element.
Result<int64_t> value_in(const SymbolInfo& symbol, const PortInfo& port, const Tensor& tensor) {
  if (symbol.element < 0) return tensor.dims[static_cast<size_t>(symbol.axis)];
  if (static_cast<size_t>(symbol.element) >= tensor.i.size())
    return fail(Code::E0502, "input `" + port.name + "` has too few elements");
  return std::clamp(tensor.i[static_cast<size_t>(symbol.element)], -kDataLimit, kDataLimit);
}

Result<void> bind_symbols(const Signature& signature, const Given& given, Dims& dims, bool choose) {
  int64_t small = 2;
  for (const SymbolInfo& symbol : signature.symbols) {
    if (symbol.input >= 0 && given.tensors[static_cast<size_t>(symbol.input)]) {
      const auto input = static_cast<size_t>(symbol.input);
      TENON_TRY(const int64_t value, value_in(symbol, signature.inputs[input], *given.tensors[input]));
      if (auto [it, fresh] = dims.emplace(symbol.name, value); it->second != value)
        return fail(Code::E0502, "--dim " + symbol.name + "=" + std::to_string(it->second) + ", but input `" +
                                     signature.inputs[static_cast<size_t>(symbol.input)].name + "` has " + std::to_string(value));
    } else if (choose) {
      // Different values, so that a mix-up of dims shows.
      dims.emplace(symbol.name, std::clamp(small++, symbol.lo, std::max(symbol.lo, symbol.hi)));
    } else if (!dims.contains(symbol.name)) {
      return fail(Code::E0602, "dimension " + symbol.name + " is not bound", "--dim " + symbol.name + "=1");
    }
  }
  return {};
}

}  // namespace

Result<std::vector<Tensor>> load_inputs(const Signature& signature, const std::vector<std::string>& specs, Dims& dims,
                                        bool choose) {
  Given given{std::vector<std::optional<Tensor>>(signature.inputs.size()),
              std::vector<std::optional<uint64_t>>(signature.inputs.size())};
  for (const std::string& spec : specs) TENON_DO(apply(signature, spec, given));
  for (size_t k = 0; k < signature.inputs.size(); ++k)
    if (given.tensors[k]) TENON_DO(check_type(signature.inputs[k], *given.tensors[k]));
  TENON_DO(bind_symbols(signature, given, dims, choose));

  std::vector<Tensor> tensors;
  for (size_t k = 0; k < signature.inputs.size(); ++k) {
    const PortInfo& port = signature.inputs[k];
    TENON_TRY(const std::vector<int64_t> shape, resolve_dims(port, dims));
    if (given.tensors[k]) {
      if (given.tensors[k]->dims != shape) return fail(Code::E0502, "input `" + port.name + "` has another shape than the dims give");
      tensors.push_back(std::move(*given.tensors[k]));
    } else if (given.seeds[k]) {
      tensors.push_back(random_tensor(port.type, shape, *given.seeds[k]));
      for (const SymbolInfo& symbol : signature.symbols)  // what the dims say holds
        if (symbol.input == static_cast<int>(k) && symbol.element >= 0 &&
            static_cast<size_t>(symbol.element) < tensors.back().i.size())
          tensors.back().i[static_cast<size_t>(symbol.element)] = dims.at(symbol.name);
    } else {
      return fail(Code::E0502, "input `" + port.name + "` is missing", "--input " + port.name + "=FILE.npy, or random:0");
    }
  }
  return tensors;
}

Result<void> write_outputs(const std::string& folder, const Signature& signature, const std::vector<Tensor>& outputs) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return fail(Code::E0505, folder + " cannot be created: " + error.message());
  for (size_t k = 0; k < outputs.size(); ++k) {
    std::string file = signature.outputs[k].name;
    std::ranges::replace(file, '/', '_');
    TENON_DO(write_npy((fs::path(folder) / (file + ".npy")).string(), outputs[k]));
  }
  return {};
}

}  // namespace tenon
