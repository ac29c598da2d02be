"""Compares models that mlc wrote with the same files in onnxruntime.

    python tools/peers/trained.py MLC DATA MODEL.onnx...

DATA is raw, as the models take it, so their preprocessing is compared too: an
idx file of pictures (gz too), or a CSV file of numbers whose columns but the
last are the models' inputs by position (first line skipped). Each file passes
onnx.checker with shape inference. A float model's outputs are within 1e-5 of
the largest; a model with QuantizeLinear gives the same class on 99.5 % of the
samples (onnxruntime's integer kernels in their precise form). Exit status 1
where that does not hold.
"""
import csv
import gzip
import os
import subprocess
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime as ort

SAMPLES, TOLERANCE, SAME_CLASS = 1000, 1e-5, 0.995


def pictures(path):
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as f:
        b = f.read()
    dims = [int.from_bytes(b[4 * (i + 1):4 * (i + 2)], "big") for i in range(b[3])]
    return np.frombuffer(b, np.uint8, offset=4 + 4 * b[3]).reshape(dims)[:SAMPLES]


def table(path):
    with open(path) as f:
        rows = list(csv.reader(f))[1:]
    return [np.array([float(r[i]) for r in rows], np.float64) for i in range(len(rows[0]) - 1)]


def feeds(data, session):
    inputs = session.get_inputs()
    cols = table(data) if data.endswith(".csv") else [pictures(data)]
    if len(cols) != len(inputs):
        sys.exit(f"{data} has {len(cols)} columns, the model {len(inputs)} inputs")
    types = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(uint8)": np.uint8}
    return {i.name: c.astype(types[i.type]).reshape([len(c)] + list(i.shape[1:])) for i, c in zip(inputs, cols)}


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
    m = onnx.load(model)
    onnx.checker.check_model(m, full_check=True)
    o = ort.SessionOptions()
    o.log_severity_level = 3
    o.add_session_config_entry("session.x64quantprecision", "1")
    s = ort.InferenceSession(model, o, providers=["CPUExecutionProvider"])
    feed = feeds(data, s)
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


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    results = [one(sys.argv[1], sys.argv[2], m) for m in sys.argv[3:]]
    sys.exit(0 if all(results) else 1)
