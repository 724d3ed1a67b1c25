# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# com.microsoft against ONNX Runtime, which defines it.
import numpy as np


def run(t):
    f = t.floats
    ms = dict(domain="com.microsoft", peer="onnxruntime", atol=1e-4)

    def u8(*shape):
        return t.ints(0, 256, *shape, dtype=np.uint8)

    x, w, b = f(2, 3, 8), f(8, 24) / 4, f(24)
    rows = ((0, 0), (0, 1))
    past = f(2, 2, 2, 5, 4)
    t.check("ms attention", "Attention", [x, w, b], num_heads=2, symbolic=rows, **ms)
    t.check("ms attention past", "Attention", [x, w, b, None, past], outputs=2, num_heads=2, unidirectional=1, symbolic=((0, 1),), **ms)
    mask = np.array([[1] * 8, [0, 0] + [1] * 6], np.int32)
    t.check("ms attention mask", "Attention", [x, w, b, mask, past], outputs=2, num_heads=2, unidirectional=1, **ms)
    t.check("ms attention lengths", "Attention", [x, w, b, np.array([3, 2], np.int32)], num_heads=2, **ms)
    t.check("ms attention bias", "Attention", [x, w, b, None, None, f(2, 2, 3, 3)], num_heads=2, scale=0.5, **ms)
    q, k, v = f(2, 3, 8), f(2, 5, 8), f(2, 5, 8)
    t.check("mha", "MultiHeadAttention", [q, k, v, f(24)], num_heads=2, symbolic=((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)), **ms)
    t.check("mha mask", "MultiHeadAttention", [q, k, v, None, np.array([[1] * 5, [1, 1, 0, 0, 1]], np.int32)], num_heads=2, **ms)
    t.check("mha past", "MultiHeadAttention", [q, k, v, None, None, None, f(2, 2, 4, 4), f(2, 2, 4, 4)], outputs=3, num_heads=2, **ms)
    gq, gk, gv = f(2, 1, 32), f(2, 1, 16), f(2, 1, 16)
    cache = [f(2, 2, 4, 8), f(2, 2, 4, 8)]
    ends = [np.array([4, 4], np.int32), np.array(5, np.int32)]
    t.check("gqa", "GroupQueryAttention", [gq, gk, gv, *cache, *ends], outputs=3, num_heads=4, kv_num_heads=2, **ms)
    t.check("gqa rotary", "GroupQueryAttention", [f(2, 1, 64), f(2, 1, 32), f(2, 1, 32), f(2, 2, 4, 16), f(2, 2, 4, 16), *ends, f(9, 8), f(9, 8)],
            outputs=3, num_heads=4, kv_num_heads=2, do_rotary=1, **ms)
    t.check("gqa window", "GroupQueryAttention", [gq, gk, gv, *cache, *ends], outputs=3, num_heads=4, kv_num_heads=2,
            local_window_size=3, **ms)
    t.check("ms rotary", "RotaryEmbedding", [f(2, 3, 16), t.ints(0, 9, 2, 3), f(9, 4), f(9, 4)], num_heads=2, **ms)
    t.check("ms rotary start", "RotaryEmbedding", [f(2, 3, 16), np.array([2]), f(9, 4), f(9, 4)], interleaved=1, **ms)

    ids = t.ints(0, 10, 2, 4, dtype=np.int32)
    tables = [f(10, 8), f(6, 8), f(2, 8), f(8), f(8)]
    t.check("embed", "EmbedLayerNormalization", [ids, ids % 2, *tables], outputs=2, result_types={0: np.float32, 1: np.int32},
            **ms, epsilon=1e-5)
    t.check("embed positions", "EmbedLayerNormalization",
            [ids, None, tables[0], tables[1], None, *tables[3:], np.array([[1, 1, 1, 0], [1, 1, 0, 0]], np.int32), ids % 6],
            outputs=3, result_types={0: np.float32, 1: np.int32, 2: np.float32}, **ms)
    t.check("skip norm", "SkipLayerNormalization", [x, f(2, 3, 8), f(8), f(8), f(8)], outputs=4, omitted=(1, 2), symbolic=rows, **ms)
    t.check("skip rms", "SkipSimplifiedLayerNormalization", [x, f(2, 3, 8), f(8)], outputs=4, omitted=(1, 2), symbolic=rows, **ms)
    t.check("rms", "SimplifiedLayerNormalization", [x, f(8)], opset=17, peer="onnxruntime", symbolic=rows)
    for op in ("Gelu", "FastGelu", "QuickGelu"):
        t.check(op, op, [x], symbolic=rows, **ms)
    t.check("bias gelu", "BiasGelu", [x, f(8)], **ms)
    t.check("fast gelu bias", "FastGelu", [x, f(8)], **ms)
    t.check("fused matmul", "FusedMatMul", [f(2, 4, 3), f(2, 5, 4)], transA=1, transB=1, alpha=0.5, **ms)
    t.check("fused conv", "FusedConv", [f(1, 2, 5, 5), f(3, 2, 3, 3), f(3), f(1, 3, 3, 3)], activation="Relu", **ms)
    t.check("fused gemm", "FusedGemm", [f(3, 4), f(4, 5), f(5)], activation="Relu", alpha=0.5, **ms)
    for zero in (None, u8(5 * 1)):
        t.check(f"matmul 4 bits {zero is None}", "MatMulNBits", [f(3, 32), u8(5, 2, 8), f(10), None if zero is None else zero],
                frozen=(1, 3) if zero is not None else (1,), K=32, N=5, bits=4, block_size=16, **ms)

    def q8(*shape):  # a quantized tensor with its scale and zero point
        return [u8(*shape), np.float32(0.25), np.uint8(120)]

    out = [np.float32(1), np.uint8(100)]
    ms8 = dict(ms, result_types={0: np.uint8}, atol=1)  # ONNX Runtime rounds ties otherwise
    t.check("qlinear add", "QLinearAdd", [*q8(2, 3), *q8(3), *out], **ms8)
    t.check("qlinear mul", "QLinearMul", [*q8(2, 3), *q8(3), np.float32(16), np.uint8(100)], **ms8)
    t.check("qlinear sigmoid", "QLinearSigmoid", [*q8(2, 3), np.float32(1 / 256), np.uint8(0)], **ms8)
    t.check("qlinear leaky relu", "QLinearLeakyRelu", [*q8(2, 3), *out], alpha=0.25, **ms8)
    t.check("qlinear average", "QLinearAveragePool", [*q8(1, 2, 5, 5), *out], kernel_shape=[3, 3], pads=[1, 1, 0, 0], **ms8)
    t.check("qlinear global average", "QLinearGlobalAveragePool", [*q8(1, 3, 4, 2), *out], channels_last=1, **ms8)
    t.check("qlinear concat", "QLinearConcat", [*out, *q8(2, 3), *q8(2, 2)], axis=1, domain="com.microsoft",
            peer="onnxruntime", atol=1, result_types={0: np.uint8})
    t.check("nhwc maxpool", "NhwcMaxPool", [u8(1, 5, 6, 3)], kernel_shape=[2, 2], **ms8)
    t.check("integer to float", "MatMulIntegerToFloat", [u8(3, 4), u8(4, 5), np.float32(0.5), np.float32(0.25),
                                                          np.uint8(128), np.uint8(7), f(5)], **dict(ms, result_types={0: np.float32}))
    t.check("qgemm", "QGemm", [*q8(3, 4), *q8(4, 5), t.ints(-99, 99, 5, dtype=np.int32), np.float32(4), np.uint8(99)], **ms8)
    t.refuse("nbits codes", "MatMulNBits", [f(3, 32), u8(5, 2, 8), f(10)], 69, "B that is not a constant", K=32, N=5, bits=4,
             block_size=16, domain="com.microsoft")
