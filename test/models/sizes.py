"""Other sizes for the dynamic dimensions of a model: for each symbol 1 and a
prime larger than the size of the reference data, made from that data by
repeating or cropping it, with ONNX Runtime's outputs. A size that ONNX Runtime
refuses too (dimensions may be tied in ways the model doesn't declare) is tried
once more with every dynamic dimension of the same size, then left out.
"""
import numpy as np
import onnxruntime


def next_prime(n):
    n += 1
    while any(n % k == 0 for k in range(2, int(n**0.5) + 1)):
        n += 1
    return n


def symbols(inputs, feed):
    """Symbol -> the (input, axis) pairs that have it; unnamed ones stand alone."""
    found = {}
    for value in inputs:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            if not dim.HasField("dim_value") and value.name in feed:
                name = dim.dim_param or f"{value.name}[{axis}]"
                found.setdefault(name, []).append((value.name, axis))
    return found


def resized(feed, places, size):
    out = dict(feed)
    for name, axis in places:
        out[name] = np.ascontiguousarray(np.take(out[name], np.arange(size) % out[name].shape[axis], axis))
    return out


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def variants(path, inputs, feed):
    """Yields (label, feed, outputs), or (label, None, why) for a size that was left out."""
    dims = symbols(inputs, feed)
    if not dims:
        return
    runtime = session(path)
    size_of = {s: feed[places[0][0]].shape[places[0][1]] for s, places in dims.items()}
    done = set()
    for symbol, places in dims.items():
        old = size_of[symbol]
        alike = [p for s in dims if size_of[s] == old for p in dims[s]]
        for new in (1, next_prime(old)):
            if new == old:
                continue
            why = ""
            for label, where in ((symbol, places), (f"all dims of {old}", alike)):
                if (tuple(where), new) in done:
                    break
                try:
                    other = resized(feed, where, new)
                    outputs = runtime.run(None, other)
                except Exception as error:  # whatever ONNX Runtime says of the size
                    why = str(error).strip().splitlines()[0][:120]
                    continue
                done.add((tuple(where), new))
                yield f"{label}={new}", other, outputs
                break
            else:
                yield f"{symbol}={new}", None, f"ONNX Runtime refuses it: {why}"
