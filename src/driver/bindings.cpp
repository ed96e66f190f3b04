#include "bindings.h"

#include <algorithm>

#include "runtime/descriptor.h"
#include "text_template.h"

namespace tenon {

namespace {

constexpr std::string_view kCpp = R"(// @name@ for C++11: owns the workspace and the outputs. One object per thread.
#ifndef TENON_@name@_HPP
#define TENON_@name@_HPP

#include <array>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <vector>

#include "@name@.h"

namespace @name@ {

struct Error : std::runtime_error {
  explicit Error(@name@_status s) : std::runtime_error(@name@_status_str(s)), status(s) {}
  @name@_status status;
};

inline void check(@name@_status status) {
  if (status != 0) throw Error(status);
}
constexpr std::size_t kAlign = @align@;

// Memory at a multiple of the alignment that @name@.h asks for.
class Memory {
 public:
  void* of(std::size_t bytes) {
    if (bytes_.size() < bytes + kAlign) bytes_.resize(bytes + kAlign);
    return bytes_.data() + (kAlign - reinterpret_cast<std::uintptr_t>(bytes_.data()) % kAlign) % kAlign;
  }

 private:
  std::vector<unsigned char> bytes_;
};
@pool@
struct Outputs {
@outputs@};

class Model {
 public:
  explicit Model(const void* weights = nullptr, std::size_t bytes = 0) {
    check(@name@_bind(&model_, weights, bytes));
  }
@levels@@unbind@
  Outputs run(@parameters@const @name@_env* env = nullptr) {
@dims@    std::int64_t shapes[@shape_words@] = {};
    check(@name@_port_shapes(dims, shapes));
    Outputs out;
    @name@_io io = @name@_io();
    io.size = sizeof io;
@fill@    std::size_t bytes = 0;
    const unsigned width = env != nullptr && env->parallel_for != nullptr ? env->width : 1;
    check(@name@_workspace(dims, width, &bytes));
    check(@name@_run(&model_, dims, &io, memory_.of(bytes), bytes, env));
    return out;
  }

 private:
  @name@_model model_;
  Memory memory_;
};

}  // namespace @name@

#endif
)";

constexpr std::string_view kCppLevels = R"(  // Of a level of @name@.h, not of the best that runs here.
  Model(unsigned level, const void* weights, std::size_t bytes) {
    check(@name@_bind_level(&model_, weights, bytes, level));
  }
  unsigned level() const { return @name@_level(&model_); }
)";

constexpr std::string_view kCppUnbind = R"(  ~Model() { @name@_unbind(&model_); }
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;
)";

constexpr std::string_view kCppPool = R"(
// Threads for Model::run: model.run(..., pool.env()).
class Pool {
 public:
  explicit Pool(unsigned width) : pool_(nullptr), env_() {
    const std::size_t bytes = @name@_pool_size(width);
    check(@name@_pool_init(memory_.of(bytes), bytes, width, &pool_));
    env_.size = sizeof env_;
    env_.width = width;
    env_.user = pool_;
    env_.parallel_for = @name@_pool_parallel_for;
  }
  ~Pool() { @name@_pool_destroy(pool_); }
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  const @name@_env* env() const { return &env_; }

 private:
  Memory memory_;
  @name@_pool* pool_;
  @name@_env env_;
};
)";

constexpr std::string_view kPython = R"(# @name@ with ctypes and NumPy:  outputs = @name@.Model()(input=array, ...)
import ctypes
import json
import mmap
import os

import numpy as np

_HERE = os.path.dirname(os.path.abspath(__file__))
_NUMPY = {"f16": "f2", "f32": "f4", "f64": "f8", "c64": "c8", "c128": "c16", "bool": "b1", "i8": "i1", "i16": "i2",
          "i32": "i4", "i64": "i8", "u8": "u1", "u16": "u2", "u32": "u4", "u64": "u8", "bf16": "u2"}


def _struct(name, fields):
    return type(name, (ctypes.Structure,), {"_fields_": [("size", ctypes.c_uint32), *fields]})


def _aligned(count, dtype, align=64):
    """An array that starts at a multiple of `align` bytes."""
    raw = np.empty(count * dtype.itemsize + align, np.uint8)
    skip = -raw.ctypes.data % align
    return raw[skip:skip + count * dtype.itemsize].view(dtype)


class Error(RuntimeError):
    pass


class Model:
    """Calls may not run at the same time on one object; objects are independent. `threads` above 1 need an
    artifact that was compiled with --threads pool."""

    def __init__(self, library=os.path.join(_HERE, "lib@name@.so"), weights=os.path.join(_HERE, "@name@.weights"),
                 threads=1@level_argument@):
        self._lib = ctypes.CDLL(library)
        for text in ("describe", "build_id", "status_str"):
            self._function(text).restype = ctypes.c_char_p
        self.signature = json.loads(self._function("describe")())
        if self._function("build_id")().decode() != "@build_id@":
            raise Error(library + " is not of the build of this module")
        inputs, outputs, symbols = (self.signature[k] for k in ("inputs", "outputs", "symbols"))
        self._Dims = _struct("Dims", [(s["field"], ctypes.c_int64) for s in symbols])
        self._Io = _struct("Io", [
            *((p["field"], ctypes.c_void_p) for p in inputs + outputs),
            *((p["field"] + "_capacity", ctypes.c_size_t) for p in outputs),
            *((p["field"] + "_shape", ctypes.c_int64 * len(p["dims"])) for p in outputs if p["dims"])])
        self._model = ctypes.c_void_p()
@bind_level@        if @file@:
            with open(weights, "rb") as file:
                self._weights = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ), np.uint8)
            self._call("bind@at_level@", ctypes.byref(self._model), ctypes.c_void_p(self._weights.ctypes.data),
                       ctypes.c_size_t(self._weights.size)@level@)
        else:
            self._call("bind@at_level@", ctypes.byref(self._model), None, ctypes.c_size_t(0)@level@)
        self._workspace = _aligned(0, np.dtype(np.uint8))
        self._threads, self._env, self._pool = threads, None, ctypes.c_void_p()
        if threads != 1:
            self._start(threads)

    def _start(self, threads):
        if not @pool@:
            raise Error("more than one thread needs an artifact compiled with --threads pool")
        self._function("pool_size").restype = ctypes.c_size_t
        self._pool_memory = _aligned(self._function("pool_size")(threads), np.dtype(np.uint8))
        self._call("pool_init", ctypes.c_void_p(self._pool_memory.ctypes.data), ctypes.c_size_t(self._pool_memory.size),
                   threads, ctypes.byref(self._pool))
        Env = _struct("Env", [("width", ctypes.c_uint), ("user", ctypes.c_void_p), ("parallel_for", ctypes.c_void_p),
                              ("event", ctypes.c_void_p)])
        run = ctypes.cast(self._function("pool_parallel_for"), ctypes.c_void_p)
        self._env = Env(ctypes.sizeof(Env), threads, self._pool, run, None)

    def __del__(self):
        if getattr(self, "_pool", None):
            self._function("pool_destroy")(self._pool)
@unbind@
    def _function(self, name):
        return getattr(self._lib, "@name@_" + name)

    def _call(self, name, *arguments):
        status = self._function(name)(*arguments)
        if status != 0:
            raise Error(self._function("status_str")(status).decode())

    def _bind_dims(self, arrays, dims):
        bound = self._Dims(ctypes.sizeof(self._Dims))
        for s in self.signature["symbols"]:
            if s["name"] in dims:
                value = dims[s["name"]]
            elif s["element"] >= 0:
                value = min(max(int(arrays[s["input"]].flat[s["element"]]), -2**31), 2**31)
            elif s["input"] >= 0:
                value = arrays[s["input"]].shape[s["axis"]]
            else:
                raise Error("dims={'%s': ...} is needed" % s["name"])
            setattr(bound, s["field"], value)
        return bound

    def __call__(self, dims={}, **inputs):
        """Inputs by name (`a.b` through ** of a dict); returns {name: array}."""
        ports = self.signature["inputs"] + self.signature["outputs"]
        count = len(self.signature["inputs"])
        arrays = []
        for p in ports[:count]:
@take_array@            if array.dtype != np.dtype(_NUMPY[p["type"]]) or array.ndim != len(p["dims"]):
                raise Error("%s: %s%s is not %s%s" % (p["name"], array.dtype, array.shape, p["type"], p["dims"]))
            arrays.append(array)
        if inputs:
            raise Error("no such input: " + ", ".join(inputs))
        bound = self._bind_dims(arrays, dims)
        flat = (ctypes.c_int64 * max(1, sum(len(p["dims"]) for p in ports)))()
        self._call("port_shapes", ctypes.byref(bound), flat)
        io, at = self._Io(ctypes.sizeof(self._Io)), 0
        for k, p in enumerate(ports):
            shape = tuple(flat[at:at + len(p["dims"])])
            at += len(p["dims"])
            if k >= count:
                size = int(np.prod(shape, dtype=np.int64))
                arrays.append(_aligned(size, np.dtype(_NUMPY[p["type"]])).reshape(shape))
                setattr(io, p["field"] + "_capacity", size)
            elif arrays[k].shape != shape:
                raise Error("%s: shape %s is not %s" % (p["name"], arrays[k].shape, shape))
            setattr(io, p["field"], arrays[k].ctypes.data)
        size = ctypes.c_size_t()
        self._call("workspace", ctypes.byref(bound), self._threads, ctypes.byref(size))
        if self._workspace.size < size.value:
            self._workspace = _aligned(size.value, np.dtype(np.uint8))
        self._call("run", ctypes.byref(self._model), ctypes.byref(bound), ctypes.byref(io),
                   ctypes.c_void_p(self._workspace.ctypes.data), ctypes.c_size_t(self._workspace.size),
                   ctypes.byref(self._env) if self._env else None)
        return {p["name"]: a for p, a in zip(ports[count:], arrays[count:])}
)";

constexpr const char* kPythonLevels = R"(        names, runs = self._function("level_name"), self._function("check_level")
        names.restype, number, found = ctypes.c_char_p, 0, None
        while names(number):
            if level is not None and names(number).decode() == level or level is None and runs(number) == 0:
                found = number
            number += 1
        if found is None and level is not None:
            raise Error("there is no level " + level)
        number = number - 1 if found is None else found
        self.level = names(number).decode()
)";

// Grown in place: a copy would be lost.
constexpr const char* kPythonArray = R"(            array = np.ascontiguousarray(inputs.pop(p["name"]))
)";
constexpr const char* kPythonState = R"(            array = inputs.pop(p["name"])
            grows = any(s["input"] == len(arrays) for s in self.signature["states"])
            if grows and not (isinstance(array, np.ndarray) and array.flags.c_contiguous and array.flags.writeable):
                raise Error(p["name"] + ": a state is a contiguous array that can be written")
            array = np.ascontiguousarray(array)
)";

constexpr std::string_view kCMake = R"(# find_package(@name@ PATHS <this folder>) gives @targets@.
get_filename_component(_@name@_folder "${CMAKE_CURRENT_LIST_FILE}" PATH)
)";

constexpr std::string_view kImported = R"(if(NOT TARGET @name@::@target@)
  add_library(@name@::@target@ @kind@ IMPORTED)
  set_target_properties(@name@::@target@ PROPERTIES
    IMPORTED_LOCATION "${_@name@_folder}/@file@"
    INTERFACE_INCLUDE_DIRECTORIES "${_@name@_folder}"@libraries@)
endif()
)";

bool is_state(const Signature& s, size_t input) { return std::ranges::count(s.states, static_cast<int>(input), &StateInfo::input) > 0; }

std::string c_type(const PortInfo& port) { return std::string(info(port.type).c_type); }

}  // namespace

std::string cpp_header(const BindingInfo& info) {
  const Signature& s = info.signature;
  std::string outputs, parameters, dims, fill_io;
  for (const SymbolInfo& symbol : s.symbols) parameters += "std::int64_t dim_" + symbol.field + ", ";
  for (size_t k = 0; k < s.inputs.size(); ++k)
    parameters += (is_state(s, k) ? "" : "const ") + c_type(s.inputs[k]) + "* in_" + s.inputs[k].field + ", ";
  if (s.symbols.empty()) {
    dims = "    const " + s.name + "_dims* dims = nullptr;\n";
  } else {
    dims = "    " + s.name + "_dims bound = " + s.name + "_dims();\n    bound.size = sizeof bound;\n";
    for (const SymbolInfo& symbol : s.symbols) dims += "    bound." + symbol.field + " = dim_" + symbol.field + ";\n";
    dims += "    const " + s.name + "_dims* dims = &bound;\n";
  }
  size_t at = 0;
  for (const PortInfo& port : s.inputs) {
    fill_io += "    io." + port.field + " = in_" + port.field + ";\n";
    at += port.dims.size();
  }
  for (const PortInfo& port : s.outputs) {
    const std::string& f = port.field;
    outputs += "  std::vector<" + c_type(port) + "> " + f + ";\n";
    if (!port.dims.empty())
      outputs += "  std::array<std::int64_t, " + std::to_string(port.dims.size()) + "> " + f + "_shape;\n";
    std::string size = "1";
    for (size_t k = 0; k < port.dims.size(); ++k) {
      std::string extent = "shapes[" + std::to_string(at + k) + "]";
      fill_io += "    out." + f + "_shape[" + std::to_string(k) + "] = " + extent + ";\n";
      size += " * static_cast<std::size_t>(" + extent + ")";
    }
    at += port.dims.size();
    fill_io += "    out." + f + ".resize(" + size + ");\n    io." + f + " = out." + f + ".data();\n    io." + f +
               "_capacity = out." + f + ".size();\n";
  }
  return fill(kCpp, {{"name", s.name},
                     {"outputs", outputs},
                     {"parameters", parameters},
                     {"dims", dims},
                     {"fill", fill_io},
                     {"align", std::to_string(TN_ALIGN)},
                     {"pool", info.pool ? fill(kCppPool, {{"name", s.name}}) : ""},
                     {"levels", info.levels.empty() ? "" : fill(kCppLevels, {{"name", s.name}})},
                     {"unbind", info.onednn.empty() ? "" : fill(kCppUnbind, {{"name", s.name}})},
                     {"shape_words", std::to_string(std::max<size_t>(at, 1))}});
}

std::string python_module(const BindingInfo& info) {
  return fill(kPython, {{"name", info.signature.name},
                        {"build_id", info.build_id},
                        {"pool", info.pool ? "True" : "False"},
                        {"file", info.weights_file_bytes > 0 ? "True" : "False"},
                        {"take_array", info.signature.states.empty() ? kPythonArray : kPythonState},
                        {"unbind", info.onednn.empty() ? "" : "        if getattr(self, \"_model\", None):\n"
                                                              "            self._function(\"unbind\")(ctypes.byref(self._model))\n"},
                        {"level_argument", info.levels.empty() ? "" : ", level=None"},
                        {"at_level", info.levels.empty() ? "" : "_level"},
                        {"level", info.levels.empty() ? "" : ", number"},
                        {"bind_level", info.levels.empty() ? "" : kPythonLevels}});
}

std::string cmake_config(const BindingInfo& info) {
  const std::string& name = info.signature.name;
  std::string targets, imported;
  const std::string libraries = std::string(info.pool ? "Threads::Threads" : "") + (info.pool && !info.onednn.empty() ? ";" : "") +
                                (info.onednn.empty() ? "" : "dnnl");
  auto add = [&](const std::string& target, const char* kind, const std::string& file) {
    targets += (targets.empty() ? "" : " and ") + name + "::" + target;
    imported += fill(kImported, {{"name", name}, {"target", target}, {"kind", kind}, {"file", file},
                                 {"libraries", libraries.empty() ? "" : "\n    INTERFACE_LINK_LIBRARIES \"" + libraries + '"'}});
  };
  if (info.shared) add(name, "SHARED", "lib" + name + ".so");
  if (info.archive) add(info.shared ? name + "_static" : name, "STATIC", "lib" + name + ".a");
  const std::string threads = info.pool ? "include(CMakeFindDependencyMacro)\nfind_dependency(Threads)\n" : "";
  return fill(kCMake, {{"name", name}, {"targets", targets}}) + threads + imported;
}

std::string pkg_config(const BindingInfo& info) {
  const std::string& name = info.signature.name;
  return "prefix=${pcfiledir}\n\nName: " + name + "\nDescription: " + name + ", compiled by Tenon for " + info.target +
         "\nVersion: " + version() + "\nCflags: -I${prefix}\nLibs: -L${prefix} -l" + name + (info.onednn.empty() ? "" : " -ldnnl") +
         (info.pool ? " -pthread\n" : "\n");
}

}  // namespace tenon
