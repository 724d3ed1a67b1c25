"""Convolutional networks at their true shapes."""
import numpy as np

from zoo.net import Net


def classifier(name, body, size=224, opset=13, batch=1):
    """An image in, 1000 logits out; a batch given by name is dynamic."""
    net = Net(name, opset)
    dynamic = isinstance(batch, str)
    x = net.input("input", [batch, 3, size, size], [1, 3, size, size] if dynamic else None)
    net.output(body(net, x), "logits", [batch, 1000])
    return net


def resnet(depths, bottleneck):
    def body(net, x):
        x = net.maxpool(net.relu(net.bn(net.conv(x, 3, 64, 7, 2), 64)), 3, 2, 1)
        cin = 64
        for stage, depth in enumerate(depths):
            width = 64 << stage
            cout = width * (4 if bottleneck else 1)
            for block in range(depth):
                stride = 2 if stage and not block else 1
                short = x if stride == 1 and cin == cout else net.bn(net.conv(x, cin, cout, 1, stride, gain=1.0), cout)
                if bottleneck:
                    y = net.relu(net.bn(net.conv(x, cin, width), width))
                    y = net.relu(net.bn(net.conv(y, width, width, 3, stride), width))
                    y = net.bn(net.conv(y, width, cout, gain=0.3), cout)
                else:
                    y = net.relu(net.bn(net.conv(x, cin, width, 3, stride), width))
                    y = net.bn(net.conv(y, width, width, 3, gain=0.3), width)
                x, cin = net.relu(net.op("Add", y, short)), cout
        return net.head(x, cin, 1000)
    return body


def mobilenet_v2(net, x):
    act = lambda v: net.clip(v, 0, 6)
    x, cin = act(net.bn(net.conv(x, 3, 32, 3, 2), 32)), 32
    for t, c, n, s in ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)):
        for block in range(n):
            stride, hidden, y = (s if block == 0 else 1), cin * t, x
            if t != 1:
                y = act(net.bn(net.conv(y, cin, hidden), hidden))
            y = act(net.bn(net.conv(y, hidden, hidden, 3, stride, g=hidden), hidden))
            y = net.bn(net.conv(y, hidden, c, gain=1.0), c)
            x, cin = (net.op("Add", x, y) if stride == 1 and cin == c else y), c
    return net.head(act(net.bn(net.conv(x, cin, 1280), 1280)), 1280, 1000)


def squeeze_excite(net, x, c, reduced, gate, act):
    y = net.op("GlobalAveragePool", x)
    y = act(net.conv(y, c, reduced, bias=True))
    return net.op("Mul", x, gate(net.conv(y, reduced, c, bias=True)))


def mobilenet_v3_small(net, x):
    hard = lambda v: net.op("HardSigmoid", v, alpha=1 / 6, beta=0.5)
    x, cin = net.hardswish(net.bn(net.conv(x, 3, 16, 3, 2), 16)), 16
    for k, hidden, c, se, hs, s in (
            (3, 16, 16, 1, 0, 2), (3, 72, 24, 0, 0, 2), (3, 88, 24, 0, 0, 1), (5, 96, 40, 1, 1, 2), (5, 240, 40, 1, 1, 1),
            (5, 240, 40, 1, 1, 1), (5, 120, 48, 1, 1, 1), (5, 144, 48, 1, 1, 1), (5, 288, 96, 1, 1, 2), (5, 576, 96, 1, 1, 1),
            (5, 576, 96, 1, 1, 1)):
        act = net.hardswish if hs else net.relu
        y = act(net.bn(net.conv(x, cin, hidden), hidden)) if hidden != cin else x
        y = act(net.bn(net.conv(y, hidden, hidden, k, s, g=hidden), hidden))
        if se:
            y = squeeze_excite(net, y, hidden, max(8, hidden // 4 // 8 * 8), hard, net.relu)
        y = net.bn(net.conv(y, hidden, c, gain=1.0), c)
        x, cin = (net.op("Add", x, y) if s == 1 and cin == c else y), c
    x = net.hardswish(net.bn(net.conv(x, cin, 576), 576))
    x = net.op("Flatten", net.op("GlobalAveragePool", x))
    return net.gemm(net.hardswish(net.gemm(x, 576, 1024)), 1024, 1000)


def efficientnet_b0(net, x):
    x, cin = net.swish(net.bn(net.conv(x, 3, 32, 3, 2), 32)), 32
    for t, c, n, s, k in ((1, 16, 1, 1, 3), (6, 24, 2, 2, 3), (6, 40, 2, 2, 5), (6, 80, 3, 2, 3), (6, 112, 3, 1, 5),
                          (6, 192, 4, 2, 5), (6, 320, 1, 1, 3)):
        for block in range(n):
            stride, hidden = (s if block == 0 else 1), cin * t
            y = net.swish(net.bn(net.conv(x, cin, hidden), hidden)) if t != 1 else x
            y = net.swish(net.bn(net.conv(y, hidden, hidden, k, stride, g=hidden), hidden))
            y = squeeze_excite(net, y, hidden, max(1, cin // 4), net.sigmoid, net.swish)
            y = net.bn(net.conv(y, hidden, c, gain=1.0), c)
            x, cin = (net.op("Add", x, y) if stride == 1 and cin == c else y), c
    return net.head(net.swish(net.bn(net.conv(x, cin, 1280), 1280)), 1280, 1000)


def densenet_121(net, x):
    x, c = net.maxpool(net.relu(net.bn(net.conv(x, 3, 64, 7, 2), 64)), 3, 2, 1), 64
    for stage, depth in enumerate((6, 12, 24, 16)):
        for _ in range(depth):
            y = net.conv(net.relu(net.bn(x, c)), c, 128)
            y = net.conv(net.relu(net.bn(y, 128)), 128, 32, 3)
            x, c = net.op("Concat", x, y, axis=1), c + 32
        if stage < 3:
            x, c = net.conv(net.relu(net.bn(x, c)), c, c // 2), c // 2
            x = net.op("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return net.head(net.relu(net.bn(x, c)), c, 1000)


def shufflenet_v2(net, x):
    def shuffle(v, c, size):
        v = net.op("Reshape", v, net.ints(-1, 2, c // 2, size, size))
        v = net.op("Transpose", v, perm=[0, 2, 1, 3, 4])
        return net.op("Reshape", v, net.ints(-1, c, size, size))

    x, cin, size = net.maxpool(net.relu(net.bn(net.conv(x, 3, 24, 3, 2), 24)), 3, 2, 1), 24, 56
    for cout, n in ((116, 4), (232, 8), (464, 4)):
        half = cout // 2
        for block in range(n):
            stride = 2 if block == 0 else 1
            if stride == 2:
                left = net.bn(net.conv(x, cin, cin, 3, 2, g=cin), cin)
                left = net.relu(net.bn(net.conv(left, cin, half), half))
                right, width, size = x, cin, size // 2
            else:
                left, right = net.op("Split", x, net.ints(half, half), outputs=2, axis=1)
                width = half
            right = net.relu(net.bn(net.conv(right, width, half), half))
            right = net.bn(net.conv(right, half, half, 3, stride, g=half), half)
            right = net.relu(net.bn(net.conv(right, half, half), half))
            x, cin = shuffle(net.op("Concat", left, right, axis=1), cout, size), cout
    x = net.relu(net.bn(net.conv(x, cin, 1024), 1024))
    return net.gemm(net.op("ReduceMean", x, axes=[2, 3], keepdims=0), 1024, 1000)


def unet():
    net = Net("unet")
    x = net.input("image", ["n", 3, 128, 128], [1, 3, 128, 128])
    double = lambda v, a, b: net.relu(net.bn(net.conv(net.relu(net.bn(net.conv(v, a, b, 3), b)), b, b, 3), b))
    skips, c = [], 3
    for width in (32, 64, 128, 256):
        x = double(x, c, width)
        skips.append((x, width))
        x, c = net.maxpool(x, 2, 2), width
    x, c = double(x, 256, 512), 512
    for skip, width in reversed(skips):
        w = net.normal(c, width, 2, 2, fan=c)
        x = net.op("ConvTranspose", x, w, net.normal(width, fan=100), kernel_shape=[2, 2], strides=[2, 2])
        x, c = double(net.op("Concat", skip, x, axis=1), 2 * width, width), width
    net.output(net.sigmoid(net.conv(x, c, 1, bias=True, gain=0.1)), "mask", ["n", 1, 128, 128])
    return net


def fpn_nhwc():
    """A detector's neck as TensorFlow exports it: NHWC in and out, nearest upsampling, NHWC pads."""
    net = Net("fpn_nhwc", 13)
    x = net.op("Transpose", net.input("image", [1, 160, 160, 3]), perm=[0, 3, 1, 2])
    levels, c = [], 3
    for width in (16, 32, 64, 128):
        x = net.op("Pad", x, net.ints(0, 0, 0, 0, 0, 0, 1, 1))
        x = net.op("LeakyRelu", net.bn(net.conv(x, c, width, 3, 2, p=0), width), alpha=0.1)
        levels.append((x, width))
        c = width
    top = None
    for k, (level, width) in enumerate(reversed(levels[1:])):
        side = net.conv(level, width, 64, bias=True)
        if top is not None:
            top = net.op("Resize", top, "", net.weight(np.array([1, 1, 2, 2], np.float32)), mode="nearest",
                         coordinate_transformation_mode="asymmetric", nearest_mode="floor")
            side = net.op("Add", side, top)
        top = side
        out = net.op("Transpose", net.conv(side, 64, 18, 3, bias=True), perm=[0, 2, 3, 1])
        net.output(net.sigmoid(out), f"level_{k}", [1, 10 << k, 10 << k, 18])
    return net


MODELS = {
    "resnet18": lambda: classifier("resnet18", resnet((2, 2, 2, 2), False), batch="batch"),
    "resnet50": lambda: classifier("resnet50", resnet((3, 4, 6, 3), True)),
    "mobilenet_v2": lambda: classifier("mobilenet_v2", mobilenet_v2, batch="batch"),
    "mobilenet_v3_small": lambda: classifier("mobilenet_v3_small", mobilenet_v3_small, opset=12),
    "efficientnet_b0": lambda: classifier("efficientnet_b0", efficientnet_b0),
    "densenet_121": lambda: classifier("densenet_121", densenet_121),
    "shufflenet_v2": lambda: classifier("shufflenet_v2", shufflenet_v2, batch="batch"),
    "unet": unet,
    "fpn_nhwc": fpn_nhwc,
}
