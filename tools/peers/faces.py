"""Faces on a drawing by onnxruntime and numpy, for TestFaces of runtime/task: its
definitions, written a second time.

    python3 tools/peers/faces.py ultraface-rfb-320/model.onnx testdata/tasks/faces.png
    python3 tools/peers/faces.py blazeface-front-128/model.onnx testdata/tasks/faces.png
"""
import struct
import sys
import zlib

import numpy as np
import onnxruntime as ort


def paeth(a, b, c):
    p = a + b - c
    pa, pb, pc = abs(p - a), abs(p - b), abs(p - c)
    return a if pa <= pb and pa <= pc else b if pb <= pc else c


def png(name):
    """An 8-bit RGB or RGBA picture."""
    blob, at, packed = open(name, "rb").read(), 8, b""
    while at < len(blob):
        n, = struct.unpack(">I", blob[at:at + 4])
        kind, body, at = blob[at + 4:at + 8], blob[at + 8:at + 8 + n], at + 12 + n
        if kind == b"IHDR":
            w, h, bits, form = struct.unpack(">IIBB", body[:10])
            assert bits == 8 and form in (2, 6)
        if kind == b"IDAT":
            packed += body
    n = {2: 3, 6: 4}[form]
    raw, row = zlib.decompress(packed), [0] * (w * n)
    out = np.zeros((h, w * n), np.uint8)
    for y in range(h):
        how, above = raw[y * (w * n + 1)], row
        row = list(raw[y * (w * n + 1) + 1:(y + 1) * (w * n + 1)])
        for x in range(w * n):
            a = row[x - n] if x >= n else 0
            c = above[x - n] if x >= n else 0
            row[x] = (row[x] + [0, a, above[x], (a + above[x]) // 2, paeth(a, above[x], c)][how]) & 255
        out[y] = row
    return out.reshape(h, w, n)[:, :, :3]


def taps(m, n):
    s = np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1)
    low = s.astype(int)
    return low, np.minimum(low + 1, m - 1), s - low


def resize(x, h, w):
    (yl, yh, yp), (xl, xh, xp) = taps(x.shape[0], h), taps(x.shape[1], w)
    xp, yp = xp[None, :, None], yp[:, None, None]
    top = x[yl][:, xl] * (1 - xp) + x[yl][:, xh] * xp
    low = x[yh][:, xl] * (1 - xp) + x[yh][:, xh] * xp
    return np.floor(top * (1 - yp) + low * yp + 0.5)


def iou(a, b):
    w, h = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if w <= 0 or h <= 0:
        return 0
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h)


def session(model):
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model, options)


def ultraface(model, x):
    size = np.array([x.shape[1], x.shape[0]] * 2)
    x = ((resize(x, 240, 320) - 127) / 128).transpose(2, 0, 1)[None].astype(np.float32)
    scores, boxes = session(model).run(["scores", "boxes"], {"input": x})
    return scores[0, :, 1], boxes[0], size, 0.7


def blazeface(model, x):
    """Letterboxed to 128 x 128; boxes are centre and size in pixels, the centre from that of one of
    16 x 16 cells of 8 pixels with 2 anchors, and of 8 x 8 cells of 16 with 6."""
    h, w = x.shape[:2]
    r = min(128 / w, 128 / h)
    nw, nh = int(w * r + 0.5), int(h * r + 0.5)
    left, top = (128 - nw) // 2, (128 - nh) // 2
    box = np.zeros((128, 128, 3))
    box[top:top + nh, left:left + nw] = resize(x, nh, nw)
    s = session(model)
    outs = s.run(["Identity:0", "Identity_1:0", "Identity_2:0", "Identity_3:0"], {"input:0": ((box - 127.5) / 127.5)[None].astype(np.float32)})
    scores = 1 / (1 + np.exp(-np.concatenate(outs[:2], 1)[0, :, 0].astype(np.float64)))
    raw = np.concatenate(outs[2:], 1)[0, :, :4].astype(np.float64)
    at = np.array([((i % n + 0.5) * stride, (i // n + 0.5) * stride) for stride, n, each in ((8, 16, 2), (16, 8, 6)) for i in range(n * n) for _ in range(each)])
    centre, size = raw[:, :2] + at, raw[:, 2:]
    corners = np.concatenate([centre - size / 2, centre + size / 2], 1)
    return scores, (corners - np.array([left, top] * 2)) * np.array([w / nw, h / nh] * 2), np.ones(4), 0.5


def main(model, picture):
    x = png(picture).astype(np.float64)
    scores, boxes, size, threshold = (blazeface if "blazeface" in model else ultraface)(model, x)
    kept = []
    for i in np.argsort(-scores, kind="stable"):
        if scores[i] >= threshold and all(iou(boxes[i], boxes[k]) <= 0.3 for k in kept):
            kept.append(i)
    for i in kept:
        print("{%.7f, %s}," % (scores[i], ", ".join("%.4f" % v for v in boxes[i] * size)))


main(*sys.argv[1:])
