"""Times epochs of LeNet in mlc and in PyTorch, one after the other in turns.

    python3 tools/peers/trainbench.py IMAGES.gz LABELS.gz [--blocks 5 --threads 2]

Both train the same net with SGD and momentum, batch 64, on one preloaded
tensor (f32[N,1,28,28]) in a new random order each epoch. A block is one epoch
of each; the first block warms up and is not counted. The figure to quote is
the median of the blocks' ratios mlc / PyTorch; the bar is 2. Needs PyTorch,
numpy and Go.
"""
import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from torch import nn

BATCH = 64


def idx(path, header):
    with gzip.open(path) as f:
        return np.frombuffer(f.read(), np.uint8, offset=header)


def main():
    p = argparse.ArgumentParser()
    p.add_argument("images")
    p.add_argument("labels")
    p.add_argument("--blocks", type=int, default=5)
    p.add_argument("--threads", type=int, default=2)
    a = p.parse_args()
    torch.set_num_threads(a.threads)
    torch.manual_seed(1)
    x = (idx(a.images, 16).reshape(-1, 1, 28, 28) / 255).astype(np.float32)
    y = idx(a.labels, 8).astype(np.int64)

    model = nn.Sequential(
        nn.Conv2d(1, 6, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10))
    opt = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    loss_of = nn.CrossEntropyLoss()
    tx, ty = torch.from_numpy(x), torch.from_numpy(y)

    def theirs():
        start, total = time.perf_counter(), 0.0
        order = torch.randperm(len(tx))
        for i in range(0, len(tx), BATCH):
            rows = order[i:i + BATCH]
            opt.zero_grad()
            loss = loss_of(model(tx[rows]), ty[rows])
            loss.backward()
            opt.step()
            total += loss.item() * len(rows)
        return time.perf_counter() - start, total / len(tx)

    with tempfile.TemporaryDirectory() as d:
        np.save(os.path.join(d, "x.npy"), x)
        np.save(os.path.join(d, "y.npy"), y)
        binary = os.path.join(d, "peers")
        subprocess.run(["go", "build", "-o", binary, "./tools/peers"], check=True)
        with subprocess.Popen([binary, "-epochs", "-out", d, "-threads", str(a.threads)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as mlc:
            if mlc.stdout.readline().strip() != "ready":
                sys.exit("mlc did not start")

            def ours():
                mlc.stdin.write("go\n")
                mlc.stdin.flush()
                return [float(v) for v in mlc.stdout.readline().split()]

            ratios = []
            for block in range(a.blocks + 1):
                (m, ml), (t, tl) = ours(), theirs()
                print(f"block {block}: mlc {m:.2f} s (loss {ml:.4f}), PyTorch {t:.2f} s (loss {tl:.4f}), ratio {m / t:.3f}", flush=True)
                if block > 0:
                    ratios.append(m / t)
            mlc.stdin.close()
            mlc.wait()
    print(f"LeNet, batch {BATCH}, {a.threads} threads, PyTorch {torch.__version__}: median ratio {statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})")
    sys.exit(0 if statistics.median(ratios) <= 2 else 1)


if __name__ == "__main__":
    main()
