# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Quantization: scales per tensor, axis and block, and the QLinear ops.
import numpy as np


def run(t):
    f = t.floats

    def scales(*shape):
        return (t.ints(1, 8, *shape) / 16).astype("f")

    def u8(*shape):
        return t.ints(0, 256, *shape, dtype=np.uint8)

    def i8(*shape):
        return t.ints(-128, 128, *shape, dtype=np.int8)

    x = f(2, 3, 8) * 4
    batch = ((0, 0),)
    t.check("quantize default zero", "QuantizeLinear", [x, np.float32(0.25)], opset=13, symbolic=batch)
    t.check("quantize one-element scale", "QuantizeLinear", [x, scales(1), u8(1)], opset=10, symbolic=batch,
            peer="onnxruntime", result_types={0: np.uint8})
    t.check("quantize axis", "QuantizeLinear", [x, scales(3), i8(3)], opset=13, axis=1, symbolic=batch)
    t.check("quantize block", "QuantizeLinear", [x, scales(2, 3, 2), i8(2, 3, 2)], opset=21, axis=2, block_size=4)
    t.check("quantize i16", "QuantizeLinear", [x * 1000, np.float32(0.5), np.int16(9)], opset=21)
    t.check("dequantize axis", "DequantizeLinear", [i8(2, 3, 8), scales(8), i8(8)], opset=19, axis=-1, symbolic=batch)
    t.check("dequantize block", "DequantizeLinear", [i8(2, 3, 8), scales(2, 3, 2), i8(2, 3, 2)], opset=21, axis=2,
            block_size=4)
    t.check("dequantize partial block", "DequantizeLinear", [i8(2, 7), scales(2, 2), i8(2, 2)], opset=21, axis=1,
            block_size=4, peer="onnxruntime", result_types={0: np.float32})
    t.check("dequantize i32", "DequantizeLinear", [t.ints(-999, 999, 4, dtype=np.int32), np.float32(0.125)], opset=19)
    t.check("dynamic quantize", "DynamicQuantizeLinear", [x], outputs=3, opset=11, symbolic=batch)
    zero = [np.zeros((2, 2), np.uint8), np.float32(1), np.uint8(0)]
    t.check("dynamic quantize zeros", "DynamicQuantizeLinear", [np.zeros((2, 2), "f")], outputs=3, opset=11, want=zero)
    t.check("matmul integer", "MatMulInteger", [u8(2, 3, 4), u8(4, 5), np.uint8(12), u8(5)], opset=10, symbolic=batch)
    t.check("matmul integer plain", "MatMulInteger", [i8(3, 4), i8(4, 5)], opset=10, symbolic=batch)
    # Products of integers and powers of two: no tie is lost to rounding.
    t.check("qlinear matmul", "QLinearMatMul",
            [u8(3, 4), np.float32(0.25), np.uint8(120), u8(4, 5), np.float32(0.5), np.uint8(130), np.float32(64), np.uint8(100)],
            opset=10)
    t.check("qlinear conv", "QLinearConv",
            [u8(1, 2, 6, 6), np.float32(0.25), np.uint8(120), i8(3, 2, 3, 3), np.array([0.5, 0.25, 1], "f"),
             np.zeros(3, np.int8), np.float32(64), np.uint8(100), t.ints(-500, 500, 3, dtype=np.int32)],
            opset=10, pads=[1, 0, 0, 1], symbolic=((0, 0), (0, 2)))
    t.refuse("quantize scale", "QuantizeLinear", [x, scales(4)], 65, "scale has shape [4], want [3]", opset=13, axis=1)
    t.refuse("dequantize zero point", "DequantizeLinear", [u8(2, 2), np.float32(1), np.int8(0)], 65, "want the same")
    t.refuse("quantize block", "QuantizeLinear", [x, scales(2, 3, 3)], 65, "scale has shape [2, 3, 3], want [2, 3, 2]",
             opset=21, axis=2, block_size=4)
