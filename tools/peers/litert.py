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

    python3 tools/peers/litert.py DIR --int8 --mlc BIN --shared DIR

quantizes the keyword-spotting net and compares its logits and accuracy in LiteRT
with ours and with the labels.
Outputs may differ from the recorded ones by 1e-4 of the largest of them (f16: 1e-3). Needs
`pip install ai-edge-litert onnx numpy`; unpacking needs tar and zstd.
"""

import argparse
import glob
import json
import os
import re
import subprocess
import sys

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter
from onnx import numpy_helper

BAR = 1e-4
MODELS = ["mnist-cntk-8", "blazeface-front-128", "kws_ds_cnn_float", "oww-hello-deepa", "cyclone-unet", "dtln-1"]



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


def compare(path, sets, ports=None):
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
    if not worst <= BAR:
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
    bad = done = 0
    for d in sorted(glob.glob(root + "/*/model.tflite")):
        d = os.path.dirname(d)
        with open(d + "/ports.json") as f:
            ports = json.load(f)
        lower = lambda p: {"name": p["Name"], "perm": p["Perm"]}
        ins, outs = [lower(p) for p in ports["inputs"]], [lower(p) for p in ports["outputs"]]
        try:
            compare(d + "/model.tflite", recorded(d, ([p["name"] for p in ins], [p["name"] for p in outs])), ins + outs)
            done += 1
        except Exception as e:
            bad += 1
            print(f"FAIL  {os.path.basename(d)}: {str(e)[:300]}")
    print(f"{done} of {done + bad} right")
    sys.exit(1 if bad else 0)


def int8(o):
    """The quantized keyword net: accuracy, and logits against ours in quanta."""
    x, _, info = prepare(o.dir, "kws_ds_cnn_float", o.shared)
    del x
    x = np.load(f"{o.dir}/tinyml/kws/mfcc_i8.npy").astype(np.float32) * np.float32(info["mfcc_scale"])
    x = x.reshape(-1, 49, 10, 1)
    with open(f"{o.dir}/tinyml/kws/labels.csv") as f:
        labels = np.array([int(line.split(",")[2]) for line in f.read().splitlines()[1:]])
    np.savez(f"{o.dir}/calib.npz", input_1=x)
    np.save(f"{o.dir}/in.npy", x)
    mlc = lambda *a: subprocess.run([o.mlc, *a], check=True, capture_output=True)
    mlc("quantize", f"{o.dir}/kws_ds_cnn_float/model.onnx", "--activation-type", "i8", "--calib", f"npz:{o.dir}/calib.npz", "--calib-samples", "64", "-o", f"{o.dir}/q.mir")
    with open(f"{o.dir}/q.mir") as f:
        text = f.read()
    # Softmax hides quanta: its operand becomes the output.
    op = re.search(r"%prob = Softmax (%\S+)", text).group(1)
    scale = re.search(re.escape(op) + r" = DequantizeLinear %\S+, (%\S+),", text).group(1)
    scale = float(re.search(re.escape(scale) + r" = const f32\[\] \[([^\]]+)\]", text).group(1))
    text = re.sub(r"\n[^\n]*%prob = Softmax[^\n]*", "", text).replace("%prob", op)
    with open(f"{o.dir}/logits.mir", "w") as f:
        f.write(text)
    mlc("build", f"{o.dir}/logits.mir", "--shape", "input_1=1,49,10,1", "-o", f"{o.dir}/logits.tflite")
    mlc("run", f"{o.dir}/logits.mir", "-i", f"input_1={o.dir}/in.npy", "--out-dir", f"{o.dir}/ours")
    ours = np.load(glob.glob(f"{o.dir}/ours/*.npy")[0])
    it = Interpreter(model_path=f"{o.dir}/logits.tflite", num_threads=1)
    it.allocate_tensors()
    i, k = it.get_input_details()[0]["index"], it.get_output_details()[0]["index"]
    theirs = []
    for row in x:
        it.set_tensor(i, row[None])
        it.invoke()
        theirs.append(it.get_tensor(k)[0].copy())
    theirs = np.array(theirs)
    d = np.abs(np.round((ours - theirs) / scale))
    top = theirs.argmax(1)
    print(f"int8 keywords: accuracy {100 * (top == labels).mean():.1f} %, {100 * (d == 0).mean():.2f} % of logits equal, "
          f"{100 * (d <= 1).mean():.2f} % within a quantum, same top class on {100 * (top == ours.argmax(1)).mean():.1f} %")
    sys.exit(0 if (d <= 1).mean() >= 0.98 and (top == ours.argmax(1)).all() and (top == labels).mean() >= 0.909 else 1)


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
                print(f"ok    {name} {io}: {worst:.2g} of the largest output, {len(rep['transposes'])} transposes")
            except Exception as e:  # report every model
                bad += 1
                print(f"FAIL  {name} {io}: {str(e)[:400]}")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
