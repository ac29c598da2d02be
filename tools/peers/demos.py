"""What examples/classify, http and keywords are to print, by onnxruntime and numpy.

    python3 tools/peers/demos.py . TINYML     # TINYML: data/tinyml.tar.zst, unpacked
"""
import struct
import sys
import wave
import zlib

import numpy as np
import onnxruntime as ort

WORDS = "Down Go Left No Off On Right Stop Up Yes Silence Unknown".split()


def gray(name):
    """An 8-bit grey picture."""
    blob, at, packed = open(name, "rb").read(), 8, b""
    while at < len(blob):
        n, = struct.unpack(">I", blob[at:at + 4])
        kind, body, at = blob[at + 4:at + 8], blob[at + 8:at + 8 + n], at + 12 + n
        if kind == b"IHDR":
            w, h, bits, form = struct.unpack(">IIBB", body[:10])
            assert bits == 8 and form == 0
        if kind == b"IDAT":
            packed += body
    raw, row, rows = zlib.decompress(packed), [0] * w, []
    for y in range(h):
        how, above = raw[y * (w + 1)], row
        row = list(raw[y * (w + 1) + 1:(y + 1) * (w + 1)])
        for x in range(w):
            a, b, c = (row[x - 1], above[x], above[x - 1]) if x else (0, above[x], 0)
            p = sorted([(abs(b - c), 0, a), (abs(a - c), 1, b), (abs(a + b - 2 * c), 2, c)])[0][2]
            row[x] = (row[x] + [0, a, b, (a + b) // 2, p][how]) & 255
        rows.append(row)
    return np.array(rows, np.uint8)


def best(y, n=3):
    return [(int(i), "%.7f" % y[i]) for i in np.argsort(-y)[:n]]


def seven(repo):
    x = gray(repo + "/examples/classify/testdata/seven.png")[2::5, 2::5].astype(np.float32) / 255
    net = ort.InferenceSession(repo + "/testdata/models/digits.onnx")
    print("seven.png", best(net.run(None, {"image": x.reshape(1, 1, 28, 28)})[0][0]))


def mel(f):
    return 1127 * np.log(1 + f / 700)


def mfcc(x):
    """TensorFlow's stft, linear_to_mel_weight_matrix and mfccs_from_log_mel_spectrograms."""
    x = x / max(x.max(), 1)
    hann = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(480) / 480)
    frames = np.stack([x[i * 320:i * 320 + 480] * hann for i in range(49)])
    bins = mel(np.linspace(0, 8000, 257)[1:])[:, None]
    edge = np.linspace(mel(20.0), mel(4000.0), 42)
    left, tip, right = edge[:-2], edge[1:-1], edge[2:]
    bank = np.maximum(0, np.minimum((bins - left) / (tip - left), (right - bins) / (right - tip)))
    log = np.log(np.abs(np.fft.rfft(frames, 512))[:, 1:] @ bank + 1e-6)
    k, n = np.arange(10), np.arange(40)[:, None]
    return log @ (2 * np.cos(np.pi * k * (n + 0.5) / 40) / np.sqrt(2 * 40))


def keywords(data):
    net = ort.InferenceSession(data + "/kws/kws_ds_cnn_float.onnx")

    def sound(name):
        w = wave.open(data + "/speech/" + name + "_1000ms.wav")
        return np.frombuffer(w.readframes(w.getnframes()), np.int16).astype(np.float64)

    def scores(x):
        return net.run(None, {"input_1": mfcc(x).astype(np.float32).reshape(1, 49, 10, 1)})[0][0]

    for name in ("yes", "no", "silence", "noise"):
        print(name, [(WORDS[i], s) for i, s in best(scores(sound(name)))])
    print("features of yes:", np.round(mfcc(sound("yes"))[[0, 24, 48]], 5).tolist())
    stream = np.concatenate([sound(n) for n in ("silence", "yes", "silence", "no", "noise")])
    before, told = np.zeros(12), -1
    for at in range(0, len(stream) - 15999, 4000):
        y = scores(stream[at:at + 16000])
        mean, now = ((before + y) / 2)[:10], -1
        if mean.max() >= 0.5:
            now = int(mean.argmax())
            if now != told:
                print("stream %.2f s %.7f %s" % (at / 16000, mean[now], WORDS[now]))
        before, told = y, now


seven(sys.argv[1])
keywords(sys.argv[2])
