# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# com.microsoft against ONNX Runtime, which defines it.
import numpy as np

from harness import build, run_onnxruntime


def pack(codes, bits):
    """Codes as a stream of bits along the last axis, the low ones first."""
    stream = ((codes[..., None] >> np.arange(bits)) & 1).reshape(*codes.shape[:-1], -1)
    return np.packbits(stream.astype(np.uint8), axis=-1, bitorder="little")


def quantized(t, experts, rows, cols, bits, block, zeros):
    """Packed codes, their scales, zero points or None, and the weight they stand for."""
    blocks = cols // (block or cols)
    codes = t.ints(0, 1 << bits, experts, rows, cols, dtype=np.uint8)
    scales = t.ints(1, 9, experts, rows, blocks).astype(np.float32) / 64
    points = t.ints(0, 1 << bits, experts, rows, blocks, dtype=np.uint8) if zeros else np.full((experts, rows, blocks), 1 << (bits - 1), np.uint8)
    weight = (codes.reshape(experts, rows, blocks, -1).astype(np.float32) - points[..., None]) * scales[..., None]
    if not block:
        scales, points = scales[..., 0], points[..., 0]
    return pack(codes, bits), scales, pack(points, bits) if zeros else None, weight.reshape(experts, rows, cols)


def in_float(inputs, **attributes):
    """ONNX Runtime's MoE."""
    model = build("MoE", inputs, domain="com.microsoft", **attributes)
    model.graph.output[0].type.tensor_type.elem_type = 1
    return run_onnxruntime(model, {f"x{i}": v for i, v in enumerate(inputs)})


def mixtures(t, f, ms):
    T, H, I, E = 5, 32, 64, 4
    x, router, b1, b2 = f(T, H), t.rng.permuted(np.arange(T * E, dtype=np.float32)).reshape(T, E) / 8, f(E, I), f(E, H)
    w1, w2 = f(E, I, H) / 4, f(E, H, I) / 4
    tokens = ((0, 0), (1, 0))
    for activation in ("relu", "gelu", "silu", "identity"):
        t.check("moe " + activation, "MoE", [x, router, w1, b1, w2, b2], k=2, activation_type=activation, symbolic=tokens, **ms)
    t.check("moe normalized", "MoE", [x, router, w1, b1, w2, b2], k=3, normalize_routing_weights=1, **ms)
    t.check("moe one token", "MoE", [x[:1], router[:1], w1, None, w2], k=1, frozen=(2, 4), **ms)
    t.check("moe all experts", "MoE", [x.reshape(1, T, H), router, w1, b1, w2], k=4, frozen=(2, 3, 4), **ms)
    wide, bias = f(E, 2 * I, H) / 4, f(E, 2 * I)
    gated = dict(k=2, activation_type="swiglu", activation_alpha=1.702, activation_beta=1.0, swiglu_limit=0.5)
    t.check("moe swiglu", "MoE", [x, router, wide, bias, w2, b2], swiglu_fusion=1, symbolic=tokens, **gated, **ms)
    # ONNX Runtime's CPU provider has the interleaved form only; the others say the same.
    parts = wide.reshape(E, I, 2, H).transpose(2, 0, 1, 3).copy(), bias.reshape(E, I, 2).transpose(2, 0, 1).copy()
    want = in_float([x, router, wide, bias, w2, b2], swiglu_fusion=1, **gated)
    t.check("moe swiglu apart", "MoE", [x, router, parts[0][0], parts[1][0], w2, b2, parts[0][1], parts[1][1]], want=want, **gated, **ms)
    t.check("moe swiglu halves", "MoE", [x, router, np.concatenate(parts[0], 1), np.concatenate(parts[1], 1), w2, b2], swiglu_fusion=2,
            want=want, **gated, **ms)
    t.refuse("moe k", "MoE", [x, router, w1, b1, w2], 65, "k is 5", k=5, domain="com.microsoft")
    t.refuse("moe sparse mixer", "MoE", [x, router, w1, b1, w2], 69, "use_sparse_mixer", use_sparse_mixer=1, domain="com.microsoft")
    t.refuse("moe shape", "MoE", [x, router, w1[:3], b1, w2], 65, "fc1 has the shape [3, 64, 32], want [4, 64, 32]", domain="com.microsoft")

    scales = tuple(range(2, 14))
    for bits in (2, 4, 8):
        for block in (0, 16, 32):
            for zeros in (False, True):
                q1, s1, z1, w1 = quantized(t, E, I, H, bits, block, zeros)
                q2, s2, z2, w2 = quantized(t, E, H, I, bits, block, zeros)
                # ONNX Runtime rounds the activations to int8 for 8 bits in blocks.
                want = in_float([x, router, w1, b1, w2, b2], k=2, normalize_routing_weights=1) if bits == 8 and block else None
                t.check(f"qmoe {bits} {block} {zeros}", "QMoE", [x, router, q1, s1, b1, q2, s2, b2, None, None, None, z1, z2],
                        frozen=scales, want=want, k=2, expert_weight_bits=bits, rtol=1e-4, **(dict(block_size=block) if block else {}), **ms)
    mix = np.abs(f(T, E)) + 1
    q1, s1, z1, _ = quantized(t, E, 2 * I, H, 4, 32, True)
    q2, s2, z2, _ = quantized(t, E, H, I, 4, 32, True)
    blocked = dict(expert_weight_bits=4, block_size=32, rtol=1e-4, frozen=scales, **ms)
    for normalize in (0, 1):
        t.check(f"qmoe router weights {normalize}", "QMoE", [x, router, q1, s1, bias, q2, s2, b2, None, None, None, z1, z2, None, mix],
                swiglu_fusion=1, normalize_routing_weights=normalize, **gated, **blocked)
    # Three bits: what the same weights in float give.
    q1, s1, z1, w1 = quantized(t, E, I, H, 3, 32, False)
    q2, s2, z2, w2 = quantized(t, E, H, I, 3, 32, False)
    want = in_float([x, router, w1, b1, w2, b2], k=2, normalize_routing_weights=1)
    t.check("qmoe 3 bits", "QMoE", [x, router, q1, s1, b1, q2, s2, b2], want=want, k=2, **(blocked | dict(expert_weight_bits=3)))
    t.refuse("qmoe fp8", "QMoE", [x, router, q1, s1, b1, q2, s2], 69, "quant_type 'fp8'", quant_type="fp8", domain="com.microsoft")


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

    mixtures(t, f, ms)

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
    logits = [u8(2, 3, 5), np.float32(1 / 32), np.uint8(120)]
    for opset, axis in ((13, -1), (13, 1), (12, 1)):
        t.check(f"qlinear softmax {opset} {axis}", "QLinearSoftmax", [*logits, np.float32(1 / 256), np.uint8(0)], axis=axis, extra={"opset": opset},
                symbolic=((0, 0), (0, 2)), **ms8)
    t.check("qlinear where", "QLinearWhere", [t.ints(0, 2, 2, 3).astype(bool), *q8(2, 3), *q8(3), np.float32(0.5), np.uint8(100)], **ms8)
    t.check("qgemm", "QGemm", [*q8(3, 4), *q8(4, 5), t.ints(-99, 99, 5, dtype=np.int32), np.float32(4), np.uint8(99)], **ms8)
    t.refuse("nbits codes", "MatMulNBits", [f(3, 32), u8(5, 2, 8), f(10)], 69, "B that is not a constant", K=32, N=5, bits=4,
             block_size=16, domain="com.microsoft")
