# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
# Convolutions, pools, norms, attention, signal ops, legacy ops.
import numpy as np


def run(t):
    f = t.floats
    image = ((0, 0), (0, 2), (0, 3))  # symbolic dims of an image

    # Sizes and pads of convolutions follow from symbolic sizes.
    for mode in ("SAME_UPPER", "SAME_LOWER", "VALID"):
        t.check(f"conv {mode}", "Conv", [f(2, 3, 7, 8), f(4, 3, 3, 2)], auto_pad=mode, strides=[2, 3], symbolic=image)
    t.check("conv 1d dilated", "Conv", [f(1, 4, 19), f(6, 2, 3), f(6)], group=2, dilations=[3], pads=[2, 1],
            symbolic=((0, 2),))
    t.check("conv 3d", "Conv", [f(1, 2, 4, 5, 6), f(3, 2, 2, 2, 2), f(3)], strides=[1, 2, 1], pads=[0, 1, 0, 1, 1, 0])
    t.check("conv integer", "ConvInteger", [t.ints(0, 255, 1, 2, 5, 5, dtype=np.uint8),
                                            t.ints(0, 255, 3, 2, 3, 3, dtype=np.uint8), np.uint8(7)], pads=[1, 1, 1, 1])
    t.check("conv transpose pads", "ConvTranspose", [f(1, 4, 5, 6), f(4, 3, 3, 2), f(6)], group=2, strides=[2, 3],
            pads=[1, 0, 0, 1], output_padding=[1, 2], symbolic=image, peer="onnxruntime")
    t.check("conv transpose shape", "ConvTranspose", [f(1, 2, 4, 4), f(2, 3, 3, 3)], strides=[2, 2],
            output_shape=[8, 9], auto_pad="SAME_UPPER")
    t.check("conv transpose same", "ConvTranspose", [f(1, 2, 4, 5), f(2, 3, 3, 4)], strides=[2, 2],
            auto_pad="SAME_LOWER", symbolic=image)

    # In ceil mode no window starts in the right padding; the indices count in the whole tensor.
    t.check("maxpool ceil", "MaxPool", [f(1, 2, 7, 10)], kernel_shape=[3, 2], strides=[2, 3], pads=[1, 0, 1, 1],
            ceil_mode=1, symbolic=image, peer="onnxruntime")
    t.check("maxpool indices", "MaxPool", [np.random.default_rng(1).permutation(60).reshape(1, 2, 5, 6).astype("f")],
            outputs=2, kernel_shape=[2, 3], dilations=[2, 1], peer="onnxruntime", result_types={1: np.int64}, symbolic=image)
    t.check("maxpool column major", "MaxPool", [np.random.default_rng(1).permutation(60).reshape(1, 2, 5, 6).astype("f")],
            outputs=2, kernel_shape=[2, 3], storage_order=1, peer="onnxruntime", result_types={1: np.int64})
    for include in (0, 1):
        t.check(f"averagepool pads {include}", "AveragePool", [f(1, 2, 7, 10)], kernel_shape=[3, 2], strides=[2, 3],
                pads=[1, 0, 1, 1], ceil_mode=1, count_include_pad=include, opset=19, symbolic=image, peer="onnxruntime")
    t.check("lppool 3", "LpPool", [f(1, 2, 6, 6)], kernel_shape=[2, 2], p=3, opset=18, peer="onnxruntime")
    t.check("global lppool", "GlobalLpPool", [f(2, 3, 4, 5)], p=1, peer="onnxruntime", symbolic=image)
    t.check("global average", "GlobalAveragePool", [f(2, 3, 4, 5)], symbolic=image)
    t.check("global max", "GlobalMaxPool", [f(2, 3, 4)], symbolic=((0, 2),), peer="onnxruntime")

    # Norms; training gives the running statistics too.
    params = [abs(f(3)) + 1, f(3), f(3), abs(f(3)) + 1]
    t.check("batchnorm", "BatchNormalization", [f(2, 3, 4, 5), *params], epsilon=1e-2, symbolic=image)
    t.check("batchnorm training", "BatchNormalization", [f(2, 3, 4, 5), *params], outputs=3, training_mode=1,
            momentum=0.75, symbolic=image)
    t.check("batchnorm f16", "BatchNormalization", [f(2, 3, 4, dtype=np.float16), *params], rtol=2e-3, atol=2e-3)
    x = f(2, 3, 4)
    rows = [abs(f(3, 4)) + 1, f(3, 4), f(3, 4), abs(f(3, 4)) + 1]
    t.check("batchnorm per element", "BatchNormalization", [x, *rows], opset=7, spatial=0,
            want=[(x - rows[2]) / np.sqrt(rows[3] + 1e-5) * rows[0] + rows[1]])
    t.check("instancenorm", "InstanceNormalization", [f(2, 3, 4, 5), f(3), f(3)], symbolic=image)
    t.check("layernorm", "LayerNormalization", [f(2, 3, 8), f(3, 8), f(8)], outputs=3, axis=1, symbolic=((0, 0),))
    t.check("groupnorm 18", "GroupNormalization", [f(2, 6, 4, 5), f(3), f(3)], num_groups=3, opset=18,
            peer="onnxruntime", symbolic=image)
    t.check("groupnorm 21", "GroupNormalization", [f(2, 6, 4, 5), f(6), f(6)], num_groups=3, opset=21, symbolic=image)
    t.check("rmsnorm", "RMSNormalization", [f(2, 3, 8), f(8)], opset=23, symbolic=((0, 0), (0, 1)))
    t.check("lrn", "LRN", [f(2, 6, 3, 4)], size=5, alpha=0.5, beta=0.75, bias=2.0, symbolic=image, peer="onnxruntime")
    # An even window has its odd channel behind: c - 1 to c + 2.
    x = f(2, 6, 3, 4)
    sums = np.stack([(x[:, max(0, c - 1):c + 3] ** 2).sum(1) for c in range(6)], 1)
    t.check("lrn even", "LRN", [x], size=4, alpha=0.5, beta=0.5, bias=2.0, want=[(x / np.sqrt(2 + 0.125 * sums)).astype("f")])
    t.check("mvn", "MeanVarianceNormalization", [f(2, 3, 4, 5)], opset=13, symbolic=image)
    t.check("lpnorm zero row", "LpNormalization", [np.array([[3, 4], [0, 0]], "f")], p=2, opset=22)

    # Attention: grouped heads, cache, masks, softcap, captured scores.
    q, k, v = f(2, 4, 3, 8), f(2, 2, 5, 8), f(2, 2, 5, 6)
    time = ((0, 0), (0, 2), (1, 0), (1, 2), (2, 0), (2, 2))
    t.check("attention gqa", "Attention", [q, k, v], opset=23, symbolic=time)
    t.check("attention causal", "Attention", [q, k, v], opset=23, is_causal=1, scale=0.3, softcap=2.0, symbolic=time)
    t.check("attention mask", "Attention", [q, k, v, f(3, 5)], opset=23, symbolic=time)
    t.check("attention masked row", "Attention", [q, k, v, np.array([[1] * 5, [0] * 5, [1, 0] * 2 + [1]], bool)], opset=23)
    t.check("attention cache", "Attention", [q, k, v, None, f(2, 2, 4, 8), f(2, 2, 4, 6)], outputs=4, opset=23,
            is_causal=1, qk_matmul_output_mode=3, symbolic=time + ((4, 2), (5, 2)))
    t.check("attention 3d", "Attention", [f(2, 3, 32), f(2, 5, 16), f(2, 5, 12)], opset=23, q_num_heads=4,
            kv_num_heads=2, symbolic=((0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1)))
    t.check("attention lengths", "Attention", [q, k, v, None, None, None, np.array([3, 5])], opset=24, is_causal=1)
    for interleaved in (0, 1):
        t.check(f"rotary {interleaved}", "RotaryEmbedding", [f(2, 3, 32), f(10, 3), f(10, 3), t.ints(0, 10, 2, 3)],
                opset=23, num_heads=4, rotary_embedding_dim=6, interleaved=interleaved, symbolic=((0, 0), (0, 1)))

    # Transforms are matmuls, short-time ones convolutions.
    t.check("dft", "DFT", [f(2, 6, 4, 2), np.int64(8), np.int64(1)], opset=20, frozen=(1, 2), symbolic=((0, 0), (0, 2)))
    t.check("dft onesided", "DFT", [f(2, 7, 1)], opset=17, axis=1, onesided=1)
    t.check("idft", "DFT", [f(2, 9, 2), None, np.int64(1)], opset=20, inverse=1, frozen=(2,), atol=1e-4)
    t.check("irfft", "DFT", [f(2, 5, 2), None, np.int64(1)], opset=20, inverse=1, onesided=1, frozen=(2,), atol=1e-4)
    t.check("stft", "STFT", [f(2, 40, 1), np.int64(8), abs(f(16)), np.int64(16)], opset=17, frozen=(1, 3), atol=1e-4,
            symbolic=((0, 0), (0, 1)))
    for kind in ("Hann", "Hamming", "Blackman"):
        t.check(f"{kind} periodic", kind + "Window", [np.int64(10)], periodic=1, frozen=(0,))
        t.check(f"{kind} run time", kind + "Window", [np.int64(9)], periodic=0)

    # Sampling.
    for mode, padding, align in (("linear", "zeros", 0), ("nearest", "border", 1), ("cubic", "reflection", 0),
                                 ("cubic", "border", 1), ("linear", "reflection", 1)):
        grid = (np.random.default_rng(3).random((2, 4, 5, 2)) * 3 - 1.5).astype("f")
        t.check(f"gridsample {mode} {padding}", "GridSample", [f(2, 3, 6, 7), grid], opset=20, mode=mode,
                padding_mode=padding, align_corners=align, atol=1e-4, symbolic=((0, 0), (0, 2), (1, 0), (1, 1)))
    t.check("affinegrid", "AffineGrid", [f(2, 2, 3), np.array([2, 3, 4, 5])], opset=20)
    t.check("col2im", "Col2Im", [f(2, 12, 12), np.array([5, 6]), np.array([2, 2])], opset=18, frozen=(1, 2),
            pads=[0, 1, 0, 1], strides=[2, 1], dilations=[1, 2], symbolic=((0, 0),))
    x = np.arange(4, dtype="f").reshape(1, 1, 2, 2) + 1
    t.check("maxunpool", "MaxUnpool", [x, np.array([[[[5, 7], [13, 15]]]])], kernel_shape=[2, 2], strides=[2, 2], opset=11)

    # Suppression: candidates by score, overlaps of kept boxes dropped, the best of each class.
    corners = np.random.default_rng(5).random((2, 12, 4)).astype("f")
    scores = np.random.default_rng(6).permutation(72).reshape(2, 3, 12).astype("f") / 72
    limits = [np.array([4]), np.array([0.2], "f"), np.array([0.3], "f")]
    boxes = ((0, 0), (0, 1), (1, 0), (1, 2))
    for given in (5, 4, 3):
        t.check(f"nms {given} inputs", "NonMaxSuppression", [corners, scores, *limits[:given - 2]], opset=11,
                peer="onnxruntime", result_types={0: np.int64}, symbolic=boxes)
    t.check("nms centers", "NonMaxSuppression", [corners, scores, *limits], opset=11, center_point_box=1,
            peer="onnxruntime", result_types={0: np.int64})
    t.check("nms nothing", "NonMaxSuppression", [corners, scores, *limits[:2], np.array([2], "f")], opset=11,
            peer="onnxruntime", result_types={0: np.int64})
    rois = np.array([[0, 0, 6, 5], [1.5, 2, 4, 7.5], [-3, 1, 12, 3]], "f")
    for mode in ("half_pixel", "output_half_pixel"):
        t.check(f"roialign {mode}", "RoiAlign", [f(2, 3, 6, 7), rois, np.array([0, 1, 1])], opset=16, sampling_ratio=2,
                output_height=2, output_width=3, spatial_scale=0.75, coordinate_transformation_mode=mode,
                peer="onnxruntime", symbolic=((0, 0), (0, 2), (1, 0)))
        for pool in ("avg", "max"):
            for ratio in (0, 3):
                t.check(f"roialign {mode} {pool} {ratio}", "RoiAlign", [f(2, 3, 6, 7), rois, np.array([0, 1, 1])], opset=22, sampling_ratio=ratio, mode=pool,
                        output_height=2, output_width=3, spatial_scale=0.75, coordinate_transformation_mode=mode, symbolic=((0, 0), (0, 2), (1, 0)))
    boxes = np.array([[0, 0, 0, 6, 5], [1, 1.5, 2, 4, 7.5], [1, -3, 1, 12, 3], [0, 9, 9, 12, 12], [1, 4, 4, 2, 2]], "f")
    for scale in (1.0, 0.75):
        t.check(f"max roi pool {scale}", "MaxRoiPool", [f(2, 3, 6, 7), boxes], pooled_shape=[3, 2], spatial_scale=scale, peer="onnxruntime",
                symbolic=((0, 0), (0, 2), (1, 0)))

    picture = f(1, 2, 6, 7)
    for mode in ("linear", "cubic"):
        for coordinates in ("half_pixel", "pytorch_half_pixel", "asymmetric", "half_pixel_symmetric", "align_corners"):
            for sizes in ((4, 3), (9, 2), (2, 7)):
                scales = np.array([1, 1] + [s / o for s, o in zip(sizes, picture.shape[2:])], "f")
                if coordinates == "align_corners" and (1.0 in scales[2:] or 2 in sizes):
                    continue  # the reference rounds scale * size, and the coordinates follow
                options = dict(opset=19, antialias=1, mode=mode, coordinate_transformation_mode=coordinates, atol=1e-4)
                label = f"antialias {mode} {coordinates} {sizes}"
                t.check(label, "Resize", [picture, None, scales], **options)
                t.check(label + " frozen", "Resize", [picture, None, scales], frozen=(2,), symbolic=((0, 2), (0, 3)), **options)
                t.check(label + " sizes", "Resize", [picture, None, None, np.array([1, 2, *sizes])], symbolic=((0, 2), (0, 3)), **options)
    t.check("antialias outside", "Resize", [picture, None, np.array([1, 1, 0.5, 0.4], "f")], opset=19, antialias=1, mode="cubic", exclude_outside=1, atol=1e-4)
    big = f(1, 1, 3000, 2)
    t.check("antialias many taps", "Resize", [big, None, np.array([1, 1, 1 / 1500, 1], "f")], frozen=(2,), opset=19, antialias=1, mode="linear", atol=1e-4)

    # Ops of ONNX 1.0.
    x = f(1, 3, 6, 7)
    t.check("affine", "Affine", [x], opset=7, alpha=2.0, beta=-1.0, want=[2 * x - 1])
    t.check("image scaler", "ImageScaler", [x], opset=7, scale=0.5, bias=[1.0, 2.0, 3.0],
            want=[x * 0.5 + np.array([1, 2, 3], "f").reshape(3, 1, 1)])
    t.check("crop", "Crop", [x], opset=7, border=[1, 2, 3, 0], want=[x[:, :, 2:6, 1:4]], symbolic=image)
    t.check("scaled tanh", "ScaledTanh", [x], opset=7, alpha=2.0, beta=0.5, want=[2 * np.tanh(0.5 * x)])
    t.check("parametric softplus", "ParametricSoftplus", [x * 50], opset=7, alpha=2.0, beta=3.0,
            want=[2 * np.logaddexp(0, 150 * x)])

    # What cannot be right is an error with found and wanted.
    t.refuse("conv stride 0", "Conv", [f(1, 1, 4, 4), f(1, 1, 2, 2)], 65, "strides[0] is 0, want 1 to", strides=[0, 1])
    t.refuse("conv pad", "Conv", [f(1, 1, 4, 4), f(1, 1, 2, 2)], 65, "pads[3] is -1", pads=[0, 0, 0, -1])
    t.refuse("conv group", "Conv", [f(1, 4, 4, 4), f(3, 2, 2, 2)], 65, "want a multiple of group 2", group=2)
    t.refuse("conv channels", "Conv", [f(1, 3, 4, 4), f(3, 2, 2, 2)], 65, "X has 3 channels, W and group want 2 x 1")
    t.refuse("conv kernel", "Conv", [f(1, 2, 4, 4), f(3, 2, 2, 2)], 65, "kernel_shape is 3 3, the weights say 2 2",
             kernel_shape=[3, 3])
    t.refuse("conv window", "Conv", [f(1, 2, 4, 4), f(3, 2, 5, 2)], 65, "does not fit the padded input of 4")
    t.refuse("pool pads", "MaxPool", [f(1, 2, 4, 4)], 65, "want less than the window's 2", kernel_shape=[2, 2],
             pads=[2, 0, 0, 0])
    t.refuse("pool auto_pad", "MaxPool", [f(1, 2, 4, 4)], 65, "auto_pad is 'SAME'", kernel_shape=[2, 2], auto_pad="SAME")
    t.refuse("norm scale", "InstanceNormalization", [f(1, 2, 4), f(3), f(2)], 65, "scale has shape [3], want [2]")
    t.refuse("attention heads", "Attention", [f(1, 3, 2, 4), f(1, 2, 2, 4), f(1, 2, 2, 4)], 65,
             "Q has 3 heads, want a multiple of the 2", opset=23)
    t.refuse("roialign", "RoiAlign", [f(1, 2, 4, 4), f(1, 4), np.array([0])], 65, "'mode' is 'min'", opset=22, mode="min")
    t.refuse("nms boxes", "NonMaxSuppression", [corners, scores[:, :, 1:]], 65, "boxes has shape [2, 12, 4], want [2, 11, 4]")
