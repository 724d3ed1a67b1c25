"""A small language for writing networks: each method adds a node and returns
its output's name. Weights are seeded, scaled so that activations stay finite."""
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


class Net:
    def __init__(self, name, opset=13, seed=0):
        self.name, self.opset = name, opset
        self.rng = np.random.default_rng(seed)
        self.nodes, self.inputs, self.outputs, self.weights = [], [], [], []
        self.feed = {}

    # Inputs, weights, outputs -------------------------------------------------

    def input(self, name, shape, sizes=None, dtype=np.float32, high=None):
        """shape may hold names of dynamic dims; sizes: the reference's sizes then."""
        sizes = sizes or shape
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        self.inputs.append(helper.make_tensor_value_info(name, kind, shape))
        data = self.rng.integers(0, high, sizes) if high else self.rng.standard_normal(sizes)
        self.feed[name] = data.astype(dtype)
        return name

    def weight(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array(array, order="C"), name))
        return name

    def normal(self, *shape, fan, gain=1.0):
        return self.weight((self.rng.standard_normal(shape) * np.sqrt(gain / fan)).astype(np.float32))

    def ints(self, *values):
        return self.weight(np.array(values, np.int64))

    def scalar(self, value, dtype=np.float32):
        return self.weight(np.array(value, dtype))

    def output(self, value, name, shape, dtype=TensorProto.FLOAT):
        self.nodes.append(helper.make_node("Identity", [value], [name]))
        self.outputs.append(helper.make_tensor_value_info(name, dtype, shape))

    def op(self, op_type, *inputs, outputs=1, domain="", **attributes):
        names = [f"t{len(self.nodes)}_{k}" for k in range(outputs)]
        self.nodes.append(helper.make_node(op_type, list(inputs), names, f"{op_type}_{len(self.nodes)}", domain=domain, **attributes))
        return names[0] if outputs == 1 else names

    def model(self):
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)
        onnx.checker.check_model(model)
        return model

    # Layers -------------------------------------------------------------------

    def conv(self, x, cin, cout, k=1, s=1, p=None, g=1, d=1, bias=False, gain=2.0):
        p = d * (k // 2) if p is None else p
        fan = cin // g * k * k
        inputs = [x, self.normal(cout, cin // g, k, k, fan=fan, gain=gain)]
        if bias:
            inputs.append(self.normal(cout, fan=100))
        return self.op("Conv", *inputs, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4, group=g, dilations=[d, d])

    def bn(self, x, c):
        u = lambda low, high: self.weight(self.rng.uniform(low, high, c).astype(np.float32))
        return self.op("BatchNormalization", x, u(0.7, 1.1), u(-0.2, 0.2), u(-0.2, 0.2), u(0.7, 1.4), epsilon=1e-5)

    def relu(self, x):
        return self.op("Relu", x)

    def clip(self, x, low, high):
        return self.op("Clip", x, self.scalar(low), self.scalar(high))

    def sigmoid(self, x):
        return self.op("Sigmoid", x)

    def swish(self, x):
        return self.op("Mul", x, self.sigmoid(x))

    def hardswish(self, x):
        """As PyTorch exported it before opset 14: x * clip(x + 3, 0, 6) / 6."""
        return self.op("Div", self.op("Mul", x, self.clip(self.op("Add", x, self.scalar(3)), 0, 6)), self.scalar(6))

    def maxpool(self, x, k, s, p=0):
        return self.op("MaxPool", x, kernel_shape=[k, k], strides=[s, s], pads=[p] * 4)

    def gemm(self, x, cin, cout, gain=1.0):
        return self.op("Gemm", x, self.normal(cout, cin, fan=cin, gain=gain), self.normal(cout, fan=100), transB=1)

    def linear(self, x, cin, cout, gain=1.0):
        """A MatMul and an Add, as exporters write a dense layer on 3-d input."""
        return self.op("Add", self.op("MatMul", x, self.normal(cin, cout, fan=cin, gain=gain)), self.normal(cout, fan=100))

    def head(self, x, cin, classes):
        return self.gemm(self.op("Flatten", self.op("GlobalAveragePool", x), axis=1), cin, classes)
