"""Transformers, recurrent taggers and policies, as exporters write them."""
import numpy as np
from onnx import TensorProto

from zoo.net import Net


def layer_norm(net, x, width):
    """Before opset 17: nine nodes."""
    centred = net.op("Sub", x, net.op("ReduceMean", x, axes=[-1]))
    variance = net.op("ReduceMean", net.op("Pow", centred, net.scalar(2.0)), axes=[-1])
    y = net.op("Div", centred, net.op("Sqrt", net.op("Add", variance, net.scalar(1e-5))))
    scale = net.weight(net.rng.uniform(0.8, 1.2, width).astype(np.float32))
    return net.op("Add", net.op("Mul", y, scale), net.normal(width, fan=100))


def layer_norm_17(net, x, width):
    scale = net.weight(net.rng.uniform(0.8, 1.2, width).astype(np.float32))
    return net.op("LayerNormalization", x, scale, net.normal(width, fan=100), axis=-1, epsilon=1e-6)


def gelu_erf(net, x):
    e = net.op("Add", net.op("Erf", net.op("Div", x, net.scalar(np.sqrt(2)))), net.scalar(1))
    return net.op("Mul", net.op("Mul", x, e), net.scalar(0.5))


def gelu_tanh(net, x):
    cube = net.op("Mul", net.op("Pow", x, net.scalar(3.0)), net.scalar(0.044715))
    t = net.op("Tanh", net.op("Mul", net.op("Add", x, cube), net.scalar(np.sqrt(2 / np.pi))))
    return net.op("Mul", net.op("Mul", x, net.scalar(0.5)), net.op("Add", t, net.scalar(1)))


def attention(net, x, width, heads, mask=None, qkv_fused=False):
    """Multi-head attention whose reshapes compute their sizes from Shape, as PyTorch's dynamic export does."""
    size = width // heads
    shape = net.op("Shape", x)
    dim = lambda k: net.op("Unsqueeze", net.op("Gather", shape, net.scalar(k, np.int64), axis=0), net.ints(0))
    split = net.op("Concat", dim(0), dim(1), net.ints(heads), net.ints(size), axis=0)

    def heads_of(v, perm):
        return net.op("Transpose", net.op("Reshape", v, split), perm=perm)

    if qkv_fused:
        q, k, v = net.op("Split", net.linear(x, width, 3 * width), outputs=3, axis=-1)
    else:
        q, k, v = (net.linear(x, width, width) for _ in range(3))
    scores = net.op("MatMul", heads_of(q, [0, 2, 1, 3]), heads_of(k, [0, 2, 3, 1]))
    scores = net.op("Div", scores, net.scalar(np.sqrt(size)))
    if mask:
        scores = net.op("Add", scores, mask)
    y = net.op("MatMul", net.op("Softmax", scores, axis=-1), heads_of(v, [0, 2, 1, 3]))
    joined = net.op("Concat", dim(0), dim(1), net.ints(width), axis=0)
    y = net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3]), joined)
    return net.linear(y, width, width)


def bert(name="bert_mini", width=256, heads=4, layers=4, words=2000, sizes=(2, 23)):
    net = Net(name, 13)
    ids = net.input("input_ids", ["batch", "seq"], list(sizes), np.int64, words)
    mask = net.input("attention_mask", ["batch", "seq"], list(sizes), np.int64, 2)
    x = net.op("Gather", net.normal(words, width, fan=1), ids, axis=0)
    length = net.op("Slice", net.op("Shape", ids), net.ints(1), net.ints(2), net.ints(0))
    places = net.op("Slice", net.weight(np.arange(512, dtype=np.int64)), net.ints(0), length, net.ints(0))
    x = layer_norm(net, net.op("Add", x, net.op("Gather", net.normal(512, width, fan=1), places, axis=0)), width)
    m = net.op("Cast", net.op("Unsqueeze", net.op("Unsqueeze", mask, net.ints(1)), net.ints(2)), to=TensorProto.FLOAT)
    m = net.op("Mul", net.op("Sub", net.scalar(1), m), net.scalar(-10000.0))
    for _ in range(layers):
        x = layer_norm(net, net.op("Add", attention(net, x, width, heads, m), x), width)
        y = net.linear(gelu_erf(net, net.linear(x, width, 4 * width)), 4 * width, width)
        x = layer_norm(net, net.op("Add", y, x), width)
    first = net.op("Gather", x, net.scalar(0, np.int64), axis=1)
    net.output(x, "last_hidden_state", ["batch", "seq", width])
    net.output(net.op("Tanh", net.gemm(first, width, width)), "pooler_output", ["batch", width])
    return net


def vit(width=192, heads=3, layers=12):
    net = Net("vit_tiny", 17)
    x = net.input("pixel_values", ["batch", 3, 224, 224], [1, 3, 224, 224])
    x = net.op("Conv", x, net.normal(width, 3, 16, 16, fan=768), net.normal(width, fan=100), kernel_shape=[16, 16], strides=[16, 16])
    shape = net.op("Shape", x)
    batch = net.op("Slice", shape, net.ints(0), net.ints(1), net.ints(0))
    x = net.op("Reshape", x, net.op("Concat", batch, net.ints(width), net.ints(196), axis=0))
    x = net.op("Transpose", x, perm=[0, 2, 1])
    token = net.op("Expand", net.normal(1, 1, width, fan=1), net.op("Concat", batch, net.ints(1, width), axis=0))
    x = net.op("Add", net.op("Concat", token, x, axis=1), net.normal(1, 197, width, fan=1))
    for _ in range(layers):
        x = net.op("Add", attention(net, layer_norm_17(net, x, width), width, heads, qkv_fused=True), x)
        y = net.linear(layer_norm_17(net, x, width), width, 4 * width)
        x = net.op("Add", net.linear(gelu_tanh(net, y), 4 * width, width), x)
    first = net.op("Gather", layer_norm_17(net, x, width), net.scalar(0, np.int64), axis=1)
    net.output(net.gemm(first, width, 1000), "logits", ["batch", 1000])
    return net


def tagger(cell, gates):
    """Words to tags by a bidirectional recurrent layer, sequence length and batch dynamic."""
    width, hidden, words, tags = 64, 96, 3000, 17
    net = Net(f"{cell.lower()}_tagger", 14)
    ids = net.input("words", ["seq", "batch"], [19, 3], np.int64, words)
    x = net.op("Gather", net.normal(words, width, fan=4), ids, axis=0)
    for cin in (width, 2 * hidden):
        w = net.normal(2, gates * hidden, cin, fan=cin)
        r = net.normal(2, gates * hidden, hidden, fan=hidden)
        extra = {"linear_before_reset": 1} if cell == "GRU" else {}
        y = net.op(cell, x, w, r, net.normal(2, 2 * gates * hidden, fan=100), direction="bidirectional", hidden_size=hidden, **extra)
        x = net.op("Reshape", net.op("Transpose", y, perm=[0, 2, 1, 3]), net.ints(0, 0, -1))
    scores = net.linear(x, 2 * hidden, tags)
    net.output(net.op("LogSoftmax", scores, axis=-1), "scores", ["seq", "batch", tags])
    net.output(net.op("ArgMax", scores, axis=-1, keepdims=0), "tags", ["seq", "batch"], TensorProto.INT64)
    return net


def mlp_policy():
    net = Net("mlp_policy", 11)
    x = net.input("observation", ["n", 28], [5, 28])
    for cin in (28, 256):
        x = net.op("Tanh", net.gemm(x, cin, 256))
    net.output(net.clip(net.gemm(x, 256, 8), -1, 1), "action", ["n", 8])
    net.output(net.gemm(x, 256, 1), "value", ["n", 1])
    return net


def cnn_policy():
    net = Net("cnn_policy", 12)
    frames = net.input("frames", ["n", 4, 84, 84], [2, 4, 84, 84], np.uint8, 256)
    x = net.op("Div", net.op("Cast", frames, to=TensorProto.FLOAT), net.scalar(255))
    for cin, cout, k, s in ((4, 32, 8, 4), (32, 64, 4, 2), (64, 64, 3, 1)):
        x = net.relu(net.conv(x, cin, cout, k, s, p=0, bias=True))
    x = net.relu(net.gemm(net.op("Flatten", x), 3136, 512))
    q = net.gemm(x, 512, 6)
    net.output(q, "q", ["n", 6])
    net.output(net.op("ArgMax", q, axis=1, keepdims=0), "action", ["n"], TensorProto.INT64)
    return net


MODELS = {
    "bert_mini": bert, "vit_tiny": vit, "mlp_policy": mlp_policy, "cnn_policy": cnn_policy,
    "lstm_tagger": lambda: tagger("LSTM", 4), "gru_tagger": lambda: tagger("GRU", 3),
}

# Too large for the tests: the benchmark only. Two of BERT-base's twelve layers.
LARGE = {"bert_base_2": lambda: bert("bert_base_2", 768, 12, 2, 2000, (1, 128))}
