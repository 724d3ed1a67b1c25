"""Compiles a chain of elementwise ops in which nothing folds, in bounded time
and without the cache, runs it and compares with NumPy, bit for bit. With
--diamonds each op reads the two before it, so that the ways through a kernel's
body are exponentially many.
"""
import argparse
import pathlib
import subprocess
import sys
import time

import numpy as np
import onnx
from onnx import TensorProto, helper

CHAIN = [("Add", np.add, "a"), ("Min", np.minimum, "b"), ("Sub", np.subtract, "a"), ("Max", np.maximum, "a"),
         ("Sub", np.subtract, "b"), ("Add", np.add, "b")]
DIAMONDS = [("Max", np.maximum), ("Sub", np.subtract), ("Min", np.minimum)]


def build(ops, diamonds, feed):
    """The nodes, and the value of the last one."""
    nodes, names, values = [], ["a", "b"], [feed["a"], feed["b"]]
    for i in range(ops):
        if diamonds:
            op, function = DIAMONDS[i % 3]
            other, operand = names[-2], values[-2]
        else:
            op, function, other = CHAIN[i % 6]
            operand = feed[other]
        name = "y" if i == ops - 1 else f"v{i}"
        nodes.append(helper.make_node(op, [names[-1], other], [name]))
        names = [names[-1], name]
        values = [values[-1], function(values[-1], operand)]
    return nodes, values[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--smelt", required=True)
    parser.add_argument("--ops", type=int, required=True)
    parser.add_argument("--diamonds", action="store_true")
    parser.add_argument("--seconds", type=float, required=True, help="for the compile")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    options.smelt = str(pathlib.Path(options.smelt).resolve())
    random = np.random.default_rng(1)
    feed = {name: random.integers(-8, 8, [100]).astype(np.float32) for name in "ab"}
    nodes, wanted = build(options.ops, options.diamonds, feed)
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [100]) for name in "aby"]
    graph = helper.make_graph(nodes, "chain", ports[:2], ports[2:])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), options.work / "m.onnx")
    for name, value in {**feed, "wanted": wanted}.items():
        np.save(options.work / f"{name}.npy", value)

    start = time.monotonic()
    code = subprocess.run([options.smelt, "compile", "-q", "--no-cache", "--stats", f"--timeout={4 * options.seconds}",
                           "m.onnx", "-o", "m"], cwd=options.work).returncode
    seconds = time.monotonic() - start
    print(f"{options.ops} ops: {seconds:.1f} s")
    if code or seconds > options.seconds:
        sys.exit(f"compile: exit {code} after {seconds:.1f} s, wanted 0 within {options.seconds} s")
    sys.exit(subprocess.run(["./m", "--input", "a=@a.npy", "--input", "b=@b.npy", "--expected", "y=@wanted.npy",
                             "--rtol", "0", "--atol", "0"], cwd=options.work).returncode)


if __name__ == "__main__":
    main()
