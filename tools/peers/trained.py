"""Compares models that mlc wrote with the same files in onnxruntime, and what it
makes of them for TensorFlow Lite in LiteRT.

    python tools/peers/trained.py MLC DATA MODEL.onnx... [--tflite]

DATA is raw, as the models take it, so their preprocessing is compared too: an
idx file of pictures (gz too), or a CSV file of numbers whose columns but the
last are the models' inputs by position (first line skipped). Each file passes
onnx.checker with shape inference. A float model's outputs are within 1e-5 of
the largest; a model with QuantizeLinear gives the same class on 99.5 % of the
samples (onnxruntime's integer kernels in their precise form).

With --tflite the models are exported and run in LiteRT instead (DATA's first 200
samples): float ones within 1e-4 of the largest output, int8 ones within one step
of the last quantized values on 98 % of them and with our class on every sample, but
where two classes of the highest score are a step apart or less.

    python tools/peers/trained.py MLC --make DIR --pictures DIR --fashion DIR --tables DIR [--only NAMES] [--tflite]

trains small ones first, of each kind that training and compression make, into DIR (one
that is there is taken as it is), all or those of NAMES: 4,000 pictures, two epochs, so their accuracy
is no measure of anything. --pictures holds MNIST's idx files, --fashion those of
Fashion-MNIST, --tables scikit-learn's iris.csv and wine_data.csv.

Exit status 1 where that does not hold.
"""
import argparse
import csv
import gzip
import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx

import made

SAMPLES, TOLERANCE, SAME_CLASS = 1000, 1e-5, 0.995
LITE_SAMPLES, LITE_TOLERANCE, WITHIN = 200, 1e-4, 0.98

FIT = "--epochs 2 --optimizer adam --lr 0.003 --schedule cosine --val-split 0"
START = {"v3": made.v3, "leaky": made.residual("LeakyRelu", "LeakyRelu", alpha=0.1), "elu": made.residual("Elu", "Gelu")}
# What is trained on what; names of models made before stand for their files.
MAKE = {
    "lenet": ("mnist", "train --model lenet --data {data} " + FIT),
    "lstm": ("rows", "train --model lstm:32 --data {data} " + FIT),
    "fashion": ("fashion", "train --model resnet8:32,64,stem=1,pool=2,stride=2 --data {data} " + FIT),
    "fashion-int8": ("fashion", "quantize {fashion} --calib {data} --calib-samples 500"),
    "fashion-int8-signed": ("fashion", "quantize {fashion} --calib {data} --calib-samples 500 --activation-type i8"),
    "fashion-qat": ("fashion", "train --model {fashion} --precision qat-int8 --data {data} " + FIT),
    "fashion-gradual": ("fashion", "prune {fashion} --sparsity 0.7 --scope global --finetune --data {data} " + FIT),
    "fashion-channels": ("fashion", "prune {fashion} --structure channel --sparsity 0.4 --scope global --align native --finetune --data {data} " + FIT),
    "fashion-channels-int8": ("fashion", "quantize {fashion-channels} --calib {data} --calib-samples 500"),
    "distilled": ("fashion", "distill --teacher {fashion} --student resnet8:4,8,16 --data {data} --temp 1 --alpha 0.7 " + FIT),
    "lenet-int8": ("mnist", "quantize {lenet} --calib {data} --calib-samples 500"),
    # As they come from elsewhere, with activations that our own nets lack.
    "v3": ("pixels", "train --model {start-v3} --data {data} " + FIT),
    "v3-int8": ("pixels", "quantize {v3} --calib {calib} --calib-samples 500 --activation-type i8"),
    "leaky": ("pixels", "train --model {start-leaky} --data {data} " + FIT),
    "leaky-int8": ("pixels", "quantize {leaky} --calib {calib} --calib-samples 500 --activation-type i8"),
    "elu": ("pixels", "train --model {start-elu} --data {data} " + FIT),
    "elu-int8": ("pixels", "quantize {elu} --calib {calib} --calib-samples 500 --activation-type i8"),
    "iris": ("iris", "train --model mlp --data {data} --epochs 20 --batch 16 --optimizer adam --lr 0.003 --val-split 0"),
    "wine": ("wine", "train --model mlp --data {data} --epochs 20 --batch 16 --optimizer adam --lr 0.003 --val-split 0"),
    "wine-int8": ("wine", "quantize {wine} --calib {data}"),
}


def shorten(src, dst, n):
    """The first n of an idx file."""
    with gzip.open(src) as f:
        b = f.read()
    rank = b[3]
    dims = [int.from_bytes(b[4 * (i + 1):4 * (i + 2)], "big") for i in range(rank)]
    size = int(np.prod(dims[1:], dtype=int))
    with open(dst, "wb") as f:
        f.write(b[:4] + n.to_bytes(4, "big") + b[8:4 + 4 * rank] + b[4 + 4 * rank:4 + 4 * rank + n * size])


def make(o):
    """The models of MAKE, each with the data to compare on."""
    os.makedirs(o.make, exist_ok=True)
    use, test, files_of = {}, {}, {}
    for name, src in (("mnist", o.pictures), ("fashion", o.fashion)):
        files = []
        for part in ("images-idx3", "labels-idx1"):
            files.append(f"{o.make}/{name}-{part}-ubyte")
            shorten(f"{src}/train-{part}-ubyte.gz", files[-1], 4000)
        files_of[name] = files
        use[name], test[name] = "idx:" + ",".join(files), f"{src}/t10k-images-idx3-ubyte.gz"
    # Pictures as sequences of 28 rows.
    with open(files_of["mnist"][1], "rb") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    use["rows"], test["rows"] = f"npz:{o.make}/rows.npz?target=y", f"{o.make}/rows-test.npz"
    np.savez(f"{o.make}/rows.npz", x=pictures(files_of["mnist"][0], None).astype(np.float32) / 255, y=labels.astype(np.int64))
    np.savez(f"{o.make}/rows-test.npz", x=pictures(test["mnist"]).astype(np.float32) / 255)
    use["pixels"], test["pixels"] = f"npz:{o.make}/pixels.npz?target=y", f"{o.make}/pixels-test.npz"
    with open(files_of["fashion"][1], "rb") as f:
        labels = np.frombuffer(f.read(), np.uint8, offset=8)
    pixels = lambda path, most=SAMPLES: pictures(path, most)[:, None].astype(np.float32) / 127.5 - 1
    np.savez(f"{o.make}/pixels.npz", x=pixels(files_of["fashion"][0], None), y=labels.astype(np.int64))
    np.savez(f"{o.make}/pixels-calib.npz", x=pixels(files_of["fashion"][0], 500))
    np.savez(test["pixels"], x=pixels(test["fashion"]))
    for name, file in (("iris", "iris.csv"), ("wine", "wine_data.csv")):
        use[name], test[name] = f"{o.tables}/{file}?skip=1&header=no", f"{o.tables}/{file}"
    path = {m: f"{o.make}/{m}.onnx" for m in [*MAKE, *(f"start-{s}" for s in START)]} | {"calib": f"npz:{o.make}/pixels-calib.npz"}
    for name, f in START.items():
        n = made.Made(1)
        onnx.save(n.classes(f(n)), path[f"start-{name}"])
    names = o.only.split(",") if o.only else list(MAKE)
    for m, (data, line) in MAKE.items():
        if m in names and not os.path.exists(path[m]):
            args = line.format(data=use[data], **path).split()
            p = subprocess.run([o.mlc, *args, "-o", path[m], "-q"], capture_output=True, text=True)
            if p.returncode:
                sys.exit(f"{m}: {p.stderr.strip()}")
    return [(test[data], path[m]) for m, (data, _) in MAKE.items() if m in names]


def pictures(path, most=SAMPLES):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        b = f.read()
    dims = [int.from_bytes(b[4 * (i + 1):4 * (i + 2)], "big") for i in range(b[3])]
    return np.frombuffer(b, np.uint8, offset=4 + 4 * b[3]).reshape(dims)[:most]


def table(path):
    with open(path) as f:
        rows = list(csv.reader(f))[1:]
    return [np.array([float(r[i]) for r in rows], np.float64) for i in range(len(rows[0]) - 1)]


def feeds(data, model):
    inits = {i.name for i in model.graph.initializer}
    inputs = [i for i in model.graph.input if i.name not in inits]
    if data.endswith(".npz"):
        with np.load(data) as z:
            return {i.name: z[i.name] for i in inputs}
    cols = table(data) if data.endswith(".csv") else [pictures(data)]
    if len(cols) != len(inputs):
        sys.exit(f"{data} has {len(cols)} columns, the model {len(inputs)} inputs")
    out = {}
    for i, c in zip(inputs, cols):
        t = i.type.tensor_type
        out[i.name] = c.astype(onnx.helper.tensor_dtype_to_np_dtype(t.elem_type)).reshape([len(c)] + [d.dim_value for d in t.shape.dim[1:]])
    return out


def run_mlc(mlc, model, feed, d):
    args = []
    for k, (name, x) in enumerate(feed.items()):
        path = os.path.join(d, f"{k}.npy")
        np.save(path, x)
        args += ["-i", f"{name}={path}"]
    out = os.path.join(d, "out")
    subprocess.run([mlc, "run", model, "--out-dir", out, "-q"] + args, check=True, stdout=subprocess.DEVNULL)
    files = os.listdir(out)
    y = np.load(os.path.join(out, files[0]))
    for f in files:
        os.remove(os.path.join(out, f))
    return y


def one(mlc, data, model):
    import onnxruntime as ort

    m = onnx.load(model)
    onnx.checker.check_model(m, full_check=True)
    o = ort.SessionOptions()
    o.log_severity_level = 3
    o.add_session_config_entry("session.x64quantprecision", "1")
    s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    feed = feeds(data, m)
    theirs = s.run(None, feed)[0]
    with tempfile.TemporaryDirectory() as d:
        ours = run_mlc(mlc, model, feed, d)
    diff = float(abs(ours - theirs).max() / abs(theirs).max())
    same = float((ours.argmax(1) == theirs.argmax(1)).mean())
    quantized = any(n.op_type == "QuantizeLinear" for n in m.graph.node)
    ok = same >= SAME_CLASS if quantized else diff <= TOLERANCE
    print(f"{'ok' if ok else 'FAIL'}: {os.path.basename(model)}: checker passed, {len(ours)} samples, same class on {100*same:.2f} %, "
          f"largest difference {diff:.2g} of the largest output{' (quantized)' if quantized else ''}")
    return ok


def lite(mlc, data, model):
    """The model's export in LiteRT, a quantized one's with int8 edges too, if it can
    have them."""
    from litert import opened

    m = onnx.load(model)
    quantized = any(n.op_type == "QuantizeLinear" for n in m.graph.node)
    feed = {k: v[:LITE_SAMPLES] for k, v in feeds(data, m).items()}
    ok = True
    with tempfile.TemporaryDirectory() as d:
        path = f"{d}/model.onnx"
        onnx.save(m, path)
        step = opened(path)[m.graph.output[0].name] if quantized else None
        ours = run_mlc(mlc, path, feed, d)
        for edges in ("float", "int8") if quantized else ("float",):
            ok &= exported(mlc, path, os.path.basename(model), edges, feed, ours, step, d)
    return ok


def exported(mlc, path, name, edges, feed, ours, step, d):
    """The export of path against our results, in steps if it is quantized."""
    from ai_edge_litert.interpreter import Interpreter

    shapes = [w for k, v in feed.items() for w in ("--shape", f"{k}=" + ",".join(map(str, (1, *v.shape[1:]))))]
    p = subprocess.run([mlc, "build", path, "-o", f"{d}/model.tflite", "--json", "--tflite-edges", edges, *shapes], capture_output=True, text=True)
    if p.returncode and edges == "int8" and "--tflite-edges=int8: " in p.stderr:
        print(f"ok: {name} has no int8 edges: {p.stderr.strip()[:150]}")
        return True
    if p.returncode:
        print(f"FAIL: {name} with {edges} edges: {p.stderr.strip()}")
        return False
    rep = json.loads(p.stdout)["tflite"]
    it = Interpreter(model_path=f"{d}/model.tflite", num_threads=1)
    it.allocate_tensors()
    net = it.get_signature_runner("serving_default")

    def enter(t, a):
        if "scale" not in t or a.dtype != np.float32:
            return a
        return np.clip(np.rint(a / np.float32(t["scale"])) + t["zero_point"], -128, 127).astype(np.int8)

    feed = {t["name"]: enter(t, feed[t["name"]]) for t in rep["inputs"]}
    theirs = np.concatenate([next(iter(net(**{k: v[i:i + 1] for k, v in feed.items()}).values())).copy() for i in range(len(ours))])
    t = rep["outputs"][0]
    if "scale" in t:
        theirs = (theirs.astype(np.float32) - t["zero_point"]) * np.float32(t["scale"])
    same = ours.argmax(1) == theirs.argmax(1)
    diff = float(abs(ours - theirs).max() / abs(ours).max())
    line = f"{name} in LiteRT{' with int8 edges' * (edges == 'int8')}: {len(ours)} samples, same class on {100 * same.mean():.2f} %, largest difference {diff:.2g} of the largest output"
    if step is None:
        ok = diff <= LITE_TOLERANCE
    else:
        off = abs(np.round((ours.astype(np.float64) - theirs) / step))
        two = np.sort(ours, 1)[:, -2:]
        tie = two[:, 1] - two[:, 0] <= 1.01 * step
        ok = (off <= 1).mean() >= WITHIN and bool((same | tie).all())
        line += f" (quantized: {100 * (off == 0).mean():.2f} % equal, {100 * (off <= 1).mean():.2f} % within a step of {step:.3g}, {off.max():.0f} at most; {int((~same & tie).sum())} ties decided otherwise)"
    print(f"{'ok' if ok else 'FAIL'}: {line}")
    return ok


def main():
    p = argparse.ArgumentParser(usage=__doc__.replace("%", "%%"))
    p.add_argument("mlc")
    p.add_argument("data", nargs="?")
    p.add_argument("models", nargs="*")
    p.add_argument("--tflite", action="store_true")
    p.add_argument("--make")
    p.add_argument("--only")
    p.add_argument("--pictures")
    p.add_argument("--fashion", default="/usr/share/datasets/fashion-mnist")
    p.add_argument("--tables", default="/usr/lib/python3/dist-packages/sklearn/datasets/data")
    o = p.parse_intermixed_args()
    todo = make(o) if o.make else [(o.data, m) for m in o.models]
    if not todo:
        sys.exit("no models")
    results = [(lite if o.tflite else one)(o.mlc, data, m) for data, m in todo]
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
