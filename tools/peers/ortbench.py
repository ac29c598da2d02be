"""Times a model in mlc and onnxruntime in alternating blocks on one thread.

    python tools/peers/ortbench.py MLC_BINARY MODEL.onnx [--blocks 20 --runs 20 --threads 1]

Each block takes the minimum of --runs runs in either engine; the figure to
quote is the median of the blocks' ratios mlc / onnxruntime. Needs onnxruntime
and numpy from PyPI. On a machine where OPENBLAS_CORETYPE is set, nothing here
uses BLAS.
"""
import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time

import numpy as np
import onnxruntime as ort


def feed(session):
    rng = np.random.default_rng(1)
    out = {}
    for i in session.get_inputs():
        dims = [d if isinstance(d, int) else 1 for d in i.shape]
        out[i.name] = rng.random(dims, dtype=np.float32)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("mlc")
    p.add_argument("model")
    p.add_argument("--blocks", type=int, default=20)
    p.add_argument("--runs", type=int, default=20)
    p.add_argument("--threads", type=int, default=1)
    a = p.parse_args()

    o = ort.SessionOptions()
    o.intra_op_num_threads = a.threads
    o.inter_op_num_threads = 1
    s = ort.InferenceSession(a.model, o, providers=["CPUExecutionProvider"])
    x = feed(s)
    for _ in range(3):
        s.run(None, x)

    ratios, ours, theirs = [], [], []
    with tempfile.TemporaryDirectory() as d:
        art = os.path.join(d, "model.mlc")
        subprocess.run([a.mlc, "build", a.model, "-o", art, "-q"], check=True)
        for _ in range(a.blocks):
            best = float("inf")
            for _ in range(a.runs):
                t = time.perf_counter()
                s.run(None, x)
                best = min(best, 1e3 * (time.perf_counter() - t))
            out = subprocess.run(
                [a.mlc, "bench", art, "--json", "--blocks", "1", "--runs", str(a.runs),
                 "--warmup", "200ms", "--threads", str(a.threads)],
                check=True, capture_output=True, text=True).stdout
            mine = json.loads(out)["results"][0]["min_ms"]
            ours.append(mine)
            theirs.append(best)
            ratios.append(mine / best)
    print(json.dumps({
        "model": os.path.basename(a.model), "blocks": a.blocks, "threads": a.threads,
        "mlc_min_ms": round(min(ours), 3), "ort_min_ms": round(min(theirs), 3),
        "ratio_median": round(statistics.median(ratios), 3),
        "ratio_range": [round(min(ratios), 3), round(max(ratios), 3)],
        "onnxruntime": ort.__version__}))


if __name__ == "__main__":
    main()
