# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Builds models of one node, runs them through smelt-test-import (importer and
# reference evaluator of the smelt dialect) and through a peer, and compares.
import os
import pathlib
import subprocess
import sys
import tempfile

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parents[1] / "support"), str(HERE.parents[1] / "models")]

import values
import workers

ELEMENT = {
    "f32": np.float32, "f64": np.float64, "f16": np.float16, "bf16": ml_dtypes.bfloat16, "i1": np.bool_,
    "i8": np.int8, "i16": np.int16, "i32": np.int32, "i64": np.int64, "ui8": np.uint8, "ui16": np.uint16,
    "ui32": np.uint32, "ui64": np.uint64, "f8E4M3FN": ml_dtypes.float8_e4m3fn,
    "f8E5M2": ml_dtypes.float8_e5m2,
}


def build(op, inputs, outputs=1, domain="", opset=17, frozen=(), symbolic=(), omitted=(), extra=None, **attributes):
    """A model of one node. `inputs` are arrays or None (left out); those in
    `frozen` become initializers; dims (input, dim) in `symbolic` lose their size;
    outputs in `omitted` are not asked for; `extra` has attributes named as parameters here."""
    names = [f"x{i}" if x is not None else "" for i, x in enumerate(inputs)]
    results = ["" if k in omitted else f"y{k}" for k in range(outputs)]
    node = helper.make_node(op, names, results, domain=domain, **attributes, **(extra or {}))
    graph_inputs, initializers = [], []
    for i, x in enumerate(inputs):
        if x is None:
            continue
        if i in frozen:
            initializers.append(numpy_helper.from_array(x, names[i]))
            continue
        dims = [f"d{i}_{k}" if (i, k) in symbolic else size for k, size in enumerate(x.shape)]
        graph_inputs.append(helper.make_tensor_value_info(names[i], helper.np_dtype_to_tensor_dtype(x.dtype), dims))
    graph_outputs = [helper.make_empty_tensor_value_info(r) for r in results if r]
    graph = helper.make_graph([node], "g", graph_inputs, graph_outputs, initializers)
    opsets = [helper.make_opsetid("", opset if domain == "" else 17)]
    if domain:
        opsets.append(helper.make_opsetid(domain, opset if domain == "ai.onnx.ml" else 1))
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def run_smelt(tool, model, inputs):
    """(exit code, results or the errors' text)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "m.onnx")
        onnx.save(model, path)

        def name(kind, k, what):
            return os.path.join(folder, f"{kind}_{k}.{what}")

        for k, x in enumerate(inputs):
            with open(name("input", k, "shape"), "w") as f:
                f.write(" ".join(map(str, x.shape)))
            with open(name("input", k, "bin"), "wb") as f:
                f.write(np.ascontiguousarray(x).tobytes())
        run = subprocess.run([tool, "--evaluate=" + folder, path], capture_output=True, text=True, timeout=120)
        if run.returncode:
            return run.returncode, run.stderr
        results = []
        while os.path.exists(name("got", len(results), "bin")):
            k = len(results)
            with open(name("got", k, "type")) as kind, open(name("got", k, "shape")) as shape:
                element, dims = ELEMENT[kind.read()], [int(d) for d in shape.read().split()]
            with open(name("got", k, "bin"), "rb") as f:
                results.append(np.frombuffer(f.read(), element).reshape(dims))
        return 0, results


def run_reference(model, feeds):
    from onnx.reference import ReferenceEvaluator
    return ReferenceEvaluator(model).run(None, feeds)


def run_onnxruntime(model, feeds):
    import onnxruntime
    # Outputs need no type for the reference evaluator, but an element type here.
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)


def difference(got, want, rtol, atol):
    """None, or what differs."""
    want = np.asarray(want)
    if got.shape != want.shape:
        return f"shape {got.shape}, want {want.shape}"
    if got.dtype != want.dtype:
        return f"element type {got.dtype}, want {want.dtype}"
    a, b = got.astype(np.float64), want.astype(np.float64)
    close = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if close.all():
        return None
    at = tuple(np.argwhere(~close)[0])
    return f"{(~close).sum()} of {close.size} differ, first at {at}: {a[at]}, want {b[at]}"


class Suite:
    """Runs cases and counts; every case is a line of nodes.py. They are evaluated
    by `tool`, or collected and run as compiled code by `compiler` at the end."""

    def __init__(self, tool, compiler=None):
        self.tool, self.compiler, self.passed, self.failed = tool, compiler, 0, []
        self.plan, self.scratch = [], tempfile.TemporaryDirectory()
        self.rng = np.random.default_rng(7)

    # Small integers and fractions of them: most sums are exact in f32.
    def floats(self, *shape, dtype=np.float32):
        return (self.rng.integers(-8, 9, shape) / 4).astype(dtype)

    def ints(self, low, high, *shape, dtype=np.int64):
        return self.rng.integers(low, high, shape).astype(dtype)

    def check(self, name, op, inputs, peer="reference", rtol=1e-5, atol=1e-5, want=None, result_types=None, **options):
        """Compares with the peer, or with `want` when given. With dims named in
        `symbolic`, the model runs a second time with these sizes unknown."""
        symbolic = options.pop("symbolic", ())
        frozen = options.get("frozen", ())
        inputs = [x if x is None else np.asarray(x) for x in inputs]
        present = [x for i, x in enumerate(inputs) if x is not None and i not in frozen]
        feeds = {f"x{i}": x for i, x in enumerate(inputs) if x is not None and i not in frozen}
        model = build(op, inputs, **options)
        expected = want
        if expected is None:
            try:
                if peer == "onnxruntime":
                    for k, info in enumerate(model.graph.output):
                        kind = (result_types or {}).get(k, inputs[0].dtype)
                        info.type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
                    expected = run_onnxruntime(model, feeds)
                else:
                    expected = run_reference(model, feeds)
            except Exception as error:  # the peers raise all kinds; a case they cannot run is a wrong case
                self.failed.append(f"{name}: the peer refuses it: {error}")
                return
        for dynamic in ([False, True] if symbolic else [False]):
            model = build(op, inputs, symbolic=symbolic if dynamic else (), **options)
            label = name + (" (symbolic)" if dynamic else "")
            if self.compiler:
                self.collect(label, model, present, expected, rtol, atol)
                continue
            code, results = run_smelt(self.tool, model, present)
            if code:
                self.failed.append(f"{label}: exit {code}: {results.strip()}")
                continue
            problems = [difference(g, w, rtol, atol) for g, w in zip(results, expected)]
            if len(results) != len(expected):
                problems.append(f"{len(results)} results, want {len(expected)}")
            problems = [p for p in problems if p]
            if problems:
                self.failed.append(f"{label}: {'; '.join(problems)}")
            else:
                self.passed += 1

    def collect(self, label, model, inputs, expected, rtol, atol):
        folder = pathlib.Path(self.scratch.name) / str(len(self.plan))
        values.write_case(model, inputs, expected, folder)
        self.plan.append((label, {
            "model": str(folder / "model.onnx"), "library": str(folder / "m.so"), "level": 2,
            "run": [f"--test-data={folder / 'test_data_set_0'}", "--threads=1", "--poison", f"--rtol={rtol}", f"--atol={atol}", "--cosine=0"]}))

    def run_compiled(self):
        for (label, _), answer in zip(self.plan, workers.run_all(self.compiler, [lambda r=r: r for _, r in self.plan], os.cpu_count())):
            if answer["code"]:
                self.failed.append(f"{label}: {answer['stage']} {answer['code']}: {answer['text'][:300]}")
            else:
                self.passed += 1

    def refuse(self, name, op, inputs, code, text, **options):
        """The import must end with this exit code and a message with this text."""
        if self.compiler:
            return
        model = build(op, inputs, **options)
        found, message = run_smelt(self.tool, model, [x for x in inputs if x is not None])
        if found == code and text in message:
            self.passed += 1
        else:
            self.failed.append(f"{name}: exit {found}, want {code} with '{text}': {message}")

    def finish(self):
        if self.compiler:
            self.run_compiled()
        for line in self.failed:
            print("FAIL", line)
        print(f"{self.passed} passed, {len(self.failed)} failed")
        return 1 if self.failed else 0
