"""Repeat training runs in PyTorch, in float64 with the same weights and data.

    go run ./tools/peers -losses -out DIR
    python3 tools/peers/losses.py DIR

Every loss of 50 steps must be within 1e-8 of PyTorch's, relatively. Needs
PyTorch and numpy.
"""

import os
import sys

import numpy as np
import torch
from torch import nn

torch.set_default_dtype(torch.float64)
TOLERANCE = 1e-8


def cnn():
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(54, 5))


def mlp():
    return nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 5))


MODELS = {
    "mlp-sgd": mlp,
    "mlp-plain": lambda: nn.Sequential(nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 5)),
    "cnn-adam": cnn,
    "cnn-sgd": cnn,
    "distil-mlp-sgd": mlp,
    "distil-cnn-adam": cnn,
}


def load(model, folder):
    """Weights by kind and number, as nn.Sequential of mlc names them."""
    count = {}
    for layer in model:
        kind = {nn.Linear: "dense", nn.Conv2d: "conv", nn.BatchNorm2d: "norm"}.get(type(layer))
        if kind is None:
            continue
        count[kind] = count.get(kind, 0) + 1
        name = kind + str(count[kind])
        for ours, theirs in ({"scale": "weight", "bias": "bias"} if kind == "norm" else {"weight": "weight", "bias": "bias"}).items():
            p = getattr(layer, theirs)
            if p is not None:
                p.data = torch.from_numpy(np.load(os.path.join(folder, f"{name}.{ours}.npy")))
        if kind == "norm":
            layer.eps = float(np.float32(1e-5))  # the attribute is a float32


def run(name, folder):
    model = MODELS[name]()
    load(model, folder)
    get = lambda n: np.load(os.path.join(folder, n + ".npy"))
    x, y, want, lr = get("x"), get("y"), get("loss"), float(get("lr"))
    if name.endswith("adam"):
        opt = torch.optim.Adam(model.parameters(), lr=lr)
    else:
        opt = torch.optim.SGD(model.parameters(), lr=lr, momentum=0 if name.endswith("plain") else 0.9)
    loss_of = nn.MSELoss() if y.dtype == np.float64 else nn.CrossEntropyLoss()
    if name.startswith("distil"):
        teacher, t, alpha = torch.from_numpy(get("teacher")), float(get("temperature")), float(get("alpha"))
        kl = nn.KLDivLoss(reduction="batchmean")
    worst = 0.0
    for i in range(len(x)):
        opt.zero_grad()
        out, label = model(torch.from_numpy(x[i])), torch.from_numpy(y[i])
        loss = loss_of(out, label)
        if name.startswith("distil"):
            soft = kl(torch.log_softmax(out / t, 1), torch.softmax(teacher[i] / t, 1))
            loss = (1 - alpha) * loss + alpha * t * t * soft
        loss.backward()
        opt.step()
        worst = max(worst, abs(loss.item() - want[i]) / abs(loss.item()))
    print(f"{name}: {len(x)} steps, loss {want[0]:.6f} to {want[-1]:.6f}, worst relative difference {worst:.2g}")
    return worst <= TOLERANCE


if __name__ == "__main__":
    ok = [run(n, os.path.join(sys.argv[1], n)) for n in sorted(MODELS)]
    sys.exit(0 if all(ok) else 1)
