"""Measures which builtin operators LiteRT computes right: builtin x version x
element type x rank, for what codegen/tflite writes. The table that it prints is
what the exporter obeys:

    python3 tools/peers/probe.py > codegen/tflite/builtins.tsv
    python3 tools/peers/probe.py --check codegen/tflite/builtins.tsv   # exit 1 where it differs
    python3 tools/peers/probe.py --why CONV_2D                         # what went wrong, case by case

Every case is a file of one operator, made here with the schema that comes with
the runtime and not by our own writer. It counts as right where it loads, runs and
gives what numpy gives for the same numbers, both as the runtime is by default
(XNNPACK) and without delegates: exactly for integers and what only moves elements,
within 1e-4 of the largest for f32 (2e-3 for f16), within one quantum for int8.
What is tried of a row: extents other than each other, constant and computed second
operands, both ends of an axis list, each form named below. Cases run in processes of
their own, for some end in an abort.

Types: q8 is int8 with a scale and a zero point, qu8 the same of uint8, i8 and u8
are bytes without. f32>i32 is operand and result, f32,i32 operand and index.
Needs `pip install ai-edge-litert numpy`.
"""

import argparse
import importlib.metadata
import math
import multiprocessing as mp
import os
import sys

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as fb
from ai_edge_litert.interpreter import Interpreter, OpResolverType

TYPES = {"f32": (0, np.float32), "f16": (1, np.float16), "i32": (2, np.int32), "u8": (3, np.uint8), "i64": (4, np.int64),
         "bool": (6, np.bool_), "i16": (7, np.int16), "i8": (9, np.int8), "f64": (10, np.float64), "q8": (9, np.int8), "qu8": (3, np.uint8)}
NUMBERS = ["f32", "f16", "f64", "i8", "i16", "i32", "i64", "u8", "q8"]
ALL = NUMBERS + ["bool"]
MOST = 8  # axes tried
EXTENTS = [5, 3, 1, 4, 2, 1, 2, 3]
MODES = [OpResolverType.AUTO, OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES]


class Net:
    """A file of one operator, with what it is fed and what must come out."""

    def __init__(self, seed):
        self.r = np.random.default_rng(seed)
        self.buffers, self.tensors, self.inputs, self.outputs = [fb.BufferT()], [], [], []
        self.feeds, self.want, self.quant = [], [], []

    def tensor(self, kind, dims, scale=None, zero=0, axis=0, state=False):
        t = fb.TensorT()
        t.name, t.shape, t.type, t.isVariable = f"t{len(self.tensors)}", list(map(int, dims)), TYPES[kind][0], state
        t.hasRank = True
        if scale is not None:
            q = fb.QuantizationParametersT()
            q.scale = list(np.atleast_1d(np.float32(scale)))
            q.zeroPoint = list(np.broadcast_to(zero, len(q.scale)))
            q.quantizedDimension = axis
            t.quantization = q
        self.tensors.append(t)
        return len(self.tensors) - 1

    def const(self, kind, a, **q):
        a = np.asarray(a, TYPES[kind][1])
        i = self.tensor(kind, a.shape, **q)
        b = fb.BufferT()
        b.data = np.frombuffer(a.tobytes(), np.uint8)
        self.buffers.append(b)
        self.tensors[i].buffer = len(self.buffers) - 1
        return i

    def numbers(self, kind, dims, lo=-4, hi=4):
        """Random elements: what they mean, in float64 or as they are, and their bytes."""
        dtype = TYPES[kind][1]
        if kind in ("f32", "f16", "f64"):
            return self.r.uniform(lo, hi, dims).astype(dtype)
        if kind == "bool":
            return self.r.integers(0, 2, dims).astype(bool)
        if kind in ("u8", "qu8"):
            lo, hi = max(lo, 0), hi + 4
        return self.r.integers(math.ceil(lo), hi + 1, dims).astype(dtype)

    def feed(self, kind, dims, lo=-4, hi=4, const=False):
        """An operand: its tensor and what it means."""
        if kind == "q8":
            s = (hi - min(lo, 0)) / 250
            z = -128 if lo >= 0 else -5
            a = self.r.integers(max(-128, math.ceil(lo / s) + z), min(127, math.floor(hi / s) + z) + 1, dims).astype(np.int8)
            means, q = (a.astype(np.float64) - z) * np.float32(s), {"scale": s, "zero": z}
        else:
            a = means = self.numbers(kind, dims, lo, hi)
            q = {}
        if const:
            return self.const(kind, a, **q), means
        i = self.tensor(kind, dims, **q)
        self.inputs.append(i)
        self.feeds.append(np.array(a, order="C"))
        return i, means

    def result(self, kind, want, like=None, scale=None, zero=None):
        """A result; q8 takes steps that hold it, or those of operand like."""
        want = np.asarray(want)
        if kind in ("q8", "qu8"):
            if like is not None:
                q = self.tensors[like].quantization
                scale, zero = float(q.scale[0]), int(q.zeroPoint[0])
            elif scale is None:
                lo, hi = min(0, want.min(initial=0)), max(0.01, want.max(initial=0))
                scale = max(0.01, float(np.float32((hi - lo) / 255)))
                zero = int(round(-128 - lo / scale))
            lo, hi = (-128, 127) if kind == "q8" else (0, 255)
            q = np.clip(np.round(want / scale) + zero, lo, hi)
            i = self.tensor(kind, want.shape, scale=scale, zero=zero)
            self.want.append((q, 1))
        else:
            i = self.tensor(kind, want.shape)
            tol = {"f32": 1e-4, "f16": 2e-3, "f64": 1e-9}.get(kind, 0)
            self.want.append((want.astype(np.float64), tol * max(1e-2, np.abs(want.astype(np.float64)).max(initial=0))))
        self.outputs.append(i)
        return i

    def op(self, name, version, kind, opts, ins, outs):
        self.code, self.version = getattr(fb.BuiltinOperator, name), version
        o = fb.OperatorT()
        o.opcodeIndex, o.inputs, o.outputs = 0, ins, outs
        if kind:
            o.builtinOptionsType = getattr(fb.BuiltinOptions, kind)
            t = getattr(fb, kind + "T")()
            for k, v in opts.items():
                if not hasattr(t, k):
                    raise KeyError(k)
                setattr(t, k, v)
            o.builtinOptions = t
        self.operator = o

    def file(self):
        m, g, c = fb.ModelT(), fb.SubGraphT(), fb.OperatorCodeT()
        c.builtinCode, c.deprecatedBuiltinCode, c.version = self.code, min(self.code, 127), self.version
        g.tensors, g.inputs, g.outputs, g.operators = self.tensors, self.inputs, self.outputs, [self.operator]
        m.version, m.operatorCodes, m.subgraphs, m.buffers, m.description = 3, [c], [g], self.buffers, "probe"
        b = flatbuffers.Builder(1024)
        b.Finish(m.Pack(b), b"TFL3")
        return bytes(b.Output())

    def run(self, mode):
        it = Interpreter(model_content=self.file(), num_threads=1, experimental_op_resolver_type=mode)
        it.allocate_tensors()
        for _ in range(1 if self.once else 2):  # a second run must not remember the first
            for d, a in zip(it.get_input_details(), self.feeds):
                it.set_tensor(d["index"], a)
            it.invoke()
            for d, (want, tol) in zip(it.get_output_details(), self.want):
                have = it.get_tensor(d["index"]).astype(np.float64)
                if self.finite:
                    have = np.where(np.isneginf(have), -1e30, have)
                if have.shape != want.shape:
                    return f"extents {have.shape}, want {want.shape}"
                off = np.abs(have - want).max(initial=0)
                if not off <= tol:
                    return f"off by {off:.3g}"
        return ""


# A row of the table: builtin, version, form, types, function(net, rank, variant), variants.
ROWS = []


def row(name, version, kinds, make, ranks=range(MOST + 1), form="", variants=1, eight=None):
    """eight: the version where bytes have one of their own."""
    for k in kinds:
        v = eight if eight and ("q8" in k or k.split(",")[0] == "i8") else version
        ROWS.append((name, v, form, k, make, list(ranks), variants))


def dims(rank):
    return EXTENTS[:rank]


def elementwise():
    def pair(name, kind, f, out=None, pos=False, opts=None, sign=False):
        def make(n, rank, v, bc):
            d = dims(rank)
            lo, hi = (1, 4) if pos else (-4, 4)
            e = d
            if bc:
                e = [1, [1 for _ in d], [x if i % 2 else 1 for i, x in enumerate(d)], d[1:]][v % 4]
                e = [1] if e == 1 else e
            const = v >= 4 if bc else v == 1
            ka = kind.split(",")[0]
            swap = bc and v >= 8
            a, x = n.feed(ka, e if swap else d, -hi if sign else lo, hi)
            b, y = n.feed(ka, d if swap else e, lo, hi, const=const and not swap)
            with np.errstate(all="ignore"):
                want = f(x, y)
            same = a if name in ("MAXIMUM", "MINIMUM") else None  # whose steps must be equal
            fields = {}
            if v == 1 and name in ("ADD", "SUB", "MUL", "DIV") and ka in ("f32", "q8") and not (ka == "q8" and name == "DIV"):
                fields, want = {"fusedActivationFunction": 1}, np.maximum(want, 0)
            n.op(name, n.v, opts, fields, [a, b], [n.result(out or ka, want, like=same)])
        row(name, 1, [kind], lambda n, r, v: make(n, r, v, False), form="same", variants=2, eight=2)
        row(name, 1, [kind], lambda n, r, v: make(n, r, v, True), ranks=range(1, MOST + 1), form="broadcast", variants=12, eight=2)

    for k in NUMBERS:
        pair("ADD", k, lambda x, y: x + y, opts="AddOptions")
        pair("SUB", k, lambda x, y: x - y, opts="SubOptions")
        pair("MUL", k, lambda x, y: x * y, opts="MulOptions")
        pair("DIV", k, lambda x, y: (x / y if x.dtype.kind == "f" else np.trunc(x / y).astype(x.dtype)), opts="DivOptions", pos=True, sign=True)
        pair("POW", k, lambda x, y: x ** y, opts="PowOptions", pos=True)
        pair("MAXIMUM", k, np.maximum, opts="MaximumMinimumOptions")
        pair("MINIMUM", k, np.minimum, opts="MaximumMinimumOptions")
    for name, f, o in (("EQUAL", np.equal, "EqualOptions"), ("LESS", np.less, "LessOptions"), ("LESS_EQUAL", np.less_equal, "LessEqualOptions"),
                       ("GREATER", np.greater, "GreaterOptions"), ("GREATER_EQUAL", np.greater_equal, "GreaterEqualOptions")):
        for k in ALL:
            if k == "q8" or k == "bool" and name != "EQUAL":
                continue
            pair(name, k, f, out="bool", opts=o)

    def unary(name, f, kinds, opts=None, fields={}, lo=-4, hi=4, version=1, eight=None, fixed=None):
        def make(n, rank, v):
            kind = n.kind
            d = dims(rank)
            if "SOFTMAX" in name and rank:
                d = [*d[:-1], 4]
            a, x = n.feed(kind, d, lo, hi)
            with np.errstate(all="ignore"):
                want = f(x)
            q = {}
            if kind == "q8" and fixed:
                q = {"scale": fixed[0], "zero": fixed[1]}
            n.op(name, n.v, opts, fields, [a], [n.result(kind, want, **q)])
        row(name, version, kinds, make, eight=eight)

    sig = lambda x: 1 / (1 + np.exp(-x))
    erf = np.vectorize(math.erf, otypes=[np.float64])
    F = ["f32", "f16", "f64", "q8"]
    unary("RELU", lambda x: np.maximum(x, 0), NUMBERS, eight=2)
    unary("RELU6", lambda x: np.clip(x, 0, 6), NUMBERS, eight=2)
    unary("RELU_N1_TO_1", lambda x: np.clip(x, -1, 1), NUMBERS, eight=1)
    unary("RELU_0_TO_1", lambda x: np.clip(x, 0, 1), NUMBERS, eight=1)
    unary("LOGISTIC", sig, F, fixed=(1 / 256, -128), eight=2)
    unary("TANH", np.tanh, F, fixed=(1 / 128, 0), eight=2)
    unary("EXP", np.exp, F, opts="ExpOptions", eight=2)
    unary("LOG", np.log, F, lo=1, eight=2)
    unary("SQRT", np.sqrt, F, lo=1, eight=2)
    unary("NEG", np.negative, NUMBERS, opts="NegOptions", eight=2)
    unary("ABS", np.abs, NUMBERS, opts="AbsOptions", eight=2)
    unary("FLOOR", np.floor, F)
    unary("CEIL", np.ceil, F)
    unary("ROUND", np.rint, F)
    unary("SIGN", np.sign, NUMBERS, opts="SignOptions")
    unary("HARD_SWISH", lambda x: x * np.clip(x + 3, 0, 6) / 6, F, opts="HardSwishOptions")
    unary("ELU", lambda x: np.where(x > 0, x, np.expm1(x)), F)
    unary("GELU", lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, F, opts="GeluOptions")
    unary("LEAKY_RELU", lambda x: np.where(x > 0, x, x * 0.25).astype(x.dtype), F, opts="LeakyReluOptions", fields={"alpha": 0.25}, eight=2)
    unary("SOFTMAX", lambda x: np.exp(x) / np.exp(x).sum(-1, keepdims=True) if x.ndim else x, F, opts="SoftmaxOptions", fields={"beta": 1.0}, fixed=(1 / 256, -128), eight=2)
    unary("LOG_SOFTMAX", lambda x: x - np.log(np.exp(x).sum(-1, keepdims=True)) if x.ndim else x, F, opts="LogSoftmaxOptions", fixed=(16 / 256, 127), eight=2)

    def prelu(n, rank, v):
        d = dims(rank)
        a, x = n.feed(n.kind, d)
        e = [d[1:] or [1], [1] * (rank - 2) + d[-1:], d, d[-1:]][v % 4]
        b, y = n.feed(n.kind, e, 0, 1, const=v < 4)
        n.op("PRELU", n.v, None, {}, [a, b], [n.result(n.kind, np.where(x > 0, x, x * y).astype(x.dtype))])
    row("PRELU", 1, ["f32", "f16", "q8"], prelu, ranks=range(1, MOST + 1), variants=8)

    def select(bc):
        def make(n, rank, v):
            d = dims(rank)
            e = [d, [1] * rank, d[1:]][v] if bc else d
            c, z = n.feed("bool", d if v != 1 else e)
            a, x = n.feed(n.kind, e if v != 1 else d)
            b, y = n.feed(n.kind, d if v < 2 else e)
            n.op("SELECT_V2", n.v, "SelectV2Options", {}, [c, a, b], [n.result(n.kind, np.where(z, x, y), like=a)])
        return make
    row("SELECT_V2", 1, ALL, select(False), form="same")
    row("SELECT_V2", 1, ALL, select(True), form="broadcast", ranks=range(1, MOST + 1), variants=3)

    for f in ALL[:-2] + ["bool"]:
        for t in ALL[:-2] + ["bool"]:
            def make(n, rank, v, f=f, t=t):
                a, x = n.feed(f, dims(rank), 0 if "u8" in (f, t) else -4)
                n.op("CAST", n.v, "CastOptions", {"inDataType": TYPES[f][0], "outDataType": TYPES[t][0]}, [a], [n.result(t, x.astype(TYPES[t][1]))])
            row("CAST", 1, [f"{f}>{t}"], make)

    def quantize(n, rank, v):
        f, t = n.kind.split(">")
        a, x = n.feed(f if f != "qu8" else "u8", dims(rank))
        if f == "qu8":
            n.tensors[a].quantization = n.tensors[n.tensor("u8", [], scale=0.03, zero=123)].quantization
            n.tensors.pop()
            x = (x.astype(np.float64) - 123) * np.float32(0.03)
        s = n.tensors[a].quantization
        q = {"scale": float(s.scale[0]), "zero": int(s.zeroPoint[0])} if f != "f32" else {"scale": 0.035, "zero": 7}
        if "u8" in n.kind:
            q["zero"] += 128 if t == "qu8" else -128
        elif f == "q8":
            q = {"scale": 0.05, "zero": -9}
        n.op("QUANTIZE", n.v, "QuantizeOptions", {}, [a], [n.result(t, x, **q)])
    row("QUANTIZE", 1, ["f32>q8"], quantize)
    row("QUANTIZE", 2, ["q8>q8", "qu8>q8", "q8>qu8"], quantize)

    def dequantize(n, rank, v):
        a, x = n.feed("q8", dims(rank))
        n.op("DEQUANTIZE", n.v, "DequantizeOptions", {}, [a], [n.result("f32", x)])
    row("DEQUANTIZE", 2, ["q8>f32"], dequantize)


def movers():
    def reshape(n, rank, v):
        d = dims(rank)
        a, x = n.feed(n.kind, d)
        to = list(x.reshape(-1).shape)
        if v == 1:
            n.feeds[-1] = np.ascontiguousarray(n.feeds[-1].reshape(-1))
            n.tensors[a].shape, to = to, d
        n.op("RESHAPE", n.v, "ReshapeOptions", {"newShape": to}, [a, n.const("i32", to)], [n.result(n.kind, x.reshape(to), like=a)])
    row("RESHAPE", 1, ALL, reshape, variants=2)

    def transpose(n, rank, v):
        a, x = n.feed(n.kind, dims(rank))
        perm = list(range(rank))[::-1] if v == 0 else [*range(1, rank), 0]
        n.op("TRANSPOSE", n.v, "TransposeOptions", {}, [a, n.const("i32", perm)], [n.result(n.kind, x.transpose(perm), like=a)])
    row("TRANSPOSE", 1, ALL, transpose, ranks=range(1, MOST + 1), variants=2, eight=2)

    def concat(n, rank, v):
        axis = [0, rank - 1][v % 2]
        d, parts = dims(rank), []
        for i in range(3):
            e = list(d)
            e[axis] += i
            parts.append(n.feed(n.kind, e, const=i == v // 2))
        n.op("CONCATENATION", n.v, "ConcatenationOptions", {"axis": axis}, [i for i, _ in parts], [n.result(n.kind, np.concatenate([x for _, x in parts], axis), like=parts[0][0])])
    row("CONCATENATION", 1, ALL, concat, ranks=range(1, MOST + 1), variants=8, eight=2)

    def split(n, rank, v):
        axis = [0, rank - 1][v]
        d = list(dims(rank))
        d[axis] = 5
        a, x = n.feed(n.kind, d)
        outs = [n.result(n.kind, y, like=a) for y in np.split(x, [2, 3], axis)]
        n.op("SPLIT_V", n.v, "SplitVOptions", {"numSplits": 3}, [a, n.const("i32", [2, 1, 2]), n.const("i32", axis)], outs)
    row("SPLIT_V", 1, ALL, split, ranks=range(1, MOST + 1), variants=2, eight=2)

    def pads(rank):
        return [[i % 3, (i + 1) % 2] for i in range(rank)]

    def pad(n, rank, v):
        a, x = n.feed(n.kind, dims(rank))
        p = pads(rank)
        n.op("PAD", n.v, "PadOptions", {}, [a, n.const("i32", np.reshape(p, (rank, 2)))], [n.result(n.kind, np.pad(x, p), like=a)])
    row("PAD", 1, ALL, pad, ranks=range(1, MOST + 1), eight=2)

    def padv2(n, rank, v):
        a, x = n.feed(n.kind, dims(rank))
        p = pads(rank)
        c = (-np.inf if v else 2.5) if n.kind[0] == "f" else 2
        if n.kind == "q8":
            q = n.tensors[a].quantization
            f = n.const("i8", [-128 if v else 7], scale=q.scale, zero=q.zeroPoint)
            c = ((-128 if v else 7) - int(q.zeroPoint[0])) * float(q.scale[0])
        else:
            f = n.const(n.kind, [c])
        want = np.pad(x, p, constant_values=c)
        o = n.result(n.kind, want, like=a)
        if v and n.kind[0] == "f":  # compared by what is finite: -inf - -inf is no number
            n.want[-1] = (np.where(np.isinf(want), -1e30, want.astype(np.float64)), 1e-4)
            n.finite = True
        n.op("PADV2", n.v, "PadV2Options", {}, [a, n.const("i32", np.reshape(p, (rank, 2))), f], [o])
    row("PADV2", 1, ALL[:-1], padv2, ranks=range(1, MOST + 1), variants=2, eight=2)

    def mirror(n, rank, v):
        d = [x + 1 for x in dims(rank)]
        a, x = n.feed(n.kind, d)
        p = [[min(i % 3, d[i] - 1), (i + 1) % 2] for i in range(rank)]
        n.op("MIRROR_PAD", n.v, "MirrorPadOptions", {"mode": 0}, [a, n.const("i32", np.reshape(p, (rank, 2)))], [n.result(n.kind, np.pad(x, p, mode="reflect"), like=a)])
    row("MIRROR_PAD", 1, ALL, mirror, ranks=range(1, MOST + 1), eight=2)

    def cut(n, rank, v):
        d = [x + 2 for x in dims(rank)]
        a, x = n.feed(n.kind, d)
        b, s = [i % 2 for i in range(rank)], [x - 1 - i % 2 for i, x in enumerate(d)]
        want = x[tuple(slice(i, i + j) for i, j in zip(b, s))]
        n.op("SLICE", n.v, "SliceOptions", {}, [a, n.const("i32", b), n.const("i32", s)], [n.result(n.kind, want, like=a)])
    row("SLICE", 1, ALL, cut, ranks=range(1, MOST + 1), eight=2)

    def strided(n, rank, v):
        d = [x + 2 for x in dims(rank)]
        a, x = n.feed(n.kind, d)
        if v == 0:
            b, e, s = [i % 2 for i in range(rank)], list(d), [1 + i % 2 for i in range(rank)]
            mask = 0
            want = x[tuple(slice(*t) for t in zip(b, e, s))]
        else:
            b, e, s = [x - 1 for x in d], [-1] * rank, [-1 - i % 2 for i in range(rank)]
            mask = (1 << rank) - 1
            want = x[tuple(slice(None, None, t) for t in s)]
        n.op("STRIDED_SLICE", n.v, "StridedSliceOptions", {"endMask": mask}, [a] + [n.const("i32", t) for t in (b, e, s)], [n.result(n.kind, want, like=a)])
    row("STRIDED_SLICE", 1, ALL, strided, ranks=range(1, MOST + 1), variants=2, eight=2)

    def tile(n, rank, v):
        a, x = n.feed(n.kind, dims(rank))
        t = [1 + i % 2 for i in range(rank)]
        n.op("TILE", n.v, "TileOptions", {}, [a, n.const("i32", t)], [n.result(n.kind, np.tile(x, t), like=a)])
    row("TILE", 1, ALL, tile, ranks=range(1, MOST + 1), eight=2)

    def broadcast(n, rank, v):
        d = dims(rank)
        e = [[x if i % 2 else 1 for i, x in enumerate(d)], d[1:], [], d][v]
        a, x = n.feed(n.kind, e)
        n.op("BROADCAST_TO", n.v, "BroadcastToOptions", {}, [a, n.const("i32", d)], [n.result(n.kind, np.broadcast_to(x, d), like=a)])
    row("BROADCAST_TO", 2, ALL, broadcast, ranks=range(1, MOST + 1), variants=4, eight=3)

    def gather(index):
        def make(n, rank, v):
            axis = [0, rank - 1][v % 2]
            # The result has as many axes as the operand, or one fewer.
            e = [[], [3]][v // 2 % 2]
            a, x = n.feed(n.kind.split(",")[0], dims(rank))
            i = n.r.integers(0, x.shape[axis], e)
            if v < 4:
                at = n.const(index, i)
            else:
                at = n.tensor(index, e)
                n.inputs.append(at)
                n.feeds.append(np.asarray(i, TYPES[index][1]))
            n.op("GATHER", n.v, "GatherOptions", {"axis": axis}, [a, at], [n.result(n.kind.split(",")[0], np.take(x, i, axis), like=a)])
        return make
    for index in ("i32", "i64"):
        row("GATHER", 1, [f"{k},{index}" for k in ALL], gather(index), ranks=range(1, MOST + 1), variants=8, eight=2)

    def reverse(n, rank, v):
        a, x = n.feed(n.kind, dims(rank))
        n.op("REVERSE_V2", n.v, "ReverseV2Options", {}, [a, n.const("i32", [0])], [n.result(n.kind, np.flip(x, 0), like=a)])
    row("REVERSE_V2", 1, ALL, reverse, ranks=range(1, MOST + 1))

    def reduction(name, f, like=False):
        def make(n, rank, v):
            a, x = n.feed(n.kind, dims(rank), *((1, 2) if name == "REDUCE_PROD" else (-4, 4)))
            axes, keep = [[0], [rank - 1], sorted({0, rank // 2}), list(range(rank)), sorted({rank // 2, rank - 1})][v % 5], v >= 5
            want = f(x, axis=tuple(axes), keepdims=keep)
            if n.kind[0] in "iu":
                want = np.trunc(want).astype(TYPES[n.kind][1])
            n.op(name, n.v, "ReducerOptions", {"keepDims": keep}, [a, n.const("i32", axes)], [n.result(n.kind, want, like=a if like else None)])
        row(name, 1, NUMBERS, make, ranks=range(1, MOST + 1), variants=10, eight=2)
    reduction("MEAN", np.mean)
    reduction("SUM", np.sum)
    reduction("REDUCE_PROD", np.prod)
    reduction("REDUCE_MAX", np.max, True)
    reduction("REDUCE_MIN", np.min, True)


def windows(x, k, stride, dil):
    """[B, H', W', KH, KW, C] of x [B, H, W, C] without padding."""
    kh, kw = k
    oh, ow = [(x.shape[1 + i] - (k[i] - 1) * dil - 1) // stride + 1 for i in range(2)]
    out = np.zeros((x.shape[0], oh, ow, kh, kw, x.shape[3]))
    for i in range(kh):
        for j in range(kw):
            out[:, :, :, i, j] = x[:, i * dil:i * dil + (oh - 1) * stride + 1:stride, j * dil:j * dil + (ow - 1) * stride + 1:stride]
    return out


def framed(x, k, stride, dil, same, fill=0.0):
    """x with the padding that SAME reads."""
    if not same:
        return x
    pads = [(0, 0)]
    for i in range(2):
        size = x.shape[1 + i]
        need = max(0, (-(-size // stride) - 1) * stride + (k[i] - 1) * dil + 1 - size)
        pads.append((need // 2, need - need // 2))
    return np.pad(x, [*pads, (0, 0)], constant_values=fill)


def weights(n, kind, w, axis, one=False):
    """A constant of weights, and what it means; q8 has a scale for each channel."""
    if kind != "q8":
        return n.const(kind, w), np.asarray(w, TYPES[kind][1]).astype(np.float64), None
    other = tuple(i for i in range(w.ndim) if i != axis)
    s = np.float32(np.abs(w).max(other if not one else None, keepdims=True) / 127)
    q = np.round(w / s)
    s = s.reshape(-1)
    return n.const("i8", q, scale=s, zero=0, axis=axis), q * np.expand_dims(np.broadcast_to(s, w.shape[axis] if not one else 1), [i for i in range(w.ndim) if i != axis]), s


def bias(n, kind, m, a, scale):
    b = n.r.uniform(-1, 1, m)
    if kind != "q8":
        return n.const(kind if kind != "f16" else "f16", b), b
    s = np.float32(n.tensors[a].quantization.scale[0]) * scale
    q = np.round(b / s)
    return n.const("i32", q, scale=s, zero=0), q * s


def products():
    F = ["f32", "f16", "f64", "q8"]

    def conv(groups, dil):
        def make(n, rank, v):
            stride, same = (1 + v % 2, v > 1) if dil == 1 else (1, v > 0)
            a, x = n.feed(n.kind, [1, 9, 8, 4])
            x4 = framed(x.astype(np.float64), (3, 2), stride, dil, same)
            w, wm, s = weights(n, n.kind, n.r.uniform(-1, 1, (6, 3, 2, 4 // groups)), 0)
            b, bm = bias(n, n.kind, 6, a, s)
            p = windows(x4, (3, 2), stride, dil)
            parts = [np.einsum("bhwijc,oijc->bhwo", p[..., g * 4 // groups:(g + 1) * 4 // groups], wm[g * 6 // groups:(g + 1) * 6 // groups]) for g in range(groups)]
            want = np.maximum(np.concatenate(parts, -1) + bm, 0 if same else -np.inf)
            n.op("CONV_2D", n.v, "Conv2DOptions", {"fusedActivationFunction": same, "padding": 0 if same else 1, "strideH": stride, "strideW": stride, "dilationHFactor": dil, "dilationWFactor": dil}, [a, w, b], [n.result(n.kind, want)])
        return make
    row("CONV_2D", 1, F, conv(1, 1), ranks=[4], variants=4, eight=3)
    row("CONV_2D", 1, F, conv(1, 2), ranks=[4], variants=2, form="dilated", eight=3)
    row("CONV_2D", 6, F, conv(2, 1), ranks=[4], form="groups", variants=4, eight=6)
    row("CONV_2D", 6, F, conv(2, 2), ranks=[4], variants=2, form="groups dilated", eight=6)

    def depthwise(mult, dil):
        def make(n, rank, v):
            stride, same = (1 + v % 2, v > 1) if dil == 1 else (1, v > 0)
            a, x = n.feed(n.kind, [1, 9, 8, 3])
            w, wm, s = weights(n, n.kind, n.r.uniform(-1, 1, (1, 3, 2, 3 * mult)), 3)
            b, bm = bias(n, n.kind, 3 * mult, a, s)
            p = np.repeat(windows(framed(x.astype(np.float64), (3, 2), stride, dil, same), (3, 2), stride, dil), mult, -1)
            want = np.maximum(np.einsum("bhwijc,ijc->bhwc", p, wm[0]) + bm, 0 if same else -np.inf)
            n.op("DEPTHWISE_CONV_2D", n.v, "DepthwiseConv2DOptions", {"fusedActivationFunction": same, "padding": 0 if same else 1, "strideH": stride, "strideW": stride, "depthMultiplier": mult, "dilationHFactor": dil, "dilationWFactor": dil}, [a, w, b], [n.result(n.kind, want)])
        return make
    row("DEPTHWISE_CONV_2D", 1, F, depthwise(1, 1), ranks=[4], variants=4, eight=3)
    row("DEPTHWISE_CONV_2D", 1, F, depthwise(2, 1), ranks=[4], variants=4, eight=3, form="multiplied")
    row("DEPTHWISE_CONV_2D", 2, F, depthwise(1, 2), ranks=[4], variants=2, eight=3, form="dilated")
    row("DEPTHWISE_CONV_2D", 2, F, depthwise(2, 2), ranks=[4], variants=2, eight=3, form="multiplied dilated")

    def transposed(n, rank, v):
        stride = 1 + v
        a, x = n.feed(n.kind, [1, 4, 3, 4])
        w, wm, s = weights(n, n.kind, n.r.uniform(-1, 1, (5, 3, 2, 4)), 0)
        b, bm = bias(n, n.kind, 5, a, s)
        want = np.zeros((1, 3 * stride + 3, 2 * stride + 2, 5)) + bm
        for i in range(4):
            for j in range(3):
                want[:, i * stride:i * stride + 3, j * stride:j * stride + 2] += np.einsum("bc,oijc->bijo", x[:, i, j].astype(np.float64), wm)
        n.op("TRANSPOSE_CONV", n.v, "TransposeConvOptions", {"padding": 1, "strideH": stride, "strideW": stride}, [n.const("i32", want.shape), w, a, b], [n.result(n.kind, want)])
    row("TRANSPOSE_CONV", 3, F, transposed, ranks=[4], variants=2)

    def dense(keep, with_bias, one=False):
        def make(n, rank, v):
            d = [*dims(rank - 1), 6] if rank else []
            a, x = n.feed(n.kind, d)
            w, wm, s = weights(n, n.kind, n.r.uniform(-1, 1, (5, 6)), 0, one=v == 1)
            b, bm = bias(n, n.kind, 5, a, s) if with_bias else (-1, 0)
            relu = v == 2
            n.op("FULLY_CONNECTED", n.v, "FullyConnectedOptions", {"keepNumDims": keep, "fusedActivationFunction": relu}, [a, w, b],
                 [n.result(n.kind, np.maximum(x.astype(np.float64) @ wm.T + bm, 0 if relu else -np.inf))])
        return make
    row("FULLY_CONNECTED", 1, F, dense(False, True), ranks=[2], variants=3, eight=4)
    row("FULLY_CONNECTED", 5, F, dense(True, True), ranks=range(3, MOST + 1), variants=3)
    row("FULLY_CONNECTED", 6, F, dense(False, False), ranks=[2], form="no bias", variants=3)
    row("FULLY_CONNECTED", 6, F, dense(True, False), ranks=range(3, MOST + 1), form="no bias", variants=3)

    def batch(bc):
        def make(n, rank, v):
            lead = dims(rank - 2)
            da, db = [*lead, 3, 5], [*lead, 5, 4]
            if bc:
                da, db = [([*([1] * (rank - 2)), 3, 5], db), (da, [5, 4]), (da, [*([1] * (rank - 2)), 5, 4]), ([3, 5], db)][v]
            a, x = n.feed(n.kind, da)
            b, y = n.feed(n.kind, db, const=v == 4)
            n.op("BATCH_MATMUL", n.v, "BatchMatMulOptions", {}, [a, b], [n.result(n.kind, np.matmul(x, y))])
        return make
    row("BATCH_MATMUL", 1, F + ["i32"], batch(False), ranks=range(2, MOST + 1), form="same", variants=2, eight=2)
    row("BATCH_MATMUL", 1, F + ["i32"], batch(True), ranks=range(3, MOST + 1), form="broadcast", variants=4, eight=2)

    def pool(name, f):
        def make(n, rank, v):
            a, x = n.feed(n.kind, [1, 7, 6, 3])
            stride, same = 1 + v % 2, v > 1
            p = windows(framed(x.astype(np.float64), (3, 2), stride, 1, same, np.nan), (3, 2), stride, 1)
            n.op(name, n.v, "Pool2DOptions", {"padding": 0 if same else 1, "strideH": stride, "strideW": stride, "filterHeight": 3, "filterWidth": 2}, [a], [n.result(n.kind, f(p, (3, 4)), like=a)])
        row(name, 1, ["f32", "f16", "q8", "i8", "u8", "i16"] if name[0] == "M" else F, make, ranks=[4], variants=4, eight=2)
    pool("MAX_POOL_2D", np.nanmax)
    pool("AVERAGE_POOL_2D", np.nanmean)

    def resize(name, nearest):
        def make(n, rank, v):
            a, x = n.feed(n.kind, [1, 4, 3, 2])
            to = [7, 6]
            corners, half = [(False, False), (False, True), (True, False)][v]
            out = x.astype(np.float64)
            for axis, (i, o) in enumerate(zip((4, 3), to)):
                p = np.arange(o)
                p = p * (i - 1) / (o - 1) if corners else (p + 0.5) * i / o - (0 if nearest else 0.5) if half else p * i / o
                if nearest:
                    at = np.clip(np.floor(p + 0.5 if corners else p).astype(int), 0, i - 1)
                    out = np.take(out, at, 1 + axis)
                    continue
                p = np.clip(p, 0, i - 1)
                lo = np.floor(p).astype(int)
                hi = np.minimum(lo + 1, i - 1)
                t = (p - lo).reshape([-1 if k == 1 + axis else 1 for k in range(4)])
                out = np.take(out, lo, 1 + axis) * (1 - t) + np.take(out, hi, 1 + axis) * t
            n.op(name, n.v, "ResizeNearestNeighborOptions" if nearest else "ResizeBilinearOptions", {"alignCorners": corners, "halfPixelCenters": half}, [a, n.const("i32", to)], [n.result(n.kind, out, like=a)])
        row(name, 3, ["f32", "f16", "q8"], make, ranks=[4], variants=3)
    resize("RESIZE_BILINEAR", False)
    resize("RESIZE_NEAREST_NEIGHBOR", True)

    def lstm(n, rank, v):
        S, B, I, H = 4, 2, 3, 5
        a, x = n.feed(n.kind, [S, B, I], -1, 1)
        W, R, bs = n.r.uniform(-1, 1, (4, H, I)), n.r.uniform(-1, 1, (4, H, H)), n.r.uniform(-1, 1, (4, H))
        P = n.r.uniform(-1, 1, (3, H)) if v else np.zeros((3, H))
        ids = [-1] * 24
        ids[0] = a
        for k in range(4):
            ids[1 + k], ids[5 + k], ids[12 + k] = n.const(n.kind, W[k]), n.const(n.kind, R[k]), n.const(n.kind, bs[k])
        for k in range(3 if v else 0):
            ids[9 + k] = n.const(n.kind, P[k])
        for k in (18, 19):
            ids[k] = n.tensor(n.kind, [B, H], state=True)
        sig = lambda x: 1 / (1 + np.exp(-x))
        h, c, ys = np.zeros((B, H)), np.zeros((B, H)), []
        for t in range(S):
            g = [x[t] @ W[k].T + h @ R[k].T + bs[k] for k in range(4)]  # i, f, c, o
            c = sig(g[1] + c * P[1]) * c + sig(g[0] + c * P[0]) * np.tanh(g[2])
            h = sig(g[3] + c * P[2]) * np.tanh(c)
            ys.append(h)
        n.once = True  # it keeps its states: the exporter puts a step before that resets them
        n.op("UNIDIRECTIONAL_SEQUENCE_LSTM", n.v, "UnidirectionalSequenceLSTMOptions", {"fusedActivationFunction": 4, "timeMajor": True}, ids, [n.result(n.kind, np.stack(ys))])
    row("UNIDIRECTIONAL_SEQUENCE_LSTM", 1, ["f32", "f16"], lstm, ranks=[3], variants=2)


def attempt(i, rank):
    """What is wrong with row i at so many axes, "" if nothing is."""
    name, version, form, kind, make, _, variants = ROWS[i]
    seed = 1000 * rank
    for v in [*range(variants)] * (5 if rank < 2 else 1):  # of one or few elements by chance
        for mode in MODES:
            seed += 1
            n = Net(seed)
            n.kind, n.v, n.finite, n.once = kind, version, False, False
            make(n, rank, v)
            try:
                wrong = n.run(mode)
            except Exception as e:  # the runtime's refusal
                wrong = str(e).strip().replace("\n", " ")[:160] or type(e).__name__
            if wrong:
                return f"{'with' if mode == MODES[0] else 'without'} delegate, variant {v}: {wrong}"
    return ""


def work(i, ranks, pipe):
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the runtime's log
    for r in ranks:
        pipe.send(("begin", r))
        pipe.send((attempt(i, r), r))
    pipe.close()


def probe(i):
    """What is wrong with row i, by number of axes."""
    left, out = list(ROWS[i][5]), {}
    while left:
        here, there = mp.Pipe(False)
        p = mp.Process(target=work, args=(i, left, there))
        p.start()
        there.close()
        begun = left[0]
        while True:
            try:
                what, r = here.recv()
            except EOFError:
                break
            begun = r
            if what != "begin":
                out[r] = what
        p.join()
        if p.exitcode == 1:
            sys.exit(f"a case of {ROWS[i][:4]} cannot be made")
        if begun not in out:
            out[begun] = f"the process ended with {p.exitcode}"
        left = [r for r in left if r not in out]
    return out


def span(ranks):
    """3, 1-4 or 1-4,6."""
    parts = []
    for r in sorted(ranks):
        if parts and parts[-1][1] == r - 1:
            parts[-1][1] = r
        else:
            parts.append([r, r])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--check", metavar="FILE", help="compare with the table in FILE")
    p.add_argument("--why", metavar="BUILTIN", help="say what went wrong with BUILTIN")
    o = p.parse_args()
    for f in (elementwise, movers, products):
        f()
    lines = [f"# ai-edge-litert {importlib.metadata.version('ai-edge-litert')}, written by tools/peers/probe.py", "# builtin\tversion\tform\ttypes\taxes"]
    for i, (name, version, form, kind, _, ranks, _) in enumerate(ROWS):
        if o.why and name != o.why:
            continue
        out = probe(i)
        for r in ranks if o.why else []:
            print(f"{name} {version} {form} {kind}, {r} axes: {out[r] or 'right'}")
        right = [r for r in ranks if not out[r]]
        if right:
            lines.append(f"{name}\t{version}\t{form}\t{kind}\t{span(right)}")
    if o.why:
        return
    lines[2:] = sorted(lines[2:])
    text = "\n".join(lines) + "\n"
    if not o.check:
        print(text, end="")
        return
    with open(o.check) as f:
        old = f.read()
    for sign, a, b in (("-", old, text), ("+", text, old)):
        for line in a.splitlines():
            if line not in b.splitlines():
                print(sign, line)
    print(f"{len(lines) - 2} rows {'as in' if old == text else 'other than'} {o.check}")
    sys.exit(old != text)


if __name__ == "__main__":
    main()
