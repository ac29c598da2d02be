"""Small nets of random weights, for what no recorded model has: litert.py compares
them as they are, trained.py trains them first.
"""

import numpy as np
import onnx
from onnx import numpy_helper


class Made:
    """A net of random weights that reads x, pictures of so many planes."""

    def __init__(self, planes=3):
        self.r = np.random.default_rng(6)
        self.planes = planes
        self.nodes, self.known, self.channels = [], [], {"x": planes}

    def const(self, a):
        self.known.append(numpy_helper.from_array(np.asarray(a), f"c{len(self.known)}"))
        return self.known[-1].name

    def op(self, kind, *ins, **attrs):
        out = f"{kind.lower()}{len(self.nodes)}"
        self.nodes.append(onnx.helper.make_node(kind, ins, [out], **attrs))
        self.channels[out] = self.channels.get(ins[0], 0)
        return out

    def conv(self, x, m, k=1, stride=1, group=1):
        c = self.channels[x]
        w = self.r.normal(0, (2 * group / (c * k * k)) ** 0.5, (m, c // group, k, k)).astype(np.float32)
        b = self.r.normal(0, 0.1, m).astype(np.float32)
        y = self.op("Conv", x, self.const(w), self.const(b), pads=[k // 2] * 4, strides=[stride] * 2, group=group)
        self.channels[y] = m
        return y

    def classes(self, x):
        """The net whose features are x, with ten classes; it takes any batch."""
        x = self.op("Flatten", self.op("GlobalAveragePool", x))
        c = self.channels[x]
        w = self.r.normal(0, c**-0.5, (c, 10)).astype(np.float32)
        return self.model(self.op("Gemm", x, self.const(w), self.const(np.zeros(10, np.float32))), ["N", self.planes, 28, 28], ["N", 10])

    def places(self, x):
        """The net whose features are x, with ten classes at each place."""
        return self.model(self.conv(x, 10), [1, self.planes, 48, 48], [1, 10, "h", "w"])

    def model(self, y, into, out):
        port = lambda n, dims: onnx.helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, dims)
        g = onnx.helper.make_graph(self.nodes, "made", [port("x", into)], [port(y, out)], self.known)
        m = onnx.helper.make_model(g, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=9)
        onnx.checker.check_model(m)
        return m

    def picture(self):
        """One that changes slowly, with noise."""
        c = self.planes
        h, w = np.mgrid[:48, :48] / 48
        f, t = self.r.uniform(1, 6, (2, c, 1, 1)), self.r.uniform(0, 6, (2, c, 1, 1))
        a = np.sin(f[0] * h * 3 + t[0]) * np.cos(f[1] * w * 3 + t[1]) + self.r.normal(0, 0.1, (c, 48, 48))
        return a[None].astype(np.float32)


def v3(n):
    """Blocks as MobileNetV3's: expanded, depthwise, squeezed and excited, narrowed."""
    x = n.op("HardSwish", n.conv("x", 16, 3, 2))
    for m, wide, stride, squeeze, act in ((16, 16, 1, True, "Relu"), (24, 72, 2, False, "Relu"), (24, 88, 1, False, "HardSwish"), (40, 96, 2, True, "HardSwish"), (40, 120, 1, True, "HardSwish")):
        y = n.op(act, n.conv(n.op(act, n.conv(x, wide)), wide, 5 if squeeze else 3, stride, wide))
        if squeeze:
            z = n.conv(n.op("Relu", n.conv(n.op("GlobalAveragePool", y), wide // 4)), wide)
            y = n.op("Mul", y, n.op("HardSigmoid", z, alpha=1 / 6, beta=0.5))
        y = n.conv(y, m)
        x = n.op("Add", y, x) if stride == 1 and n.channels[x] == m else y
    return n.op("HardSwish", n.conv(x, 96))


def residual(first, second, **attrs):
    """Residual blocks with two kinds of activations."""
    def make(n):
        x = n.op(first, n.conv("x", 16, 3, 2), **attrs)
        for m in (16, 32, 48):
            y = n.conv(n.op(second, n.conv(x, m, 3, 2), **attrs), m, 3)
            x = n.op(first, n.op("Add", y, n.conv(x, m, 1, 2)), **attrs)
        return x
    return make
