"""models.py NAME FILE: writes a small model that one test of the driver needs."""
import sys

from onnx import TensorProto, helper, save


def value(name, shape):
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def model(nodes, shape, result):
    graph = helper.make_graph(nodes, "g", [value("x", shape)], [value("y", result)])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


MODELS = {
    "unknown": lambda: model([helper.make_node("NoSuchOp", ["x"], ["y"])], [4], [4]),
    "reversed": lambda: model([helper.make_node("Transpose", ["x"], ["t"], perm=[1, 0]),
                               helper.make_node("Exp", ["t"], ["y"])], [256, 256], [256, 256]),
}

save(MODELS[sys.argv[1]](), sys.argv[2])
