"""What activations of bytes are worth in LiteRT, against ONNX's meaning: float32 of
the bytes, the function, the nearest step.

    python3 tools/peers/tables.py

For all 256 bytes and 200 pairs of steps of operand and result, with XNNPACK and
without delegates: bytes that are other, by more than a step, and how long 294,912 of them
take in bytes and in float between DEQUANTIZE and QUANTIZE. Needs
`pip install ai-edge-litert numpy`.
"""

import math
import time

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as fb
from ai_edge_litert.interpreter import Interpreter

import probe

erf = np.vectorize(math.erf, otypes=[np.float64])
leaky = lambda a: (lambda x: np.where(x > 0, x, x * np.float32(a)))
ROWS = [
    ("HARD_SWISH", 1, "HardSwishOptions", {}, lambda x: x * np.clip(x + 3, 0, 6) / 6),
    *(("LEAKY_RELU", 2, "LeakyReluOptions", {"alpha": a}, leaky(a)) for a in (0.01, 0.1, 0.25, 0.3)),
    ("ELU", 1, None, {}, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
    ("GELU", 1, "GeluOptions", {}, lambda x: x * (1 + erf(x / math.sqrt(2))) / 2),
]


class Chain(probe.Net):
    """A file of several operators."""

    def __init__(self):
        super().__init__(1)
        self.ops = []

    def add(self, name, version, *rest):
        self.op(name, version, *rest)
        self.operator.opcodeIndex = len(self.ops)
        c = fb.OperatorCodeT()
        c.builtinCode, c.deprecatedBuiltinCode, c.version = self.code, min(self.code, 127), version
        self.ops.append((c, self.operator))

    def file(self):
        m, g = fb.ModelT(), fb.SubGraphT()
        g.tensors, g.inputs, g.outputs, g.operators = self.tensors, [0], [1], [o for _, o in self.ops]
        m.version, m.operatorCodes, m.subgraphs, m.buffers, m.description = 3, [c for c, _ in self.ops], [g], self.buffers, "tables"
        b = flatbuffers.Builder(1024)
        b.Finish(m.Pack(b), b"TFL3")
        return bytes(b.Output())


def net(row, into, out, dims, floats, mode):
    name, version, kind, fields, _ = row
    n = Chain()
    a, y = n.tensor("q8", dims, *into), n.tensor("q8", dims, *out)
    if floats:
        b, c = n.tensor("f32", dims), n.tensor("f32", dims)
        n.add("DEQUANTIZE", 2, "DequantizeOptions", {}, [a], [b])
        n.add(name, 1, kind, fields, [b], [c])
        n.add("QUANTIZE", 1, "QuantizeOptions", {}, [c], [y])
    else:
        n.add(name, version, kind, fields, [a], [y])
    it = Interpreter(model_content=n.file(), num_threads=1, experimental_op_resolver_type=mode)
    it.allocate_tensors()
    return it


def steps(y):
    lo, hi = min(y.min(), 0), max(y.max(), 0)
    s = np.float32((hi - lo) / 255)
    return float(s), int(np.clip(round(-128 - lo / float(s)), -128, 127))


def main():
    q = np.arange(-128, 128, dtype=np.int8)
    for row in ROWS:
        for mode in probe.MODES:
            r = np.random.default_rng(5)
            off = []
            for _ in range(200):
                s, z = steps(np.array([-math.exp(r.normal(0.7, 1)), math.exp(r.normal(0.7, 1))]))
                want = row[-1]((q.astype(np.float32) - z).astype(np.float64) * np.float32(s))
                out = steps(want)
                it = net(row, (s, z), out, [1, 1, 16, 16], False, mode)
                it.set_tensor(0, q.reshape(1, 1, 16, 16))
                it.invoke()
                w = np.clip(np.rint(want.astype(np.float32) / np.float32(out[0])) + out[1], -128, 127)
                off.append(np.abs(it.get_tensor(1).reshape(-1) - w))
            off, took = np.concatenate(off), []
            for floats in (False, True):
                it = net(row, (0.03, -3), (0.02, -90), [1, 96, 96, 32], floats, mode)
                it.set_tensor(0, r.integers(-128, 128, [1, 96, 96, 32]).astype(np.int8))
                times = []
                for _ in range(15):
                    t = time.perf_counter()
                    it.invoke()
                    times.append(1e3 * (time.perf_counter() - t))
                took.append(min(times))
            print(f"{row[0]} {row[3].get('alpha', '')}, {'XNNPACK' if mode == probe.MODES[0] else 'without delegates'}: {100 * (off > 0).mean():.2f} % of {off.size} other, "
                  f"{100 * (off > 1).mean():.2f} % by more than a step; {took[0]:.3f} ms in bytes, {took[1]:.3f} in float")


if __name__ == "__main__":
    main()
