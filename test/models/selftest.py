"""The corpus runner is a test, so it is tested: a small model and a driver that
misbehaves in one way at a time; and the comparators, on known pairs."""
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE))
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import values

failures = []


def check(what, good):
    if not good:
        failures.append(what)
        print(f"failed: {what}")


def comparators():
    x = np.linspace(-1, 1, 101, dtype=np.float32)
    check("equal is equal", not values.compare(x, x.copy(), "f32"))
    check("rounding passes", not values.compare(x * np.float32(1 + 5e-5), x, "f32"))
    check("2e-4 does not pass as f32", values.compare(x * np.float32(1 + 2e-4), x, "f32"))
    check("2e-4 passes as f16", not values.compare(x * np.float32(1 + 2e-4), x, "f16"))
    check("shape", values.compare(x[None], x, "f32"))
    check("dtype", values.compare(x.astype(np.float64), x, "f32"))
    nan = np.array([1, np.nan, np.inf], np.float32)
    check("NaN and infinity match themselves", not values.compare(nan, nan.copy(), "f32"))
    check("NaN against a number", values.compare(np.array([1, 2, np.inf], np.float32), nan, "f32"))
    check("a number against NaN", values.compare(nan, np.array([1, 2, np.inf], np.float32), "f32"))
    check("the sign of infinity", values.compare(np.array([1, np.nan, -np.inf], np.float32), nan, "f32"))
    i = np.arange(200, dtype=np.int8) % 100
    off = i.copy()
    off[3] += 1
    check("integers are exact", values.compare(off, i, "f32"))
    check("a tie of a quantized model", not values.compare(off, i, "f32", quantized=True))
    check("not two steps", values.compare(off + (off != i).astype(np.int8), i, "f32", quantized=True))
    check("maps", values.compare([{1: 0.5, 2: 0.4}], [{1: 0.5, 2: 0.5}], "f32"))
    check("map keys", values.compare([{1: 0.5, 3: 0.5}], [{1: 0.5, 2: 0.5}], "f32"))
    truth = np.linspace(0, 1, 50)
    check("nearer", values.nearer(truth + 1e-5, truth - 1e-5, truth))
    check("not nearer", not values.nearer(truth + 3e-5, truth - 1e-5, truth))


def write_model(folder):
    """y = softmax(x w), with a dynamic batch, and its reference data."""
    rng = np.random.default_rng(1)
    w = numpy_helper.from_array(rng.standard_normal((4, 3)).astype(np.float32), "w")
    value = helper.make_tensor_value_info
    model = helper.make_model(helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Softmax", ["z"], ["y"])], "g",
        [value("x", TensorProto.FLOAT, ["n", 4])], [value("y", TensorProto.FLOAT, ["n", 3])], [w]),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    onnx.save(model, folder / "model.onnx")
    x = rng.standard_normal((2, 4)).astype(np.float32)
    values.save(data / "input_0.pb", x, "x")
    values.save(data / "output_0.pb", ReferenceEvaluator(model).run(None, {"x": x})[0], "y")


def runner():
    with tempfile.TemporaryDirectory() as tmp:
        tmp = pathlib.Path(tmp)
        write_model(tmp / "models" / "a" / "net")
        driver = tmp / "smelt"
        driver.write_text(f'#!/bin/sh\nexec {sys.executable} -B {HERE / "fake_smelt.py"} "$@"\n')
        driver.chmod(0o755)
        listed, none = tmp / "listed.txt", tmp / "none.txt"
        listed.write_text("a/net: known\n")
        none.write_text("# nothing\n")
        (tmp / "gone.txt").write_text("a/other: not there\n")
        # how it misbehaves, the list, exit status, what must be said
        cases = [
            ("", none, 0, ["1 passed, 0 failed, 0 skipped", "sizes n=1, n=3"]),
            ("wrong", none, 1, ["output y", "0 passed, 1 failed, 0 skipped"]),
            ("wrong", listed, 0, ["expected failure", "0 passed, 0 failed, 1 skipped"]),
            ("", listed, 1, ["unexpected pass"]),
            ("", tmp / "gone.txt", 1, ["no such model"]),
            ("threads", none, 1, ["differs between 1 and 2 threads"]),
            ("size", none, 1, ["at n=3"]),
            ("own comparison", none, 1, ["--test-data: exit 82"]),
            ("unsupported", none, 1, ["exit 69", "Frobnicate"]),
            ("crash", none, 1, ["SIGSEGV"]),
            ("memory", none, 1, ["wanted at most 150"]),
        ]
        for fake, expected, status, said in cases:
            done = subprocess.run(
                [sys.executable, "-B", HERE / "corpus.py", "--smelt", driver, "--models", tmp / "models", "--work", tmp / "work",
                 "--levels", "O2", "--jobs", "1", "--expected-failures", expected, "--compile-mb", "150"],
                env={**os.environ, "FAKE": fake}, capture_output=True, text=True)
            what = f"driver '{fake}', {expected.name}"
            check(f"{what}: exit {done.returncode}, wanted {status}\n{done.stdout}{done.stderr}", done.returncode == status)
            for text in said:
                check(f"{what}: did not say '{text}'\n{done.stdout}", text in done.stdout)


comparators()
runner()
print(f"selftest: {len(failures)} failures")
sys.exit(1 if failures else 0)
