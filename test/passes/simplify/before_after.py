"""Every model of the corpus and every node test of ONNX, evaluated before and
after the simplifying passes: what can be evaluated before must give the same
numbers after. Nothing is listed as failing.

  before_after.py SMELT_EVAL [-k REGEX]"""
import argparse
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
from onnx import numpy_helper

LARGEST = 3_000_000  # bytes of a model: larger ones take too long in the evaluator
SAME = ["--pipeline=smelt-simplify-pipeline", "--rtol=1e-4", "--atol=1e-5"]  # scales in weights change rounding
WIDENED = {"int4": np.int8, "int2": np.int8, "uint4": np.uint8, "uint2": np.uint8}


def stored_inputs(folder, work):
    """Arguments for the inputs stored beside a node test; none when one is no
    tensor of numbers: then they are made up."""
    arguments = []
    for i, path in enumerate(sorted(folder.glob("test_data_set_0/input_*.pb"), key=lambda p: int(p.stem[6:]))):
        tensor = onnx.TensorProto()
        try:
            tensor.ParseFromString(path.read_bytes())
            array = numpy_helper.to_array(tensor)
        except Exception:  # a sequence or an optional: protobuf raises its own errors
            return []
        if array.dtype.kind in "OSU":
            return []
        array = np.ascontiguousarray(array.astype(WIDENED.get(array.dtype.name, array.dtype)))
        (work / f"{i}.bin").write_bytes(array.tobytes())
        arguments.append(f"--input={'x'.join(map(str, array.shape))}:{work / f'{i}.bin'}")
    return arguments


def check(tool, model):
    """equal, or why there is nothing to compare, or FAIL and what differs."""
    with tempfile.TemporaryDirectory() as work:
        inputs = stored_inputs(model.parent, pathlib.Path(work))
        for size in ["0"] if inputs else ["0", "1", "64"]:
            command = [tool, model, *SAME, *(inputs or ["--fractions", f"--size={size}"])]
            try:
                run = subprocess.run(command, capture_output=True, text=True, timeout=120)
            except subprocess.TimeoutExpired:
                return "timeout"
            if run.returncode == 0:
                return "equal"
            if run.returncode not in (65, 69):
                return f"FAIL exit {run.returncode}: {(run.stdout + run.stderr).strip().splitlines()[-1][:300]}"
    return "not evaluated"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("-k", default="")
    options = parser.parse_args()
    corpus = os.environ.get("SMELT_CORPUS")
    if not corpus:
        print("SMELT_CORPUS is not set: skipped")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for archive in sorted(pathlib.Path(corpus, "onnx-suite").glob("*.tar.xz")):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        models = sorted(pathlib.Path(folder).rglob("model.onnx"))
        models += sorted(p for part in ("models", "lm") for p in pathlib.Path(corpus, part).rglob("*.onnx"))
        models = [m for m in models if m.stat().st_size < LARGEST and re.search(options.k, str(m))]
        with ThreadPoolExecutor(2) as pool:
            results = list(pool.map(lambda m: check(options.tool, m), models))
    failures = [f"{model}: {result}" for model, result in zip(models, results) if result.startswith("FAIL")]
    equal = results.count("equal")
    print("\n".join(failures))
    print(f"{equal} equal, {len(failures)} differ, {len(results) - equal - len(failures)} not evaluated")
    # Most must be compared, or this test would see nothing.
    return 1 if failures or (not options.k and equal < len(results) // 2) else 0


if __name__ == "__main__":
    sys.exit(main())
