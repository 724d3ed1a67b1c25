"""Trains the digits network and writes digits.onnx and images/ beside itself.

Needs numpy, onnx and scikit-learn (for its copy of the UCI digits data); the
tree's set-up doesn't install the last, since nothing else needs it:
    python3 -m venv v && v/bin/pip install numpy onnx scikit-learn && v/bin/python train.py
A fifth of the 1,797 images is held out (stratified, seed 0) and never trained
on; the accuracy printed is on those, by the ONNX reference evaluator.
"""
import pathlib
import struct
import zlib

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = pathlib.Path(__file__).parent
EPOCHS, BATCH, RATE, EPSILON = 60, 64, 2e-3, 1e-5


def patches(x):
    """NCHW -> (N, H, W, C*9): the 3x3 neighbourhoods, zero-padded by one."""
    n, c, h, w = x.shape
    p = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    cols = [p[:, :, i:i + h, j:j + w] for i in range(3) for j in range(3)]
    return np.stack(cols, axis=2).reshape(n, c * 9, h, w).transpose(0, 2, 3, 1)


def unpatch(g, channels):
    """The transpose of patches: adds each neighbourhood's gradient back."""
    n, h, w, _ = g.shape
    g = g.transpose(0, 3, 1, 2).reshape(n, channels, 9, h, w)
    p = np.zeros((n, channels, h + 2, w + 2), g.dtype)
    for k in range(9):
        i, j = divmod(k, 3)
        p[:, :, i:i + h, j:j + w] += g[:, :, k]
    return p[:, :, 1:-1, 1:-1]


class Network:
    """Conv 1->8, BatchNorm, Relu, Conv 8->16, Relu, MaxPool 2, Gemm 256->32, Relu, Gemm 32->10."""

    def __init__(self, rng):
        def he(*shape, fan):
            return (rng.standard_normal(shape) * np.sqrt(2 / fan)).astype(np.float32)
        zero = lambda n: np.zeros(n, np.float32)
        self.p = {
            "conv1.weight": he(8, 9, fan=9), "bn.scale": np.ones(8, np.float32), "bn.bias": zero(8),
            "conv2.weight": he(16, 72, fan=72), "conv2.bias": zero(16),
            "fc1.weight": he(32, 256, fan=256), "fc1.bias": zero(32),
            "fc2.weight": he(10, 32, fan=32), "fc2.bias": zero(10),
        }
        self.mean, self.var = zero(8), np.ones(8, np.float32)
        self.m = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.v = {k: np.zeros_like(v) for k, v in self.p.items()}
        self.t = 0

    def step(self, x, labels, rate):
        """One step of Adam on the cross-entropy of a batch; returns the loss."""
        p, n, g = self.p, len(x), {}
        c1 = patches(x)
        a = c1 @ p["conv1.weight"].T                             # N 8 8 8(channels last)
        mean, var = a.mean((0, 1, 2)), a.var((0, 1, 2))
        self.mean += 0.1 * (mean - self.mean)
        self.var += 0.1 * (var - self.var)
        inv = 1 / np.sqrt(var + EPSILON)
        norm = (a - mean) * inv
        r1 = np.maximum(norm * p["bn.scale"] + p["bn.bias"], 0)
        c2 = patches(r1.transpose(0, 3, 1, 2))
        r2 = np.maximum(c2 @ p["conv2.weight"].T + p["conv2.bias"], 0)
        windows = r2.reshape(n, 4, 2, 4, 2, 16).transpose(0, 5, 1, 3, 2, 4).reshape(n, 16, 4, 4, 4)
        best = windows.argmax(-1)
        flat = windows.max(-1).reshape(n, 256)
        h = np.maximum(flat @ p["fc1.weight"].T + p["fc1.bias"], 0)
        z = h @ p["fc2.weight"].T + p["fc2.bias"]
        z -= z.max(1, keepdims=True)
        prob = np.exp(z) / np.exp(z).sum(1, keepdims=True)
        loss = -np.log(prob[np.arange(n), labels] + 1e-12).mean()

        dz = prob.copy()
        dz[np.arange(n), labels] -= 1
        dz /= n
        g["fc2.weight"], g["fc2.bias"] = dz.T @ h, dz.sum(0)
        dh = (dz @ p["fc2.weight"]) * (h > 0)
        g["fc1.weight"], g["fc1.bias"] = dh.T @ flat, dh.sum(0)
        dpool = (dh @ p["fc1.weight"]).reshape(n, 16, 4, 4)
        dw = np.zeros_like(windows)
        np.put_along_axis(dw, best[..., None], dpool[..., None], -1)
        dr2 = dw.reshape(n, 16, 4, 4, 2, 2).transpose(0, 2, 4, 3, 5, 1).reshape(n, 8, 8, 16) * (r2 > 0)
        g["conv2.weight"] = np.tensordot(dr2, c2, ((0, 1, 2), (0, 1, 2)))
        g["conv2.bias"] = dr2.sum((0, 1, 2))
        db = unpatch(dr2 @ p["conv2.weight"], 8).transpose(0, 2, 3, 1) * (r1 > 0)
        g["bn.scale"], g["bn.bias"] = (db * norm).sum((0, 1, 2)), db.sum((0, 1, 2))
        dn = db * p["bn.scale"]
        da = inv * (dn - dn.mean((0, 1, 2)) - norm * (dn * norm).mean((0, 1, 2)))
        g["conv1.weight"] = np.tensordot(da, c1, ((0, 1, 2), (0, 1, 2)))

        self.t += 1
        for k, grad in g.items():
            self.m[k] += 0.1 * (grad - self.m[k])
            self.v[k] += 0.001 * (grad * grad - self.v[k])
            p[k] -= rate * (self.m[k] / (1 - 0.9**self.t)) / (np.sqrt(self.v[k] / (1 - 0.999**self.t)) + 1e-8)
        return loss

    def onnx(self):
        p = {k: v.astype(np.float32) for k, v in self.p.items()}
        p["conv1.weight"] = p["conv1.weight"].reshape(8, 1, 3, 3)
        p["conv2.weight"] = p["conv2.weight"].reshape(16, 8, 3, 3)
        p["bn.mean"], p["bn.var"] = self.mean.astype(np.float32), self.var.astype(np.float32)
        node = helper.make_node
        nodes = [
            node("Conv", ["image", "conv1.weight"], ["c1"], "conv1", kernel_shape=[3, 3], pads=[1] * 4),
            node("BatchNormalization", ["c1", "bn.scale", "bn.bias", "bn.mean", "bn.var"], ["b1"], "bn", epsilon=EPSILON),
            node("Relu", ["b1"], ["r1"], "relu1"),
            node("Conv", ["r1", "conv2.weight", "conv2.bias"], ["c2"], "conv2", kernel_shape=[3, 3], pads=[1] * 4),
            node("Relu", ["c2"], ["r2"], "relu2"),
            node("MaxPool", ["r2"], ["m"], "pool", kernel_shape=[2, 2], strides=[2, 2]),
            node("Flatten", ["m"], ["f"], "flatten"),
            node("Gemm", ["f", "fc1.weight", "fc1.bias"], ["g1"], "fc1", transB=1),
            node("Relu", ["g1"], ["r3"], "relu3"),
            node("Gemm", ["r3", "fc2.weight", "fc2.bias"], ["g2"], "fc2", transB=1),
            node("Softmax", ["g2"], ["probabilities"], "softmax", axis=1),
        ]
        graph = helper.make_graph(
            nodes, "digits",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
            [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [1, 10])],
            [numpy_helper.from_array(v, k) for k, v in p.items()],
            doc_string="A handwritten digit, 8x8, 0 (paper) to 1 (ink), to ten probabilities.")
        model = helper.make_model(graph, producer_name="smelt-example", ir_version=10,
                                  opset_imports=[helper.make_opsetid("", 22)])
        onnx.checker.check_model(model, full_check=True)
        return model


def write_png(path, grey):
    """An 8-bit greyscale PNG of a 2-d uint8 array."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\0" + bytes(row) for row in grey)
    height, width = grey.shape
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
                     + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b""))


def shifted(x, rng):
    """Each image moved by -1, 0 or 1 pixel in both directions."""
    out = np.zeros_like(x)
    for k, (i, j) in enumerate(rng.integers(-1, 2, (len(x), 2))):
        out[k, 0, max(i, 0):8 + min(i, 0), max(j, 0):8 + min(j, 0)] = \
            x[k, 0, max(-i, 0):8 + min(-i, 0), max(-j, 0):8 + min(-j, 0)]
    return out


def main():
    data = load_digits()
    grey = np.rint(data.images * (255 / 16)).astype(np.uint8)   # what a PNG holds
    x = (grey.astype(np.float32) / 255)[:, None]
    train, held = train_test_split(np.arange(len(x)), test_size=0.2, random_state=0, stratify=data.target)
    rng = np.random.default_rng(0)
    net = Network(rng)
    for epoch in range(EPOCHS):
        order = rng.permutation(train)
        rate = RATE * (1 + np.cos(np.pi * epoch / EPOCHS)) / 2
        losses = []
        for at in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[at:at + BATCH]
            images = shifted(x[batch], rng) if epoch < EPOCHS - 10 else x[batch]
            losses.append(net.step(images, data.target[batch], rate))
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: loss {np.mean(losses):.4f}")
    model = net.onnx()
    onnx.save(model, HERE / "digits.onnx")

    evaluator = ReferenceEvaluator(model)
    answers = np.array([evaluator.run(None, {"image": x[k:k + 1]})[0].argmax() for k in held])
    right = int((answers == data.target[held]).sum())
    print(f"held-out accuracy: {right} of {len(held)} = {right / len(held):.2%}")

    (HERE / "images").mkdir(exist_ok=True)
    lines = ["image\tlabel\n"]
    for digit in range(10):  # the first held-out image of each digit, whatever the network says of it
        k = next(k for k in held if data.target[k] == digit)
        write_png(HERE / "images" / f"{digit}.png", grey[k])
        lines.append(f"{digit}.png\t{digit}\n")
    (HERE / "images" / "labels.tsv").write_text("".join(lines))


if __name__ == "__main__":
    main()
