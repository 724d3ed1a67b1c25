"""Values of ONNX models in files, and the comparison of two of them.

The tolerances are RELIABILITY's "external goldens": an elementwise bound
(atol x rms of the reference + rtol x |reference|) and the cosine of the whole
output, by the precision the model computes in; everything else is exact.
"""
import pathlib
import re

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper


def read_tolerances():
    """precision -> rtol, atol (times rms), least cosine, from the one file that holds them."""
    table = pathlib.Path(__file__).parents[2] / "runtime" / "compare" / "Compare.cpp"
    rows = re.findall(r"case DType::(F32|F16|BF16):[^{}]*return \{([^}]*)\};", table.read_text())
    found = {name.lower(): tuple(float(v) for v in numbers.split(",")) for name, numbers in rows}
    assert found.keys() == {"f32", "f16", "bf16"}, f"{table}: found tolerances of {sorted(found)}"
    return found


TOLERANCES = read_tolerances()
QUANTIZED = {"QuantizeLinear", "DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}


def graphs(graph):
    """A graph and every one inside it."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in ([attribute.g] if attribute.HasField("g") else []) + list(attribute.graphs):
                yield from graphs(inner)


def precision(model):
    """The coarsest float type the model computes in."""
    kinds = {v.type.tensor_type.elem_type for v in [*model.graph.input, *model.graph.output]}
    kinds |= {a.i for g in graphs(model.graph) for n in g.node if n.op_type == "Cast" for a in n.attribute if a.name == "to"}
    if TensorProto.BFLOAT16 in kinds:
        return "bf16"
    return "f16" if TensorProto.FLOAT16 in kinds else "f32"


def is_quantized(model):
    return any(n.op_type in QUANTIZED or n.op_type.startswith("QLinear") for g in graphs(model.graph) for n in g.node)


def is_float(array):
    return np.asarray(array).dtype.kind == "f" or str(np.asarray(array).dtype) == "bfloat16"


def map_value(message):
    keys = [k.decode() for k in message.string_keys] or list(message.keys)
    numbers = [numpy_helper.to_array(v).ravel() for v in message.values.tensor_values]
    return dict(zip(keys, np.concatenate(numbers).tolist() if numbers else []))


def map_message(value):
    """The MapProto of a dict from integers or strings to f32: one scalar tensor for each key."""
    message = onnx.MapProto()
    if value and all(isinstance(k, str) for k in value):
        message.key_type = TensorProto.STRING
        message.string_keys.extend(k.encode() for k in value)
    else:
        message.key_type = TensorProto.INT64
        message.keys.extend(int(k) for k in value)
    message.values.elem_type = onnx.SequenceProto.TENSOR
    message.values.tensor_values.extend(numpy_helper.from_array(np.float32(v)) for v in value.values())
    return message


def load(path, declared):
    """The value in a .pb file, of the type the model declares (a TypeProto)."""
    data = pathlib.Path(path).read_bytes()
    kind = declared.WhichOneof("value")
    if kind == "sequence_type":
        message = onnx.SequenceProto.FromString(data)
        if message.elem_type == onnx.SequenceProto.MAP:
            return [map_value(m) for m in message.map_values]
        return numpy_helper.to_list(message)
    if kind == "map_type":
        return map_value(onnx.MapProto.FromString(data))
    if kind == "optional_type":
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(data))
    return numpy_helper.to_array(TensorProto.FromString(data))


def save(path, value, name):
    """Writes a tensor, or a sequence of tensors or maps, as the .pb of its kind."""
    if isinstance(value, list):
        message = onnx.SequenceProto(name=name)
        if value and isinstance(value[0], dict):
            message.elem_type = onnx.SequenceProto.MAP
            message.map_values.extend(map_message(v) for v in value)
        else:
            message.elem_type = onnx.SequenceProto.TENSOR
            message.tensor_values.extend(numpy_helper.from_array(np.asarray(v)) for v in value)
    else:
        value = np.asarray(value)
        message = numpy_helper.from_array(value.astype(object) if value.dtype.kind in "US" else value, name)
    pathlib.Path(path).write_bytes(message.SerializeToString())


def numbered(folder, stem):
    """The files stem_0.pb, stem_1.pb, ... of a folder, by number."""
    found = {int(m.group(1)): p for p in pathlib.Path(folder).glob(f"{stem}_*.pb") if (m := re.search(r"_(\d+)\.pb$", p.name))}
    return [found[k] for k in sorted(found)]


def compare(got, ref, kind, quantized=False):
    """Why `got` is not `ref` within the tolerances of `kind`; '' when it is."""
    if isinstance(ref, dict):
        if not isinstance(got, dict) or got.keys() != ref.keys():
            return f"found keys {sorted(got)[:8]}, wanted {sorted(ref)[:8]}"
        return compare(np.array([got[k] for k in sorted(ref)]), np.array([ref[k] for k in sorted(ref)]), kind, quantized)
    if isinstance(ref, list):
        if not isinstance(got, list) or len(got) != len(ref):
            return f"found {len(got)} elements, wanted {len(ref)}"
        return next((f"element {k}: {why}" for k, (g, r) in enumerate(zip(got, ref)) if (why := compare(g, r, kind, quantized))), "")
    got, ref = np.asarray(got), np.asarray(ref)
    if got.shape != ref.shape:
        return f"found shape {list(got.shape)}, wanted {list(ref.shape)}"
    if got.dtype != ref.dtype and ref.dtype.kind not in "OUS":
        return f"found dtype {got.dtype}, wanted {ref.dtype}"
    if ref.size == 0:
        return ""
    if ref.dtype.kind in "OUS":
        text = lambda a: [v.decode() if isinstance(v, bytes) else str(v) for v in a.ravel()]
        return "" if text(got) == text(ref) else f"found {text(got)[:4]}, wanted {text(ref)[:4]}"
    if ref.dtype.kind in "iub":
        off = np.abs(got.astype(np.int64) - ref.astype(np.int64))
        # Another runtime may round a tie the other way: one step, and rarely.
        if quantized and ref.dtype.itemsize == 1 and off.max() <= 1 and np.mean(off != 0) <= 0.01:
            return ""
        at = np.unravel_index(off.argmax(), off.shape)
        return "" if not off.any() else f"{np.count_nonzero(off)} of {off.size} differ; at {list(map(int, at))} found {got[at]}, wanted {ref[at]}"
    return compare_floats(got.astype(np.float64), ref.astype(np.float64), kind)


def compare_floats(got, ref, kind):
    rtol, atol, least = TOLERANCES[kind]
    finite = np.isfinite(ref)
    same = np.where(finite, True, (np.isnan(got) & np.isnan(ref)) | (got == ref))
    rms = np.sqrt(np.mean(ref[finite] ** 2)) if finite.any() else 0.0
    with np.errstate(invalid="ignore"):
        excess = np.where(finite, np.abs(got - ref) - (atol * rms + rtol * np.abs(ref)), 0)
    bad = ~same | ~(excess <= 0)
    if bad.any():
        at = np.unravel_index(np.where(np.isnan(excess), np.inf, np.where(same, excess, np.inf)).argmax(), ref.shape)
        with np.errstate(invalid="ignore"):
            largest = np.nanmax(np.abs(np.where(finite, got - ref, 0)))
        return (f"{np.count_nonzero(bad)} of {ref.size} differ; at {list(map(int, at))} found {got[at]:.7g}, wanted {ref[at]:.7g}"
                f" (largest difference {largest:.2g}, rms {rms:.2g})")
    norm = np.linalg.norm(got[finite]) * np.linalg.norm(ref[finite])
    cosine = float(np.dot(got[finite].ravel(), ref[finite].ravel()) / norm) if norm else 1.0
    return "" if cosine >= least else f"cosine {cosine:.7f}, wanted at least {least}"


def nearer(got, ref, truth):
    """Whether `got` is as near to the f64 truth as an evaluation in the model's own types may be: RELIABILITY's
    layer 3, error <= 2 x the reference's error plus rounding, in the largest element and in the mean square."""
    got, ref, truth = (np.asarray(v, np.float64) for v in (got, ref, truth))
    if not got.shape == ref.shape == truth.shape or not np.isfinite(got).all():
        return False
    rounding = 2.0**-23 * np.abs(truth).max(initial=0)
    mine, theirs = np.abs(got - truth), np.abs(ref - truth)
    rms = lambda e: np.sqrt(np.mean(e * e))
    return mine.max(initial=0) <= 2 * theirs.max(initial=0) + rounding and rms(mine) <= 2 * rms(theirs) + rounding


def write_case(model, inputs, outputs, folder):
    """model.onnx and test_data_set_0 with these arrays, in the order of the graph."""
    data = folder / "test_data_set_0"
    data.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    for kind, infos, arrays in (("input", model.graph.input, inputs), ("output", model.graph.output, outputs)):
        for k, (info, array) in enumerate(zip(infos, arrays)):
            save(data / f"{kind}_{k}.pb", array, info.name)
    return folder
