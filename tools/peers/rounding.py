"""Finds out how LiteRT rounds int8 sums to bytes: an operator whose input is zero
gives its bias, so that many channels show many sums.

    python3 tools/peers/rounding.py

For each operator and set of kernels it counts the bytes that differ from
  float32   rint(float32(sum) * float32(factor)), ours and ONNX's
  once      sum * factor with a factor of 31 bits, rounded once, half up
  twice     the same, rounded to some bits behind the point, then to an integer
"""

import math

import numpy as np
from probe import Interpreter, Net, OpResolverType

SUMS = 20000  # DEPTHWISE_CONV_2D takes at most 32767 channels of one


def doubled(v, q):
    """The high half of twice a product of 32-bit numbers, rounded half away from zero."""
    p = v * q
    n = abs(p) + (1 << 30) >> 31
    return n if p >= 0 else -n


def halved(v, shift):
    """v / 2^shift, rounded half away from zero."""
    n = abs(v) + (1 << shift - 1) >> shift
    return n if v >= 0 else -n


def main():
    r = np.random.default_rng(2)
    sums = r.integers(-50000, 50000, SUMS)
    sx, sw, sy = np.float32(0.03), np.float32(0.0051), np.float32(0.07)
    factor = float(sx) * float(sw) / float(sy)
    part, exp = math.frexp(factor)
    q = round(part * 2**31)
    byte = lambda v: np.clip(np.array(v, dtype=np.int64), -128, 127)
    ways = {
        "float32": byte(np.rint(sums.astype(np.float32) * np.float32(factor))),
        "once": byte([int(v) * q + (1 << 30 - exp) >> 31 - exp for v in sums]),
        "twice": byte([halved(doubled(int(v), q), -exp) for v in sums]),
    }
    for op, version, options, fields, dims, filt, axis in (
        ("CONV_2D", 3, "Conv2DOptions", {"padding": 1, "strideH": 1, "strideW": 1}, [1, 1, 1], (SUMS, 1, 1, 1), 0),
        ("DEPTHWISE_CONV_2D", 3, "DepthwiseConv2DOptions", {"padding": 1, "strideH": 1, "strideW": 1, "depthMultiplier": SUMS}, [1, 1, 1], (1, 1, 1, SUMS), 3),
        ("FULLY_CONNECTED", 4, "FullyConnectedOptions", {}, [1], (SUMS, 1), 0),
    ):
        n = Net(1)
        x = n.tensor("q8", [*dims, 1], scale=sx, zero=0)
        w = n.const("i8", np.ones(filt), scale=np.full(SUMS, sw), zero=0, axis=axis)
        b = n.const("i32", sums, scale=np.full(SUMS, sx * sw), zero=0)
        y = n.tensor("q8", [*dims, SUMS], scale=sy, zero=0)
        n.inputs, n.outputs = [x], [y]
        n.op(op, version, options, fields, [x, w, b], [y])
        for name, mode in (("XNNPACK", OpResolverType.AUTO), ("without delegates", OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES), ("reference kernels", OpResolverType.BUILTIN_REF)):
            it = Interpreter(model_content=n.file(), num_threads=1, experimental_op_resolver_type=mode)
            it.allocate_tensors()
            it.set_tensor(it.get_input_details()[0]["index"], np.zeros([*dims, 1], np.int8))
            it.invoke()
            have = it.get_tensor(it.get_output_details()[0]["index"]).reshape(-1)
            print(f"{op}, {name}: of {SUMS} bytes differ from " + ", ".join(f"{k} {(have != v).sum()}" for k, v in ways.items()))


if __name__ == "__main__":
    main()
