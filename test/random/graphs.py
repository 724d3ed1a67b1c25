"""Random valid ONNX graphs over small integers, so that every order of summation is exact.

`make(seed)` gives a model and its inputs: some 3 to 14 nodes of the ops below,
sizes from 0 and 1 to past a vector's lanes, broadcasting, symbolic dims. Each
value carries the bound of its magnitude; what could leave f32's exact
integers is clipped first.
"""
import numpy as np
from onnx import TensorProto, helper, numpy_helper

SIZES = [1, 1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33]
EXACT = 1 << 22


class Value:
    def __init__(self, name, shape, bound, kind=np.float32):
        self.name, self.shape, self.bound, self.kind = name, tuple(int(s) for s in shape), bound, np.dtype(kind)


class Graph:
    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.nodes, self.initial, self.inputs, self.values, self.feed = [], [], [], [], {}

    def choice(self, options):
        return options[int(self.rng.integers(len(options)))]

    def chance(self, p):
        return self.rng.random() < p

    def shape(self, rank=None):
        rank = int(self.rng.integers(0, 5)) if rank is None else rank
        return [0 if self.chance(0.01) else int(self.choice(SIZES)) for _ in range(rank)]

    def constant(self, array):
        name = f"c{len(self.initial)}"
        self.initial.append(numpy_helper.from_array(np.asarray(array), name))
        return name

    def integers(self, shape, low=-4, high=5, kind=np.float32):
        return self.rng.integers(low, high, shape).astype(kind)

    def input(self, shape):
        name = f"x{len(self.inputs)}"
        # A symbol that is 1 at run time is not stretched everywhere: sizes are a contract.
        dims = [f"{name}_{k}" if s != 1 and self.chance(0.3) else s for k, s in enumerate(shape)]
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        self.feed[name] = self.integers(shape)
        return self.keep(Value(name, shape, 4))

    def keep(self, value):
        self.values.append(value)
        return value

    def op(self, kind, inputs, shape, bound, dtype=np.float32, **attributes):
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return self.keep(Value(name, shape, bound, dtype))

    def small(self, value, bound=8):
        """The value itself, or clipped to the bound."""
        if value.bound <= bound:
            return value
        limits = [self.constant(np.array(b, value.kind)) for b in (-bound, bound)]
        return self.op("Clip", [value.name, *limits], value.shape, bound, value.kind)

    def floats(self, rank=None, least=0):
        found = [v for v in self.values if v.kind == np.float32 and len(v.shape) >= least and (rank is None or len(v.shape) == rank)]
        return self.choice(found) if found else self.input(self.shape(max(least, int(self.rng.integers(0, 5))) if rank is None else rank))

    def other(self, like):
        """A value that broadcasts with `like`: a constant, an input, or one there is."""
        fits = [v for v in self.values if v.kind == like.kind and v.shape == like.shape]
        if fits and self.chance(0.5):
            return self.choice(fits)
        shape = [s if self.chance(0.7) else 1 for s in like.shape[int(self.rng.integers(0, len(like.shape) + 1)):]]
        if self.chance(0.6) or like.kind != np.float32:
            return Value(self.constant(self.integers(shape, kind=like.kind)), shape, 4, like.kind)
        return self.input(shape)


def binary(g):
    a = g.small(g.floats(), 1 << 10)
    b = g.small(g.other(a), 1 << 10)
    kind = g.choice(["Add", "Sub", "Mul", "Max", "Min"])
    bound = {"Mul": a.bound * b.bound, "Add": a.bound + b.bound, "Sub": a.bound + b.bound}.get(kind, max(a.bound, b.bound))
    pair = [a, b] if g.chance(0.7) else [b, a]
    return g.op(kind, [v.name for v in pair], np.broadcast_shapes(a.shape, b.shape), bound)


def unary(g):
    a = g.floats()
    return g.op(g.choice(["Relu", "Neg", "Abs", "Sign", "Floor", "Identity"]), [a.name], a.shape, a.bound)


def where(g):
    a = g.floats()
    b = g.other(a)
    test = g.op(g.choice(["Greater", "Less", "Equal", "GreaterOrEqual"]), [a.name, b.name], np.broadcast_shapes(a.shape, b.shape), 1, bool)
    if g.chance(0.3):
        test = g.op("Not", [test.name], test.shape, 1, bool)
    return g.op("Where", [test.name, a.name, b.name], test.shape, max(a.bound, b.bound))


def cast(g):
    a = g.floats()
    kind = g.choice([np.int32, np.int64])
    i = g.op("Cast", [a.name], a.shape, a.bound, kind, to=helper.np_dtype_to_tensor_dtype(np.dtype(kind)))
    divisor = g.constant(np.array(g.choice([2, 3, 5, -3]), kind))
    i = g.op("Mod", [i.name, divisor], a.shape, 5, kind)
    return g.op("Cast", [i.name], a.shape, 5, to=TensorProto.FLOAT)


def transpose(g):
    a = g.floats(least=2)
    perm = [int(p) for p in g.rng.permutation(len(a.shape))]
    return g.op("Transpose", [a.name], [a.shape[p] for p in perm], a.bound, perm=perm)


def reshape(g):
    a = g.floats(least=1)
    if 0 in a.shape:
        return unary(g)
    sizes = [s for s in a.shape if s > 1]
    while len(sizes) > 1 and g.chance(0.5):
        k = int(g.rng.integers(len(sizes) - 1))
        sizes[k:k + 2] = [sizes[k] * sizes[k + 1]]
    for _ in range(int(g.rng.integers(0, 2))):
        sizes.insert(int(g.rng.integers(0, len(sizes) + 1)), 1)
    target = list(sizes)
    if target and g.chance(0.5):
        target[int(g.rng.integers(len(target)))] = -1
    return g.op("Reshape", [a.name, g.constant(np.array(target, np.int64))], sizes, a.bound)


def concat(g):
    a = g.floats(least=1)
    axis = int(g.rng.integers(len(a.shape)))
    parts = [a]
    for _ in range(int(g.rng.integers(1, 3))):
        shape = list(a.shape)
        shape[axis] = g.choice(SIZES)
        parts.append(Value(g.constant(g.integers(shape)), shape, 4) if g.chance(0.4) else g.input(shape) if g.chance(0.5) else a)
    shape = list(a.shape)
    shape[axis] = sum(p.shape[axis] for p in parts)
    return g.op("Concat", [p.name for p in parts], shape, max(p.bound for p in parts), axis=axis)


def slice_(g):
    a = g.floats(least=1)
    axis = int(g.rng.integers(len(a.shape)))
    size = a.shape[axis]
    start, end, step = (int(g.rng.integers(-size - 1, size + 2)) for _ in range(2)), 0, g.choice([1, 1, 2, 3, -1, -2])
    start, end = start
    count = len(range(size)[slice(start, end, step)])
    if count == 0:
        start, end, count = (0, size, len(range(0, size, step))) if step > 0 else (size, -size - 1, len(range(size)[::step]))
    shape = list(a.shape)
    shape[axis] = count
    return g.op("Slice", [a.name, *(g.constant(np.array([v], np.int64)) for v in (start, end, axis, step))], shape, a.bound)


def pad(g):
    a = g.floats(least=1)
    low, high = ([int(v) for v in g.rng.integers(0, 3, len(a.shape))] for _ in range(2))
    mode = g.choice(["constant", "edge", "reflect"])
    if mode != "constant" and min(a.shape) < 3:
        mode = "constant"
    shape = [s + l + h for s, l, h in zip(a.shape, low, high)]
    return g.op("Pad", [a.name, g.constant(np.array(low + high, np.int64)), g.constant(np.float32(2))], shape, max(a.bound, 2), mode=mode)


def gather(g):
    a = g.floats(least=1)
    axis = int(g.rng.integers(len(a.shape)))
    if a.shape[axis] == 0:
        return unary(g)
    index = g.rng.integers(-a.shape[axis], a.shape[axis], g.shape(int(g.rng.integers(0, 3)))).astype(np.int64)
    return g.op("Gather", [a.name, g.constant(index)], a.shape[:axis] + index.shape + a.shape[axis + 1:], a.bound, axis=axis)


def reduce(g):
    a = g.floats(least=1)
    axes = [k for k in range(len(a.shape)) if g.chance(0.5)] or [0]
    keep = int(g.chance(0.5))
    count = int(np.prod([a.shape[k] for k in axes]))
    if count == 0:
        return unary(g)
    kind = g.choice(["ReduceSum", "ReduceMax", "ReduceMin", "ReduceSum"])
    if kind == "ReduceSum":
        a = g.small(a, max(1, min(EXACT // max(count, 1), 1 << 12)))
    shape = [1 if k in axes else s for k, s in enumerate(a.shape) if keep or k not in axes]
    bound = a.bound * count if kind == "ReduceSum" else a.bound
    signed = [k - len(a.shape) if g.chance(0.5) else k for k in axes]
    return g.op(kind, [a.name, g.constant(np.array(signed, np.int64))], shape, bound, keepdims=keep)


def matmul(g):
    a = g.small(g.floats(least=1))
    k, n = a.shape[-1], g.choice(SIZES)
    shape = ([k] if len(a.shape) > 1 and g.chance(0.1) else [k, n])
    if len(a.shape) > 2 and g.chance(0.4):
        shape = [s if g.chance(0.6) else 1 for s in a.shape[:-2]] + [k, n]
    b = Value(g.constant(g.integers(shape)), shape, 4) if g.chance(0.6) else g.input(shape)
    result = np.matmul(np.zeros(a.shape), np.zeros(shape)).shape
    y = g.op("MatMul", [a.name, b.name], result, max(1, k) * a.bound * b.bound)
    return binary_with(g, y) if g.chance(0.5) else y


def binary_with(g, a):
    b = g.other(a)
    y = g.op("Add", [a.name, b.name], np.broadcast_shapes(a.shape, b.shape), a.bound + b.bound)
    return g.op("Relu", [y.name], y.shape, y.bound) if g.chance(0.5) else y


def image(g):
    found = [v for v in g.values if v.kind == np.float32 and len(v.shape) == 4 and min(v.shape) > 0 and np.prod(v.shape) < 40000]
    return g.small(g.choice(found) if found else g.input([g.choice([1, 2]), g.choice(SIZES), g.choice([5, 8, 9, 16]), g.choice([5, 7, 8, 17])]))


def windows(g, a):
    kernel = [min(g.choice([1, 2, 3, 3, 5]), s) for s in a.shape[2:]]
    strides, dilations = [g.choice([1, 1, 2]) for _ in range(2)], [g.choice([1, 1, 2]) for _ in range(2)]
    pads = [int(g.rng.integers(0, (k + 1) // 2 + 1)) for k in kernel] * 2
    reach = [d * (k - 1) + 1 for d, k in zip(dilations, kernel)]
    if any(s + 2 * p < r for s, p, r in zip(a.shape[2:], pads, reach)):
        dilations, reach = [1, 1], kernel
    out = [(s + 2 * p - r) // t + 1 for s, p, r, t in zip(a.shape[2:], pads, reach, strides)]
    return dict(kernel_shape=kernel, strides=strides, dilations=dilations, pads=pads), out


def conv(g):
    a = image(g)
    attributes, out = windows(g, a)
    channels = a.shape[1]
    groups = g.choice([k for k in (1, 1, 2, 3, channels) if channels % k == 0])
    filters = groups * g.choice([1, 2, 3, 8, 17])
    w = g.constant(g.integers([filters, channels // groups, *attributes["kernel_shape"]]))
    inputs = [a.name, w] + ([g.constant(g.integers([filters]))] if g.chance(0.6) else [])
    bound = a.bound * 4 * int(np.prod(attributes["kernel_shape"])) * (channels // groups) + 4
    y = g.op("Conv", inputs, [a.shape[0], filters, *out], bound, group=groups, **attributes)
    return binary_with(g, y) if g.chance(0.5) else y


def maxpool(g):
    a = image(g)
    attributes, out = windows(g, a)
    # The reference evaluator takes the pads of one dim for the other's where they differ.
    if len(set(attributes["pads"])) > 1 or any(p >= k for p, k in zip(attributes["pads"], attributes["kernel_shape"])):
        attributes["pads"] = [0, 0, 0, 0]
        reach = [d * (k - 1) + 1 for d, k in zip(attributes["dilations"], attributes["kernel_shape"])]
        if any(s < r for s, r in zip(a.shape[2:], reach)):
            return unary(g)
        out = [(s - r) // t + 1 for s, r, t in zip(a.shape[2:], reach, attributes["strides"])]
    return g.op("MaxPool", [a.name], [*a.shape[:2], *out], a.bound, **attributes)


def resize(g):
    a = image(g)
    scales = [1.0, 1.0, float(g.choice([1, 2, 3])), float(g.choice([1, 2]))]
    shape = [int(s * f) for s, f in zip(a.shape, scales)]
    return g.op("Resize", [a.name, "", g.constant(np.array(scales, np.float32))], shape, a.bound, mode="nearest",
                coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def expand(g):
    a = g.floats()
    shape = [g.choice(SIZES)] * int(g.chance(0.4)) + [g.choice(SIZES) if s == 1 else s for s in a.shape]
    if len(shape) > 5 or np.prod(shape) > 20000:
        return unary(g)
    return g.op("Expand", [a.name, g.constant(np.array(shape, np.int64))], shape, a.bound)


def argmax(g):
    a = g.floats(least=1)
    axis = int(g.rng.integers(len(a.shape)))
    if a.shape[axis] == 0:
        return unary(g)
    shape = [1 if k == axis else s for k, s in enumerate(a.shape)]
    i = g.op(g.choice(["ArgMax", "ArgMin"]), [a.name], shape, 64, np.int64, axis=axis, keepdims=1)
    return g.op("Cast", [i.name], shape, 64, to=TensorProto.FLOAT)


def cumsum(g):
    a = g.small(g.floats(least=1), 1 << 10)
    axis = int(g.rng.integers(len(a.shape)))
    return g.op("CumSum", [a.name, g.constant(np.array(axis, np.int64))], a.shape, a.bound * max(1, a.shape[axis]),
                exclusive=int(g.chance(0.3)), reverse=int(g.chance(0.3)))


def unsqueeze(g):
    a = g.floats()
    if len(a.shape) > 4:
        return unary(g)
    axis = int(g.rng.integers(len(a.shape) + 1))
    return g.op("Unsqueeze", [a.name, g.constant(np.array([axis], np.int64))], a.shape[:axis] + (1,) + a.shape[axis:], a.bound)


MAKERS = [binary] * 5 + [unary, unary, where, cast, transpose, transpose, reshape, reshape, concat, concat, slice_, slice_, pad, gather,
                         reduce, reduce, matmul, matmul, conv, conv, maxpool, resize, expand, argmax, cumsum, unsqueeze]


def make(seed):
    g = Graph(seed)
    g.input(g.shape(int(g.rng.integers(1, 5))))
    for _ in range(int(g.rng.integers(3, 15))):
        y = g.choice(MAKERS)(g)
        if np.prod(y.shape) > 100000:
            break
        g.small(y, EXACT)
    used = {i for n in g.nodes for i in n.input}
    outputs = [v for v in g.values if v.name not in used and v.name not in g.feed] or [g.values[-1]]
    outputs += [v for v in g.values if v.name in used and v.name not in g.feed and g.chance(0.05)]
    info = [helper.make_tensor_value_info(v.name, helper.np_dtype_to_tensor_dtype(v.kind), None) for v in outputs]
    graph = helper.make_graph(g.nodes, f"random{seed}", g.inputs, info, g.initial)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), g.feed
