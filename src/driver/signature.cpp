#include "signature.h"

#include <algorithm>
#include <set>

#include <nlohmann/json.hpp>

namespace tenon {

namespace {

// Words of C, C++ and their usual macros that may not name a field.
constexpr std::string_view kReserved[] = {
    "I", "NULL", "alignas", "alignof", "and", "and_eq", "asm", "auto", "bitand", "bitor", "bool", "break", "case",
    "catch", "char", "class", "compl", "concept", "const", "const_cast", "consteval", "constexpr", "constinit",
    "continue", "co_await", "co_return", "co_yield", "decltype", "default", "delete", "do", "double",
    "dynamic_cast", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
    "inline", "int", "linux", "long", "mutable", "namespace", "new", "noexcept", "not", "not_eq", "nullptr",
    "operator", "or", "or_eq", "private", "protected", "public", "register", "reinterpret_cast", "requires",
    "restrict", "return", "short", "signed", "size", "sizeof", "static", "static_assert", "static_cast", "struct",
    "switch", "template", "this", "thread_local", "throw", "true", "try", "typedef", "typeid", "typename", "union",
    "unix", "unsigned", "using", "virtual", "void", "volatile", "wchar_t", "while", "xor", "xor_eq"};

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_word(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '_'; }

std::string unique(std::string name, std::set<std::string>& used) {
  const std::string base = name;
  for (int k = 2; !used.insert(name).second; ++k) name = base + "_" + std::to_string(k);
  return name;
}

void name_fields(Signature& signature) {
  std::set<std::string> used;
  for (SymbolInfo& symbol : signature.symbols) symbol.field = unique(c_identifier(symbol.name), used);
  used.clear();
  for (PortInfo& port : signature.inputs) port.field = unique(c_identifier(port.name), used);
  for (PortInfo& port : signature.outputs) {
    port.field = unique(c_identifier(port.name), used);
    used.insert({port.field + "_capacity", port.field + "_shape"});
  }
}

void find_symbols(Signature& signature) {
  for (SymbolInfo& symbol : signature.symbols)
    for (size_t input = 0; input < signature.inputs.size() && symbol.input < 0; ++input) {
      const std::vector<std::string>& dims = signature.inputs[input].dims;
      if (auto at = std::ranges::find(dims, symbol.name); at != dims.end()) {
        symbol.input = static_cast<int>(input);
        symbol.axis = static_cast<int>(at - dims.begin());
      }
    }
}

SymbolInfo symbol_info(const Var& var) {
  return {.name = var.name, .lo = std::max<int64_t>(var.lo, 0), .hi = std::min(var.hi, kLargestDim)};
}

// Symbols that are elements of inputs; `owner` is a graph or a module.
template <class Owner>
void find_data_symbols(Signature& signature, const Owner& owner) {
  for (const DataSymbol& d : owner.data_symbols) {
    const Var& var = owner.pool.var(d.symbol);
    auto symbol = std::ranges::find(signature.symbols, var.name, &SymbolInfo::name);
    if (symbol == signature.symbols.end()) continue;
    symbol->lo = std::max(var.lo, -kDataLimit);
    symbol->hi = std::min(var.hi, kDataLimit);
    symbol->input = d.input;
    symbol->axis = -1;
    symbol->element = d.element;
  }
}

std::vector<std::string> texts(const ExprPool& pool, const std::vector<Expr>& dims) {
  std::vector<std::string> out;
  for (Expr dim : dims) out.push_back(pool.text(dim));
  return out;
}

using Json = nlohmann::ordered_json;

Json to_json(const PortInfo& port) {
  return {{"name", port.name}, {"field", port.field}, {"type", spelling(port.type)}, {"dims", port.dims}};
}

PortInfo parse_port(const Json& json) {
  PortInfo port{.name = json.at("name"), .field = json.at("field"), .dims = json.at("dims")};
  auto type = parse_dtype(json.at("type").get<std::string>());
  if (!type) throw std::invalid_argument("unknown element type");
  port.type = *type;
  return port;
}

}  // namespace

bool is_c_identifier(std::string_view text) {
  return !text.empty() && (is_letter(text[0]) || text[0] == '_') && std::ranges::all_of(text, is_word) &&
         std::ranges::find(kReserved, text) == std::end(kReserved);
}

std::string c_identifier(std::string_view text) {
  std::string name;
  for (char c : text) name += is_word(c) ? c : '_';
  while (name.starts_with('_')) name.erase(0, 1);  // reserved in places
  if (name.empty() || !is_letter(name[0])) name.insert(0, "x");
  if (std::ranges::find(kReserved, name) != std::end(kReserved)) name += '_';
  return name;
}

Signature signature_of(const Module& module) {
  Signature signature{.name = module.name};
  for (const Port& port : module.inputs)
    signature.inputs.push_back({.name = port.name, .type = port.type, .dims = texts(module.pool, port.dims)});
  for (const Port& port : module.outputs)
    signature.outputs.push_back({.name = port.name, .type = port.type, .dims = texts(module.pool, port.dims)});
  for (Expr symbol : module.symbols) signature.symbols.push_back(symbol_info(module.pool.var(symbol)));
  name_fields(signature);
  find_symbols(signature);
  find_data_symbols(signature, module);
  for (const ModuleState& s : module.states)
    signature.states.push_back({.input = s.input, .output = s.name, .position = s.output, .axis = s.axis,
                                .past = module.pool.text(s.past), .present = module.pool.text(s.present),
                                .capacity = module.pool.text(s.capacity)});
  return signature;
}

Signature model_view(const Signature& artifact) {
  Signature model = artifact;
  if (artifact.states.empty()) return model;
  model.states.clear();
  // In the order of their positions, so that each finds its place.
  std::vector<StateInfo> states = artifact.states;
  std::ranges::sort(states, {}, &StateInfo::position);
  for (const StateInfo& s : states) {
    PortInfo& past = model.inputs[static_cast<size_t>(s.input)];
    PortInfo present = past;
    present.name = s.output;
    past.dims[static_cast<size_t>(s.axis)] = s.past;
    present.dims[static_cast<size_t>(s.axis)] = s.present;
    const size_t at = std::min(static_cast<size_t>(std::max(s.position, 0)), model.outputs.size());
    model.outputs.insert(model.outputs.begin() + static_cast<ptrdiff_t>(at), std::move(present));
    std::erase_if(model.symbols, [&](const SymbolInfo& symbol) { return symbol.name == s.capacity; });
  }
  for (SymbolInfo& symbol : model.symbols)
    if (symbol.element < 0) symbol.input = symbol.axis = -1;
  find_symbols(model);
  return model;
}

Signature signature_of(const Graph& graph) {
  Signature signature{.name = graph.name};
  std::vector<Expr> symbols;
  for (ValueId input : graph.inputs) {
    const Value& value = graph.values[input];
    signature.inputs.push_back({.name = value.name, .type = value.type, .dims = texts(graph.pool, value.dims)});
    for (Expr dim : value.dims) graph.pool.collect_vars(dim, symbols);
  }
  for (ValueId output : graph.outputs) {
    const Value& value = graph.values[output];
    signature.outputs.push_back({.name = value.name, .type = value.type, .dims = texts(graph.pool, value.dims)});
  }
  for (const DataSymbol& d : graph.data_symbols) symbols.push_back(d.symbol);
  for (size_t k = 0; k < symbols.size(); ++k)
    if (std::find(symbols.begin(), symbols.begin() + static_cast<int64_t>(k), symbols[k]) ==
        symbols.begin() + static_cast<int64_t>(k))
      signature.symbols.push_back(symbol_info(graph.pool.var(symbols[k])));
  name_fields(signature);
  find_symbols(signature);
  find_data_symbols(signature, graph);
  return signature;
}

std::string to_json(const Signature& signature) {
  Json json = {{"schema", 1}, {"name", signature.name}, {"inputs", Json::array()}, {"outputs", Json::array()},
               {"symbols", Json::array()}};
  for (const PortInfo& port : signature.inputs) json["inputs"].push_back(to_json(port));
  for (const PortInfo& port : signature.outputs) json["outputs"].push_back(to_json(port));
  for (const SymbolInfo& s : signature.symbols)
    json["symbols"].push_back({{"name", s.name}, {"field", s.field}, {"min", s.lo}, {"max", s.hi},
                               {"input", s.input}, {"axis", s.axis}, {"element", s.element}});
  for (const StateInfo& s : signature.states)
    json["states"].push_back({{"input", s.input}, {"output", s.output}, {"position", s.position}, {"axis", s.axis},
                              {"past", s.past}, {"present", s.present}, {"capacity", s.capacity}});
  return json.dump();
}

Result<Signature> parse_signature(std::string_view text) try {
  Json json = Json::parse(text);
  if (json.at("schema") != 1) return fail(Code::E0501, "the artifact's signature has another schema version");
  Signature signature{.name = json.at("name")};
  for (const Json& port : json.at("inputs")) signature.inputs.push_back(parse_port(port));
  for (const Json& port : json.at("outputs")) signature.outputs.push_back(parse_port(port));
  for (const Json& s : json.at("symbols"))
    signature.symbols.push_back({.name = s.at("name"), .field = s.at("field"), .lo = s.at("min"), .hi = s.at("max"),
                                 .input = s.at("input"), .axis = s.at("axis"), .element = s.value("element", int64_t{-1})});
  for (const Json& s : json.value("states", Json::array())) {
    signature.states.push_back({.input = s.at("input"), .output = s.at("output"), .position = s.at("position"), .axis = s.at("axis"),
                                .past = s.at("past"), .present = s.at("present"), .capacity = s.at("capacity")});
    const StateInfo& read = signature.states.back();
    const bool there = read.input >= 0 && static_cast<size_t>(read.input) < signature.inputs.size() && read.axis >= 0 &&
                       static_cast<size_t>(read.axis) < signature.inputs[static_cast<size_t>(read.input)].dims.size();
    if (!there) return fail(Code::E0501, "the artifact's signature has a state of no input");
  }
  return signature;
} catch (const std::exception& error) {
  return fail(Code::E0501, std::string("the artifact's signature is malformed: ") + error.what());
}

}  // namespace tenon
