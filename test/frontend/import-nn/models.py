# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Writes the model NAME of the lit tests beside it. Usage: models.py NAME FILE
import sys

import numpy as np
import onnx

from harness import build

RNG = np.random.default_rng(3)


def f(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def i(*shape):
    return np.zeros(shape, np.int64)


ML = dict(domain="ai.onnx.ml", opset=3)
TREES = dict(nodes_treeids=[0, 0, 0], nodes_nodeids=[0, 1, 2], nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"],
             nodes_featureids=[1, 0, 0], nodes_values=[0.5, 0.0, 0.0], nodes_truenodeids=[2, 0, 0],
             nodes_falsenodeids=[1, 0, 0], class_treeids=[0, 0], class_nodeids=[1, 2], class_ids=[0, 0],
             class_weights=[0.25, 0.75])

MODELS = {
    "conv_same": lambda: build("Conv", [f(2, 3, 7, 8), f(4, 3, 3, 3), f(4)], auto_pad="SAME_UPPER", strides=[2, 2],
                               frozen=(1, 2), symbolic=((0, 2),)),
    "maxpool_ceil": lambda: build("MaxPool", [f(1, 2, 7, 7)], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1],
                                  ceil_mode=1, symbolic=((0, 2),)),
    "batchnorm": lambda: build("BatchNormalization", [f(2, 3, 4), f(3), f(3), f(3), f(3)]),
    "global_average": lambda: build("GlobalAveragePool", [f(2, 3, 4, 5)], symbolic=((0, 2),)),
    "attention_grouped": lambda: build("Attention", [f(1, 4, 3, 8), f(1, 2, 5, 8), f(1, 2, 5, 8)], opset=23,
                                       symbolic=((1, 2), (2, 2))),
    "stft": lambda: build("STFT", [f(1, 64, 1), np.int64(8), f(16)], opset=17, frozen=(1, 2), symbolic=((0, 1),)),
    "lstm_bidirectional": lambda: build("LSTM", [f(5, 1, 4), f(2, 24, 4), f(2, 24, 6)], outputs=2, hidden_size=6,
                                        direction="bidirectional", symbolic=((0, 0),)),
    "gru_linear": lambda: build("GRU", [f(5, 1, 4), f(1, 18, 4), f(1, 18, 6), f(1, 36)], hidden_size=6,
                                linear_before_reset=1),
    "quantize_axis": lambda: build("QuantizeLinear", [f(2, 3, 4), f(3)], opset=13, axis=1),
    "dequantize_block": lambda: build("DequantizeLinear", [np.zeros((2, 8), np.int8), f(2, 2)], opset=21, axis=1,
                                      block_size=4),
    "qlinear_matmul": lambda: build("QLinearMatMul", [np.zeros((2, 4), np.uint8), np.float32(1), np.uint8(0),
                                                      np.zeros((4, 3), np.uint8), np.float32(1), np.uint8(0),
                                                      np.float32(1), np.uint8(0)], opset=10),
    "tree_binary": lambda: build("TreeEnsembleClassifier", [f(2, 2)], outputs=2, classlabels_strings=["no", "yes"],
                                 symbolic=((0, 0),), **ML, **TREES),
    "zip_map": lambda: build("ZipMap", [f(2, 2)], classlabels_strings=["no", "yes"], **ML),
    "ms_attention": lambda: build("Attention", [f(1, 3, 8), f(8, 24), f(24), None, f(2, 1, 2, 5, 4)], outputs=2,
                                  num_heads=2, unidirectional=1, domain="com.microsoft", symbolic=((0, 1), (4, 3))),
    "matmul_nbits": lambda: build("MatMulNBits", [f(3, 32), np.full((5, 2, 8), 0x21, np.uint8), f(10)], frozen=(1, 2),
                                  K=32, N=5, bits=4, block_size=16, domain="com.microsoft"),
    "crop": lambda: build("Crop", [f(1, 3, 6, 7)], opset=7, border=[1, 2, 3, 0], symbolic=((0, 2),)),
}

if __name__ == "__main__":
    onnx.save(MODELS[sys.argv[1]](), sys.argv[2])
