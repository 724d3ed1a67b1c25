"""A compiled library through smelt.h: inputs bound without a copy, as a C program does."""
import ctypes
import pathlib

import numpy as np
import onnx


class Error(ctypes.Structure):
    _fields_ = [("code", ctypes.c_int), ("message", ctypes.c_char * 512)]


class Tensor(ctypes.Structure):
    _fields_ = [("dtype", ctypes.c_uint), ("rank", ctypes.c_int32), ("dims", ctypes.POINTER(ctypes.c_int64)),
                ("data", ctypes.c_void_p), ("bytes", ctypes.c_size_t)]


class Allocator(ctypes.Structure):
    _fields_ = [("alloc", ctypes.c_void_p), ("free", ctypes.c_void_p), ("user", ctypes.c_void_p)]


class Options(ctypes.Structure):
    _fields_ = [("struct_size", ctypes.c_size_t), ("threads", ctypes.c_uint32), ("flags", ctypes.c_uint32),
                ("memory_limit", ctypes.c_uint64), ("allocator", Allocator)]


class Event(ctypes.Structure):
    _fields_ = [("name", ctypes.c_char_p), ("start_ns", ctypes.c_uint64), ("duration_ns", ctypes.c_uint64), ("grid", ctypes.c_int64)]


class Runtime:
    """The run-time library (libsmelt_bench.so) and the probes in it."""

    def __init__(self, path):
        self.lib = lib = ctypes.CDLL(str(path))
        lib.smelt_probe_fma.restype = ctypes.c_double
        lib.smelt_probe_fma_flops.restype = ctypes.c_double
        lib.smelt_probe_fma.argtypes = [ctypes.c_int, ctypes.c_long]
        lib.smelt_module_output_count.restype = ctypes.c_size_t
        lib.smelt_context_profile.restype = ctypes.POINTER(Event)
        for name in ("smelt_module_output_count", "smelt_module_release", "smelt_context_destroy"):
            getattr(lib, name).argtypes = [ctypes.c_void_p]

    def call(self, function, *arguments):
        error = Error()
        if getattr(self.lib, function)(*arguments, ctypes.byref(error)):
            raise RuntimeError(f"{function}: {error.message.decode(errors='replace')}")


class Artifact:
    """One context of a library. `run` gives nothing; `outputs` copies what the last run made (tensors only)."""

    def __init__(self, runtime, path, threads):
        self.runtime, self.keep = runtime, []
        self.module, self.context = ctypes.c_void_p(), ctypes.c_void_p()
        runtime.call("smelt_module_open", str(pathlib.Path(path).absolute()).encode(), ctypes.byref(self.module))
        options = Options(struct_size=ctypes.sizeof(Options), threads=threads)
        runtime.call("smelt_context_create", self.module, ctypes.byref(options), ctypes.byref(self.context))
        self.error = Error()
        self.function, self.by_reference = runtime.lib.smelt_run, ctypes.byref(self.error)

    def bind(self, feed):
        """feed: name -> array, in any order."""
        for name, value in feed.items():
            value = np.asarray(value, order="C")
            index = ctypes.c_size_t()
            self.runtime.call("smelt_module_find_input", self.module, name.encode(), ctypes.byref(index))
            dims = (ctypes.c_int64 * max(1, value.ndim))(*value.shape)
            if value.dtype.kind in "OUS":
                self.bind_strings(index, value, dims)
                continue
            tensor = Tensor(onnx.helper.np_dtype_to_tensor_dtype(value.dtype), value.ndim, dims, value.ctypes.data, value.nbytes)
            self.keep += [value, dims]
            self.runtime.call("smelt_bind_input", self.context, index, ctypes.byref(tensor))

    def bind_strings(self, index, value, dims):
        texts = [t if isinstance(t, bytes) else str(t).encode() for t in value.ravel()]
        create = self.runtime.lib.smelt_value_create_strings
        create.restype = ctypes.c_void_p
        made = ctypes.c_void_p(create(value.ndim, dims, (ctypes.c_char_p * len(texts))(*texts), (ctypes.c_size_t * len(texts))(*map(len, texts))))
        self.runtime.call("smelt_bind_input_value", self.context, index, made)

    def run(self):
        if self.function(self.context, self.by_reference):
            raise RuntimeError(self.error.message.decode(errors="replace"))

    def outputs(self):
        results = []
        for k in range(self.runtime.lib.smelt_module_output_count(self.module)):
            tensor = Tensor()
            self.runtime.call("smelt_get_output", self.context, ctypes.c_size_t(k), ctypes.byref(tensor))
            dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.dtype))
            data = ctypes.string_at(tensor.data, tensor.bytes) if tensor.bytes else b""
            results.append(np.frombuffer(data, dtype).reshape(tensor.dims[: tensor.rank]).copy())
        return results

    def profile(self, runs):
        """[(kernel, microseconds)] of one run: per dispatch the median of `runs`."""
        self.runtime.lib.smelt_context_set_profiling(self.context, 1)
        times, names = [], []
        for _ in range(runs):
            self.run()
            count = ctypes.c_size_t()
            events = self.runtime.lib.smelt_context_profile(self.context, ctypes.byref(count))
            names = [events[i].name.decode() for i in range(count.value)]
            times.append([events[i].duration_ns / 1000 for i in range(count.value)])
        self.runtime.lib.smelt_context_set_profiling(self.context, 0)
        return list(zip(names, np.median(times, axis=0).tolist())) if names else []

    def close(self):
        self.runtime.lib.smelt_context_destroy(self.context)
        self.runtime.lib.smelt_module_release(self.module)
