"""models.py NAME FILE: writes a small model that one test of the driver needs."""
import sys

from onnx import TensorProto, helper, save


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes, shape, result, weights=()):
    graph = helper.make_graph(nodes, "g", [value("x", shape)], [value("y", result)],
                              [helper.make_tensor(n, TensorProto.FLOAT, s, range(s[0] * s[1])) for n, s in weights])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MODELS = {
    "unknown": lambda: model([helper.make_node("NoSuchOp", ["x"], ["y"])], [4], [4]),
    "reversed": lambda: model([helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
                               helper.make_node("Exp", ["t"], ["y"])], [256, 256], [256, 256]),
    # 160 MB if it were folded.
    "unfolded": lambda: model([helper.make_node("MatMul", ["a", "b"], ["c"]), helper.make_node("Add", ["x", "c"], ["y"])],
                              [20000, 2000], [20000, 2000], [("a", [20000, 1]), ("b", [1, 2000])]),
}

save(MODELS[sys.argv[1]](), sys.argv[2])
