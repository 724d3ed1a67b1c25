"""Reduced models of bugs that were found, compiled, against the ONNX reference evaluator.

A bug that random graphs, a fuzzer or a user finds is cut down to the few nodes that
show it and becomes a function here; its docstring says what went wrong. Each runs
at -O0 and -O2, on 1 and 2 threads, bit for bit.
"""
import argparse
import os
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "support"), str(HERE.parent / "models")]

import ml_dtypes
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

import values
import workers


def model(nodes, inputs, outputs, constants=()):
    """`inputs` and `outputs` are (name, element type, dims); constants (name, array)."""
    graph = helper.make_graph(
        nodes, "regression", [helper.make_tensor_value_info(*i) for i in inputs], [helper.make_tensor_value_info(*o) for o in outputs],
        [numpy_helper.from_array(array, name) for name, array in constants])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)


F, I = TensorProto.FLOAT, TensorProto.INT64


def ints(*shape):
    return (np.arange(np.prod(shape, dtype=int)) % 7 - 3).astype(np.float32).reshape(shape)


def expand_to_sizes_of_one():
    """A size that the run makes 1 does not replace the input's."""
    made = model([helper.make_node("Expand", ["x", "shape"], ["e"]), helper.make_node("Mul", ["e", "e"], ["y"])],
                 [("x", F, ["n", 3]), ("shape", I, [2])], [("y", F, None)])
    made.graph.output[0].type.tensor_type.shape.CopyFrom(onnx.TensorShapeProto(dim=[onnx.TensorShapeProto.Dimension(dim_param=p) for p in "ab"]))
    for rows, shape in ((4, [1, 1]), (1, [5, 3]), (4, [4, 3])):
        yield made, {"x": ints(rows, 3), "shape": np.array(shape)}


def products_with_batches_of_one():
    """Batch sizes of two symbols are equal, or either is 1."""
    made = model([helper.make_node("MatMul", ["x", "y"], ["z"])], [("x", F, ["a", 2, 3]), ("y", F, ["b", 3, 2])], [("z", F, ["c", 2, 2])])
    for a, b in ((1, 4), (4, 1), (4, 4), (1, 1)):
        yield made, {"x": ints(a, 2, 3), "y": ints(b, 3, 2)}


def slices_of_nothing():
    """A slice of a tensor that is empty at run time is empty, whatever its bounds (seeds 1118 and 1655)."""
    made = model([helper.make_node("Slice", ["x", "starts", "ends", "axes"], ["s"]), helper.make_node("Transpose", ["s"], ["t"], perm=[1, 0]),
                  helper.make_node("Add", ["t", "one"], ["y"])],
                 [("x", F, ["n", 4])], [("y", F, ["a", "b"])],
                 [("starts", np.array([-1, 1])), ("ends", np.array([2**62, 3])), ("axes", np.array([0, 1])), ("one", np.float32([1]))])
    for rows in (0, 1, 5):
        yield made, {"x": ints(rows, 4)}


def reversed_nothing():
    """A step of -1 through an empty tensor starts nowhere."""
    made = model([helper.make_node("Slice", ["x", "starts", "ends", "axes", "steps"], ["s"]), helper.make_node("Concat", ["s", "x"], ["y"], axis=0)],
                 [("x", F, ["n", 2])], [("y", F, ["m", 2])],
                 [("starts", np.array([2**62])), ("ends", np.array([-2**62])), ("axes", np.array([0])), ("steps", np.array([-1]))])
    for rows in (0, 1, 6):
        yield made, {"x": ints(rows, 2)}


def zero_points_of_four_bits():
    """Inline constants of unsigned elements below 8 bits keep values that fill all their bits."""
    codes = np.arange(64, dtype=np.uint8).reshape(4, 16) % 16
    made = model([helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["d"], axis=0), helper.make_node("MatMul", ["x", "d"], ["y"])],
                 [("x", F, [3, 4])], [("y", F, [3, 16])],
                 [("w", codes.astype(ml_dtypes.uint4)), ("scale", np.float32([0.5, 1, 2, 0.25])), ("zero", np.uint8([15, 8, 7, 12]).astype(ml_dtypes.uint4))])
    yield made, {"x": ints(3, 4)}


def product_of_no_rows():
    """A matrix product of no rows by a B in place: its tile has no rows to divide by (seed 2537)."""
    made = model([helper.make_node("MatMul", ["x", "y"], ["z"]), helper.make_node("Add", ["z", "z"], ["s"])],
                 [("x", F, [0, 2]), ("y", F, ["k", "n"])], [("s", F, [0, "n"])])
    yield made, {"x": ints(0, 2), "y": ints(2, 5)}


CASES = [product_of_no_rows, expand_to_sizes_of_one, products_with_batches_of_one, slices_of_nothing, reversed_nothing, zero_points_of_four_bits]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", required=True)
    options = parser.parse_args()
    plan, failed = [], 0
    with tempfile.TemporaryDirectory() as scratch:
        for case in CASES:
            for number, (made, feed) in enumerate(case()):
                folder = pathlib.Path(scratch) / f"{case.__name__}-{number}"
                values.write_case(made, [feed[i.name] for i in made.graph.input], ReferenceEvaluator(made).run(None, feed), folder)
                plan += [(folder, level, threads) for level in (0, 2) for threads in (1, 2)]
        makers = [lambda f=folder, l=level, t=threads: {
            "model": str(f / "model.onnx"), "library": str(f / f"O{l}-{t}.so"), "level": l,
            "run": [f"--test-data={f / 'test_data_set_0'}", f"--threads={t}", "--poison", "--rtol=0", "--atol=0"]} for folder, level, threads in plan]
        for (folder, level, threads), answer in zip(plan, workers.run_all(options.tool, makers, os.cpu_count())):
            if answer["code"]:
                failed += 1
                print(f"{folder.name} -O{level} --threads={threads}: {answer['stage']} {answer['code']}: {answer['text'][:250]}")
    print(f"{len(plan) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
