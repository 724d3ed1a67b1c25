"""A driver for selftest.py: its "executables" run the model by the reference
evaluator. The environment variable FAKE makes it misbehave in one way."""
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

import values

FAKE = os.environ.get("FAKE", "")


def compile_model(arguments):
    if FAKE == "unsupported":
        print("error: unsupported: Frobnicate (opset 13) at node 3", file=sys.stderr)
        sys.exit(69)
    if FAKE == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if FAKE == "memory":
        bytearray(200 << 20)[::4096] = b"x" * 51200
    exe = pathlib.Path(arguments[arguments.index("-o") + 1])
    exe.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} exe {os.path.abspath(arguments[0])} "$@"\n')
    exe.chmod(0o755)


def run(path, arguments):
    model = onnx.load(path)
    threads = next((a.split("=")[1] for a in arguments if a.startswith("--threads=")), "1")
    folder = next((a.split("=")[1] for a in arguments if a.startswith("--test-data=")), None)
    pairs = [a.split("=@") for a in arguments if "=@" in a]
    inputs = {v.name: v.type for v in model.graph.input}
    if folder:
        sys.exit(82 if FAKE == "own comparison" else 0)
    feed = {name: values.load(file, inputs[name]) for name, file in pairs if name in inputs}
    results = ReferenceEvaluator(model).run(None, feed)
    for output, result in zip(model.graph.output, results):
        if FAKE == "wrong":
            result = result * np.float32(1.001)
        if FAKE == "threads" and threads != "1":
            result = np.nextafter(result, np.float32(2))
        if FAKE == "size" and len(result) > 2:
            result = result * np.float32(1.001)
        values.save(dict(pairs)[output.name], result, output.name)


if sys.argv[1] == "compile":
    compile_model(sys.argv[2:])
else:
    run(sys.argv[2], sys.argv[3:])
