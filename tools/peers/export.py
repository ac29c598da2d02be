"""Check exports in onnxruntime: they pass onnx.checker with shape inference,
keep names of inputs and outputs, and compute what was recorded of the original.

    go run ./tools/peers -out DIR
    python3 tools/peers/export.py DIR

Outputs may differ from the recorded ones by 1e-4 of the largest of them (models
in f16 by 5e-3). Needs `pip install onnx onnxruntime numpy`.
"""

import glob
import os
import re
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import numpy_helper

TOLERANCE = {"squeezenet-fp16": 5e-3}
DEFAULT = 1e-4


def number(path):
    return int(re.search(r"_(\d+)\.pb$", path).group(1))


def load(path):
    with open(path, "rb") as f:
        t = onnx.TensorProto()
        t.ParseFromString(f.read())
    return t.name, numpy_helper.to_array(t)


def bind(files, names):
    """Arrays by name: the .pb's own if it is one of names, else by number."""
    out = {}
    for f in sorted(files, key=number):
        own, a = load(f)
        out[own if own in names else names[number(f)]] = a
    return out


def check(folder):
    name = os.path.basename(folder)
    path = os.path.join(folder, "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    opts = ort.SessionOptions()
    opts.log_severity_level = 4
    opts.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    s = ort.InferenceSession(path, opts, providers=["CPUExecutionProvider"])
    ins, outs = [i.name for i in s.get_inputs()], [o.name for o in s.get_outputs()]
    worst = 0.0
    for d in sorted(glob.glob(os.path.join(folder, "test_data_set_*"))):
        feed = bind(glob.glob(d + "/input_*.pb"), ins)
        want = bind(glob.glob(d + "/output_*.pb"), outs)
        have = dict(zip(outs, s.run(None, {k: v for k, v in feed.items() if k in ins})))
        for k, w in want.items():
            h = have[k]
            if h.shape != w.shape or h.dtype != w.dtype:
                raise AssertionError(f"output {k}: {h.dtype}{h.shape}, want {w.dtype}{w.shape}")
            if w.dtype == object or h.dtype.kind not in "fiub":
                if not (h.astype(str) == w.astype(str)).all():
                    raise AssertionError(f"output {k} differs")
            elif w.size:
                h, w = h.astype(np.float64), w.astype(np.float64)
                same = (h == w) | (np.isnan(h) & np.isnan(w))
                h, w = np.where(same, 0, h), np.where(same, 0, w)
                big = max(np.abs(np.nan_to_num(want[k].astype(np.float64), posinf=0, neginf=0)).max(), 1e-30)
                worst = max(worst, np.abs(h - w).max() / big)
    if not worst <= TOLERANCE.get(name, DEFAULT):
        raise AssertionError(f"off by {worst:.3g} of the largest output")
    return worst


def main():
    bad = 0
    for folder in sorted(glob.glob(os.path.join(sys.argv[1], "*"))):
        try:
            print(f"ok    {os.path.basename(folder)} ({check(folder):.2g})")
        except Exception as e:  # report every model
            if "NOT_IMPLEMENTED" in str(e):
                print(f"skip  {os.path.basename(folder)}: the engine has no such operator")
                continue
            bad += 1
            print(f"FAIL  {os.path.basename(folder)}: {str(e)[:400]}")
    sys.exit(1 if bad else 0)


main()
