"""Checks channel pruning against masks that are propagated by running numbers.

    go build -o /tmp/mlc ./tools/mlc
    for n in resnet8 resnet18 mobilenetv2; do go run ./tools/mkmodels -net $n -out /tmp/nets; done
    python3 tools/peers/prune_oracle.py /tmp/mlc /tmp/nets/*.onnx

For each model and setting mlc writes the pruned model and, with --zero, the
original with zeros. Of the latter only one thing is believed: which filters
(rows of weights with their bias, or a normalization's scale and shift) are
zero. Every other number is replaced by a positive one, so that no activation
is zero by chance; onnxruntime runs that on positive inputs, and a channel of
any value that is zero everywhere is dead. A weight then counts if what it
makes and what it reads are alive. No rule of any operator but those that hold
weights is in here, and nothing of how mlc finds its groups.

Checked: the number of parameters, of each layer and in all; the outputs of the
pruned model against those of the masked one in onnxruntime, and mlc's own;
of single weights, that the smallest went and nothing else changed.
Needs numpy, onnx, onnxruntime.
"""

import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

SETTINGS = [
    "--sparsity 0.4 --align native",
    "--sparsity 0.5",
    "--sparsity 0.5 --scope global --criterion l1 --min-channels 2",
    "--sparsity 0.3 --scope global --align 8 --min-channels 8",
    "--sparsity 0.75 --min-channels 3 --criterion l1",
]
TOLERANCE = 1e-5
PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def attribute(node, name, default):
    for a in node.attribute:
        if a.name == name:
            return onnx.helper.get_attribute_value(a)
    return default


def initializers(model):
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


def filters_axis(node):
    """The axis of a node's weight that counts what it makes."""
    if node.op_type == "Conv":
        return 0
    if node.op_type == "ConvTranspose":
        return 1
    if node.op_type == "Gemm":
        return 0 if attribute(node, "transB", 0) else 1
    return -1


def session(model):
    o = ort.SessionOptions()
    o.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    o.intra_op_num_threads = 2
    return ort.InferenceSession(model.SerializeToString(), o, providers=["CPUExecutionProvider"])


def inputs(model, rng, positive):
    have = {t.name for t in model.graph.initializer}
    feed = {}
    for i in model.graph.input:
        if i.name in have:
            continue
        dims = [d.dim_value or 1 for d in i.type.tensor_type.shape.dim]
        x = rng.standard_normal(dims).astype(np.float32)
        feed[i.name] = np.abs(x) + 0.1 if positive else x
    return feed


def alive(masked, rng):
    """Which channels (axis 1) of every value are not zero everywhere."""
    init = initializers(masked)
    probe = onnx.ModelProto()
    probe.CopyFrom(masked)
    new = {}

    def positive(shape, keep):
        v = (rng.random(shape) * 0.5 + 0.5).astype(np.float32)
        return v * keep

    for n in masked.graph.node:
        if n.op_type in PRODUCTS and n.input[1] in init:
            w = init[n.input[1]]
            axis = filters_axis(n) % w.ndim
            row = np.any(w != 0, axis=tuple(a for a in range(w.ndim) if a != axis))
            if len(n.input) > 2 and n.input[2]:
                row |= init[n.input[2]].reshape(-1) != 0
                new[n.input[2]] = positive(init[n.input[2]].shape, row)
            s = [1] * w.ndim
            s[axis] = -1
            scale = w.size / w.shape[axis]
            new[n.input[1]] = positive(w.shape, row.reshape(s)) / np.float32(scale)
        if n.op_type == "BatchNormalization":
            on = (init[n.input[1]] != 0) | (init[n.input[2]] != 0)
            new[n.input[1]] = positive(on.shape, on)
            new[n.input[2]] = positive(on.shape, on)
            new[n.input[3]] = -positive(on.shape, on)
            new[n.input[4]] = positive(on.shape, np.ones_like(on))
    for t in probe.graph.initializer:
        if t.name in new:
            t.CopyFrom(numpy_helper.from_array(new[t.name].astype(np.float32), t.name))
    outs = [o for n in probe.graph.node for o in n.output if o]
    del probe.graph.output[:]
    probe.graph.output.extend(onnx.helper.make_empty_tensor_value_info(o) for o in outs)
    result = session(probe).run(outs, inputs(probe, rng, True))
    live = {}
    for name, v in zip(outs, result):
        if v.ndim >= 2:
            live[name] = np.any(v != 0, axis=tuple(a for a in range(v.ndim) if a != 1))
    for i in masked.graph.input:
        dims = i.type.tensor_type.shape.dim
        if len(dims) > 1:
            live[i.name] = np.ones(dims[1].dim_value, bool)
    return live


def expected(masked, live):
    """Parameters of each layer that are left, by node name."""
    init = initializers(masked)
    count = {}
    for n in masked.graph.node:
        out = live.get(n.output[0])
        if n.op_type in PRODUCTS and n.input[1] in init:
            w, a, b = init[n.input[1]], live[n.input[0]], int(out.sum())
            if n.op_type == "Conv":
                g, size = attribute(n, "group", 1), int(np.prod(w.shape[2:]))
                if g == 1:
                    k = b * int(a.sum()) * size
                elif w.shape[1] == 1:
                    k = b * size
                else:
                    k = b * (int(a.sum()) // g) * size
            elif n.op_type == "ConvTranspose":
                k = b * int(a.sum()) * int(np.prod(w.shape[2:]))
            else:
                k = b * int(a.sum())
            if len(n.input) > 2 and n.input[2]:
                k += b
            count[n.name] = k
        if n.op_type == "BatchNormalization":
            count[n.name] = 4 * int(out.sum())
    return count


def have(pruned):
    init = initializers(pruned)
    count = {}
    for n in pruned.graph.node:
        if n.op_type in PRODUCTS or n.op_type == "BatchNormalization":
            count[n.name] = sum(init[i].size for i in n.input if i in init)
    return count


def mlc_output(mlc, path, feed, folder):
    args = [mlc, "run", path, "--out-dir", folder, "--out-format", "npy", "-q"]
    for name, x in feed.items():
        f = os.path.join(folder, "in.npy")
        np.save(f, x)
        args += ["-i", f"{name}={f}"]
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL)
    return [np.load(os.path.join(folder, f)) for f in sorted(os.listdir(folder)) if f.endswith(".npy") and f != "in.npy"]


def deviation(a, b):
    return float(np.max(np.abs(a - b)) / max(1.0, np.max(np.abs(b))))


def check(mlc, path, setting, rng):
    with tempfile.TemporaryDirectory() as d:
        p, z = os.path.join(d, "pruned.onnx"), os.path.join(d, "masked.onnx")
        flags = setting.split() + ["--structure", "channel", "-q"]
        subprocess.run([mlc, "prune", path, "-o", p] + flags, check=True)
        subprocess.run([mlc, "prune", path, "-o", z, "--zero"] + flags, check=True)
        pruned, masked = onnx.load(p), onnx.load(z)
        onnx.checker.check_model(pruned, full_check=True)
        want, got = expected(masked, alive(masked, rng)), have(pruned)
        off = [f"{k}: {got.get(k)} parameters, want {want[k]}" for k in want if got.get(k) != want[k]]
        if set(want) != set(got):
            off.append(f"layers differ: {sorted(set(want) ^ set(got))}")
        feed = inputs(masked, rng, False)
        a, b = session(pruned).run(None, feed), session(masked).run(None, feed)
        dev = max(deviation(x, y) for x, y in zip(a, b))
        out = os.path.join(d, "out")
        os.mkdir(out)
        ours = max(deviation(x, y) for x, y in zip(mlc_output(mlc, p, feed, out), a))
        if dev > TOLERANCE:
            off.append(f"outputs differ from the masked original's by {dev:.2g}")
        if ours > TOLERANCE:
            off.append(f"mlc and onnxruntime differ by {ours:.2g}")
        total = sum(v.size for v in initializers(onnx.load(path)).values())
        print(f"{'FAIL' if off else 'ok  '} {os.path.basename(path):18} {setting:62} "
              f"{total:>9} -> {sum(got.values()):>9} parameters, masked {dev:.1e}, mlc {ours:.1e}")
        for line in off:
            print("     " + line)
        return not off


def check_weights(mlc, path, sparsity, scope, rng):
    """Single weights: how many are zero, none kept below one that went, and
    nothing else changed; outputs of both engines on the sparse model."""
    with tempfile.TemporaryDirectory() as d:
        p, c = os.path.join(d, "sparse.onnx"), os.path.join(d, "canonical.onnx")
        flags = ["--sparsity", str(sparsity), "--scope", scope, "-q"]
        subprocess.run([mlc, "prune", path, "-o", p] + flags, check=True)
        subprocess.run([mlc, "build", path, "-o", c, "-O1", "-q"], check=True)
        sparse, model = onnx.load(p), onnx.load(c)
        onnx.checker.check_model(sparse, full_check=True)
        new, old = initializers(sparse), initializers(model)
        weights = [n.input[1] for n in sparse.graph.node if n.op_type in PRODUCTS and n.input[1] in new]
        off = [f"{k} changed" for k in old if k not in weights and k in new and not np.array_equal(old[k], new[k])]
        groups = [weights] if scope == "global" else [[w] for w in weights]
        for g in groups:
            a = np.abs(np.concatenate([old[w].ravel() for w in g]))
            b = np.concatenate([new[w].ravel() for w in g])
            gone = b == 0
            if gone.sum() != round(sparsity * a.size) or a[gone].max() > a[~gone].min():
                off.append(f"{g[0]}: {gone.sum()} of {a.size} are zero, or not the smallest")
            if not np.array_equal(np.abs(b[~gone]), a[~gone]):
                off.append(f"{g[0]}: a kept weight changed")
        feed = inputs(sparse, rng, False)
        out = os.path.join(d, "out")
        os.mkdir(out)
        ours = max(deviation(x, y) for x, y in zip(mlc_output(mlc, p, feed, out), session(sparse).run(None, feed)))
        if ours > TOLERANCE:
            off.append(f"mlc and onnxruntime differ by {ours:.2g}")
        print(f"{'FAIL' if off else 'ok  '} {os.path.basename(path):18} weights, {scope}, {sparsity}; mlc {ours:.1e}")
        for line in off:
            print("     " + line)
        return not off


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    rng = np.random.default_rng(1)
    ok = [check(sys.argv[1], m, s, rng) for m in sys.argv[2:] for s in SETTINGS]
    ok += [check_weights(sys.argv[1], m, 0.7, s, rng) for m in sys.argv[2:] for s in ("layer", "global")]
    print(f"{sum(ok)} of {len(ok)} hold")
    sys.exit(0 if all(ok) else 1)


if __name__ == "__main__":
    main()
