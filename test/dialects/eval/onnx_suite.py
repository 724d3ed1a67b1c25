"""ONNX's node tests through the importer and the evaluator, before and after
the simplifying passes: no code is generated, so a failure is the importer's,
the evaluator's or a rewrite's. The cases that must pass are those of
onnx_suite_passing.txt; one more that passes is reported too (--update)."""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import tarfile
import tempfile

import numpy as np
import onnx
from onnx import numpy_helper

HERE = pathlib.Path(__file__).parent
WIDENED = {"int4": np.int8, "int2": np.int8, "uint4": np.uint8, "uint2": np.uint8}
LIST = HERE / "onnx_suite_passing.txt"


def load(path):
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    return numpy_helper.to_array(tensor)


def run(tool, model, inputs, work, passes):
    arguments = []
    for i, array in enumerate(inputs):
        file = work / f"{i}.bin"
        if array.dtype.name in WIDENED:  # a run-time buffer holds them sign-extended
            array = array.astype(WIDENED[array.dtype.name])
        file.write_bytes(np.ascontiguousarray(array).tobytes())
        arguments.append(f"--input={'x'.join(map(str, array.shape))}:{file}")
    command = [tool, model, "--full", *arguments] + ([f"--pipeline={passes}", "--atol=1e-5", "--rtol=1e-4"] if passes else [])
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def check(tool, folder):
    """None, or what is wrong."""
    data = folder / "test_data_set_0"
    try:
        inputs = [load(p) for p in sorted(data.glob("input_*.pb"), key=lambda p: int(p.stem[6:]))]
        wanted = [load(p) for p in sorted(data.glob("output_*.pb"), key=lambda p: int(p.stem[7:]))]
    except Exception as error:  # sequences, optionals: not tensors
        return f"data: {error}"
    if any(a.dtype == object or a.dtype.kind in "USO" for a in inputs + wanted):
        return "data: strings"
    with tempfile.TemporaryDirectory() as work:
        try:
            result = run(tool, folder / "model.onnx", inputs, pathlib.Path(work), "")
            if result.returncode:
                return f"exit {result.returncode}: {result.stderr.strip().splitlines()[-1] if result.stderr.strip() else ''}"
            after = run(tool, folder / "model.onnx", inputs, pathlib.Path(work), "smelt-simplify-pipeline")
        except subprocess.TimeoutExpired:
            return "timeout"
    got = {}
    for line in result.stdout.splitlines():
        index, kind, text = re.match(r"@main result (\d+): tensor<(.*)> =(.*)", line).groups()
        got[int(index)] = (kind, np.array([float(t) for t in text.split()], np.float64))
    for index, want in enumerate(wanted):
        kind, value = got.get(index, ("", np.zeros(0)))
        shape = [int(d) for d in kind.split("x")[:-1]]
        if shape != list(want.shape):
            return f"output {index} is {kind}, want {want.dtype} {want.shape}"
        flat = want.astype(np.float64).reshape(-1)
        tolerance = 0 if want.dtype.kind in "iub" else 1e-3 if want.dtype in (np.float32, np.float64) else 1e-2
        near = np.isclose(value, flat, rtol=tolerance, atol=min(tolerance, 1e-5) or 0, equal_nan=True)
        if not near.all():
            at = int(np.argmin(near))
            return f"output {index} element {at} is {value[at]!r}, want {flat[at]!r}"
    if after.returncode:
        return f"after the passes: {(after.stdout + after.stderr).strip().splitlines()[-1]}"
    return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("tool")
    parser.add_argument("--update", action="store_true", help="write the list of passing cases")
    parser.add_argument("--filter", default="", help="a regular expression on the cases' names")
    options = parser.parse_args()
    corpus = os.environ.get("SMELT_CORPUS")
    if not corpus:
        print("SMELT_CORPUS is not set")
        return 77
    wanted = set(LIST.read_text().split()) if LIST.exists() else set()
    with tempfile.TemporaryDirectory() as temporary:
        (archive,) = pathlib.Path(corpus, "onnx-suite").glob("onnx-backend-node-*.tar.xz")
        with tarfile.open(archive) as tar:
            tar.extractall(temporary, filter="data")
        folders = sorted(p.parent for p in pathlib.Path(temporary).rglob("model.onnx") if re.search(options.filter, p.parent.name))
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            results = dict(zip([f.name for f in folders], pool.map(lambda f: check(options.tool, f), folders)))
    passing = {name for name, error in results.items() if error is None}
    for name, error in sorted(results.items()):
        if error and (options.filter or name in wanted or options.update):
            print(f"{name}: {error}")
    print(f"{len(passing)} of {len(results)} pass; {len(wanted & set(results) - passing)} no longer, {len(passing - wanted)} new")
    if options.update:
        LIST.write_text("\n".join(sorted(passing)) + "\n")
        return 0
    if options.filter:
        return 0
    # Strict both ways: the list is what is known to work.
    return 1 if wanted != passing else 0


if __name__ == "__main__":
    sys.exit(main())
