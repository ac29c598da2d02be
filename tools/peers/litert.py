"""Check TensorFlow Lite exports in the real runtime: they compute what was
recorded of the original model.

    mlc build MODEL -o DIR/NAME/model.tflite      # for each
    python3 tools/peers/litert.py DIR [NAME...]

DIR/NAME also holds test_data_set_N/{input,output}_M.pb. With --mlc BIN and
--shared DIR the models named below are unpacked and exported first, in both
layouts of inputs and outputs.

    go run ./tools/peers -graphs 100 -out DIR     # or -corners, or -examples -tflite
    python3 tools/peers/litert.py DIR --folders

checks whole folders of small models that way.

    python3 tools/peers/litert.py DIR --int8 [--nodes] [--inputs N] --mlc BIN --shared DIR [NAME...]

quantizes convolutional nets to int8 and compares their outputs in LiteRT with ours,
in steps of what was quantized last. The keyword net is calibrated with 64 of its
1000 labelled samples and compared on all; the others, of which one input was
recorded, with that and 8 variants of it (moved, mirrored, dimmed, with noise), and
compared on it and N others. So are small nets made here (by name, v3-like, leaky-like
and elu-like: random weights, each with kinds of activations that the former lack).
At least 98 % must be within a step, the class the same, and the
keyword net's accuracy in LiteRT at most a point below that of the float net there.
LiteRT's default kernels (XNNPACK) are judged, its reference kernels only shown:
these round twice. --nodes shows where: every operator on the same bytes in both.
--noise compares on N inputs of uniform noise instead, which no net was made for.
The six models that are the default must come out without transposes of layout, but
for one at each 4-D input and output that keeps the model's order.
Outputs may differ from the recorded ones by 1e-4 of the largest of them (f16: 1e-3). Needs
`pip install ai-edge-litert onnx numpy`; unpacking needs tar and zstd.
"""

import argparse
import glob
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from onnx import numpy_helper

import made
import qnodes

BAR = 1e-4
STEPS = 0.03  # where a tie that QUANTIZE rounds otherwise is carried on, over a few steps
MODELS = ["mnist-cntk-8", "blazeface-front-128", "kws_ds_cnn_float", "oww-hello-deepa", "cyclone-unet", "dtln-1"]
EIGHT = ["mnist-cntk-8", "blazeface-front-128", "cyclone-unet", "kws_ds_cnn_float", "v3-like", "leaky-like", "elu-like"]
FLOAT_EDGE = {"mnist-cntk-8"}  # ends in a float addition
CLASSES = {"mnist-cntk-8", "kws_ds_cnn_float"}  # whose output is one


def number(path):
    return int(re.search(r"_(\d+)\.pb$", path).group(1))


def load(path):
    t = onnx.TensorProto()
    with open(path, "rb") as f:
        t.ParseFromString(f.read())
    return t.name, numpy_helper.to_array(t)


def bind(files, names):
    """Arrays by name: the .pb's own if it is one of names, else by number."""
    out = {}
    for f in sorted(files, key=number):
        own, a = load(f)
        out[own if own in names else names[number(f)]] = a
    return out


def prepare(folder, name, shared):
    """Unpack name, with its recorded data, into folder."""
    os.makedirs(folder, exist_ok=True)
    if name in MADE:
        n = made.Made()
        d = f"{folder}/{name}"
        os.makedirs(f"{d}/test_data_set_0", exist_ok=True)
        onnx.save(n.places(MADE[name](n)), f"{d}/model.onnx")
        with open(f"{d}/test_data_set_0/input_0.pb", "wb") as f:
            f.write(numpy_helper.from_array(n.picture(), "x").SerializeToString())
        return None
    if name == "kws_ds_cnn_float":
        sub = "tinyml/kws"
        subprocess.run(["tar", "--zstd", "-xf", f"{shared}/data/tinyml.tar.zst", "-C", folder, sub], check=True)
        d = f"{folder}/{name}"
        os.makedirs(d, exist_ok=True)
        os.replace(f"{folder}/{sub}/{name}.onnx", f"{d}/model.onnx")
        x = np.load(f"{folder}/{sub}/mfcc_i8.npy")[:100]
        want = np.load(f"{folder}/{sub}/prob_float_first100.npy")
        info = json.load(open(f"{folder}/{sub}/info.json"))
        return x, want, info
    for a in sorted(glob.glob(f"{shared}/corpus/real-onnx-*.tar.zst")):
        subprocess.run(["tar", "--zstd", "-xf", a, "-C", folder, name], stderr=subprocess.DEVNULL, check=False)
    return None


MADE = {"v3-like": made.v3, "leaky-like": made.residual("LeakyRelu", "LeakyRelu", alpha=0.1), "elu-like": made.residual("Elu", "Gelu")}


def export(mlc, d, io, feed):
    args = [mlc, "build", f"{d}/model.onnx", "-o", f"{d}/model.tflite", "--tflite-io", io, "--json"]
    for k, v in feed.items():
        args += ["--shape", f"{k}=" + ",".join(map(str, v.shape))]
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode:
        raise AssertionError(p.stderr.strip())
    return json.loads(p.stdout)["tflite"]


def arrange(a, dims):
    """NCHW as the file stores it, where that is channels last."""
    if a.ndim == 4 and list(a.shape) != list(dims) and list(a.transpose(0, 2, 3, 1).shape) == list(dims):
        return a.transpose(0, 2, 3, 1)
    return a


def compare(path, sets, ports=None, bar=BAR):
    it = Interpreter(model_path=path, num_threads=1)
    it.allocate_tensors()
    run = it.get_signature_runner("serving_default")
    perm = {p["name"]: p.get("perm") for p in (ports or [])}
    move = lambda k, a: a.transpose(perm[k]) if perm.get(k) else a
    worst = 0.0
    for feed, want in sets(list(run.get_input_details()), list(run.get_output_details())):
        have = run(**{k: np.ascontiguousarray(move(k, v)) for k, v in feed.items()})
        for k, w in want.items():
            h, w = have[k].astype(np.float64), move(k, w).astype(np.float64)
            if h.shape != w.shape:
                raise AssertionError(f"output {k}: {h.shape}, want {w.shape}")
            same = (h == w) | (np.isnan(h) & np.isnan(w))
            h, w = np.where(same, 0, h), np.where(same, 0, w)
            if w.size:
                off = np.abs(h - w).max() / max(np.abs(np.nan_to_num(want[k].astype(np.float64), posinf=0, neginf=0)).max(), 1e-30)
                if want[k].dtype == np.float16:  # 10 bits
                    off /= 10
                worst = off if np.isnan(off) else max(worst, off)
    if not worst <= bar:
        raise AssertionError(f"off by {worst:.3g} of the largest output")
    return worst


def recorded(d, order):
    ins, outs = order

    def sets(_, __):
        for s in sorted(glob.glob(d + "/test_data_set_*")):
            yield bind(glob.glob(s + "/input_*.pb"), ins), bind(glob.glob(s + "/output_*.pb"), outs)

    return sets


def folders(root):
    """Every folder of root, written by tools/peers with its ports."""
    bad = done = near = 0
    for d in sorted(glob.glob(root + "/*/model.tflite")):
        d = os.path.dirname(d)
        with open(d + "/ports.json") as f:
            ports = json.load(f)
        lower = lambda p: {"name": p["Name"], "perm": p["Perm"]}
        ins, outs = [lower(p) for p in ports["inputs"]], [lower(p) for p in ports["outputs"]]
        try:
            sets = recorded(d, ([p["name"] for p in ins], [p["name"] for p in outs]))
            near += int(compare(d + "/model.tflite", sets, ins + outs, STEPS if ports.get("quantized") else BAR) > BAR)
            done += 1
        except Exception as e:
            bad += 1
            print(f"FAIL  {os.path.basename(d)}: {str(e)[:300]}")
    print(f"{done} of {done + bad} right" + f", {near} of them a few steps off" * (near > 0))
    sys.exit(1 if bad else 0)


def variants(base, n, seed):
    """n pictures like base: moved, mirrored, dimmed, with a little noise."""
    r = np.random.default_rng(seed)
    out = []
    for _ in range(n):
        v = {}
        for k, a in base.items():
            b = a.astype(np.float64)
            for axis in [i for i, e in enumerate(a.shape) if e > 32 or e == 28]:  # height and width
                b = np.roll(b, r.integers(-4, 5), axis)
                if axis == a.ndim - 1 - (a.shape[-1] <= 32) and r.integers(2):
                    b = np.flip(b, axis)
            b = a.min() + (b - a.min()) * r.uniform(0.7, 1) + r.normal(0, 0.02 * a.std(), a.shape)
            v[k] = np.clip(b, a.min(), a.max()).astype(a.dtype)
        out.append(v)
    return out


def opened(path):
    """A quantized model whose outputs are in steps: what only bends the last
    quantized values (Softmax hides quanta) is taken off. With the step of each."""
    m = onnx.load(path)
    made = {o: n for n in m.graph.node for o in n.output}
    known = {i.name: numpy_helper.to_array(i) for i in m.graph.initializer}
    for o in m.graph.output:
        n = made[o.name]
        if n.op_type == "Softmax":
            m.graph.node.remove(n)
            made[n.input[0]].output[:] = [o.name]
            made[o.name] = made[n.input[0]]
            for t in m.graph.value_info:
                if t.name == n.input[0]:
                    o.type.CopyFrom(t.type)

    def step(v):
        n = made.get(v)
        if n is None:
            return 0.0
        if n.op_type == "DequantizeLinear":
            return 0.0 if n.input[0] in known else float(known[n.input[1]])
        return max(map(step, n.input))

    onnx.save(m, path)
    return {o.name: step(o.name) for o in m.graph.output}


def ours(o, model, feed, d):
    args = []
    for i, (k, a) in enumerate(feed.items()):
        np.save(f"{d}/in{i}.npy", a)
        args += ["-i", f"{k}={d}/in{i}.npy"]
    p = subprocess.run([o.mlc, "run", model, "--json", "--out-dir", f"{d}/out", *args], check=True, capture_output=True, text=True)
    return {t["name"]: np.load(t["file"]) for t in json.loads(p.stdout)["outputs"]}


def runner(path, mode):
    """The file's signature; None where the reference kernels lack an operator, as
    they do ELU."""
    try:
        it = Interpreter(model_path=path, num_threads=1, experimental_op_resolver_type=mode)
    except ValueError as e:
        if mode == OpResolverType.AUTO or "Didn't find op" not in str(e):
            raise
        return None
    it.allocate_tensors()
    return it.get_signature_runner("serving_default")


def eight(o, name):
    """One net in int8: LiteRT's outputs against ours, in quanta."""
    labels = None
    extra = prepare(o.dir, name, o.shared)
    d = f"{o.dir}/{name}"
    if extra:
        x = np.load(f"{o.dir}/tinyml/kws/mfcc_i8.npy").astype(np.float32) * np.float32(extra[2]["mfcc_scale"])
        x = x.reshape(-1, 49, 10, 1)
        with open(f"{o.dir}/tinyml/kws/labels.csv") as f:
            labels = np.array([int(line.split(",")[2]) for line in f.read().splitlines()[1:]])
        key = names(f"{d}/model.onnx")[0][0]
        calib, batch = {key: x[:64]}, {key: x}
        feeds = [{key: row[None]} for row in x]
    else:
        base = next(recorded(d, names(f"{d}/model.onnx"))(0, 0))[0]
        all_ = variants(base, 8, 1)
        calib = {k: np.concatenate([v[k] for v in [base, *all_]]) for k in base}
        feeds, batch = [base, *variants(base, o.inputs, 2)], None
        if o.noise:
            r = np.random.default_rng(3)
            feeds = [{k: r.uniform(a.min(), a.max(), a.shape).astype(a.dtype) for k, a in base.items()} for _ in range(o.inputs)]
    np.savez(f"{d}/calib.npz", **calib)
    shapes = [w for k, v in feeds[0].items() for w in ("--shape", f"{k}=" + ",".join(map(str, v.shape)))]
    run = lambda *a: json.loads(subprocess.run([o.mlc, *a, "--json"], check=True, capture_output=True, text=True).stdout)
    run("quantize", f"{d}/model.onnx", "--activation-type", "i8", "--calib", f"npz:{d}/calib.npz", "--calib-samples", "64", "-o", f"{d}/q.onnx", *([] if batch else shapes))
    shutil.copy(f"{d}/q.onnx", f"{d}/whole.onnx")
    steps = opened(f"{d}/q.onnx")
    run("build", f"{d}/q.onnx", *shapes, "-o", f"{d}/q.tflite")
    if batch:
        y = ours(o, f"{d}/q.onnx", batch, d)
        mine = [{k: v[i:i + 1] for k, v in y.items()} for i in range(len(feeds))]
    else:
        mine = [ours(o, f"{d}/q.onnx", f, d) for f in feeds]
    if labels is not None:
        run("build", f"{d}/model.onnx", *shapes, "-o", f"{d}/model.tflite")
        it = Interpreter(model_path=f"{d}/model.tflite", num_threads=1)
        it.allocate_tensors()
        net = it.get_signature_runner("serving_default")
        plain = 100 * np.mean([next(iter(net(**f).values())).argmax() == n for f, n in zip(feeds, labels)])
    bad = False
    for kernels, mode in (("XNNPACK", OpResolverType.AUTO), ("reference kernels", OpResolverType.BUILTIN_REF)):
        if (net := runner(f"{d}/q.tflite", mode)) is None:
            print("     ", f"{name}: the {kernels} lack an operator of it")
            continue
        theirs = [net(**f) for f in feeds]
        for k, step in steps.items():
            off = np.array([np.abs(np.round((a[k].astype(np.float64) - b[k]) / step)).reshape(-1) for a, b in zip(mine, theirs)])
            tops = np.array([a[k].argmax() == b[k].argmax() for a, b in zip(mine, theirs)])
            line = (f"{name} {k}, {kernels}: {100 * (off == 0).mean():.2f} % equal, {100 * (off <= 1).mean():.2f} % within a quantum of {step:.3g} "
                    f"(at worst {off.max():.0f}; the worst of {len(feeds)} inputs {100 * (off <= 1).mean(1).min():.2f} %), same largest element on {100 * tops.mean():.1f} %")
            judged = kernels == "XNNPACK"
            if judged:
                first = theirs
            else:
                apart = np.array([np.abs(np.round((a[k].astype(np.float64) - b[k]) / step)).reshape(-1) for a, b in zip(first, theirs)])
                line += f"; {100 * (apart <= 1).mean():.2f} % within a quantum of XNNPACK's"
            wrong = judged and ((off <= 1).mean() < 0.98 or name in CLASSES and not tops.all())
            if labels is not None:
                right = 100 * np.mean([b[k].argmax() == n for b, n in zip(theirs, labels)])
                line += f", accuracy {right:.1f} % (float {plain:.1f} %)"
                wrong |= judged and right < plain - 1
            bad |= wrong
            print("FAIL " if wrong else "ok   " if judged else "     ", line)
    bad |= edges(o, name, shapes, feeds[:100], batch and {k: v[:100] for k, v in batch.items()})
    return bad | (o.nodes and nodes(o, name, feeds[0]))


def edges(o, name, shapes, feeds, batch):
    """The int8 net with bytes at its inputs and outputs, against ours, in the steps
    that the report gives. A last Softmax is one in int8 there."""
    d = f"{o.dir}/{name}"
    args = [o.mlc, "build", f"{d}/whole.onnx", *shapes, "-o", f"{d}/bytes.tflite", "--tflite-edges", "int8", "--tflite-io", "nhwc", "--json"]
    p = subprocess.run(args, capture_output=True, text=True)
    if p.returncode:
        print("     ", f"{name} has no int8 edges:", p.stderr.strip()[:200])
        return name not in FLOAT_EDGE
    rep = json.loads(p.stdout)["tflite"]
    wants = ours(o, f"{d}/whole.onnx", batch, d) if batch else None
    it = Interpreter(model_path=f"{d}/bytes.tflite", num_threads=1)
    it.allocate_tensors()
    net = it.get_signature_runner("serving_default")
    details = {**net.get_input_details(), **net.get_output_details()}
    off, tops = [], []
    for i, feed in enumerate(feeds):
        want = {k: v[i:i + 1] for k, v in wants.items()} if batch else ours(o, f"{d}/whole.onnx", feed, d)
        q = {}
        for t in rep["inputs"]:
            a = feed[t["name"]].transpose(t.get("perm") or range(feed[t["name"]].ndim))
            q[t["name"]] = np.clip(np.rint(a / np.float32(t["scale"])) + t["zero_point"], -128, 127).astype(np.int8)
        have = net(**q)
        for t in rep["outputs"]:
            y = have[t["name"]]
            assert y.dtype == np.int8 and tuple(details[t["name"]]["quantization"]) == (np.float32(t["scale"]), t["zero_point"]), details[t["name"]]
            w = want[t["name"]].transpose(t.get("perm") or range(y.ndim)).astype(np.float64)
            off.append(np.abs(np.clip(np.round(w / t["scale"]) + t["zero_point"], -128, 127) - y).reshape(-1))
            tops.append(y.reshape(-1)[w.argmax()] == y.max())
    off = np.concatenate(off)
    bad = not (off <= 1).mean() >= 0.98 or name in CLASSES and not all(tops)
    print("FAIL " if bad else "ok   ", f"{name} with int8 edges, XNNPACK: {100 * (off == 0).mean():.2f} % equal, {100 * (off <= 1).mean():.2f} % within a quantum "
          f"(at worst {off.max():.0f}), same largest element on {100 * np.mean(tops):.1f} %")
    return bad


def nodes(o, name, feed):
    """The int8 net again, cut at its quantized values, each part on the bytes that
    we have there: what the parts' operators give, in both sets of kernels."""
    d = f"{o.dir}/{name}"
    m = onnx.load(f"{d}/q.onnx")
    parts = list(qnodes.groups(m.graph))
    values = qnodes.inside(o.mlc, m, parts, feed, d)
    sums = {}
    for v, part, inputs in parts:
        core = "+".join(n.op_type for n in part if n.op_type not in ("QuantizeLinear", "DequantizeLinear")) or "Quantize"
        onnx.save(qnodes.cut(m, part, {i: values[i] for i in inputs}, values[v]), f"{d}/part.onnx")
        for edge in ("float", "int8") if core == "Gelu" else ("float",):
            subprocess.run([o.mlc, "build", f"{d}/part.onnx", "-o", f"{d}/part.tflite", "-q", "--tflite-edges", edge], check=True, capture_output=True)
            for i, mode in enumerate((OpResolverType.AUTO, OpResolverType.BUILTIN_REF)):
                if (net := runner(f"{d}/part.tflite", mode)) is None:
                    continue
                y = net(**{f"in{k}": values[n] for k, n in enumerate(inputs)})["out"]
                off = np.abs(y.astype(int) - values[v].astype(int))
                t = sums.setdefault(core + " (int8 edges)" * (edge == "int8"), [[0, 0, 0], [0, 0, 0]])[i]
                t[0], t[1], t[2] = t[0] + off.size, t[1] + (off > 0).sum(), max(t[2], off.max())
    bad = False
    for core, (x, r) in sums.items():
        wrong = x[2] > 1 or x[1] > 1e-3 * x[0]
        bad |= wrong
        print("FAIL " if wrong else "ok   ", f"{name}, {core} on equal inputs: of {x[0]} bytes XNNPACK has {x[1]} other than we (by {x[2]} at most), " + (f"the reference kernels {r[1]} (by {r[2]})" if r[0] else "the reference kernels lack it"))
    return bad


def int8(o):
    bad = False
    for name in o.names or EIGHT:
        bad |= eight(o, name)
    sys.exit(1 if bad else 0)


def names(path):
    g = onnx.load(path, load_external_data=False).graph
    inits = {i.name for i in g.initializer}
    return [i.name for i in g.input if i.name not in inits], [o.name for o in g.output]


def keywords(extra):
    x, want, info = extra

    def sets(ins, outs):
        for i in range(len(want)):
            f = x[i].astype(np.float32) * np.float32(info["mfcc_scale"])
            yield {ins[0]: f.reshape(1, 49, 10, 1)}, {outs[0]: want[i].reshape(1, 12)}

    return sets


def main():
    p = argparse.ArgumentParser()
    p.add_argument("dir")
    p.add_argument("names", nargs="*")
    p.add_argument("--mlc")
    p.add_argument("--shared", default="../shared")
    p.add_argument("--int8", action="store_true")
    p.add_argument("--nodes", action="store_true")
    p.add_argument("--noise", action="store_true")
    p.add_argument("--inputs", type=int, default=16)
    p.add_argument("--folders", action="store_true")
    p.add_argument("--io", default="nchw,nhwc")
    o = p.parse_intermixed_args()
    if o.int8:
        int8(o)
    if o.folders:
        folders(o.dir)
    bad = 0
    for name in o.names or MODELS:
        extra = prepare(o.dir, name, o.shared) if o.mlc else None
        d = f"{o.dir}/{name}"
        for io in o.io.split(",") if o.mlc else ["as it is"]:
            try:
                order = names(f"{d}/model.onnx")
                sets = keywords(extra) if extra else recorded(d, order)
                rep = {"transposes": [], "inputs": [], "outputs": []}
                if o.mlc:
                    rep = export(o.mlc, d, io, next(sets(*order))[0])
                worst = compare(f"{d}/model.tflite", sets, rep["inputs"] + rep["outputs"])
                edges = sum(len(t["dims"]) == 4 for t in rep["inputs"] + rep["outputs"]) if io == "nchw" else 0
                if name in MODELS and len(rep["transposes"]) > edges:
                    raise AssertionError(f"{len(rep['transposes'])} transposes, {edges} inputs and outputs that may need one")
                print(f"ok    {name} {io}: {worst:.2g} of the largest output, {len(rep['transposes'])} transposes")
            except Exception as e:  # report every model
                bad += 1
                print(f"FAIL  {name} {io}: {str(e)[:400]}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
