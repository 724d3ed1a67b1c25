#!/usr/bin/env python3
"""ONNX's own backend tests through the importer and the reference evaluator.

Every case of the suite (SMELT_CORPUS/onnx-suite) is imported and evaluated on
its inputs; results are compared with the suite's. Inputs that an op wants
constant (axes, scales) are made initializers. onnx_suite_failures.txt lists the
cases that are expected to fail, with the reason; a case that fails and is not
listed is an error, and so is a listed one that passes.

  onnx_suite.py TOOL [-k PART] [--write]     --write makes the list anew
"""
import argparse
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

HERE = Path(__file__).parent
LIST = HERE / "onnx_suite_failures.txt"
FREEZE = re.compile(r"constant|computed at run time|known at run time")


def load(path, type_proto):
    """A tensor of a .pb file; None for sequences, optionals and strings."""
    if type_proto.WhichOneof("value") != "tensor_type":
        return None
    tensor = onnx.TensorProto()
    tensor.ParseFromString(path.read_bytes())
    if tensor.data_type in (onnx.TensorProto.STRING, onnx.TensorProto.COMPLEX64, onnx.TensorProto.COMPLEX128):
        return None
    array = numpy_helper.to_array(tensor)
    # Elements narrower than a byte: sign-extended, as in a buffer.
    return array.astype(np.int8) if str(array.dtype) in ("int4", "int2") else array


def compare(got_dir, index, want):
    """What differs, or nothing."""
    shape = tuple(int(s) for s in (got_dir / f"got_{index}.shape").read_text().split())
    if shape != want.shape:
        return f"output {index} has shape {shape}, want {want.shape}"
    data = (got_dir / f"got_{index}.bin").read_bytes()
    if len(data) != want.size * want.dtype.itemsize:
        return f"output {index} has {len(data)} bytes, want {want.size * want.dtype.itemsize}"
    got = np.frombuffer(data, want.dtype).reshape(shape)
    if want.dtype.kind in "biu":
        return None if (got == want).all() else f"output {index} differs"
    a, b = got.astype(np.float64), want.astype(np.float64)
    width = want.dtype.itemsize
    rtol, atol = (1e-4, 1e-5) if width >= 4 else (5e-3, 1e-3) if width == 2 else (0.13, 1e-2)
    near = np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    if near.all():
        return None
    at = np.argwhere(~near)[0]
    return f"output {index} differs at {at.tolist()}: {a[tuple(at)]} against {b[tuple(at)]}"


def attempt(tool, model, inputs, frozen, data):
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        left = []
        for info, value in zip(model.graph.input, inputs):
            if info.name in frozen and value is not None:
                copy.graph.initializer.append(numpy_helper.from_array(value, info.name))
            else:
                left.append(value)
        (folder / "model.onnx").write_bytes(copy.SerializeToString())
        for i, value in enumerate(left):
            if value is None:
                return "an input is not a tensor of numbers"
            (folder / f"input_{i}.shape").write_text(" ".join(map(str, value.shape)))
            (folder / f"input_{i}.bin").write_bytes(np.ascontiguousarray(value).tobytes())
        try:
            run = subprocess.run([tool, f"--evaluate={folder}", folder / "model.onnx"], capture_output=True, timeout=120)
        except subprocess.TimeoutExpired:
            return "timeout"
        if run.returncode:
            text = run.stderr.decode(errors="replace").strip().splitlines()
            return f"exit {run.returncode}: " + re.sub(r"\S*model\.onnx: ", "", text[0] if text else "")
        for i, info in enumerate(model.graph.output):
            want = load(data / f"output_{i}.pb", info.type)
            if want is None:
                return "an output is not a tensor of numbers"
            if not (folder / f"got_{i}.shape").exists():
                return f"output {i} is missing"
            difference = compare(folder, i, want)
            if difference:
                return difference
    return None


def check(tool, case):
    model = onnx.load(case / "model.onnx", load_external_data=False)
    constants = {t.name for t in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    data = case / "test_data_set_0"
    if not (data / "output_0.pb").exists():
        return "no test data"
    inputs = [load(data / f"input_{i}.pb", info.type) if (data / f"input_{i}.pb").exists() else None
              for i, info in enumerate(kept)]
    result = attempt(tool, model, inputs, set(), data)
    if result and FREEZE.search(result):
        result = attempt(tool, model, inputs, {i.name for i in kept[1:]}, data)
    if result and FREEZE.search(result):
        result = attempt(tool, model, inputs, {i.name for i in kept}, data)
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tool")
    parser.add_argument("-k", default="")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    corpus = os.environ.get("SMELT_CORPUS")
    if not corpus:
        print("SMELT_CORPUS is not set: skipped")
        return 77
    with tempfile.TemporaryDirectory() as folder:
        for archive in sorted((Path(corpus) / "onnx-suite").glob("*.tar.xz")):
            with tarfile.open(archive) as tar:
                tar.extractall(folder, filter="data")
        cases = sorted(p.parent for p in Path(folder).rglob("model.onnx") if options.k in p.parent.name)
        with ThreadPoolExecutor(2) as pool:
            results = dict(zip((f"{c.parent.name}/{c.name}" for c in cases),
                               pool.map(lambda c: check(options.tool, c), cases)))
    failures = {name: reason for name, reason in results.items() if reason}
    print(f"{len(results) - len(failures)} of {len(results)} cases pass")
    if options.write:
        LIST.write_text("".join(f"{name}: {reason}\n" for name, reason in sorted(failures.items())))
        return 0
    expected = {line.split(":")[0] for line in LIST.read_text().splitlines()}
    bad = 0
    for name, reason in sorted(failures.items()):
        if name not in expected:
            print(f"FAIL {name}: {reason}")
            bad += 1
    for name in sorted(expected & set(results)):
        if name not in failures:
            print(f"PASSES, take it off the list: {name}")
            bad += 1
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
