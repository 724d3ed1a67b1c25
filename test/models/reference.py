"""What a model's outputs should be: by the ONNX reference evaluator, in the
model's own types or in f64, or by ONNX Runtime.

The evaluator's package lacks some ops of old opsets and gets one wrong
(BatchNormalization before opset 14 always normalises by the batch); those are
here. Results are kept in a folder under the hash of model and inputs, since
the evaluator is slow on big convolutions.
"""
import hashlib
import pathlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

import values


def along(v, x, axis):
    """A per-axis parameter, shaped to broadcast against x."""
    return v if np.size(v) == 1 else np.reshape(v, [-1 if k == axis % x.ndim else 1 for k in range(x.ndim)])


class BatchNormalization(OpRun):
    def _run(self, x, scale, bias, mean, var, epsilon=1e-5, **_):
        s, b, m, v = (along(p, x, 1) for p in (scale, bias, mean, var))
        return ((s * ((x - m) / np.sqrt(v + epsilon)) + b).astype(x.dtype),)


class QuantizeLinear(OpRun):
    def _run(self, x, scale, zero=None, axis=1, **_):
        zero = np.zeros((), np.uint8) if zero is None else zero
        low, high = np.iinfo(zero.dtype).min, np.iinfo(zero.dtype).max
        steps = np.rint(x / along(scale, x, axis)) + along(zero, x, axis).astype(x.dtype)
        return (np.clip(steps, low, high).astype(zero.dtype),)


class DequantizeLinear(OpRun):
    def _run(self, x, scale, zero=None, axis=1, **_):
        scale = np.asarray(scale)
        steps = x.astype(scale.dtype)
        if zero is not None:
            steps = steps - along(zero, x, axis).astype(scale.dtype)
        return ((steps * along(scale, x, axis)).astype(scale.dtype),)


class ImageScaler(OpRun):
    def _run(self, x, bias=None, scale=1.0):
        return ((x * x.dtype.type(scale) + along(np.array(bias, x.dtype), x, 1)).astype(x.dtype),)


class OneHot(OpRun):
    def _run(self, indices, depth, pair, axis=-1):
        count = int(np.asarray(depth).ravel()[0])
        where = np.expand_dims(np.mod(indices, count), axis)
        shape = [1] * where.ndim
        shape[axis] = count
        return (np.where(where == np.arange(count).reshape(shape), pair[1], pair[0]).astype(pair.dtype),)


class ZipMap(OpRun):
    op_domain = "ai.onnx.ml"

    def _run(self, x, classlabels_int64s=None, classlabels_strings=None, **_):
        keys = [k.decode() if isinstance(k, bytes) else k for k in classlabels_strings or classlabels_int64s]
        return ([dict(zip(keys, row)) for row in np.atleast_2d(x)],)


class Add(OpRun):  # before opset 7: broadcasting from an axis, by attribute
    def _run(self, x, y, axis=None, broadcast=0):
        if axis is not None:
            y = np.reshape(y, [1] * axis + list(y.shape) + [1] * (x.ndim - axis - y.ndim))
        return (x + y,)


class Reshape(OpRun):  # before opset 5: the shape is an attribute
    def _run(self, x, shape=None, **_):
        return (np.reshape(x, [x.shape[k] if n == 0 else n for k, n in enumerate(shape)]),)


OPS = [Add, Reshape, BatchNormalization, QuantizeLinear, DequantizeLinear, ImageScaler, OneHot, ZipMap]


def wanted_ops(model):
    opset = next((o.version for o in model.opset_import if o.domain in ("", "ai.onnx")), 1)
    old = {Add: 7, Reshape: 5, BatchNormalization: 14, QuantizeLinear: 19, DequantizeLinear: 19}
    return [op for op in OPS if opset < old.get(op, 1 << 30)]


def to_double(model):
    """The model with every float widened to f64: constants, casts, and types."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    narrow = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)

    def widen(tensor):
        if tensor.data_type in narrow:
            tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float64), tensor.name))

    for graph in values.graphs(out.graph):
        for tensor in graph.initializer:
            widen(tensor)
        for value in [*graph.input, *graph.output, *graph.value_info]:
            if value.type.tensor_type.elem_type in narrow:
                value.type.tensor_type.elem_type = TensorProto.DOUBLE
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    widen(attribute.t)
                elif node.op_type == "Cast" and attribute.name == "to" and attribute.i in narrow:
                    attribute.i = TensorProto.DOUBLE
                elif node.op_type == "Constant" and attribute.name in ("value_float", "value_floats"):
                    data = np.array(attribute.f if attribute.name == "value_float" else list(attribute.floats), np.float64)
                    attribute.CopyFrom(helper.make_attribute("value", numpy_helper.from_array(data)))
            if node.op_type == "ConstantOfShape" and not node.attribute:
                node.attribute.append(helper.make_attribute("value", numpy_helper.from_array(np.zeros(1, np.float64))))
    return out


def modernised(model):
    """IR version 1 and 2 mean opset 1 without saying so, and give attributes no type."""
    if model.ir_version >= 3:
        return model
    out = onnx.ModelProto()
    out.CopyFrom(model)
    if not out.opset_import:
        out.opset_import.append(helper.make_opsetid("", 1))
    Kind = onnx.AttributeProto
    fields = [("floats", Kind.FLOATS), ("ints", Kind.INTS), ("strings", Kind.STRINGS), ("t", Kind.TENSOR),
              ("s", Kind.STRING), ("f", Kind.FLOAT), ("i", Kind.INT)]
    for graph in values.graphs(out.graph):
        for attribute in (a for n in graph.node for a in n.attribute if a.type == Kind.UNDEFINED):
            present = {field.name for field, _ in attribute.ListFields()}
            attribute.type = next((kind for name, kind in fields if name in present), Kind.INTS)
    return out


class Reference:
    def __init__(self, model, data, cache):
        """model: a ModelProto; data: its bytes, the key of the cache in the folder `cache`."""
        self.model = modernised(model)
        self.key = hashlib.sha256(data + pathlib.Path(__file__).read_bytes())
        self.cache = pathlib.Path(cache)

    def evaluate(self, feed, double=False):
        """Every output by the reference evaluator; an exception says why not."""
        key = self.key.copy()
        for name in sorted(feed):
            key.update(repr((double, name, np.shape(feed[name]), feed[name].dtype)).encode() + np.ascontiguousarray(feed[name]).tobytes())
        folder = self.cache / key.hexdigest()[:32]
        outputs = self.model.graph.output
        if not (folder / "complete").exists():
            model = to_double(self.model) if double else self.model
            if double:
                feed = {k: v.astype(np.float64) if values.is_float(v) else v for k, v in feed.items()}
            with np.errstate(all="ignore"):
                results = ReferenceEvaluator(model, new_ops=wanted_ops(model)).run(None, feed)
            folder.mkdir(parents=True, exist_ok=True)
            for k, (result, output) in enumerate(zip(results, outputs)):
                values.save(folder / f"output_{k}.pb", result, output.name)
            (folder / "complete").touch()
        return [values.load(p, o.type) for p, o in zip(values.numbered(folder, "output"), outputs)]
